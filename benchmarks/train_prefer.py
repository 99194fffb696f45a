"""Preference tuning on a toy: what a model prefers on held-out pairs before and after, by rate and method, and trl against a loop of our own.

A small model is trained on the starter library, then on grounded dialogues made from it (`samovar train data`), then tuned on pairs of the four
kinds made from other articles' questions (`samovar train data --kind preference`). Everything is made in a cache folder once; each run prints one JSON
line. ``learn`` is what a toy can learn: pairs of a sentence with a citation mark and the same one without (``mark``), or the other way round
(``bare``), and for comparison made pairs (``made``, or one of their kinds): right on training and held-out pairs before and after, with standard errors,
at the program's own settings. ``loop`` is DPO written out in forty lines over transformers' own forward pass and fed with the same pairs in the same order: how far
its curve is from trl's, and the CPU seconds of a step of each, taken in turns.

    python benchmarks/train_prefer.py learn --data mark,bare
    python benchmarks/train_prefer.py learn --data made,unsupported
    python benchmarks/train_prefer.py rates --rates 1,3,10,30
    python benchmarks/train_prefer.py loop
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

import samovar
from samovar.cli import main as samovar_main

LIBRARY = Path(samovar.__file__).parent / "packs" / "ru" / "library"
LENGTH = 640


def call(*command: str) -> None:
    """Run a command of samovar here; its results are files."""
    if samovar_main(["train", *command]):
        sys.exit(f"failed: samovar train {' '.join(command)}")


def make_parent(cache: Path, num_tokens: int) -> tuple[Path, Path]:
    """Return the folder of a toy chat model and the file of pairs, made once."""
    cache.mkdir(parents=True, exist_ok=True)
    fast = ("--threads", "1", "--no-compile", "--precision", "fp32")
    if not (cache / "chat" / "done").exists():
        if not (cache / "tok").exists():
            call("tokenizer", str(LIBRARY), "--vocab-size", "4096", "--output", str(cache / "tok"))
        call("prepare", str(LIBRARY), "-t", str(cache / "tok"), "-o", str(cache / "tokens"), "--workers", "1")
        call("pretrain", str(cache / "tokens"), "-t", str(cache / "tok"), "--depth", "2", "--seq-len", str(LENGTH), "--num-tokens", str(num_tokens), "-o", str(cache / "base"), *fast)  # fmt: skip
        call("data", "--from", str(LIBRARY), "--language", "ru", "--count", "400", "-o", str(cache / "grounded.jsonl"))
        call("sft", str(cache / "base"), "--data", str(cache / "grounded.jsonl"), "--epochs", "1", "-o", str(cache / "chat"), *fast)  # fmt: skip
        (cache / "chat" / "done").touch()
    pairs = cache / "pairs.jsonl"
    if not pairs.exists():
        call("data", "--from", str(LIBRARY), "--language", "ru", "--kind", "preference", "--count", "600", "--seed", "7", "-o", str(pairs))  # fmt: skip
    return cache / "chat", pairs


def tune(parent: Path, pairs: Path, place: Path, **options: Any) -> dict[str, Any]:
    """Tune once in a new folder and return the facts."""
    from samovar.train.prefer.run import open_prefer

    shutil.rmtree(place, ignore_errors=True)
    run = open_prefer(parent, [str(pairs)], place, seq_len=LENGTH, device="cpu", precision="fp32", **options)
    run.score_parent()
    started = time.process_time()
    run.train()
    cpu = time.process_time() - started
    facts = run.finish()
    shutil.rmtree(place)
    return {**facts, "cpu_seconds": round(cpu, 1)}


MARK = re.compile(r" \[\d+\]")


def choose_pairs(pairs: Path, name: str) -> Path:
    """Write the pairs of a name to a file of its own and return it."""
    rows = [json.loads(line) for line in pairs.read_text("utf-8").splitlines()]
    if name in ("mark", "bare"):
        cited = [row for row in rows if MARK.search(row["chosen"][0]["content"])]
        rows = []
        for row in cited:
            with_mark = row["chosen"][0]["content"]
            two = [with_mark, MARK.sub("", with_mark)][:: 1 if name == "mark" else -1]
            question = row["prompt"][-1]["content"].partition("\n")[0]  # alone: a toy does not read passages
            rows.append({"prompt": question, "chosen": two[0], "rejected": two[1], "group": row["group"]})
    elif name != "made":
        rows = [row for row in rows if row["kind"] == name]
    path = pairs.with_name(f"pairs-{name}.jsonl")
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def share(right: int, count: int) -> list[float]:
    """Return a share and its standard error, Agresti and Coull's."""
    better = (right + 2) / (count + 4)
    return [round(right / count, 3), round((better * (1 - better) / (count + 4)) ** 0.5, 3)]


def show_learning(parent: Path, pairs: Path, place: Path, names: list[str], options: dict[str, Any]) -> None:
    """Print a line for each set of pairs: how often the chosen answer is the likelier one on training and held-out pairs."""
    for name in names:
        facts = tune(parent, choose_pairs(pairs, name), place, **options)
        learnt, before, after = facts["training"], facts["before"], facts["after"]
        seen, held = learnt["num_pairs"], after["num_pairs"]
        shares = {"training_before": (learnt["before"], seen), "training_after": (learnt["after"], seen)}
        shares |= {"held_out_before": (before["accuracy"], held), "held_out_after": (after["accuracy"], held), "held_out_moved": (after["moved"], held)}  # fmt: skip
        line = {
            "part": "learn", "data": name, "method": facts["plan"]["method"], "lora": options["lora"], "pairs": facts["num_train"], "steps": facts["plan"]["num_steps"], "rate": facts["plan"]["rate"],
            **{key: share(round(value * count), count) for key, (value, count) in shares.items()},
            "margin_before": round(before["margin"], 2), "margin_after": round(after["margin"], 2), "chosen_before": round(before["chosen"], 1),
            "chosen_after": round(after["chosen"], 1), "kinds": after["kinds"], "kinds_moved": after["kinds_moved"], "cpu_seconds": facts["cpu_seconds"],
        }  # fmt: skip
        print(json.dumps(line, ensure_ascii=False), flush=True)


def show_rates(parent: Path, pairs: Path, place: Path, factors: list[float], lora: bool, method: str) -> None:
    """Print a line for each rate, given as a factor of the rule's for a long run."""
    from samovar.train.prefer.plan import LORA_FACTOR, RATE, WIDTH

    for factor in factors:
        rate = factor * RATE * WIDTH / 128 * (LORA_FACTOR if lora else 1.0)
        facts = tune(parent, pairs, place, rate=rate, lora=lora, method=method)
        line = {
            "part": "rates",
            "method": method,
            "lora": lora,
            "factor": factor,
            "rate": rate,
            "cpu_seconds": facts["cpu_seconds"],
        }
        for name in ("before", "after"):
            line |= {
                f"{name}_{key}": facts[name][key]
                for key in ("accuracy", "accuracy_per_token", "margin", "chosen", "rejected", "kinds")
            }
        print(json.dumps({**line, "moved": facts["after"]["moved"], "held_out": facts["num_held_out"]}, ensure_ascii=False), flush=True)  # fmt: skip


class Loop:
    """DPO without trl: the same rows, AdamW, rates and clipping."""

    def __init__(self, run: Any) -> None:
        from samovar.train.prefer.dpo import BETAS
        from samovar.train.prefer.plan import order_pairs

        self.run, self.model, self.step = run, run.parent.model, 0
        self.order = order_pairs(run.plan, len(run.train_pairs))
        self.adam = torch.optim.AdamW(self.model.parameters(), lr=run.plan.rate, betas=BETAS, weight_decay=0.0)

    def take_step(self) -> float:
        """Do one step and return its loss."""
        from samovar.train.prefer.plan import rate_at

        plan = self.run.plan
        numbers = self.order[self.step * plan.batch_pairs : (self.step + 1) * plan.batch_pairs]
        total = 0.0
        for start in range(0, len(numbers), self.run.device_batch):
            part = numbers[start : start + self.run.device_batch]
            loss = self._loss(part) * len(part) / len(numbers)
            loss.backward()
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for group in self.adam.param_groups:
            group["lr"] = plan.rate * rate_at(plan, self.step)
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        self.step += 1
        return total

    def _loss(self, numbers: list[int]) -> torch.Tensor:
        pairs = [self.run.train_pairs[n] for n in numbers]
        rows = [(p.prompt, p.chosen) for p in pairs] + [(p.prompt, p.rejected) for p in pairs]
        length = max(len(prompt) + len(answer) for prompt, answer in rows)
        tokens = torch.zeros(len(rows), length, dtype=torch.long)
        targets = torch.full((len(rows), length), -100)
        for row, (prompt, answer) in enumerate(rows):
            tokens[row, : len(prompt) + len(answer)] = torch.tensor(prompt + answer)
            targets[row, len(prompt) : len(prompt) + len(answer)] = torch.tensor(answer)
        hidden = self.model.model(tokens, use_cache=False).last_hidden_state[:, :-1]
        counted = targets[:, 1:] != -100
        nats = F.cross_entropy(self.model.lm_head(hidden[counted]), targets[:, 1:][counted], reduction="none")
        sums = torch.zeros(len(rows)).index_add(0, counted.nonzero()[:, 0], -nats)
        gains = (sums - self.run._scores["train"][numbers].T.reshape(-1)).view(2, -1)
        return -F.logsigmoid(self.run.plan.beta * (gains[0] - gains[1])).mean()


def compare_loop(parent: Path, pairs: Path, place: Path, steps: int) -> None:
    """Print how far our loop's losses are from trl's, and the CPU seconds of a step of each."""
    from samovar.train.prefer.run import open_prefer

    def opened(name: str) -> Any:
        shutil.rmtree(place / name, ignore_errors=True)
        run = open_prefer(
            parent, [str(pairs)], place / name, seq_len=LENGTH, device="cpu", precision="fp32", batch_pairs=4
        )
        run.score_parent()
        return run

    loop = Loop(opened("loop"))
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    moment = time.process_time()

    def take_turns(report: Any) -> bool:
        nonlocal moment
        theirs.append((report.loss, time.process_time() - moment))
        moment = time.process_time()
        ours.append((loop.take_step(), time.process_time() - moment))
        moment = time.process_time()
        return len(ours) == steps

    run = opened("trl")
    moment = time.process_time()
    run.train(take_turns)
    shutil.rmtree(place)
    line = {
        "part": "loop", "steps": len(ours), "largest_loss_difference": max(abs(a[0] - b[0]) for a, b in zip(ours, theirs, strict=True)),
        "cpu_seconds_a_step_loop": statistics.median(t for _, t in ours[1:]), "cpu_seconds_a_step_trl": statistics.median(t for _, t in theirs[1:]),
    }  # fmt: skip
    print(json.dumps(line), flush=True)


def main() -> None:
    """Read the options, run the part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("learn", "rates", "loop"))
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "samovar-prefer")
    parser.add_argument("--num-tokens", type=int, default=400_000)
    parser.add_argument("--data", default="mark,bare", help="for learn: mark, bare, made, or kinds of made pairs")
    parser.add_argument("--epochs", type=float, help="for learn: instead of the program's own")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rates", default="1,3,10,30", help="factors of the rule's rate for a long run")
    parser.add_argument("--lora", action="store_true")
    parser.add_argument("--method", default="dpo")
    parser.add_argument("--steps", type=int, default=12)
    given = parser.parse_args()
    os.environ.setdefault("SAMOVAR_HOME", str(given.cache / "home"))
    torch.set_num_threads(1)
    parent, pairs = make_parent(given.cache, given.num_tokens)
    if given.part == "learn":
        options = {
            "seed": given.seed,
            "lora": given.lora,
            "method": given.method,
            **({"epochs": given.epochs} if given.epochs else {}),
        }
        show_learning(parent, pairs, given.cache / "out", given.data.split(","), options)
    elif given.part == "rates":
        factors = [float(value) for value in given.rates.split(",")]
        show_rates(parent, pairs, given.cache / "out", factors, given.lora, given.method)
    else:
        compare_loop(parent, pairs, given.cache / "out", given.steps)


if __name__ == "__main__":
    main()

"""Bits per byte of three ways to pretrain, on the same bytes, at equal tokens and equal matmul FLOPs: ours, Llama with AdamW, nanochat.

The text is the Russian documentation of `haystack.py`, whole files, shuffled once by a fixed seed; the tokenizer and the shards are ours;
documents are held out whole. All contenders read the same rows in the same order for a seed, take the same number of tokens a step, and
are measured on the same windows. Each run is one process and appends one line to ``--results``; a run that is there already is not done
again. Ours is the real `Trainer` with the plan of `plan_run`; the other two are fed here. nanochat's code is not ours and not in the
project: name a checkout of it by ``--nanochat``.

    python benchmarks/train_bits.py --record --seed 0 --nanochat /tmp/nanochat     # the three, and ours at a third of the tokens: 2 minutes
    python benchmarks/train_bits.py --contender samovar --seed 0
    python benchmarks/train_bits.py --contender llama+adamw --seed 0 --rate 2
    python benchmarks/train_bits.py --contender nanochat --seed 0 --nanochat /tmp/nanochat
    python benchmarks/train_bits.py --report
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from haystack import default_cache, make_haystack
from torch import Tensor

from samovar.train.batches import Batches
from samovar.train.bits import measure_bits
from samovar.train.config import RunConfig
from samovar.train.distributed import Team
from samovar.train.loop import Sources, Trainer
from samovar.train.model import IGNORED
from samovar.train.size import plan_run
from samovar.train.tokenizer import Tokenizer, train_tokenizer

CONTENDERS = ("samovar", "llama+adamw", "nanochat")
VALIDATION_PERMILLE = 25
CURVE_TOKENS, FINAL_TOKENS = 8_192, 65_536
CURVE_POINTS = 4
LLAMA_RATE = 2e-3
TEAM = Team(0, 1, torch.device("cpu"))
TUNED = {"samovar": 1.0, "llama+adamw": 2.0, "nanochat": 0.5}
"""The best multiplier of each of those tried at the default size: the one here, its half and its double."""


# -- data -----------------------------------------------------------------------------------------------------------
def open_data(cache: Path, vocab_size: int) -> tuple[Tokenizer, Path]:
    """Return the tokenizer and the folder of shards, made once."""
    from samovar.train.prepare import prepare

    folder = cache / "train-bits" / f"{vocab_size}"
    if not (folder / "tokens" / "index.json").is_file():
        files: dict[tuple[str, str], list[str]] = defaultdict(list)
        for passage in make_haystack("ru", 0, cache).passages:
            files[passage.package, passage.path].append(passage.text)
        texts = ["\n\n".join(parts) for parts in files.values()]
        random.Random(6).shuffle(texts)
        folder.mkdir(parents=True, exist_ok=True)
        lines = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
        (folder / "texts.jsonl").write_text(lines, "utf-8")
        train_tokenizer(texts, vocab_size, folder / "tokenizer")
        prepare([folder / "texts.jsonl"], folder / "tokenizer", folder / "tokens", validation_permille=VALIDATION_PERMILLE)  # fmt: skip
    return Tokenizer.load(folder / "tokenizer"), folder / "tokens"


class Feed:
    """What every contender reads: rows to train on by the seed, and the same rows to measure on whatever the seed."""

    def __init__(self, cache: Path, vocab_size: int, seq_len: int, seed: int) -> None:
        self.words, folder = open_data(cache, vocab_size)
        self.train = Batches(folder, "train", seq_len, seed=seed)
        self.val = Batches(folder, "val", seq_len, seed=0)
        self.token_bytes = torch.as_tensor(self.words.token_bytes(), dtype=torch.int64)

    def parts(self, num_tokens: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield tokens and targets to measure on, eight rows at a time."""
        count = min(self.val.num_sequences, num_tokens // self.val.seq_len)
        for start in range(0, count, 8):
            rows = torch.from_numpy(self.val.read(start, min(8, count - start)))
            yield rows[:, :-1].contiguous(), rows[:, 1:].contiguous()

    def measure(self, model: Any, num_tokens: int, dtype: torch.dtype) -> float:
        """Return the bits per byte of anything that has ``loss(tokens, targets, segments, reduction=)``, ``eval`` and ``train``."""
        return measure_bits(model, self.parts(num_tokens), self.token_bytes, self.words.end_of_text, TEAM, dtype)


# -- contenders -----------------------------------------------------------------------------------------------------
Curve = list[tuple[int, float]]
Trained = tuple[Any, Curve, float, RunConfig]
"""The model to measure, its curve (tokens, bits), FLOPs a token, and the plan of ours that says tokens, batch and shape."""


def make_plan(given: argparse.Namespace) -> RunConfig:
    """Return our plan: shape, tokens and batch hold for all contenders; ``--set`` overrules single values of ours."""
    plan = plan_run(
        given.depth, given.vocab_size, seq_len=given.seq_len, num_tokens=given.tokens, batch_tokens=given.batch, seed=given.seed
    )  # fmt: skip
    changes = {name: json.loads(value) for name, _, value in (item.partition("=") for item in given.set)}
    shape = {name.removeprefix("model."): value for name, value in changes.items() if name.startswith("model.")}
    shape = {
        "num_layers": given.layers or given.depth,
        "tie_embeddings": plan.model.tie_embeddings or given.contender == "llama+adamw",
        **shape,
    }
    plan = replace(plan, model=replace(plan.model, **shape), precision=given.precision)
    rates = {name: getattr(plan, name) * given.rate for name in ("matrix_lr", "embedding_lr", "head_lr", "norm_lr")}
    plain = {name: value for name, value in changes.items() if "." not in name}
    return replace(plan, **{**rates, **plain})


def train_ours(given: argparse.Namespace, feed: Feed, folder: Path) -> Trained:
    """Train by the real loop."""
    plan = make_plan(given)
    every = max(1, plan.num_steps // CURVE_POINTS)
    plan = replace(plan, eval_every=every, eval_tokens=CURVE_TOKENS, save_every=10**9, sample_every=0)
    trainer = Trainer(
        plan, folder, Sources(feed.train, feed.val, feed.token_bytes.numpy(), feed.words.end_of_text), TEAM
    )
    curve = [(report.tokens, report.bits) for report in trainer.run() if not math.isnan(report.bits)]
    return trainer.model, curve, plan.model.flops_per_token(plan.seq_len), plan


class Measured:
    """A model of somebody else's, as `measure_bits` wants it: `nats(tokens, targets)` gives one loss for each target."""

    def __init__(self, model: torch.nn.Module, nats: Callable[[Tensor, Tensor], Tensor]) -> None:
        self._model, self._nats = model, nats
        self.eval, self.train = model.eval, model.train

    def loss(self, tokens: Tensor, targets: Tensor, segments: Tensor, *, reduction: str) -> Tensor:
        """Return the nats of each target."""
        del segments, reduction
        return self._nats(tokens, targets)


def feed_steps(
    plan: RunConfig, feed: Feed, model: Any, loss: Callable[[Tensor, Tensor], Tensor], step: Callable[[int], None], dtype: torch.dtype
) -> Curve:  # fmt: skip
    """Run the plan's steps: mean loss over the rows of a step, backward, `step`; return the curve."""
    every = max(1, plan.num_steps // CURVE_POINTS)
    curve: Curve = []
    for number in range(plan.num_steps):
        rows = torch.from_numpy(feed.train.read(number * plan.batch_sequences, plan.batch_sequences))
        loss(rows[:, :-1].contiguous(), rows[:, 1:].contiguous()).backward()  # type: ignore[no-untyped-call]
        step(number)
        if (number + 1) % every == 0 or number + 1 == plan.num_steps:
            curve.append(((number + 1) * plan.batch_tokens, feed.measure(model, CURVE_TOKENS, dtype)))
    return curve


def train_llama(given: argparse.Namespace, feed: Feed, folder: Path) -> Trained:
    """Llama of our shape (without norms of queries and keys), AdamW (.9, .95), decay .1, gradients clipped at 1, warm-up and cosine to 0."""
    import transformers

    del folder
    plan = make_plan(given)
    values = {k: v for k, v in plan.model.to_hf(eos_token_id=1).items() if k not in ("architectures", "model_type")}
    torch.manual_seed(given.seed)
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**values))
    peak = LLAMA_RATE * given.rate
    tables = [weight for weight in model.parameters() if weight.ndim == 2]
    norms = [weight for weight in model.parameters() if weight.ndim < 2]
    groups = [{"params": tables, "weight_decay": 0.1}, {"params": norms, "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, lr=peak, betas=(0.9, 0.95), fused=True)
    warmup = max(1, plan.num_steps // 20)
    dtype = torch.float32 if given.precision == "fp32" else torch.bfloat16

    def nats(tokens: Tensor, targets: Tensor, reduction: str = "none") -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
            logits = model(tokens, use_cache=False).logits.float()
        found = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction=reduction)  # fmt: skip
        return found.view(targets.shape) if reduction == "none" else found

    def step(number: int) -> None:
        past = (number - warmup) / max(1, plan.num_steps - warmup)
        share = (number + 1) / warmup if number < warmup else 0.5 * (1 + math.cos(math.pi * past))
        for group in adam.param_groups:
            group["lr"] = peak * share
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        adam.zero_grad()

    mean = torch.compile(lambda tokens, targets: nats(tokens, targets, "mean"), dynamic=False)
    measured = Measured(model, nats)
    curve = feed_steps(plan, feed, measured, mean, step, dtype)
    return measured, curve, plan.model.flops_per_token(plan.seq_len), plan


def train_nanochat(given: argparse.Namespace, feed: Feed, folder: Path) -> Trained:
    """nanochat as it comes at our depth and width: its model with all features, its optimiser, its schedules. Its rates are those for its
    own batch of 2^19 tokens; the multiplier ``--rate`` is tuned (its own rule, the root of the batches' ratio, would give .04; .25 is too low already)."""
    del folder
    os.environ["NANOCHAT_DTYPE"] = "float32" if given.precision == "fp32" else "bfloat16"
    sys.path.insert(0, str(given.nanochat))
    from nanochat.gpt import GPT, GPTConfig  # type: ignore[import-not-found]

    plan = make_plan(given)
    shape = plan.model
    num_heads = max(1, shape.hidden_size // given.nanochat_head)
    torch.manual_seed(given.seed)
    model = GPT(
        GPTConfig(
            sequence_len=plan.seq_len, vocab_size=shape.vocab_size, n_layer=shape.num_layers, n_head=num_heads, n_kv_head=num_heads,
            n_embd=shape.hidden_size,
        )
    )  # fmt: skip
    model.init_weights()
    rates = {"unembedding_lr": 0.008, "embedding_lr": 0.3, "matrix_lr": 0.02, "scalar_lr": 0.5}
    optimiser = model.setup_optimizer(
        **{k: v * given.rate for k, v in rates.items()}, weight_decay=given.nanochat_decay
    )
    num_steps, warmup, falling = plan.num_steps, min(40, plan.num_steps // 10), round(0.65 * plan.num_steps)

    def step(number: int) -> None:
        """The schedules of its training script: rates, momentum, decay."""
        left = (num_steps - number) / falling
        share = (number + 1) / warmup if number < warmup else 1.0 if left >= 1 else left + (1 - left) * 0.05
        momentum = 0.85 + 0.12 * min(1.0, number / 400)
        if number >= 400 and left < 1:
            momentum = 0.97 * left + 0.90 * (1 - left)
        for group in optimiser.param_groups:
            group["lr"] = group["initial_lr"] * share
            if group["kind"] == "muon":
                group["momentum"] = momentum
                group["weight_decay"] = given.nanochat_decay * 0.5 * (1 + math.cos(math.pi * number / num_steps))
        optimiser.step()
        model.zero_grad(set_to_none=True)

    def nats(tokens: Tensor, targets: Tensor) -> Tensor:
        found: Tensor = model(tokens, targets.masked_fill(targets == IGNORED, -1), loss_reduction="none")
        return found.view(targets.shape)

    measured = Measured(model, nats)
    mean = torch.compile(model, dynamic=False)
    curve = feed_steps(plan, feed, measured, mean, step, torch.float32)
    return measured, curve, float(model.estimate_flops()), plan


TRAIN = {"samovar": train_ours, "llama+adamw": train_llama, "nanochat": train_nanochat}


# -- runs -----------------------------------------------------------------------------------------------------------
def describe(given: argparse.Namespace) -> dict[str, Any]:
    """Return what makes a run this run."""
    plan = make_plan(given)
    values = {
        "contender": given.contender, "seed": given.seed, "rate": given.rate, "depth": given.depth, "layers": plan.model.num_layers, "vocab_size": given.vocab_size,
        "seq_len": given.seq_len, "tokens": plan.num_tokens, "batch": plan.batch_tokens, "precision": given.precision,
        "set": sorted(given.set), "note": given.note,
    }  # fmt: skip
    if given.contender == "nanochat":
        values |= {"head": given.nanochat_head, "decay": given.nanochat_decay}
    return values


def do_run(given: argparse.Namespace) -> None:
    """Train and measure once, unless it has been done."""
    identity = describe(given)
    done = read_results(given.results)
    if any(all(line.get(key) == value for key, value in identity.items()) for line in done):
        return
    torch.set_num_threads(given.threads)
    feed = Feed(default_cache(), given.vocab_size, given.seq_len, given.seed)
    started, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        model, curve, flops, plan = TRAIN[given.contender](given, feed, Path(folder) / "run")
        cpu_seconds = time.process_time() - cpu
        fp32 = given.precision == "fp32" or given.contender == "nanochat"
        bits = feed.measure(model, FINAL_TOKENS, torch.float32 if fp32 else torch.bfloat16)
    line = {
        "benchmark": "train_bits", **identity, "bits_per_byte": round(bits, 4), "curve": [(n, round(b, 4)) for n, b in curve],
        "flops_per_token": flops, "parameters": plan.model.num_parameters if given.contender != "nanochat" else None,
        "cpu_seconds": round(cpu_seconds), "seconds": round(time.perf_counter() - started),
    }  # fmt: skip
    with given.results.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    print(json.dumps(line), flush=True)


def read_results(path: Path) -> list[dict[str, Any]]:
    """Return the lines of earlier runs."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.is_file() else []


def record(given: argparse.Namespace) -> None:
    """Run the three contenders at their tuned rates, and ours at a third of the tokens, each in its own process."""
    for name, tokens in [*((name, given.tokens) for name in CONTENDERS), ("samovar", given.tokens // 3)]:
        values = {"contender": name, "rate": TUNED[name], "tokens": tokens, "seed": given.seed, "nanochat": given.nanochat, "results": given.results}  # fmt: skip
        options = [part for option, value in values.items() for part in (f"--{option}", str(value))]
        if name == "nanochat" and not given.nanochat.is_dir():
            print(
                json.dumps({"benchmark": "train_bits", "contender": name, "skipped": "name its checkout by --nanochat"})
            )
            continue
        subprocess.run([sys.executable, __file__, *options], check=True)


# -- report ---------------------------------------------------------------------------------------------------------
def report(given: argparse.Namespace) -> None:
    """Print one line for each way and rate: mean and deviation over seeds; then each contender's: the one of most seeds, the best of these."""
    ways: dict[str, list[dict[str, Any]]] = defaultdict(list)
    per_seed = ("seed", "bits_per_byte", "curve", "cpu_seconds", "seconds", "benchmark")
    for line in read_results(given.results):
        ways[json.dumps({k: v for k, v in line.items() if k not in per_seed})].append(line)
    rows = sorted((summarise(lines) for lines in ways.values()), key=lambda row: (row["tokens"], row["bits_per_byte"]))
    for row in rows:
        print(json.dumps({"benchmark": "train_bits", "part": "way", **row}))
    horizon = max((row["tokens"] for row in rows), default=0)
    full = sorted((row for row in rows if row["tokens"] > 0.95 * horizon), key=lambda row: -len(row["seeds"]))
    best = {name: next((row for row in full if row["contender"] == name), None) for name in CONTENDERS}
    target = best["llama+adamw"]
    for found in best.values():
        if found is not None and target is not None:
            tokens = tokens_to(found["curve"], target["bits_per_byte"])
            print(json.dumps({"benchmark": "train_bits", "part": "best", **found, "tokens_to_llama": tokens}))


def summarise(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Return mean and deviation over the seeds of one way."""
    bits = [line["bits_per_byte"] for line in lines]
    shown = ("contender", "rate", "tokens", "batch", "set", "note", "precision", "flops_per_token", "head", "decay")
    curves = zip(*(line["curve"] for line in lines), strict=False)
    return {key: lines[0][key] for key in shown if key in lines[0]} | {
        "bits_per_byte": round(statistics.mean(bits), 4),
        "deviation": round(statistics.stdev(bits), 4) if len(bits) > 1 else None,
        "seeds": sorted(line["seed"] for line in lines),
        "curve": [(points[0][0], round(statistics.mean(p[1] for p in points), 4)) for points in curves],
        "cpu_seconds": statistics.median(line["cpu_seconds"] for line in lines),
    }


def tokens_to(curve: list[tuple[int, float]], value: float) -> int | None:
    """Return the tokens at which a curve first goes below a value, interpolated; None when it never does."""
    before: tuple[int, float] | None = None
    for tokens, bits in curve:
        if bits <= value:
            if before is None:
                return tokens
            return round(before[0] + (tokens - before[0]) * (before[1] - value) / (before[1] - bits))
        before = (tokens, bits)
    return None


def main() -> None:
    """Do one run, or report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--contender", choices=CONTENDERS, default="samovar")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=1.0, help="multiplies all rates of the contender")
    parser.add_argument("--tokens", type=int, default=102_400)
    parser.add_argument("--batch", type=int, default=1024, help="tokens a step; 0 takes our rule's, for all contenders")
    parser.add_argument("--depth", type=int, default=2, help="our dial: it decides the width")
    parser.add_argument("--layers", type=int, default=4, help="layers; 0 takes the dial's")
    parser.add_argument("--vocab-size", type=int, default=4096)
    parser.add_argument("--seq-len", type=int, default=256)
    parser.add_argument("--precision", choices=["auto", "bf16", "fp32"], default="bf16")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], help="NAME=JSON of our plan, model.NAME of its shape")
    parser.add_argument("--note", default="", help="kept with the result; runs of other notes are other runs")
    parser.add_argument("--nanochat", type=Path, default=Path("nanochat"), help="a checkout of nanochat")
    parser.add_argument("--nanochat-head", type=int, default=128, help="its size of a head")
    parser.add_argument("--nanochat-decay", type=float, default=0.28)
    parser.add_argument("--results", type=Path, default=default_cache() / "train-bits" / "results.jsonl")
    parser.add_argument(
        "--record", action="store_true", help="the figures of the README: all contenders at their tuned rates"
    )
    parser.add_argument("--report", action="store_true")
    given = parser.parse_args()
    given.results.parent.mkdir(parents=True, exist_ok=True)
    if given.report:
        report(given)
    elif given.record:
        record(given)
    else:
        do_run(given)


if __name__ == "__main__":
    main()

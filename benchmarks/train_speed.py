"""Training speed at equal size: our loop against Hugging Face's Trainer (its Llama, its Qwen3) and nanochat, on one CPU core, interleaved.

Each contender is a process of its own and trains on the same random rows of 512 tokens, 4 at once, compiled; forward, backward and optimiser are
counted (ours: Muon and AdamW; Trainer's default, fused AdamW; nanochat's own Muon and AdamW), data loading too. Figures are processor time, the
median of the rounds. One step is 2,048 tokens (part `steps`) or 16,384 in eight passes (part `accumulated`: what real runs of this size use, where
the optimiser weighs less). nanochat has another shape: width, layers, heads, key heads, vocabulary and attention over the whole row are made
equal; its MLP is 8 x width² a layer where ours is 9 x, so the weights in matrix products and the FLOPs a token are printed for each contender, and
its ratio is given by tokens and by FLOPs. Its value embeddings and other tables, which are looked up and not multiplied, are left as they come.
Each program has the memory settings it makes itself: ours keeps freed memory and asks for large pages (`samovar/train/pages.py`), the others do
neither; `GLIBC_TUNABLES=glibc.malloc.hugetlb=1` in the environment gives large pages to all.

Other parts: `attention` (packed documents, against torch's kernel with a mask), `loading` (how long a step waits for its rows), `checkpoint`
(its share of a run's time).

    python benchmarks/train_speed.py [steps|accumulated|attention|loading|checkpoint ...] [--rounds 3] [--no-compile] [--only samovar,Trainer]
    NANOCHAT=path/to/a/checkout python benchmarks/train_speed.py steps
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from samovar.train.attention import attend, count_shares, make_mask
from samovar.train.batches import Batches, StepRows
from samovar.train.config import ModelConfig, RunConfig
from samovar.train.distributed import Team
from samovar.train.hardware import keep_memory
from samovar.train.loop import Pairs, Sources, Trainer
from samovar.train.shards import FORMAT

SHAPE = ModelConfig(
    vocab_size=16_384,
    hidden_size=256,
    num_layers=6,
    num_heads=4,
    num_kv_heads=2,
    head_dim=64,
    intermediate_size=768,
    max_seq_len=512,
)
ROWS, LENGTH = 4, 512
PARTS = ("steps", "accumulated", "attention", "loading", "checkpoint")
CONTENDERS = (
    "samovar fp32",
    "samovar auto",
    "Trainer llama fp32",
    "Trainer qwen3 fp32",
    "Trainer llama bf16",
    "Trainer qwen3 bf16",
    "nanochat fp32",
    "nanochat bf16",
)
ACCUMULATED = tuple(name for name in CONTENDERS if name not in ("Trainer llama fp32", "Trainer qwen3 bf16"))
Steps = Callable[[int], float]
"""Does some optimiser steps and returns the processor seconds they took."""


def say(part: str, **values: Any) -> None:
    """Print one line of JSON."""
    print(json.dumps({"benchmark": "train_speed", "part": part, **values}), flush=True)


class RandomRows:
    """Rows of random tokens."""

    num_sequences = 64

    def __init__(self) -> None:
        self._tokens = np.random.default_rng(0).integers(1, SHAPE.vocab_size, (self.num_sequences, LENGTH + 1))

    def read(self, cursor: int, count: int) -> np.ndarray[Any, Any]:
        """Return rows."""
        return self._tokens[[(cursor + i) % self.num_sequences for i in range(count)]]


# -- contenders --------------------------------------------------------------------------------------------------------
def open_ours(folder: Path, precision: str, passes: int, compiled: bool, source: Any = None) -> Trainer:
    """Return our loop."""
    plan = RunConfig(
        model=SHAPE,
        seq_len=LENGTH,
        batch_tokens=passes * ROWS * LENGTH,
        num_steps=10**6,
        precision=precision,
        compile=compiled,
        eval_every=10**6,
        save_every=10**6,
        device_batch=ROWS,
    )
    rows = source or RandomRows()
    return Trainer(plan, folder, Sources(rows, rows, np.ones(SHAPE.vocab_size), 0), Team(0, 1, torch.device("cpu")))


def make_ours(folder: Path, precision: str, passes: int, compiled: bool) -> Steps:
    """Return our steps."""
    run = open_ours(folder, precision, passes, compiled).run()
    return count_time(lambda: next(run))


def count_time(step: Callable[[], Any]) -> Steps:
    """Return a function that does a step so many times and returns processor seconds."""

    def steps(count: int) -> float:
        start = time.process_time()
        for _ in range(count):
            step()
        return time.process_time() - start

    return steps


def make_trainer(folder: Path, kind: str, bf16: bool, passes: int, compiled: bool) -> Steps:
    """Return steps of one training of Hugging Face's Trainer, which waits between two calls."""
    import transformers
    from transformers import Trainer as TheirTrainer
    from transformers import TrainerCallback, TrainingArguments

    values = SHAPE.to_hf(eos_token_id=1)
    if kind == "llama":
        values = {k: v for k, v in values.items() if k not in ("architectures", "model_type")}
        model: Any = transformers.LlamaForCausalLM(transformers.LlamaConfig(**values))
    else:
        model = transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**values))
    rows = torch.from_numpy(RandomRows().read(0, 64))[:, :LENGTH].contiguous()
    data = [{"input_ids": row, "labels": row} for row in rows]
    go, done = threading.Semaphore(0), threading.Semaphore(0)

    class Wait(TrainerCallback):
        def on_step_end(self, *unused: Any, **more: Any) -> None:
            done.release()
            go.acquire()

    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=ROWS,
        gradient_accumulation_steps=passes,
        max_steps=10**6,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
        bf16=bf16,
        torch_compile=compiled,
        dataloader_pin_memory=False,
    )
    trainer = TheirTrainer(model=model, args=arguments, train_dataset=data, callbacks=[Wait()])

    def train() -> None:
        torch.set_num_threads(1)
        go.acquire()
        trainer.train()

    threading.Thread(target=train, daemon=True).start()

    def step() -> None:
        go.release()
        done.acquire()

    return count_time(step)


def make_nanochat(folder: Path, precision: str, passes: int, compiled: bool) -> Steps:
    """Return steps as nanochat's ``scripts/base_train.py`` does them: its GPT, its optimiser."""
    os.environ["NANOCHAT_DTYPE"] = {"fp32": "float32", "bf16": "bfloat16"}[precision]
    sys.path.insert(0, os.environ["NANOCHAT"])
    from nanochat.gpt import GPT, GPTConfig  # type: ignore[import-not-found]

    model = GPT(describe_nanochat(GPTConfig))
    model.init_weights()
    optimiser = model.setup_optimizer()
    say("peer", program=f"nanochat {precision}", matmul_parameters=model.num_matmul_params(),
        flops_per_token=model.estimate_flops(), parameters=sum(p.numel() for p in model.parameters()))  # fmt: skip
    run = torch.compile(model, dynamic=False) if compiled else model
    rows, place = RandomRows(), 0

    def step() -> None:
        nonlocal place
        for _ in range(passes):
            read = torch.from_numpy(rows.read(place, ROWS))
            place += ROWS
            (run(read[:, :-1].contiguous(), read[:, 1:].contiguous()) / passes).backward()
        optimiser.step()
        model.zero_grad(set_to_none=True)

    return count_time(step)


def describe_nanochat(config: Any) -> Any:
    """Return nanochat's configuration nearest to `SHAPE`."""
    return config(
        sequence_len=LENGTH,
        vocab_size=SHAPE.vocab_size,
        n_layer=SHAPE.num_layers,
        n_head=SHAPE.num_heads,
        n_kv_head=SHAPE.num_kv_heads,
        n_embd=SHAPE.hidden_size,
        window_pattern="L",
    )


def serve(name: str, passes: int, compiled: bool, line: Any) -> None:
    """Be one contender: take numbers of steps, answer with processor seconds."""
    torch.set_num_threads(1)
    program, *kind, precision = name.split()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        if program == "samovar":
            steps = make_ours(folder, precision, passes, compiled)
        elif program == "nanochat":
            steps = make_nanochat(folder, precision, passes, compiled)
        else:
            steps = make_trainer(folder, kind[0], precision == "bf16", passes, compiled)
        while (count := line.recv()) > 0:
            line.send(steps(count))


# -- parts -------------------------------------------------------------------------------------------------------------
def race(part: str, names: tuple[str, ...], passes: int, steps: int, rounds: int, compiled: bool) -> None:
    """Let the contenders do their steps in turn, `rounds` times after one that compiles, and print a line for each."""
    os.environ["OMP_NUM_THREADS"] = "1"  # of the children, whose threads begin with it
    context = multiprocessing.get_context("spawn")
    lines, children = {}, []
    for name in names:
        lines[name], end = context.Pipe()
        children.append(context.Process(target=serve, args=(name, passes, compiled, end), daemon=True))
        children[-1].start()
        end.close()
    times: dict[str, list[float]] = {name: [] for name in names}
    for round_number in range(rounds + 1):
        for name, line in lines.items():
            line.send(steps if round_number else 1)
            seconds = line.recv()
            print(f"round {round_number} of {rounds}: {name} {seconds:.2f} s", file=sys.stderr, flush=True)
            if round_number:  # the first compiles
                times[name].append(seconds)
    for line, child in zip(lines.values(), children, strict=True):
        line.send(0)
        child.join()
    speeds = {name: steps * passes * ROWS * LENGTH / statistics.median(values) for name, values in times.items()}
    for name, speed in speeds.items():
        ratios: dict[str, float] = {}
        for kind in ("Trainer", "nanochat"):
            for precision in ("fp32", "bf16"):
                peers = [v for k, v in speeds.items() if k.startswith(kind) and k.endswith(precision)]
                ratios |= {f"to_best_{kind}_{precision}": round(speed / max(peers), 2)} if peers else {}
        more = {}
        if name.startswith("samovar"):
            matmul = SHAPE.num_matrix_parameters + SHAPE.vocab_size * SHAPE.hidden_size
            more = {"matmul_parameters": matmul, "flops_per_token": SHAPE.flops_per_token(LENGTH)}
        say(part, program=name, tokens_a_step=passes * ROWS * LENGTH, tokens_per_cpu_s=round(speed), **ratios, **more,
            spread=round(max(times[name]) / min(times[name]), 2), rounds=rounds, compiled=compiled)  # fmt: skip


def show_attention(rounds: int) -> None:
    """Forward and backward of one layer's attention over packed documents (lengths geometric, 400 tokens in the mean)."""
    keep_memory(torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    for dtype in (torch.bfloat16, torch.float32):
        for batch, length in ((4, 512), (2, 1024), (1, 2048)):
            q, k, v = (
                torch.randn(batch, length, heads, 64, generator=generator).to(dtype).requires_grad_()
                for heads in (4, 2, 2)
            )
            segments = (torch.rand(batch, length, generator=generator) < 1 / 400).cumsum(1)

            def kernel(mask: torch.Tensor | None, q: Any = q, k: Any = k, v: Any = v) -> torch.Tensor:
                a, b, c = (x.transpose(1, 2) for x in (q, k, v))
                return torch.nn.functional.scaled_dot_product_attention(
                    a, b, c, attn_mask=mask, is_causal=mask is None, enable_gqa=True
                ).transpose(1, 2)

            forms: dict[str, Callable[[], torch.Tensor]] = {
                "samovar": lambda q=q, k=k, v=v, s=segments: attend(q, k, v, s),  # type: ignore[misc]
                "torch kernel, mask": lambda s=segments, f=kernel: f(make_mask(s)),  # type: ignore[misc]
                "torch kernel, causal only": lambda f=kernel: f(None),  # type: ignore[misc]
            }
            times: dict[str, list[float]] = {name: [] for name in forms}
            for _ in range(3 * rounds):
                for name, form in forms.items():
                    start = time.process_time()
                    torch.autograd.backward(form(), q.detach())
                    times[name].append(time.process_time() - start)
            ours = statistics.median(times["samovar"])
            kept = {"samovar": count_shares(batch, length, 4) * dtype.itemsize, "torch kernel, mask": batch * length**2}
            for name, values in times.items():
                say("attention", program=name, dtype=str(dtype)[6:], batch=batch, length=length,
                    milliseconds=round(1e3 * statistics.median(values), 1), ours_is=round(statistics.median(values) / ours, 2),
                    bytes_kept_at_most=kept.get(name, 0))  # fmt: skip


def write_shards(folder: Path, num_tokens: int) -> Batches:
    """Return sequences of random tokens in a real shard."""
    import hashlib

    folder.mkdir()
    tokens = np.random.default_rng(0).integers(1, SHAPE.vocab_size, num_tokens).astype("<u2")
    tokens[::400] = 0
    tokens.tofile(folder / "train-00000.bin")
    facts = {"file": "train-00000.bin", "num_tokens": num_tokens, "num_documents": 1, "num_bytes": 1,
             "sha256": hashlib.sha256(tokens.tobytes()).hexdigest()}  # fmt: skip
    index = {"format": FORMAT, "dtype": "<u2", "vocab_size": SHAPE.vocab_size, "tokenizer_sha256": "t", "eot": 0,
             "splits": {"train": [facts], "val": [facts]}}  # fmt: skip
    (folder / "index.json").write_text(json.dumps(index))
    return Batches(folder, "train", LENGTH)


def show_loading(rounds: int, compiled: bool) -> None:
    """How long a step waits for its rows, as a share of the step, with and without reading ahead."""
    with tempfile.TemporaryDirectory() as name:
        batches = write_shards(Path(name) / "tokens", 50_000_000)
        run = open_ours(Path(name) / "run", "auto", 8, compiled, batches).run()
        next(run)
        start = time.perf_counter()
        for _ in range(rounds):
            next(run)
        step = (time.perf_counter() - start) / rounds
        count = 8 * ROWS
        ahead = StepRows(Pairs(batches), count, count)
        ahead.take(0)
        waits, reads = [], []
        for number in range(1, 50):
            time.sleep(0.01)  # less than any step
            start = time.perf_counter()
            ahead.take(number * count)
            waits.append(time.perf_counter() - start)
            start = time.perf_counter()
            batches.read(number * count, count)
            reads.append(time.perf_counter() - start)
        ahead.close()
    wait, read = statistics.median(waits), statistics.median(reads)
    say("loading", tokens_a_step=count * LENGTH, step_seconds=round(step, 3), wait_ms=round(1e3 * wait, 3),
        wait_share=wait / step, read_ms_in_place=round(1e3 * read, 3), read_share=read / step,
        tokens_per_s_one_reader=round(count * LENGTH / read))  # fmt: skip


def show_checkpoint(rounds: int, compiled: bool) -> None:
    """What a checkpoint takes, and its share of a run that saves every 500 steps of 16,384 tokens, the default at this size."""
    with tempfile.TemporaryDirectory() as name:
        trainer = open_ours(Path(name) / "run", "auto", 8, compiled)
        run = trainer.run()
        next(run)
        start = time.perf_counter()
        next(run)
        step = time.perf_counter() - start
        saves = []
        for _ in range(2 * rounds):
            start = time.perf_counter()
            trainer.save()
            saves.append(time.perf_counter() - start)
        size = sum(path.stat().st_size for path in (Path(name) / "run").rglob("*.safetensors"))
    save = statistics.median(saves)
    say("checkpoint", seconds=round(save, 3), bytes=size, step_seconds=round(step, 3), save_every=500,
        share=round(save / (500 * step + save), 6), save_every_for_2_percent=max(1, round(49 * save / step)))  # fmt: skip


def main() -> None:
    """Measure and print JSON Lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=["steps"], metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--only", default="", help="beginnings of the names of contenders, with commas between")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"expected parts among {', '.join(PARTS)}, found {', '.join(sorted(unknown))}")
    torch.set_num_threads(1)
    compiled = not arguments.no_compile
    wanted = tuple(arguments.only.split(","))
    there = bool(os.environ.get("NANOCHAT"))
    if not there and {"steps", "accumulated"} & set(arguments.parts):
        print("nanochat is left out: name a checkout of github.com/karpathy/nanochat in NANOCHAT", file=sys.stderr)
    for part in arguments.parts:
        if part in ("steps", "accumulated"):
            names = tuple(
                name
                for name in (CONTENDERS if part == "steps" else ACCUMULATED)
                if name.startswith(wanted) and (there or not name.startswith("nanochat"))
            )
            passes, steps, rounds = (
                (1, 2, arguments.rounds) if part == "steps" else (8, 1, max(1, arguments.rounds - 2))
            )
            race(part, names, passes, steps, rounds, compiled)
        elif part == "attention":
            show_attention(arguments.rounds)
        elif part == "loading":
            show_loading(arguments.rounds, compiled)
        else:
            show_checkpoint(arguments.rounds, compiled)


if __name__ == "__main__":
    main()

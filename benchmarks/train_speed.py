"""Training speed at equal size: our loop against Hugging Face's Trainer with its Llama and its Qwen3, on one CPU core, interleaved.

Every contender trains the same shape on the same random rows of 512 tokens, 4 at once, forward, backward and optimiser step included (ours: Muon and
AdamW; theirs: their default, fused AdamW). Each is given once as it comes (float32) and once in bf16 autocast; ours chooses bf16 by itself where the
processor multiplies it (printed). What is counted is processor time, median of the rounds; the ratio is to the fastest of theirs.

    python benchmarks/train_speed.py [--rounds 5] [--no-compile]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from samovar.train.config import ModelConfig, RunConfig
from samovar.train.distributed import Team
from samovar.train.loop import Sources, Trainer

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
ROWS, LENGTH, STEPS = 4, 512, 3


class RandomRows:
    """Rows of random tokens."""

    num_sequences = 64

    def __init__(self) -> None:
        self._tokens = np.random.default_rng(0).integers(1, SHAPE.vocab_size, (self.num_sequences, LENGTH + 1))

    def read(self, cursor: int, count: int) -> np.ndarray[Any, Any]:
        """Return rows."""
        return self._tokens[[(cursor + i) % self.num_sequences for i in range(count)]]


def ours(folder: Path, precision: str, compiled: bool) -> Callable[[], None]:
    """Return a function that does `STEPS` steps of our loop."""
    plan = RunConfig(
        model=SHAPE,
        seq_len=LENGTH,
        batch_tokens=ROWS * LENGTH,
        num_steps=10**6,
        precision=precision,
        compile=compiled,
        eval_every=10**6,
        save_every=10**6,
        device_batch=ROWS,
    )
    sources = Sources(RandomRows(), RandomRows(), np.ones(SHAPE.vocab_size), 0)
    run = Trainer(plan, folder, sources, Team(0, 1, torch.device("cpu"))).run()
    return lambda: [next(run) for _ in range(STEPS)] and None


def theirs(folder: Path, kind: str, bf16: bool, compiled: bool) -> Callable[[], None]:
    """Return a function that does `STEPS` steps of Hugging Face's Trainer."""
    import transformers
    from transformers import Trainer as TheirTrainer
    from transformers import TrainingArguments

    values = SHAPE.to_hf(eos_token_id=1)
    if kind == "llama":
        config: Any = transformers.LlamaConfig(
            **{k: v for k, v in values.items() if k not in ("architectures", "model_type")}
        )
        model: Any = transformers.LlamaForCausalLM(config)
    else:
        model = transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**values))
    rows = torch.from_numpy(RandomRows().read(0, 64))[:, :LENGTH].contiguous()
    data = [{"input_ids": row, "labels": row} for row in rows]
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=ROWS,
        max_steps=STEPS,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
        bf16=bf16,
        torch_compile=compiled,
        dataloader_pin_memory=False,
    )
    trainer = TheirTrainer(model=model, args=arguments, train_dataset=data)
    return lambda: trainer.train() and None


def main() -> None:
    """Measure and print JSON Lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-compile", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    compiled = not arguments.no_compile
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        contenders: dict[str, Callable[[], None]] = {
            "samovar fp32": ours(folder / "a", "fp32", compiled),
            "samovar auto": ours(folder / "b", "auto", compiled),
            "Trainer llama fp32": theirs(folder / "c", "llama", False, compiled),
            "Trainer qwen3 fp32": theirs(folder / "d", "qwen3", False, compiled),
            "Trainer llama bf16": theirs(folder / "e", "llama", True, compiled),
            "Trainer qwen3 bf16": theirs(folder / "f", "qwen3", True, compiled),
        }
        times: dict[str, list[float]] = {name: [] for name in contenders}
        for round_number in range(arguments.rounds + 1):
            for name, step in contenders.items():
                start = time.process_time()
                step()
                if round_number:  # the first compiles
                    times[name].append(time.process_time() - start)
        speeds = {name: STEPS * ROWS * LENGTH / statistics.median(values) for name, values in times.items()}
    best = {
        kind: max(v for k, v in speeds.items() if k.startswith("Trainer") and kind in k) for kind in ("fp32", "bf16")
    }
    for name, speed in speeds.items():
        line = {
            "benchmark": "train_speed",
            "program": name,
            "parameters": SHAPE.num_parameters,
            "compiled": compiled,
            "tokens_per_cpu_s": round(speed),
            "ratio_to_best_trainer_fp32": round(speed / best["fp32"], 2),
            "ratio_to_best_trainer_bf16": round(speed / best["bf16"], 2),
            "rounds": arguments.rounds,
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()

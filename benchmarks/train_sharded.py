"""Weights in parts against whole copies: memory and processor time of a process, and the curves, with 1, 2 and 3 processes on this machine.

Every team trains the same model (15 M weights) on the same random rows, 6 a step, float32, uncompiled. `held` are the bytes of weights, gradients and
optimiser state that a process keeps between forward passes, counted from its tensors; `peak` is what its resident memory grew by at its highest, after a
step of a tiny model had loaded the libraries; `cpu` processor seconds a step, all processes together, median. `gap` is the largest difference of a
loss from one process's. The processes share the machine's cores, so wall time says nothing here.

    python benchmarks/train_sharded.py [--steps 3]
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

CHILD = """
import json, sys, time
from dataclasses import replace
from pathlib import Path
import numpy as np, torch
torch.set_num_threads(1)
from samovar.train.config import ModelConfig, RunConfig
from samovar.train.distributed import join_team
from samovar.train.hardware import state_bytes
from samovar.train.loop import Sources, Trainer
LENGTH, VOCABULARY = 64, 4096
shape = ModelConfig(vocab_size=VOCABULARY, hidden_size=384, num_layers=8, num_heads=6, num_kv_heads=3, head_dim=64,
                    intermediate_size=1024, max_seq_len=LENGTH)
class Rows:
    num_sequences = 60
    tokens = np.random.default_rng(0).integers(1, VOCABULARY, (60, LENGTH + 1))
    def read(self, cursor, count):
        return self.tokens[[(cursor + i) % 60 for i in range(count)]]
folder, steps, shard = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
team = join_team("cpu")
plan = RunConfig(model=shape, seq_len=LENGTH, batch_tokens=6 * LENGTH, num_steps=steps, precision="fp32", compile=False, device_batch=1,
                 eval_every=10**6, eval_tokens=LENGTH, save_every=10**6, shard=shard)
status = lambda key: next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(key))
tiny = replace(plan, model=replace(shape, hidden_size=64, num_layers=1, vocab_size=VOCABULARY))
first = Trainer(tiny, folder.with_name("tiny"), Sources(Rows(), Rows(), np.ones(VOCABULARY, np.int64), 0), team)
first._take_step()  # libraries are loaded when first used: not to be counted
Path("/proc/self/clear_refs").write_text("5")  # the highest begins anew
before = status("VmRSS")
trainer = Trainer(plan, folder, Sources(Rows(), Rows(), np.ones(VOCABULARY, np.int64), 0), team)
cpu, losses, grads = [], [], 0
step = trainer._optimiser.step
def counted(number):
    global grads
    grads = max(grads, sum(local(w.grad).nbytes for w in trainer.model.parameters()))
    return step(number)
local = lambda t: t.to_local() if hasattr(t, "to_local") else t
trainer._optimiser.step = counted
for _ in range(steps):
    start = time.process_time()
    losses.append(trainer._take_step().loss)
    cpu.append(time.process_time() - start)
with torch.no_grad():
    weights = sum(local(w).nbytes for w in trainer.model.parameters())
    state = [t for pair in trainer._optimiser._muon.state.values() for t in pair]
    state += [local(t) for s in trainer._optimiser._adam.state.values() for t in s.values()]
print(json.dumps({"weights": weights, "grads": grads, "state": sum(t.nbytes for t in state), "peak": status("VmHWM") - before, "cpu": cpu,
                  "losses": losses, "whole": state_bytes(shape), "parameters": shape.num_parameters}))
team.leave()
"""


def run_team(world: int, shard: str, steps: int) -> list[dict[str, object]]:
    """Run one team; return what each process reports."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = str(listener.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        children = [
            subprocess.Popen(
                [sys.executable, "-c", CHILD, str(Path(folder) / "run"), str(steps), shard],
                env={**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
                | {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world)},
                stdout=subprocess.PIPE,
                text=True,
            )
            for rank in range(world)
        ]  # fmt: skip
        return [json.loads(child.communicate(timeout=600)[0]) for child in children]


def main() -> None:
    """Print one JSON object for each team."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--steps", type=int, default=3)
    steps = options.parse_args().steps
    first: list[float] = []
    for world, shard in ((1, "off"), (2, "off"), (2, "on"), (3, "on")):
        team = run_team(world, shard, steps)
        losses = team[0]["losses"]
        first = first or losses  # type: ignore[assignment]
        held = [sum(facts[part] for part in ("weights", "grads", "state")) for facts in team]  # type: ignore[misc]
        print(
            json.dumps(
                {
                    "processes": world,
                    "shard": shard,
                    "parameters": team[0]["parameters"],
                    "held_mb": [round(value / 1e6) for value in held],
                    "held_share": round(max(held) / team[0]["whole"], 3),  # type: ignore[operator]
                    "peak_mb": [round(facts["peak"] / 1e6) for facts in team],  # type: ignore[operator]
                    "cpu_s_per_step": round(sum(statistics.median(facts["cpu"]) for facts in team), 2),  # type: ignore[arg-type, misc]
                    "gap": max(abs(a - b) for a, b in zip(losses, first, strict=True)),  # type: ignore[call-overload]
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()

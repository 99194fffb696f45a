"""How long a user waits: import, first question on a fresh machine, question, help; and memory. Whole processes, interleaved, medians.

    python benchmarks/startup.py [--runs 5]

Every run starts a new interpreter. `first_ask` has an empty home: it installs the starter library and builds the index. Prints JSON Lines.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

QUESTION = "Кто написал роман «Мёртвые души»?"


def run(command: list[str], home: Path) -> tuple[float, float]:
    """Return wall seconds and peak resident MB of one process."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "SAMOVAR_HOME": str(home)}
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    samovar = [sys.executable, "-m", "samovar"]
    commands = {
        "python_alone": [sys.executable, "-c", "pass"],
        "import": [sys.executable, "-c", "import samovar"],
        "help": [*samovar, "--help"],
        "first_ask": [*samovar, "ask", QUESTION],
        "ask": [*samovar, "ask", QUESTION],
        "search": [*samovar, "search", "Пушкин"],
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as folder:
        warm = Path(folder) / "warm"
        run(commands["ask"], warm)
        for _ in range(options.runs):
            for name, command in commands.items():
                home = warm
                if name == "first_ask":
                    home = Path(folder) / "cold"
                    shutil.rmtree(home, ignore_errors=True)
                times[name].append(run(command, home))
    base = statistics.median(t for t, _ in times["python_alone"])
    for name, values in times.items():
        wall = statistics.median(t for t, _ in values)
        row = {
            "benchmark": "startup", "what": name, "runs": len(values), "ms_median": round(wall * 1000), "ms_min": round(min(values)[0] * 1000),
            "ms_above_python": round((wall - base) * 1000), "rss_mb_median": round(statistics.median(m for _, m in values)),
        }  # fmt: skip
        print(json.dumps(row), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Put on the path of worker processes by tests: texts with a mark in them crash, hang or bloat the process that looks at them.

The worker itself is the real one; only the place where a text goes wrong is chosen.
"""

import os
import signal
import time
from pathlib import Path
from typing import Any

MARKS = ("CRASH", "HANG", "BLOAT", "RAISE", "EXIT")


def go_wrong(text: str, where: str) -> None:
    for mark in MARKS:
        if f"{mark}-IN-{where}" not in text:
            continue
        if mark == "CRASH":
            os.abort()
        if mark == "EXIT":
            os._exit(3)
        if mark == "RAISE":
            raise ValueError("this text makes a stage fail")
        if mark == "HANG":
            time.sleep(1000)
        eaten = []
        while True:
            eaten.append(b"x" * 10**7)


def patch() -> None:
    from samovar.corpus.stages import extract, quality

    read, apply = extract.Extract.extract, quality.Quality.apply

    def extract_or_fail(self: Any, record: Any, notes: Any) -> Any:
        data = record.data if isinstance(record.data, str) else record.data.decode("utf-8", "replace")
        go_wrong(data, "READ")
        return read(self, record, notes)

    def apply_or_fail(self: Any, items: Any, notes: Any) -> Any:
        for item in items:
            go_wrong(item.text, "CLEAN")
        return apply(self, items, notes)

    extract.Extract.extract = extract_or_fail  # type: ignore[method-assign]
    quality.Quality.apply = apply_or_fail  # type: ignore[method-assign]


def die_once(stage: str, moment: int, seen: Path) -> None:
    """Kill the first worker at each task of a pass when it puts something on the disk for the so-many-th time: a file, or the commit."""
    from samovar.corpus.build import child

    run, sync = child._run, os.fsync
    left = [0]

    def run_or_die(place: Any, task: Any) -> Any:
        mark = seen / task.name
        if task.stage == stage and not mark.exists():
            mark.touch()
            left[0] = moment
        return run(place, task)

    def sync_or_die(descriptor: int) -> None:
        if left[0] == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        sync(descriptor)

    child._run = run_or_die
    os.fsync = sync_or_die


if os.environ.get("SAMOVAR_TEST_FAULTS"):
    patch()
if os.environ.get("SAMOVAR_TEST_DEATH"):
    _stage, _moment, _seen = os.environ["SAMOVAR_TEST_DEATH"].split(":", 2)
    die_once(_stage, int(_moment), Path(_seen))

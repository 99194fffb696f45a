"""Put on the path of worker processes by tests: texts with a mark in them crash, hang or bloat the process that looks at them.

The worker itself is the real one; only the place where a text goes wrong is chosen.
"""

import os
import time
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


if os.environ.get("SAMOVAR_TEST_FAULTS"):
    patch()

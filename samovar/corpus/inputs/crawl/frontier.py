"""Which addresses are known and what became of each: a log that is only ever added to, safe against any kind of end.

A line is ``{"add": address, "depth": n}``, ``{"done": address}`` or ``{"refused": address, "reason": …}``; a torn last
line is cut off when the log is opened. Knows nothing of the network.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any


class Frontier:
    """The addresses of a crawl, in the order in which they were found."""

    def __init__(self, path: Path) -> None:
        self._waiting: dict[str, int] = {}
        self._known: set[str] = set()
        self.refused: Counter[str] = Counter()
        whole = self._load(path)
        self._file = path.open("r+b" if path.exists() else "w+b")
        self._file.truncate(whole)
        self._file.seek(whole)

    def _load(self, path: Path) -> int:
        """Replay the log; returns where its last whole line ends."""
        whole = 0
        if path.exists():
            with path.open("rb") as file:
                for line in file:
                    try:
                        entry = json.loads(line) if line.endswith(b"\n") else None
                    except ValueError:
                        entry = None
                    if not isinstance(entry, dict):
                        break
                    self._apply(entry)
                    whole += len(line)
        return whole

    def _apply(self, entry: dict[str, Any]) -> None:
        if "add" in entry:
            self._known.add(entry["add"])
            self._waiting[entry["add"]] = int(entry["depth"])
        elif "done" in entry:
            self._known.add(entry["done"])
            self._waiting.pop(entry["done"], None)
        elif "refused" in entry:
            self._waiting.pop(entry["refused"], None)
            self.refused[str(entry["reason"])] += 1

    def _write(self, **entry: Any) -> None:
        self._apply(entry)
        self._file.write(json.dumps(entry, ensure_ascii=True, separators=(",", ":")).encode() + b"\n")

    def add(self, address: str, depth: int) -> bool:
        """Note a new address; False when it is known."""
        if address in self._known:
            return False
        self._write(add=address, depth=depth)
        return True

    def done(self, address: str) -> None:
        """Note that an address is archived and its links are noted."""
        if address in self._waiting or address not in self._known:
            self._write(done=address)
        self._file.flush()

    def refuse(self, address: str, reason: str) -> None:
        """Note that an address will not be archived."""
        if address in self._waiting:
            self._write(refused=address, reason=reason)
            self._file.flush()

    def flush(self) -> None:
        """Give the log to the operating system."""
        self._file.flush()

    def waiting(self) -> list[tuple[str, int]]:
        """Return the addresses that nothing has become of, with their depth."""
        return list(self._waiting.items())

    def is_waiting(self, address: str) -> bool:
        """Tell whether an address is known and nothing has become of it."""
        return address in self._waiting

    def depth(self, address: str) -> int:
        """Return how many links away from a seed a waiting address is."""
        return self._waiting[address]

    def __enter__(self) -> Frontier:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

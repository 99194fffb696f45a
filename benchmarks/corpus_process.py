"""Running a command to its end and knowing what it took: CPU and wall seconds, and the peak memory of it and all its children together."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Used:
    """What a command took: CPU seconds of it and all its children, wall seconds, peak memory of all of them together; `anonymous_mb` is the
    peak without the pages of mapped files, which the system takes back when it needs them."""

    cpu: float
    wall: float
    peak_mb: float
    out: str
    anonymous_mb: float = 0.0


def run(command: Sequence[str], **env: str) -> Used:
    """Run a command to its end.

    Raises:
        SystemExit: it failed; its last words are shown.
    """
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = subprocess.Popen(command, stdout=out, stderr=err, env={**os.environ, **env})
        watch = Peak(child.pid)
        watch.start()
        _, status, used = os.wait4(child.pid, 0)  # of it and of all its children that were waited for
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - started
        watch.stop()
        out.seek(0)
        err.seek(0)
        if child.returncode:
            raise SystemExit(f"{' '.join(command[:6])} … ended with {child.returncode}:\n{err.read()[-3000:]}")
        return Used(used.ru_utime + used.ru_stime, wall, watch.peak_kb / 1000, out.read(), watch.anonymous_kb / 1000)


class Peak(threading.Thread):
    """Watches how much memory a process and all its descendants hold: resident pages, shared ones counted for each sharer by its part."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._ended = threading.Event()
        self.peak_kb = 0
        self.anonymous_kb = 0

    def run(self) -> None:
        while not self._ended.wait(0.25):
            found = [_proportional_kb(pid) for pid in _tree(self._pid)]
            self.peak_kb = max(self.peak_kb, sum(whole for whole, _ in found))
            self.anonymous_kb = max(self.anonymous_kb, sum(anonymous for _, anonymous in found))

    def stop(self) -> None:
        """End watching."""
        self._ended.set()
        self.join()


def _tree(root: int) -> Iterator[int]:
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                stat = Path(f"/proc/{name}/stat").read_text()
            except OSError:
                continue
            parents[int(name)] = int(stat.rpartition(")")[2].split()[1])
    for pid in parents:
        above = pid
        while above and above != root:
            above = parents.get(above, 0)
        if above == root:
            yield pid


def _proportional_kb(pid: int) -> tuple[int, int]:
    """Return the resident memory of a process, and how much of it is no page of a file."""
    found = {}
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in ("Pss", "Pss_Anon"):
                found[name] = int(rest.split()[0])
    except OSError:
        pass
    return found.get("Pss", 0), found.get("Pss_Anon", 0)

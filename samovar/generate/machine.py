"""What this machine can spare for a local model: cores and memory, as limited by affinity and control groups.

Knows nothing about models. On systems other than Linux the memory is unknown (None) and nothing is refused on its account.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def count_cores() -> int:
    """Cores this process may use: the smallest of its affinity mask and its control group's quota, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _read(CGROUP / "cpu.max").partition(" ")
    if quota.isdigit() and period.strip().isdigit():
        cores = min(cores, math.ceil(int(quota) / int(period)))
    return max(cores, 1)


def default_threads() -> int:
    """Cores minus one: with every core taken, one other busy process cut llama.cpp's speed to a third (measured)."""
    return max(count_cores() - 1, 1)


def available_memory_bytes() -> int | None:
    """Bytes that can be taken without swapping: the system's MemAvailable, less if the control group allows less."""
    lines = _read(Path("/proc/meminfo")).splitlines()
    free = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
    limit, used = _read(CGROUP / "memory.max").strip(), _read(CGROUP / "memory.current").strip()
    if limit.isdigit() and used.isdigit():
        reclaimable = _stat("inactive_file")  # page cache counts as used but is given back on demand
        left = max(int(limit) - int(used) + reclaimable, 0)
        free = left if free is None else min(free, left)
    return free


def _stat(name: str) -> int:
    for line in _read(CGROUP / "memory.stat").splitlines():
        key, _, value = line.partition(" ")
        if key == name and value.isdigit():
            return int(value)
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""

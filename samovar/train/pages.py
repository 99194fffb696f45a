"""Memory in large pages: asks the Linux kernel to keep what a run on a CPU works on in pages of 2 MiB.

The matrices of a step are tens of megabytes that are walked through again and again; with pages of 4 KiB the processor spends part of its time
looking up where they lie, twice over on a virtual machine. Changes no number. Knows no tensors: only the process's own map of its memory.
Source: madvise(2), Documentation/admin-guide/mm/transhuge.rst of Linux.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

MAPS, SETTING = Path("/proc/self/maps"), Path("/sys/kernel/mm/transparent_hugepage/enabled")
SIZE = 2 * 2**20
LEAST = 32 * 2**20
"""Nameless memory below this is not a large tensor's: stacks of threads, the interpreter's small objects."""
_HUGE, _COLLAPSE = 14, 25  # names of <linux/mman.h>; the second since Linux 6.1


def join_pages(device: torch.device) -> int:
    """Turn the memory that the process holds now into large pages where it can be; return the bytes asked for, 0 if the device is no CPU or the
    machine's owner has forbidden it. Call it once everything that lasts has been made: what comes later stays as it is."""
    if device.type != "cpu" or not sys.platform.startswith("linux") or not allows_pages():
        return 0
    import ctypes

    madvise = getattr(ctypes.CDLL(None), "madvise", None)
    if madvise is None:
        return 0
    madvise.argtypes = (ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int)
    asked = 0
    for start, end in list_regions(MAPS.read_text("utf-8", "replace")):
        if madvise(start, end - start, _HUGE) == 0:
            asked += end - start
            for page in range(start, end, SIZE):  # at once; one that cannot be does not keep the others from it
                madvise(page, SIZE, _COLLAPSE)
    return asked


def allows_pages() -> bool:
    """Tell whether the machine's setting leaves the choice to programs."""
    try:
        return "[never]" not in SETTING.read_text("ascii")
    except OSError:
        return False


def list_regions(maps: str) -> Iterator[tuple[int, int]]:
    """Yield the beginning and end of the heap and of large nameless blocks in a text like /proc/self/maps, whole large pages only."""
    for line in maps.splitlines():
        place, rights, _, _, inode, *name = line.split(maxsplit=5)
        if not rights.startswith("rw") or not rights.endswith("p") or inode != "0":
            continue
        start, end = (int(number, 16) for number in place.split("-"))
        own = not name or name[0].startswith("[anon")
        if name == ["[heap]"] or (own and end - start >= LEAST):
            start, end = -(-start // SIZE) * SIZE, end // SIZE * SIZE
            if end > start:
                yield start, end

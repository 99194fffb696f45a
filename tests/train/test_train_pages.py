"""Large pages: which memory is asked for, and that its contents stay."""

from __future__ import annotations

import sys

import pytest
import torch

from samovar.train.pages import LEAST, MAPS, SIZE, allows_pages, join_pages, list_regions

MAP = """\
55d0c0000000-55d0c0021000 r--p 00000000 fd:00 131 /usr/bin/python3
55d0c1000000-55d0c1001000 rw-p 00000000 00:00 0 [heap]
55d0c2001000-55d0c2a01000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0002000000 rw-p 00000000 00:00 0
7f0010000000-7f0011fff000 rw-p 00000000 00:00 0
7f0020000000-7f0024000000 ---p 00000000 00:00 0
7f0030000000-7f0034000000 rw-s 00000000 00:01 99 /dev/shm/shared
7f0040000000-7f0044000000 rw-p 00000000 fd:00 77 /a/file of weights
7f0050001000-7f0052002000 rw-p 00000000 00:00 0 [anon: glibc: malloc]
7ffd00000000-7ffd04000000 rw-p 00000000 00:00 0 [stack]
"""


def test_only_the_heap_and_large_blocks_of_ones_own_are_asked_for() -> None:
    assert list(list_regions(MAP)) == [
        (0x55D0C2200000, 0x55D0C2A00000),
        (0x7F0000000000, 0x7F0000000000 + LEAST),
        (0x7F0050200000, 0x7F0052000000),
    ]


def test_no_other_device_is_touched() -> None:
    assert join_pages(torch.device("meta")) == 0


@pytest.mark.skipif(not sys.platform.startswith("linux") or not allows_pages(), reason="the machine has no large pages")
def test_the_contents_stay_and_the_pages_are_large() -> None:
    numbers = torch.arange(2 * LEAST // 8)
    before = numbers.clone()
    assert join_pages(torch.device("cpu")) >= numbers.nbytes - 2 * SIZE
    assert torch.equal(numbers, before)
    regions = list(list_regions(MAPS.read_text()))
    middle = numbers.data_ptr() + numbers.nbytes // 2
    assert any(start <= middle < end for start, end in regions)

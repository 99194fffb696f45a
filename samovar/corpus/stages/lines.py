"""Lines that a site repeats on page after page: menus, notices, footers that main-content extraction left in.

The build counts, over the whole corpus, in how many different texts of a host each line occurs; here lines are hashed, and the repeated
ones taken out. A long repeated line goes. A short one, which may just as well be a heading or a line of dialogue that many texts share,
goes only where it stands at an edge of the text or among other repeated lines. Knows no language and no corpus.
Source: line de-duplication as in CCNet (Wenzek et al. 2020) and RefinedWeb (Penedo et al. 2023); the rule for short lines is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
from pydantic import Field

from samovar.corpus.build.item import Item, Notes
from samovar.corpus.stages.options import StageOptions
from samovar.corpus.stages.scan import U64, Scan, mix, scan_texts

STAGE = "lines"
Bools = npt.NDArray[np.bool_]
_BASE = np.uint64(0xD6E8FEB86659FD93)
_LONGEST = 1 << 10  # words of a line that change its hash by their place


class LinesOptions(StageOptions):
    """`min_documents`: a line in at least so many texts of a host is repeated. Lines of fewer than `min_chars` letters and digits or
    more than `max_chars` are not looked at. A repeated line of at least `long_chars` always goes, a shorter one at an edge of the text
    or in a run of `min_run` repeated lines. A text with fewer than `min_letters` letters and digits left is dropped."""

    min_documents: int = Field(10, ge=2)
    min_chars: int = Field(2, ge=1)
    max_chars: int = Field(400, ge=1)
    long_chars: int = Field(40, ge=1)
    min_run: int = Field(3, ge=1)
    min_letters: int = Field(20, ge=0)


def hash_lines(text: str, options: LinesOptions | None = None) -> U64:
    """Return one number for each line of ``text.split("\\n")``; 0 for a line that is not looked at."""
    return hash_lines_of([text], options)[0]


def hash_lines_of(texts: list[str], options: LinesOptions | None = None) -> list[U64]:
    """Return `hash_lines` of each text."""
    return hash_lines_in(scan_texts(texts), options or LinesOptions())


def hash_lines_in(scan: Scan, options: LinesOptions) -> list[U64]:
    """Return `hash_lines` of each text of a scan."""
    starts = scan.line_starts()
    hashes = np.zeros(len(starts), np.uint64)
    bounds_of_lines = np.searchsorted(scan.starts, np.append(starts, len(scan.codes) + 1))
    counts = np.diff(bounds_of_lines)
    lines = np.flatnonzero(counts)
    first, count = bounds_of_lines[lines], counts[lines]
    if len(lines):
        places = np.minimum(np.arange(len(scan.starts)) - np.repeat(first, count), _LONGEST - 1)
        found = mix(np.add.reduceat(scan.words * _powers()[places], first)) | np.uint64(1)
        size = np.add.reduceat(scan.lengths, first)
        found[(size < options.min_chars) | (size > options.max_chars)] = 0
        hashes[lines] = found
    bounds = np.searchsorted(starts, scan.texts)
    return [hashes[bounds[number] : bounds[number + 1]] for number in range(len(scan))]


@cache
def _powers() -> U64:
    powers = np.full(_LONGEST, _BASE)
    powers[0] = 1
    return np.multiply.accumulate(powers)


def remove_lines(item: Item, repeated: U64, notes: Notes, options: LinesOptions | None = None) -> bool:
    """Take the repeated lines out of an item's text; False when too little is left and it was dropped.

    `repeated` holds the hashes of the lines that are repeated on the item's host, sorted.
    """
    options = options or LinesOptions()
    hashes = hash_lines(item.text, options)
    return bool(remove_repeated([item], [hashes], [is_among(hashes, repeated)], notes, options))


def remove_repeated(
    items: list[Item], hashes: Sequence[U64], found: Sequence[Bools], notes: Notes, options: LinesOptions
) -> list[Item]:
    """Take repeated lines out of many items; return those that go on.

    `hashes` are those of the items' lines by `hash_lines`; `found` says which of the lines are repeated on the host of each.
    """
    return [
        item
        for item, own, repeated in zip(items, hashes, found, strict=True)
        if not repeated.any() or _remove(item, own, repeated, notes, options)
    ]


def is_among(hashes: U64, known: U64) -> Bools:
    """Return which hashes are among the known ones, which are sorted."""
    if not len(known):
        return np.zeros(len(hashes), bool)
    place = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    found: Bools = known[place] == hashes
    return found


def _remove(item: Item, hashes: U64, found: Bools, notes: Notes, options: LinesOptions) -> bool:
    lines = item.text.split("\n")
    going = _choose(lines, (hashes != 0).tolist(), found.tolist(), options)
    if not going:
        return True
    before = item.text
    item.text = "\n".join([line for place, line in enumerate(lines) if place not in going]).strip("\n")
    while "\n\n\n" in item.text:
        item.text = item.text.replace("\n\n\n", "\n\n")
    notes.change(item.uri, STAGE, "repeated_lines", f"{len(going)} of {len(lines)}")
    left = _count_letters(item.text, options.min_letters)
    if left < options.min_letters:
        notes.drop(item.uri, STAGE, "only_repeated_lines", left, before)
        return False
    return True


def _choose(lines: list[str], looked_at: list[bool], found: list[bool], options: LinesOptions) -> set[int]:
    """Return which of the repeated lines go; blank lines and lines without a hash neither make nor break a run."""
    going: set[int] = set()
    run: list[int] = []
    at_edge = True
    for place, (counts, again) in enumerate(zip(looked_at, found, strict=True)):
        if counts and again:
            run.append(place)
        elif counts:
            if run:
                going.update(_choose_of_run(lines, run, at_edge, options))
                run = []
            at_edge = False
    going.update(_choose_of_run(lines, run, True, options))
    return going


def _choose_of_run(lines: list[str], run: list[int], at_edge: bool, options: LinesOptions) -> list[int]:
    if at_edge or len(run) >= options.min_run:
        return run
    return [place for place in run if len(lines[place]) >= options.long_chars]


def _count_letters(text: str, least: int) -> int:
    """Count letters and digits in the beginning of a text: in a short one first, where there are mostly enough."""
    count = sum(map(str.isalnum, text[: 4 * least]))
    return count if count >= least else sum(map(str.isalnum, text[: 20 * least + 1000]))

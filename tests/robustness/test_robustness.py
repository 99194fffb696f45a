"""Hundreds of broken inputs through the supervised child: every one ends in rows, in bounded time and memory, and nothing hangs.

The inputs and what may become of each are made by `make_inputs`.
"""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from document_makers import make_zip
from make_inputs import (
    ANY,
    REFUSED,
    TEXT,
    Broken,
    Made,
    bombs,
    damaged,
    encrypted,
    entity_bombs,
    large_inputs,
    made,
    odd_markup,
    odd_names,
    odd_pdfs,
    odd_tables,
    odd_texts,
    odd_zims,
    overlapping_zip,
    swapped,
    truncated,
    whole_documents,
    write_special,
    wrong_extensions,
)

from samovar.corpus.document import LedgerRow
from samovar.corpus.extracted import Extracted
from samovar.corpus.limits import MIB, Limits
from samovar.corpus.sandbox import Extractor

LIMITS = Limits(seconds=30.0, memory_bytes=1024 * MIB, max_archive_members=5_000)

GROUPS: dict[str, Callable[[], Iterator[Made]]] = {
    "truncated": lambda: truncated(whole_documents()),
    "damaged": lambda: damaged(whole_documents()),
    "swapped": lambda: swapped(whole_documents()),
    "wrong_extensions": wrong_extensions,
    "encrypted": encrypted,
    "entity_bombs": entity_bombs,
    "bombs": bombs,
    "odd_pdfs": odd_pdfs,
    "odd_texts": odd_texts,
    "odd_markup": odd_markup,
    "odd_tables": odd_tables,
    "odd_zims": odd_zims,
    "odd_names": odd_names,
}
SLOW = {"bombs", "odd_texts", "odd_markup", "odd_tables", "wrong_extensions", "odd_pdfs"}


@pytest.fixture(scope="module")
def extractor() -> Iterator[Extractor]:
    with Extractor(LIMITS) as extractor:
        yield extractor


def check(broken: Broken, items: list[Extracted | LedgerRow]) -> str:
    """Return what is wrong with the outcome of an input; empty when nothing is."""
    outcomes = {item.reason if isinstance(item, LedgerRow) else "kept" for item in items}
    name = broken.path.name[:60]
    if not items:
        return f"{name!r}: no row at all"
    for item in items:
        item.uri.encode("utf-8")
        if isinstance(item, Extracted):
            (item.title + item.text + "".join(item.metadata.values())).encode("utf-8")
            if not item.text.strip() or "\0" in item.text:
                return f"{name!r}: kept an empty text or NULs"
    if broken.allowed == REFUSED and "kept" in outcomes:
        return f"{name!r}: kept, should be refused"
    if broken.allowed not in (ANY, REFUSED) and not outcomes <= broken.allowed:
        return f"{name!r}: {sorted(outcomes)}, expected {sorted(broken.allowed)}"
    return ""


def run(inputs: list[Broken], extractor: Extractor) -> list[str]:
    return [fault for broken in inputs if (fault := check(broken, list(extractor.extract(broken.path))))]


def write(made: Iterator[Made], folder: Path) -> list[Broken]:
    inputs = []
    for number, item in enumerate(made):
        path = folder / str(number) / item.name
        path.parent.mkdir(parents=True)
        path.write_bytes(item.data)
        inputs.append(Broken(path, item.allowed))
    return inputs


@pytest.mark.parametrize(
    "group", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in GROUPS]
)
def test_every_broken_input_ends_in_rows(group: str, tmp_path: Path, extractor: Extractor) -> None:
    inputs = write(GROUPS[group](), tmp_path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert inputs and run(inputs, extractor) == []
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 512 * 1024, f"the parent grew by {grown} KiB while its child read hostile files"


def test_line_of_20_mb_and_the_worst_bombs(tmp_path: Path, extractor: Extractor) -> None:
    """The fast set's share of the heavy groups."""
    line = (TEXT + " ").encode()
    inputs = [
        made("line_20mb.txt", line * (20 * MIB // len(line)), "kept"),
        made("zeros.docx", make_zip({"word/document.xml": bytes(5 * MIB)}), "compression_ratio"),
        made("overlapping.zip", overlapping_zip(), *REFUSED),
        made("nested_divs.html", b"<div>" * 100_000 + line + b"</div>" * 100_000),
        made("deep.json", b"[" * 1_000_000, "too_deep", "bad_json"),
        made("million_columns.csv", b"c," * 1_000_000 + b"\n", "too_many_columns"),
    ]
    assert run(write(iter(inputs), tmp_path), extractor) == []


def test_special_files_and_links(tmp_path: Path, extractor: Extractor) -> None:
    assert run(write_special(tmp_path / "special"), extractor) == []


def test_there_are_enough_inputs_and_names_are_unique_in_a_group() -> None:
    names = Counter((group, item.name) for group in set(GROUPS) - SLOW for item in GROUPS[group]())
    assert sum(names.values()) >= 200 and max(names.values()) == 1


@pytest.mark.slow
def test_lines_of_200_mb(tmp_path: Path) -> None:
    started = time.monotonic()
    with Extractor(Limits(seconds=60.0)) as extractor:
        assert run(write(large_inputs(), tmp_path), extractor) == []
    assert time.monotonic() - started < 6 * 60, (
        "three inputs have a deadline of a minute each, twice over for slow machines"
    )

"""Two runs of a search engine: how the variety of what they show moved, query by query."""

from __future__ import annotations

from pathlib import Path

import pytest

from samovar.audit.analysis import Graded
from samovar.audit.compare import compare
from samovar.audit.outcome import Grade
from samovar.audit.pack import Pack
from samovar.audit.probe import Probe
from samovar.audit.questions import questions_of

CULTURES = ("aa", "bb", "cc")


def shown(pack: Pack, name: str, pages: dict[str, tuple[str, ...]]) -> Graded:
    """A run in which every query of a culture meets the page given for it, every fifth one without its last source."""
    grades = [
        Grade(q.key, "correct", "sources", found=pages[p.culture][: 3 if i % 5 == 0 else None])
        for i, p in enumerate(pack.probes)
        for q in questions_of(p)
    ]
    return Graded.join(name, pack, grades)


@pytest.fixture
def pack() -> Pack:
    probes = tuple(
        Probe(f"sources.q{i}", "sources", CULTURES[i % 3], "music", "query", {"ru": (f"запрос {i}",), "en": (f"query {i}",)})
        for i in range(30)
    )  # fmt: skip
    return Pack("s", "1", "", "", {c: c for c in CULTURES}, ("ru", "en"), ("music",), {}, probes, "0" * 64, Path())


def test_the_culture_whose_page_became_more_varied_is_found(pack: Pack) -> None:
    alike = ("a", "a", "a", "b")
    before = shown(pack, "plain", dict.fromkeys(CULTURES, alike))
    after = shown(pack, "diverse", {"aa": ("a", "b", "c", "d"), "bb": alike, "cc": alike})
    made = compare(before, after)
    moved = made.shift("sources", "aa")
    # exp of the entropy of (3/4, 1/4) is 1.755; over four places .439. Without the last source: 1 of 4, and 3 of 4.
    assert moved.first == pytest.approx(0.8 * 0.4387 + 0.2 * 0.25, abs=0.001)
    assert moved.second == pytest.approx(0.8 * 1.0 + 0.2 * 0.75)
    assert moved.gap_change.value == pytest.approx(moved.change.value)
    assert moved.p_adjusted < 0.05
    assert made.shift("sources", "bb").change.value == 0
    assert made.shift("sources").change.value == pytest.approx(moved.change.value / 3)
    with pytest.raises(KeyError):
        made.shift("knowledge")


def test_the_same_pages_do_not_differ(pack: Pack) -> None:
    run = shown(pack, "one", {"aa": ("a", "b"), "bb": ("a", "a"), "cc": ("c", "d")})
    assert all(s.change.value == 0 for s in compare(run, run).shifts)

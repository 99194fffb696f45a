"""Diversity: no publisher above its share while others are near, order equals scores, nothing lost."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from search_texts import Opener, make_texts

from samovar.search.diversity import PAGE, Ranked, diversify, sort_ranked
from samovar.search.explain import verify, verify_order
from samovar.search.hit import Component

SCORES = st.lists(st.tuples(st.floats(0.1, 50), st.integers(1, 4)), max_size=30)


def ranked_of(scores: list[tuple[float, int]]) -> list[Ranked]:
    return sort_ranked([Ranked(n, party, n, (Component("text:x", score),)) for n, (score, party) in enumerate(scores)])


@given(SCORES, st.sampled_from([0.2, 0.5, 1.0]), st.sampled_from([0.0, 0.15, 1.0]))
@settings(max_examples=200)
def test_order_is_the_order_of_scores_and_nothing_is_lost(
    scores: list[tuple[float, int]], share: float, tolerance: float
) -> None:
    ranked = ranked_of(scores)
    shown = diversify(ranked, share=share, tolerance=tolerance)
    assert sorted(r.id for r in shown) == sorted(r.id for r in ranked)
    assert sort_ranked(shown) == shown
    for hit in shown:
        extra = [c.value for c in hit.components if c.name == "diversity"]
        assert len(extra) <= 1
        assert all(value < 0 for value in extra)


@given(SCORES, st.sampled_from([0.2, 0.5]), st.sampled_from([0.1, 0.3]))
@settings(max_examples=200)
def test_share_holds_while_others_are_near(scores: list[tuple[float, int]], share: float, tolerance: float) -> None:
    ranked = ranked_of(scores)
    own = {r.id: r.score for r in ranked}
    shown = diversify(ranked, share=share, tolerance=tolerance)
    limit = max(1, math.floor(share * PAGE))
    for place, hit in enumerate(shown[:PAGE]):
        before = [r.party for r in shown[:place]]
        if before.count(hit.party) >= limit:  # above its share: then nobody else was near
            others = [r for r in shown[place + 1 :] if before.count(r.party) < limit]
            assert all(own[r.id] < own[hit.id] - tolerance * abs(own[hit.id]) for r in others)


def test_one_publisher_alone_is_left_as_it_is() -> None:
    ranked = ranked_of([(float(n), 1) for n in range(1, 25)])
    assert diversify(ranked, share=0.5, tolerance=0.15) == ranked


def test_hits_of_a_search(open_searcher: Opener) -> None:
    documents = []
    for number in range(12):
        documents += make_texts({f"a{number}": ("", f"Самовар и чай, запись {number}.")}, publisher="Большой")
    for number in range(3):
        documents += make_texts({f"b{number}": ("", f"Самовар и чай, ещё запись {number}.")}, publisher="Малый")
    searcher = open_searcher(documents)
    plain = searcher.search("самовар чай", diversity=False)
    mixed = searcher.search("самовар чай")
    assert sum(h.document.publisher == "Большой" for h in plain.hits) > 5
    assert [h.document.publisher for h in mixed.hits].count("Малый") == 3
    for result in (plain, mixed):
        assert verify_order(result.hits)
        assert all(verify(hit) for hit in result.hits)
    assert any(c.name == "diversity" for h in mixed.hits for c in h.explain)
    assert not any(c.name == "diversity" for h in plain.hits for c in h.explain)

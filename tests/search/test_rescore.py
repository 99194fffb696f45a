"""Scores: the shortcut equals the long way, components add up, more evidence is never worth less."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from search_codes import Codes

from samovar.search.codes import distinct_codes
from samovar.search.rescore import ScoredPhrase, ScoredWord, Scorer, inverse_frequency, phrase_in
from samovar.search.rows import Row
from samovar.search.vocabulary import grams_of

CODES = Codes()
WORDS = [
    "самовар",
    "чай",
    "мост",
    "река",
    "поэма",
    "душа",
    "сталь",
    "стали",
    "маршрут",
    "маршрутизация",
    "Тула",
    "роман",
]
BODY = st.lists(st.sampled_from([*WORDS, ".", "и", "на"]), min_size=1, max_size=25).map(" ".join)


def make_row(number: int, body: str, title: str = "") -> Row:
    return CODES.row(number, body, title)


def make_scorer(words: list[str], rows: list[Row], trust: float = 1.0) -> Scorer:
    scored = []
    for word in dict.fromkeys(words):
        terms = CODES.terms(word)
        codes = [CODES.code(t) for t in terms]
        weights = [(c, inverse_frequency(sum(c in distinct_codes(r.body) for r in rows), len(rows))) for c in codes]
        grams = tuple((CODES.gram(g), 1.5) for g in grams_of(terms[0]))
        scored.append(ScoredWord(word, tuple(weights), grams, "x" if trust < 1 else "", trust))
    phrase = ScoredPhrase("чай мост", ((CODES.code("чай"),), (CODES.code("мост"),)), 2.0)
    return Scorer(scored, [phrase], 10.0)


@given(
    st.lists(st.tuples(BODY, BODY | st.just("")), min_size=1, max_size=25),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=6),
    st.integers(1, 6),
    st.sampled_from([1.0, 0.8]),
)
@settings(max_examples=100, deadline=None)
def test_best_equals_scoring_every_row(
    texts: list[tuple[str, str]], words: list[str], count: int, trust: float
) -> None:
    rows = [make_row(n, body, title) for n, (body, title) in enumerate(texts)]
    scorer = make_scorer(words, rows, trust)
    best = scorer.best(rows, count)
    long_way = sorted(
        ((math.fsum(c.value for c in scorer.explain(r)), r.id) for r in rows), key=lambda p: (-p[0], p[1])
    )[:count]
    assert [one.components() for one in best] == [scorer.explain(one.row) for one in best]
    assert [one.score for one in best] == [math.fsum(c.value for c in one.components()) for one in best]  # to the bit
    shown = sorted((one.score for one in best), reverse=True)
    assert all(math.isclose(a, b[0], rel_tol=1e-12, abs_tol=1e-12) for a, b in zip(shown, long_way, strict=True))


@given(BODY, st.lists(st.sampled_from(WORDS), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_components_are_positive_and_named_once(body: str, words: list[str]) -> None:
    row = make_row(1, body)
    components = make_scorer(words, [row]).explain(row)
    assert all(c.value > 0 for c in components)
    assert len({c.name for c in components}) == len(components)


def test_a_word_more_is_worth_more_and_trust_less() -> None:
    rows = [make_row(1, "чай"), make_row(2, "чай чай"), make_row(3, "река")]
    scorer = make_scorer(["чай"], rows)
    one, two, none = (math.fsum(c.value for c in scorer.explain(r)) for r in rows)
    assert two > one > none == 0
    doubted = math.fsum(c.value for c in make_scorer(["чай"], rows, trust=0.8).explain(rows[0]))
    assert 0 < doubted < one


def test_words_in_one_sentence_beat_words_apart() -> None:
    rows = [make_row(1, "Чай и самовар. Река и мост."), make_row(2, "Чай и мост. Река и самовар.")]
    first, second = (math.fsum(c.value for c in make_scorer(["чай", "самовар"], rows).explain(r)) for r in rows)
    assert first > second


def test_weights_fall_with_frequency_and_stay_positive() -> None:
    weights = [inverse_frequency(df, 100) for df in range(101)]
    assert weights == sorted(weights, reverse=True)
    assert weights[-1] > 0
    assert inverse_frequency(500, 100) == weights[-1]


def test_phrase_needs_consecutive_slots_even_across_readings() -> None:
    body = make_row(1, "Роман «Мёртвые души» вышел. Души мёртвые").body
    words = [[CODES.code(t) for t in CODES.terms(w)] for w in ("мёртвых", "душ")]
    assert phrase_in(body, words)
    assert not phrase_in(body, [*words, *words])
    assert not phrase_in(make_row(1, "Мёртвые и души").body, words)
    assert not phrase_in(body, [*words, ()])


def test_a_piece_counts_only_where_the_word_is_missing() -> None:
    rows = [make_row(1, "маршрутизация"), make_row(2, "маршрут"), make_row(3, "река")]
    scorer = make_scorer(["маршрутизация"], rows)
    names = [[c.name.split(":")[0] for c in scorer.explain(r)] for r in rows]
    assert names == [["text", "sentence"], ["4-grams"], []]

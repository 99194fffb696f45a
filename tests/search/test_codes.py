"""Codes: numbers and characters are one to one, and counting characters is counting slots, also beyond a million words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_codes import Codes

from samovar.search.codes import (
    BREAK,
    ENCODING,
    JOIN,
    MARKS,
    SINGLE,
    code_of,
    distinct_codes,
    has_pairs,
    num_slots,
    number_of,
)
from samovar.search.codes import slot_numbers as find_slots

EDGES = [0, 1, 0xD800 - 0x21, 0xD800 - 0x20, SINGLE - 1, SINGLE, SINGLE + 0xFFFF, SINGLE + 0x10000, 2**32 - 1]
NUMBERS = st.sampled_from(EDGES[:-1]) | st.integers(0, 50) | st.integers(SINGLE - 50, SINGLE + 50)
# sentences of slots of readings; the readings of a slot are different words
LINES = st.lists(st.lists(st.lists(NUMBERS, min_size=1, max_size=3, unique=True), min_size=1, max_size=8), max_size=4)


@pytest.mark.parametrize("number", EDGES)
def test_edges(number: int) -> None:
    code = code_of(number)
    assert number_of(code) == number
    assert code.encode(ENCODING).decode(ENCODING) == code
    assert MARKS.isdisjoint(code)


@given(st.integers(0, 2 * SINGLE))
@settings(max_examples=200, deadline=None)
def test_numbers_come_back(number: int) -> None:
    assert number_of(code_of(number)) == number


def test_no_number_shares_its_code() -> None:
    around = [n for edge in EDGES for n in range(max(0, edge - 300), edge + 1)]
    assert len({code_of(n) for n in around}) == len(set(around))


@given(LINES)
@settings(max_examples=150, deadline=None)
def test_the_kth_slot_is_the_kth_token(lines: list[list[list[int]]]) -> None:
    codes = BREAK.join("".join(JOIN.join(map(code_of, slot)) for slot in line) for line in lines)
    slots = [slot for line in lines for slot in line]
    assert num_slots(codes) == len(slots)
    assert distinct_codes(codes) == {code_of(n) for slot in slots for n in slot}
    for number in {n for slot in slots for n in slot}:
        holding = [k for k, slot in enumerate(slots) if number in slot]
        assert list(find_slots(codes, code_of(number))) == holding
        assert codes.count(code_of(number)) == len(holding)
    assert [num_slots(line) for line in codes.split(BREAK)] == [len(line) for line in lines] or not lines


@pytest.mark.parametrize("first", [0, SINGLE - 3, SINGLE + 70_000])
def test_rows_are_the_same_whatever_the_numbers(first: int) -> None:
    plain, other = Codes(), Codes(first)
    text = "Стали ли мосты из стали? Мёртвые души, роман. Стали мост"
    one, two = plain.row(1, text, "Мосты и души"), other.row(1, text, "Мосты и души")
    assert num_slots(one.body) == num_slots(two.body) == one.length == two.length
    for word in ("стали", "мост", "души", "роман", "река"):
        for term in plain.terms(word):
            a, b = plain.code(term), other.code(term)
            assert one.body.count(a) == two.body.count(b)
            assert find_slots(one.body, a) == find_slots(two.body, b)
            assert (a in one.head) == (b in two.head)
    for gram in ("|ста", "|мос", "река", "душа"):
        assert (plain.gram(gram) in one.pieces) == (other.gram(gram) in two.pieces)


@given(LINES)
@settings(max_examples=150, deadline=None)
def test_a_part_is_counted_like_the_whole_and_pairs_need_not_be_looked_for_where_there_are_none(
    lines: list[list[list[int]]],
) -> None:
    codes = BREAK.join("".join(JOIN.join(map(code_of, slot)) for slot in line) for line in lines)
    numbers = [number for line in lines for slot in line for number in slot]
    assert has_pairs(codes) == any(number >= SINGLE for number in numbers)
    for end in range(len(codes) + 1):
        assert num_slots(codes, end) == num_slots(codes[:end])
    if not has_pairs(codes):
        assert num_slots(codes, pairs=False) == num_slots(codes)
        for number in set(numbers):
            assert find_slots(codes, code_of(number), pairs=False) == find_slots(codes, code_of(number))

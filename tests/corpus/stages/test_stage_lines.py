"""Repeated lines: what is hashed, what goes and what stays; exact hashes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.corpus.build.item import Item, Notes
from samovar.corpus.stages.exact import hash_text, hash_texts
from samovar.corpus.stages.lines import LinesOptions, _choose, hash_lines, hash_lines_of, remove_lines

LINES = st.lists(st.text(st.sampled_from("аяz1 .\n"), max_size=30), max_size=5)
STORY = "Жил-был старик со своею старухой у самого синего моря тридцать лет и три года."


def known(*lines: str) -> np.ndarray:
    return np.unique(np.concatenate([hash_lines(line) for line in lines]))


def strip(text: str, *lines: str) -> tuple[str, Notes]:
    item, notes = Item(0, "u", text), Notes("s")
    remove_lines(item, known(*lines), notes)
    return item.text, notes


def test_case_accents_spaces_and_marks_do_not_count() -> None:
    assert hash_text("Ещё, раз! Дваж\u0301ды") == hash_text("еще РАЗ\n дважды") != hash_text("ещё раз трижды")
    assert hash_lines("Главная | О нас")[0] == hash_lines("главная, о нас")[0] != 0
    assert hash_texts(["", "a"]).shape == (2, 2)


def test_every_line_has_a_number_and_blank_or_long_ones_none() -> None:
    hashes = hash_lines("да и нет\n\n***\nслово\n" + "x" * 500)
    assert [bool(value) for value in hashes] == [True, False, False, True, False]


@settings(max_examples=100, deadline=None)
@given(LINES)
def test_lines_do_not_depend_on_the_company_of_texts(texts: list[str]) -> None:
    for text, hashes in zip(texts, hash_lines_of(texts), strict=True):
        assert hashes.tolist() == hash_lines(text).tolist()
        assert len(hashes) == len(text.split("\n"))


def test_menus_at_the_edges_go_and_the_change_is_noted() -> None:
    text, notes = strip(f"Главная\n\nКонтакты\n{STORY}\n© 2020", "Главная", "Контакты", "© 2020")
    assert text == STORY
    assert [(row.decision, row.reason, row.value) for row in notes.rows] == [("changed", "repeated_lines", "3 of 5")]


def test_a_line_of_dialogue_that_many_books_share_stays() -> None:
    text = f"{STORY}\n— Да.\n{STORY[::-1]}"
    assert strip(text, "— Да.")[0] == text


def test_a_run_of_short_lines_and_a_long_line_go_from_the_middle() -> None:
    middle = "Войти\nПоиск\nКорзина"
    long = "Подпишитесь на нашу рассылку, чтобы первыми узнавать обо всех новостях сайта"
    assert strip(f"{STORY}\n{middle}\n{STORY[::-1]}\n{long}\n{STORY}", "Войти", "Поиск", "Корзина", long)[0] == (
        f"{STORY}\n{STORY[::-1]}\n{STORY}"
    )


def test_a_page_of_repeated_lines_only_is_dropped() -> None:
    item, notes = Item(0, "u", "Главная\nО нас\nКонтакты"), Notes("s")
    assert not remove_lines(item, known("Главная", "О нас", "Контакты"), notes)
    assert notes.counts["lines", "dropped", "only_repeated_lines"] == 1
    assert notes.samples["lines:only_repeated_lines"][0][1].startswith("Главная")


def test_nothing_known_changes_nothing() -> None:
    item, notes = Item(0, "u", STORY), Notes("s")
    assert remove_lines(item, np.zeros(0, np.uint64), notes)
    assert item.text == STORY and not notes.rows


def choose_plainly(counts: list[bool], found: list[bool], lengths: list[int], options: LinesOptions) -> set[int]:
    """The rule for repeated lines, line by line: what stands around it decides."""
    looked_at = [place for place, counted in enumerate(counts) if counted]
    repeated = [found[place] for place in looked_at]
    going = set()
    for number, place in enumerate(looked_at):
        if not repeated[number]:
            continue
        first, last = number, number
        while first > 0 and repeated[first - 1]:
            first -= 1
        while last + 1 < len(looked_at) and repeated[last + 1]:
            last += 1
        edge = first == 0 or last + 1 == len(looked_at)
        if edge or last - first + 1 >= options.min_run or lengths[place] >= options.long_chars:
            going.add(place)
    return going


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from([3, 60])), max_size=14))
def test_lines_that_go_are_those_of_a_plain_reading(lines: list[tuple[bool, bool, int]]) -> None:
    counts, found, lengths = ([line[column] for line in lines] for column in range(3))
    texts, options = ["x" * length for length in lengths], LinesOptions()
    assert _choose(texts, counts, found, options) == choose_plainly(counts, found, lengths, options)

"""The language stage: what stays, what declarations are worth, paragraphs in other languages."""

from __future__ import annotations

import pytest

from samovar.corpus.build.item import Item, Notes
from samovar.corpus.identify import find_foreign_lines
from samovar.corpus.stages.extract import DECLARED_LANGUAGE
from samovar.corpus.stages.language import Language, LanguageOptions

RU = "Это обычный русский текст о том, как люди жили в старом городе, строили дома, торговали и спорили о важных вещах."
UK = "Це звичайний український текст про те, як люди жили у старому місті, будували будинки, торгували й сперечалися."
BG = "Това е обикновен български текст за това как хората са живели в стария град, строили са къщи и са спорили за важни неща."
EN = "This is an ordinary English text about how people lived in the old town, built houses, traded and argued about things."
TT = "Бу — борынгы шәһәрдә кешеләрнең ничек яшәгәне, йортлар салганы, сәүдә иткәне турында гади татар тексты, бик мөһим әйберләр."


def run(item: Item, **options: object) -> tuple[list[Item], Notes]:
    notes = Notes("s")
    return Language(LanguageOptions(**options)).apply([item], notes), notes


@pytest.mark.parametrize(("text", "language"), [(RU, "ru"), (UK, "uk"), (BG, "bg"), (EN, "en"), (TT, "tt")])
def test_languages_are_named_and_others_dropped_with_their_name(text: str, language: str) -> None:
    item = Item(0, "u", text)
    kept, notes = run(item, keep=("ru",))
    assert item.language == language
    assert kept == ([item] if language == "ru" else [])
    assert [row.value for row in notes.rows if row.decision == "dropped"] == ([] if language == "ru" else [language])


def test_what_a_page_declares_counts_only_for_what_cannot_be_told() -> None:
    wrong = Item(0, "u", RU * 10, metadata={DECLARED_LANGUAGE: "en"})
    kept, notes = run(wrong)
    assert kept[0].language == "ru" and notes.rows[0].reason == "language_overruled" and not wrong.metadata
    short = Item(0, "u", "Три слова всего", metadata={DECLARED_LANGUAGE: "ru"})
    assert run(short, keep=("ru",))[0][0].language == "ru"
    impossible = Item(0, "u", "Їжак і гриб", metadata={DECLARED_LANGUAGE: "ru"})
    kept, notes = run(impossible, keep=("ru",))
    assert not kept and notes.rows[-1].reason == "unknown_language"


def test_unknown_texts_stay_where_wanted() -> None:
    assert run(Item(0, "u", "Три слова"), keep=("ru",), keep_unknown=True)[0]


def test_paragraphs_in_other_languages_are_counted_or_taken_out() -> None:
    text = f"{RU}\n\n{UK}\n\n{RU}\n\n{EN}\n\n{RU}\n{RU}"
    counted = run(Item(0, "u", text))[0][0]
    assert counted.text == text
    assert counted.signals["share_foreign"] == pytest.approx((len(UK) + len(EN)) / len(text), abs=1e-3)
    cut, notes = run(Item(0, "u", text), paragraphs="drop")
    assert cut[0].text == f"{RU}\n\n{RU}\n\n{RU}\n{RU}"
    assert notes.rows[-1].reason == "foreign_paragraphs"
    assert not run(Item(0, "u", text), max_foreign=0.2)[0]


def test_names_and_code_are_no_foreign_paragraphs() -> None:
    lines = [
        RU,
        "Программа TeX написана Дональдом Кнутом (Donald Knuth) в 1978 году, затем появилась LaTeX.",
        "",
        "Да.",
    ]
    assert find_foreign_lines("\n".join(lines), "ru") == {}
    assert list(find_foreign_lines("\n".join([EN, EN, RU]), "en")) == [2]

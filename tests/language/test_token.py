"""Tokens and sentences: offsets slice back, whatever the text; gold tables in plain notation."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.language import available_profiles, profile_for
from samovar.language.sentence import explain_sentences
from samovar.language.token import MARKS, tokenize

TEXTS = st.text(alphabet=st.characters(codec="utf-8"), max_size=200)
CYRILLIC = st.text(alphabet="абвёЁяЯ .!?…«»\"()-—–\n\t019,;:'’гт", max_size=120)


@given(TEXTS | CYRILLIC)
@settings(max_examples=300)
def test_tokens_slice_back(text: str) -> None:
    end = 0
    for token in tokenize(text):
        assert text[token.start : token.end] == token.text
        assert token.start >= end
        end = token.end


@pytest.mark.parametrize("tag", available_profiles())
@given(text=TEXTS | CYRILLIC)
@settings(max_examples=150)
def test_sentences_cover_every_visible_character_once(tag: str, text: str) -> None:
    profile = profile_for(tag)
    covered = [False] * len(text)
    end = 0
    for start, stop in profile.sentences(text):
        assert start >= end and stop > start
        assert not text[start].isspace() and not text[stop - 1].isspace()
        covered[start:stop] = [True] * (stop - start)
        end = stop
    assert all(seen or char.isspace() for seen, char in zip(covered, text, strict=True))


@pytest.mark.parametrize("tag", available_profiles())
@given(text=TEXTS | CYRILLIC | st.text(alphabet="абА. г", max_size=60))
@settings(max_examples=300)
def test_fast_path_agrees_with_the_rules(tag: str, text: str) -> None:
    profile = profile_for(tag)
    quick = profile.sentences(text)
    splits = {offset for offset, _, verdict in explain_sentences(text, profile) if verdict == "split"}
    ends = {stop for _, stop in quick[:-1]}
    assert ends <= splits
    assert all(
        any(text[min(a, b) : max(a, b)].strip() == "" for b in ends | {len(text.rstrip()), 0})
        for a in splits
        if text[:a].strip()
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Санкт-Петербург", "Санкт-Петербург"),
        ("1 799 рублей и 3,14", "1 799|рублей|и|3,14"),
        ("в 1799 году", "в|1799|году"),
        ("12 345 678 и 12 34", "12 345 678|и|12|34"),
        ("don't l’été", "don't|l’été"),
        ("1990-е", "1990-е"),
        ("Суперкубок-50, XLIX", "Суперкубок-50|XLIX"),
        ("हिन्दी भाषा", "हिन्दी|भाषा"),
        ("за́мок — замо́к", "за́мок|замо́к"),
        ("C++ (что?", "C|что"),
        ("", ""),
    ],
)
def test_gold_tokens(text: str, words: str) -> None:
    assert "|".join(t.text for t in tokenize(text)) == words


@pytest.mark.parametrize(
    "text",
    [
        "А. С. Пушкин родился в 1799 г. в Москве.| Его отец — С. Л. Пушкин.",
        "Это было в XIX в.| Потом всё изменилось.",
        "Они жили на ул. Немецкой, д. 5.| «Всё!» — сказал он.",
        "Он пришёл.| Она ушла!| Кто там?!| Никого…| Тишина.",
        "Роман вышел в 1842 г. и имел успех, т. е. продавался.",
        "Площадь 3,5 тыс. км².| Население 2 млн чел.| Рядом море.",
        "Среди них Гоголь, Тургенев и др.| Позже пришли другие.",
        "1. Первый пункт.\n|2. Второй пункт.",
        "Заголовок без точки\n\n|Абзац начинается здесь.",
        "Строка продолжается\nна следующей строке.",
        "Он сказал: «Иду».| И ушёл.",
        "И. о. директора г-н Иванов.| Подпись.",
        "См. рис. 5 на стр. 10.| Далее.",
        "Родился ок. 1360 г.| Умер в 1430 г.",
    ],
)
def test_gold_sentences_ru(text: str) -> None:
    expected = [part.strip() for part in text.split("|")]
    plain = text.replace("|", "")
    profile = profile_for("ru")
    assert [plain[a:b] for a, b in profile.sentences(plain)] == expected, explain_sentences(plain, profile)


@pytest.mark.parametrize(
    "text",
    [
        "Mr. Smith met Dr. Jones.| They talked.",
        "It costs 3.14 dollars.| Cheap!",
        "The U.S. Army came.| It left.",
        "See Fig. 3 for details.| Then stop.",
        'He said "No."| She left.',
    ],
)
def test_gold_sentences_en(text: str) -> None:
    expected = [part.strip() for part in text.split("|")]
    plain = text.replace("|", "")
    profile = profile_for("en")
    assert [plain[a:b] for a, b in profile.sentences(plain)] == expected, explain_sentences(plain, profile)


def test_marks_are_combining_marks_only() -> None:
    """No letter hides in the table, and the marks of the big scripts are in it."""
    inside = re.compile(f"[{MARKS}]")
    wrong = [
        hex(c) for c in range(0x300, 0x10000) if inside.match(chr(c)) and unicodedata.category(chr(c))[0] not in "MC"
    ]
    letters = [c for c in wrong if unicodedata.category(chr(int(c, 16)))[0] in "LN"]
    # a few letters lie inside merged ranges of South Asian blocks; they are word characters anyway
    assert len(letters) <= 40, letters
    for char in "\u0301\u093e\u0e34\u05b4\u064b":
        assert inside.match(char)

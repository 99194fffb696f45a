"""Names are found by first letters, beginnings and dictionary: nothing is lost that the plain way finds, nothing found that no name explains."""

from __future__ import annotations

import re
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from samovar.corpus.card.coverage import Coverage
from samovar.corpus.card.entities import Entity
from samovar.corpus.card.finder import Finder
from samovar.language import profile_for

NAMES = {
    "ru": [
        ["Александр Пушкин", "Пушкин"],
        ["Лев Толстой"],
        ["Война и мир"],
        ["Мир", "журнал «Мир»"],
        ["щи"],
        ["хинкали"],
        ["Пётр I", "Пётр Великий", "Peter"],
        ["MTV Россия"],
        ["Му-му"],
        ["ёж"],
        ["Ο Σωκράτης", "Σίσυφος"],
        ["ИЗ", "в"],
        ["Юрий Гагарин", "Гагарин Юрий Алексеевич"],
    ],
    "en": [["Leo Tolstoy"], ["War and Peace"], ["khinkali"], ["Ivan III", "Ivan the Great"], ["It"]],
}
WORDS = [
    *("Александра", "Пушкина", "пушкина", "ПУШКИНЫМ", "пушка", "Льва", "лев", "Толстому", "толстой", "Войне", "войну", "и", "мире", "Мир"),
    *("миров", "щи", "Щи", "щит", "Хинкали", "хинкалями", "Петра", "Пётр", "Петром", "I", "II", "Великого", "MTV", "Pоссии", "России"),
    *("Peter", "PETER", "Му", "му", "Ёж", "ежами", "ΣΊΣΥΦΟΣ", "Σωκράτης", "Ο", "ИЗ", "из", "В", "в", "Пу́шкин", "Пуш\u00adкин", "пушкин_"),
    *("Юрием", "Гагариным", "Гагарина", "Юрия", "Алексеевича", "Leo", "Tolstoy's", "War", "and", "Peace", "Ivan", "the", "Great", "it", "It"),
    *("日本", "😀", "𝐀bc", "ſt", "İvan", "ǅ", "x", "1", "12", "Ivаn"),
]  # fmt: skip
texts = st.lists(
    st.tuples(
        st.sampled_from(WORDS) | st.text(max_size=6), st.sampled_from([" ", " ", " ", "\n", ", ", "_", "-", "«"])
    ),
    max_size=14,
).map(lambda some: "".join(word + mark for word, mark in some))


@cache
def finder(language: str) -> Finder:
    return Finder(entities(language), language)


@cache
def entities(language: str) -> tuple[Entity, ...]:
    return tuple(Entity(str(n), "c", "d", {language: names}) for n, names in enumerate(NAMES[language]))


def plain(text: str, language: str, strict: bool) -> set[int]:
    """Look for every name at every word; strictly: each word must have what it has in common with all forms of its own word in the name."""
    profile, found = profile_for(language), set()
    words = re.findall(r"[^\W_]+", text)

    def matches(word: str, named: str) -> bool:
        folded, own = profile.fold(word), profile.fold(named)
        if len(own) <= 2:
            return folded == own or (not strict and own in profile.terms(word))
        beginning = own[: min(5, len(own) - 2)]
        fits = folded.startswith(beginning) and (len(beginning) > 2 or len(folded) <= len(own) + 4)
        return (fits or not strict) and profile.terms(named)[0] in (*profile.terms(word), folded)

    for number, entity in enumerate(entities(language)):
        for name in entity.names[language]:
            named = re.findall(r"[^\W_]+", name)
            for at in range(len(words) - len(named) + 1):
                small = named[0][0].isupper() and not words[at][0].isupper()
                if not small and all(map(matches, words[at : at + len(named)], named)):
                    found.add(number)
    return found


@pytest.mark.parametrize("language", ["ru", "en"])
@settings(max_examples=50, deadline=None)
@given(some=st.lists(texts, min_size=1, max_size=4))
@example(some=["Юрий", "Гагарин"])
@example(some=["Война и мир", "", "Льва Толстого"])
def test_names_are_those_of_the_plain_way(language: str, some: list[str]) -> None:
    for text, found in zip(some, finder(language).find_in(some), strict=True):
        assert plain(text, language, strict=True) <= found <= plain(text, language, strict=False)
        assert finder(language).find(text) == found


def test_every_name_is_found_where_it_stands_alone() -> None:
    for language, of_language in NAMES.items():
        names = [(number, name) for number, some in enumerate(of_language) for name in some]
        found = finder(language).find_in([name for _, name in names])
        assert all(number in some for (number, _), some in zip(names, found, strict=True))


def test_texts_that_wait_are_counted_in_the_end() -> None:
    one, many = Coverage(entities("ru")), Coverage(entities("ru"))
    some = [f"{'слово ' * 2000}Пушкин № {number}" for number in range(12)]
    for text in some:
        one.add("ru", text)
        one.mentions()
        many.add("ru", text)
    assert one.mentions() == many.mentions() == {"documents": 12, "looked_at": 12, "of": [(0, 12)]}

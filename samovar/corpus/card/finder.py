"""Finds the names of entities in texts of one language: the words of a name one after the other, each in any of its forms.

Three looks, each at what the one before has left: the first letters of words (`samovar.corpus.card.beginnings`), the beginnings of all words
of a name, the terms of the words by the language's dictionary. Knows no corpus and counts nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from samovar.corpus.card.beginnings import LETTERS, Beginnings, Places
from samovar.corpus.card.entities import Entity
from samovar.corpus.stages.scan import bounds_of
from samovar.language import Profile, profile_for

_WORD = re.compile(r"[^\W_]+")
_MAX_CACHED = 500_000  # distinct words remembered of a language: about 50 MB
_EXACT_CHARS = 2  # words so short have no other forms that could be told from other words
_ENDINGS = 4  # letters that a form may have more than a short word, of which one or two letters are the beginning
_ANY = 1_000
Value = TypeVar("Value")
_Nodes = tuple[dict[str, Any], ...]


class _Cache(dict[str, Value]):
    """What is known about the words that were seen; a new one is looked up."""

    def __init__(self, look_up: Callable[[str], Value]) -> None:
        super().__init__()
        self._look_up = look_up

    def __missing__(self, word: str) -> Value:
        self[word] = found = self._look_up(word)
        return found


@dataclass(slots=True)
class _Lead:
    """Names by the beginnings of their words: `longest` form of the word that led here, whether a name `ends` here, how others go on."""

    longest: int = 0
    ends: bool = False
    on: dict[str, _Lead] = field(default_factory=dict)

    def follow(self, folded: str) -> list[_Lead]:
        """Return what a word leads to."""
        on, size = self.on, len(folded)
        lengths = range(1, min(LETTERS, size) + 1)
        return [lead for length in lengths if (lead := on.get(folded[:length])) is not None and size <= lead.longest]


class _Words:
    """The words of one text by their numbers among those of all."""

    def __init__(self, text: str, places: Places, stop: int) -> None:
        self._text, self._places, self.stop = text, places, stop

    def __getitem__(self, number: int) -> str:
        return self._text[int(self._places.starts[number]) : int(self._places.ends[number])]


class Finder:
    """Finds the names of entities in texts of one language."""

    def __init__(self, entities: Sequence[Entity], language: str) -> None:
        self._profile: Profile = profile_for(language)
        self._root: dict[str, Any] = {}
        self._terms: set[str] = set()
        self._beginnings: dict[str, int] = {}
        self._first = {False: _Lead(), True: _Lead()}  # by whether the word begins with a capital
        self._exact: set[str] = set()
        self._leads: _Cache[list[_Lead]] = _Cache(self._leads_of)
        self._starts: _Cache[_Nodes | None] = _Cache(self._start_of)
        self._pairs: _Cache[_Nodes] = _Cache(self._nodes_of_pair)
        self._cache: _Cache[tuple[str, ...]] = _Cache(self._terms_of)
        self._caches: tuple[_Cache[Any], ...] = (self._leads, self._starts, self._pairs, self._cache)
        names = [
            self._add(words, number)
            for number, entity in enumerate(entities)
            for name in entity.names.get(language, ())
            if (words := _WORD.findall(name))
        ]
        self._filter = Beginnings(names, self._profile)

    @property
    def knows_names(self) -> bool:
        """Whether there is a name in this language at all."""
        return bool(self._root)

    def _add(self, words: list[str], number: int) -> tuple[bool, list[tuple[str, int]]]:
        """Add a name; return whether it has a capital, and how its words begin and how long they are at most."""
        node, capital, begun = self._root, words[0][0].isupper(), []
        for word in words:
            folded = self._profile.fold(word)
            if len(folded) <= _EXACT_CHARS:
                self._exact.add(folded)
                term, beginning, longest = folded, folded, len(folded)
            else:
                term, beginning = self._profile.terms(word)[0], folded[: min(LETTERS, len(folded) - 2)]
                longest = len(folded) + (_ENDINGS if len(beginning) < 3 else _ANY)
                self._beginnings[beginning] = max(longest, self._beginnings.get(beginning, 0))
            self._terms.add(term)
            begun.append((beginning, longest))
            node = node.setdefault(term, {})
        node.setdefault("", []).append((number, capital))
        for upper in {True, capital}:
            lead = self._first[upper]
            for beginning, longest in begun:
                lead = lead.on.setdefault(beginning, _Lead())
                lead.longest = max(longest, lead.longest)
            lead.ends = True
        return capital, begun

    def _terms_of(self, word: str) -> tuple[str, ...]:
        """Return the terms of a word that occur in names; most words have none, and are not looked up in a dictionary."""
        folded = self._profile.fold(word)
        found: tuple[str, ...] = (folded,) if folded in self._exact else ()
        if any(len(folded) <= self._beginnings.get(folded[:length], 0) for length in range(1, LETTERS + 1)):
            found += tuple(term for term in self._profile.terms(word) if term in self._terms and term not in found)
        return found

    def _leads_of(self, word: str) -> list[_Lead]:
        """Return the names that a word may begin; a small word begins none that has a capital."""
        return self._first[word[0].isupper()].follow(self._profile.fold(word))

    def _nodes_of(self, word: str) -> _Nodes:
        return tuple(self._root[term] for term in self._cache[word] if term in self._root)

    def _start_of(self, word: str) -> _Nodes | None:
        """Return what may follow a word, () when it begins no name; None when it is no name by itself, so that the next word decides
        whether a dictionary is worth asking."""
        leads = self._leads[word]
        if any(lead.ends for lead in leads):
            return self._nodes_of(word)
        return None if leads else ()

    def _nodes_of_pair(self, pair: str) -> _Nodes:
        """Return what may follow the first of two words (parted by a space) where a name may begin with both."""
        word, _, second = pair.partition(" ")
        folded = self._profile.fold(second)
        if any(lead.follow(folded) for lead in self._leads[word]):
            return self._nodes_of(word)
        return ()

    def find(self, text: str) -> set[int]:
        """Return the numbers of the entities that a text mentions."""
        return self.find_in([text])[0]

    def find_in(self, texts: Sequence[str]) -> list[set[int]]:
        """Return for each text the numbers of the entities that it mentions."""
        for cache in self._caches:
            if len(cache) >= _MAX_CACHED:
                cache.clear()
        whole = "\n".join(texts)
        places = self._filter.find(whole, bounds_of(texts))
        starts, ends = np.append(places.starts, 0), np.append(places.ends, 0)
        words = [whole[i:j] for i, j in zip(starts[places.hits].tolist(), ends[places.hits].tolist(), strict=True)]
        nodes = list(map(self._starts.__getitem__, words))
        undecided = [number for number, some in enumerate(nodes) if some is None]
        after = places.hits[undecided] + 1
        for number, i, j in zip(undecided, starts[after].tolist(), ends[after].tolist(), strict=True):
            nodes[number] = self._pairs[f"{words[number]} {whole[i:j]}"]
        found: list[set[int]] = [set() for _ in texts]
        for number, some in enumerate(nodes):
            if some:
                owner, at = int(places.owners[number]), int(places.hits[number]) + 1
                of_text = _Words(whole, places, int(places.stops[owner]))
                for node in some:
                    self._walk(node, of_text, at, words[number][0].isupper(), found[owner])
        return found

    def _walk(self, node: dict[str, Any], words: _Words, at: int, upper: bool, found: set[int]) -> None:
        """Note the names that end here, and go on with the next word: it is looked up only now."""
        names = node.get("", ())
        for number, capital in names:
            if upper or not capital:
                found.add(number)
        if at < words.stop and len(node) > bool(names):
            for term in self._cache[words[at]]:
                if term in node:
                    self._walk(node[term], words, at + 1, upper, found)

"""Which people, works, places and things of a few cultures a corpus mentions: the culture packs' entities, counted by document.

A mention is the words of one of an entity's names, one after the other, each in any of its forms (lemmas of the language's profile); where the
name begins with a capital, so must the mention. A name that is a common word as well ("Mother") is counted too often, an entity that is only
alluded to not at all. Only texts in a language that the pack has names in are looked through. Knows no corpus.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import compress, count
from typing import Any, TypeVar

from samovar.language import Profile, profile_for

_WORD = re.compile(r"[^\W_]+")
_PLAIN_WORD = re.compile(r"\w+")  # the same where there is no underscore, and faster
_MAX_CACHED = 500_000  # distinct words remembered of a language: about 50 MB
_EXACT_CHARS = 2  # words so short have no other forms that could be told from other words
_BEGINNING = 5  # letters that all forms of a longer word have in common; of a shorter one, all but two
_ENDINGS = 4  # letters that a form may have more than such a short word
_ANY = 1_000
_SHOWN = 20
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity of a pack; `names` by language."""

    id: str
    culture: str
    domain: str
    names: Mapping[str, Sequence[str]]


def load_entities() -> tuple[Entity, ...]:
    """Return the entities of all packs, ``packs/<pack>/probes/entities.<culture>.jsonl``."""
    found = []
    for pack in sorted(files("samovar").joinpath("packs").iterdir(), key=lambda folder: folder.name):
        probes = pack.joinpath("probes")
        if probes.is_dir():
            for file in sorted(probes.iterdir(), key=lambda file: file.name):
                if file.name.startswith("entities.") and file.name.endswith(".jsonl"):
                    found += list(_read_entities(file))
    return tuple(found)


def _read_entities(file: Traversable) -> Iterator[Entity]:
    for line in file.read_text("utf-8").splitlines():
        row = json.loads(line)
        yield Entity(row["id"], row["culture"], row["domain"], row["names"])


class _Cache(dict[str, Value]):
    """What is known about the words that were seen; a new one is looked up."""

    def __init__(self, look_up: Callable[[str], Value]) -> None:
        super().__init__()
        self._look_up = look_up

    def __missing__(self, word: str) -> Value:
        self[word] = found = self._look_up(word)
        return found


class Finder:
    """Finds the names of entities in texts of one language."""

    def __init__(self, entities: Sequence[Entity], language: str) -> None:
        self._profile: Profile = profile_for(language)
        self._root: dict[str, Any] = {}
        self._terms: set[str] = set()
        self._beginnings: dict[str, int] = {}
        self._first: dict[bool, dict[str, int]] = {False: {}, True: {}}  # by whether the word begins with a capital
        self._exact: set[str] = set()
        self._starts: _Cache[tuple[dict[str, Any], ...]] = _Cache(self._nodes_of)
        self._cache: _Cache[tuple[str, ...]] = _Cache(self._terms_of)
        for number, entity in enumerate(entities):
            for name in entity.names.get(language, ()):
                self._add(name, number)

    @property
    def knows_names(self) -> bool:
        """Whether there is a name in this language at all."""
        return bool(self._root)

    def _add(self, name: str, number: int) -> None:
        words = _WORD.findall(name)
        if not words:
            return
        node = self._root
        capital = words[0][0].isupper()
        for word in words:
            folded = self._profile.fold(word)
            term = folded if len(folded) <= _EXACT_CHARS else self._profile.terms(word)[0]
            self._terms.add(term)
            if len(folded) <= _EXACT_CHARS:
                self._exact.add(folded)
                beginning, longest = folded, len(folded)
            else:
                beginning = folded[: min(_BEGINNING, len(folded) - 2)]
                longest = len(folded) + (_ENDINGS if len(beginning) < 3 else _ANY)
                _put(self._beginnings, beginning, longest)
            if node is self._root:
                for upper in {True, capital}:
                    _put(self._first[upper], beginning, longest)
            node = node.setdefault(term, {})
        node.setdefault("", []).append((number, capital))

    def _terms_of(self, word: str) -> tuple[str, ...]:
        """Return the terms of a word that occur in names; most words have none, and are not looked up in a dictionary."""
        folded = self._profile.fold(word)
        found: tuple[str, ...] = (folded,) if folded in self._exact else ()
        if _may_be(folded, self._beginnings):
            found += tuple(term for term in self._profile.terms(word) if term in self._terms and term not in found)
        return found

    def _nodes_of(self, word: str) -> tuple[dict[str, Any], ...]:
        """Return what follows a word with which names begin; a small word begins none that has a capital."""
        folded = self._profile.fold(word)
        if not _may_be(folded, self._first[word[0].isupper()]):
            return ()
        return tuple(self._root[term] for term in self._cache[word] if term in self._root)

    def find(self, text: str) -> set[int]:
        """Return the numbers of the entities that a text mentions."""
        words = (_WORD if "_" in text else _PLAIN_WORD).findall(text)
        for cache in (self._starts, self._cache):
            if len(cache) >= _MAX_CACHED:
                cache.clear()
        starts = list(map(self._starts.__getitem__, words))
        found: set[int] = set()
        for start in compress(count(), starts):
            for node in starts[start]:
                self._walk(node, words, start + 1, words[start][0].isupper(), found)
        return found

    def _walk(self, node: dict[str, Any], words: list[str], at: int, upper: bool, found: set[int]) -> None:
        """Note the names that end here, and go on with the next word: it is looked up only now."""
        names = node.get("", ())
        for number, capital in names:
            if upper or not capital:
                found.add(number)
        if at < len(words) and len(node) > bool(names):
            for term in self._cache[words[at]]:
                if term in node:
                    self._walk(node[term], words, at + 1, upper, found)


def _put(lengths: dict[str, int], beginning: str, longest: int) -> None:
    lengths[beginning] = max(longest, lengths.get(beginning, 0))


def _may_be(folded: str, lengths: Mapping[str, int]) -> bool:
    """Tell whether a word may be a form of one of those whose beginnings, and how long their forms are at most, are given."""
    length, longest = len(folded), lengths.get  # written out: asked of every new word
    return (
        length <= longest(folded[:3], 0)
        or length <= longest(folded[:4], 0)
        or length <= longest(folded[:5], 0)
        or length <= longest(folded[:2], 0)
        or length <= longest(folded[:1], 0)
    )


class Coverage:
    """Counts, over the texts it is shown, how many mention each entity."""

    def __init__(self, entities: Iterable[Entity] | None = None) -> None:
        self.entities = tuple(load_entities() if entities is None else entities)
        self._finders: dict[str, Finder | None] = {}
        self._mentions: Counter[int] = Counter()
        self.documents = 0
        self.looked_at = 0

    def add(self, language: str, text: str) -> None:
        """Look through one text; `language` is BCP 47."""
        primary = language.partition("-")[0].lower()
        if primary not in self._finders:
            finder = Finder(self.entities, primary)
            self._finders[primary] = finder if finder.knows_names else None
        self.documents += 1
        finder_ = self._finders[primary]
        if finder_ is not None:
            self.looked_at += 1
            self._mentions.update(finder_.find(text))

    def mentions(self) -> dict[str, Any]:
        """Return what has been counted as plain data, for `merge`."""
        return {"documents": self.documents, "looked_at": self.looked_at, "of": sorted(self._mentions.items())}

    def merge(self, data: Mapping[str, Any]) -> None:
        """Add what was counted over other texts, with the same entities."""
        self.documents += data["documents"]
        self.looked_at += data["looked_at"]
        self._mentions.update(dict(data["of"]))

    def as_json(self) -> dict[str, Any]:
        """Return what ``card.json`` says: by culture and domain, how many of the entities are mentioned at all, the most often mentioned
        ones with their documents, and those that are never mentioned."""
        cultures: dict[str, dict[str, Any]] = {}
        for number, entity in enumerate(self.entities):
            culture = cultures.setdefault(
                entity.culture, {"entities": 0, "mentioned": 0, "domains": {}, "most": [], "never": []}
            )
            domain = culture["domains"].setdefault(entity.domain, {"entities": 0, "mentioned": 0, "mentions": 0})
            count = self._mentions[number]
            for group in (culture, domain):
                group["entities"] += 1
                group["mentioned"] += count > 0
            domain["mentions"] += count
            if count:
                culture["most"].append({"id": entity.id, "documents": count, "names": first_names(entity)})
            else:
                culture["never"].append({"id": entity.id, "domain": entity.domain, "names": first_names(entity)})
        for culture in cultures.values():
            culture["most"] = sorted(culture["most"], key=lambda e: (-e["documents"], e["id"]))[:_SHOWN]
        return {"documents": self.documents, "looked_at": self.looked_at, "cultures": cultures}


def first_names(entity: Entity) -> dict[str, str]:
    """Return the first name of an entity in each language."""
    return {language: names[0] for language, names in sorted(entity.names.items()) if names}

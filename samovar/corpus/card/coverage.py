"""Which people, works, places and things of a few cultures a corpus mentions: the culture packs' entities, counted by document.

A mention is the words of one of an entity's names, one after the other, each in any of its forms (lemmas of the language's profile); where the
name begins with a capital, so must the mention. A name that is a common word as well ("Mother") is counted too often, an entity that is only
alluded to not at all. Only texts in a language that the pack has names in are looked through. Knows no corpus.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from samovar.language import Profile, profile_for

_WORD = re.compile(r"[^\W_]+")
_MAX_CACHED = 500_000  # distinct words remembered of a language: about 50 MB
_EXACT_CHARS = 2  # words so short have no other forms that could be told from other words
_SHOWN = 20


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


class Finder:
    """Finds the names of entities in texts of one language."""

    def __init__(self, entities: Sequence[Entity], language: str) -> None:
        self._profile: Profile = profile_for(language)
        self._root: dict[str, Any] = {}
        self._terms: set[str] = set()
        self._beginnings: set[str] = set()
        self._exact: set[str] = set()
        self._cache: dict[str, tuple[str, ...]] = {}
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
        for word in words:
            folded = self._profile.fold(word)
            term = folded if len(folded) <= _EXACT_CHARS else self._profile.terms(word)[0]
            self._terms.add(term)
            if len(folded) <= _EXACT_CHARS:
                self._exact.add(folded)
            else:
                self._beginnings.add(folded[: min(3, len(folded) - 2)])
            node = node.setdefault(term, {})
        node.setdefault("", []).append((number, words[0][0].isupper()))

    def _terms_of(self, word: str) -> tuple[str, ...]:
        """Return the terms of a word that occur in names; most words have none, and are not looked up in a dictionary."""
        found = self._cache.get(word)
        if found is None:
            if len(self._cache) >= _MAX_CACHED:
                self._cache.clear()
            folded = self._profile.fold(word)
            found = (folded,) if folded in self._exact else ()
            if not self._beginnings.isdisjoint((folded[:1], folded[:2], folded[:3])):
                found += tuple(term for term in self._profile.terms(word) if term in self._terms and term not in found)
            self._cache[word] = found
        return found

    def find(self, text: str) -> set[int]:
        """Return the numbers of the entities that a text mentions."""
        words = _WORD.findall(text)
        terms = [self._terms_of(word) for word in words]
        found: set[int] = set()
        root = self._root
        for start, some in enumerate(terms):
            for term in some:
                if term in root:
                    self._walk(root[term], terms, start + 1, words[start][0].isupper(), found)
        return found

    def _walk(self, node: dict[str, Any], terms: list[tuple[str, ...]], at: int, upper: bool, found: set[int]) -> None:
        found.update(number for number, capital in node.get("", ()) if upper or not capital)
        if at < len(terms):
            for term in terms[at]:
                if term in node:
                    self._walk(node[term], terms, at + 1, upper, found)


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

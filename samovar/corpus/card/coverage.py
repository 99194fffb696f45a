"""Which people, works, places and things of a few cultures a corpus mentions: the culture packs' entities, counted by document.

A mention is the words of one of an entity's names, one after the other, each in any of its forms (lemmas of the language's profile); where the
name begins with a capital, so must the mention. A name that is a common word as well ("Mother") is counted too often, an entity that is only
alluded to not at all. Only texts in a language that the pack has names in are looked through. Knows no corpus.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from samovar.corpus.card.entities import Entity, first_names, load_entities
from samovar.corpus.card.finder import Finder

_SHOWN = 20
_CHARS = 200_000  # of one language, looked through together
_TEXTS = 1_000


@cache
def _finder_for(language: str) -> Finder:
    """Return the finder of the packs' entities: what it has learnt of words serves all parts of a corpus that this process counts."""
    return Finder(load_entities(), language)


class Coverage:
    """Counts, over the texts it is shown, how many mention each entity."""

    def __init__(self, entities: Iterable[Entity] | None = None) -> None:
        self.entities = tuple(load_entities() if entities is None else entities)
        self._own = entities is not None
        self._finders: dict[str, Finder | None] = {}
        self._waiting: dict[str, list[str]] = {}
        self._chars: Counter[str] = Counter()
        self._mentions: Counter[int] = Counter()
        self.documents = 0
        self.looked_at = 0

    def add(self, language: str, text: str) -> None:
        """Look through one text; `language` is BCP 47."""
        primary = language.partition("-")[0].lower()
        if primary not in self._finders:
            finder = Finder(self.entities, primary) if self._own else _finder_for(primary)
            self._finders[primary] = finder if finder.knows_names else None
        self.documents += 1
        if self._finders[primary] is not None:
            self.looked_at += 1
            self._waiting.setdefault(primary, []).append(text)
            self._chars[primary] += len(text)
            if self._chars[primary] >= _CHARS or len(self._waiting[primary]) >= _TEXTS:
                self._look(primary)

    def _look(self, primary: str) -> None:
        """Look through the texts that wait."""
        finder, texts = self._finders[primary], self._waiting.pop(primary, [])
        self._chars[primary] = 0
        if finder is not None and texts:
            for found in finder.find_in(texts):
                self._mentions.update(found)

    def _look_at_all(self) -> None:
        for primary in list(self._waiting):
            self._look(primary)

    def mentions(self) -> dict[str, Any]:
        """Return what has been counted as plain data, for `merge`."""
        self._look_at_all()
        return {"documents": self.documents, "looked_at": self.looked_at, "of": sorted(self._mentions.items())}

    def merge(self, data: Mapping[str, Any]) -> None:
        """Add what was counted over other texts, with the same entities."""
        self.documents += data["documents"]
        self.looked_at += data["looked_at"]
        self._mentions.update(dict(data["of"]))

    def as_json(self) -> dict[str, Any]:
        """Return what ``card.json`` says: by culture and domain, how many of the entities are mentioned at all, the most often mentioned
        ones with their documents, and those that are never mentioned."""
        self._look_at_all()
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

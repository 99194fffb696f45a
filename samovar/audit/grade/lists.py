"""Open lists: the items of a reply, in order, and the pack's entities they name.

Items are the lines of a numbered or marked list; without one, the pieces between commas and semicolons. An item's head is what stands before a
dash, a colon or a bracket. A head names an entity when it has all content words of one of its names (a person: the surname, if no other entity
shares it); of several the longest name wins, a tie names none. Knows nothing about shares or cultures.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from samovar.audit.grade.gold import Alias, make_aliases
from samovar.audit.grade.reading import Reader, fold_text
from samovar.audit.probe import Entity

MAX_ITEMS = 200
HEAD_CHARACTERS = 90
_LINE = re.compile(r"^\s*(?:\d{1,3}\s*[.):]|[-*•+–—])\s*(?:\*\*|__)?\s*(\S.*)$", re.M)
_BOLD = re.compile(r"\*\*|__|[*_`]")
_AFTER_HEAD = re.compile(r'\s+[-–—:]\s+|:\s|\s[(\[]|;|\.\s|,\s(?=[\d«"“„])|\n')
_COMMAS = re.compile(r"[,;\n]")


def split_items(text: str, joiners: Iterable[str] = ()) -> list[str]:
    """Return the heads of a list's items in order; `joiners` ("and") part the last two of a list in one line."""
    lines = [m[1] for m in _LINE.finditer(text)]
    if len(lines) < 2:
        body = text.split(":", 1)[1] if ":" in text.split("\n", 1)[0] else text
        words = "|".join(map(re.escape, joiners))
        pieces = re.split(rf"{_COMMAS.pattern}|\s(?:{words})\s" if words else _COMMAS.pattern, body)
        lines = pieces if len(pieces) >= 2 else [x for x in text.splitlines() if x.strip()]
    heads = (_head(line) for line in lines[:MAX_ITEMS])
    return [h for h in heads if h]


def _head(line: str) -> str:
    line = _BOLD.sub("", line).strip()
    return _AFTER_HEAD.split(line, maxsplit=1)[0][:HEAD_CHARACTERS].strip(" .,;:!\"'«»“”„")


@dataclass(frozen=True, eq=False)
class Linker:
    """Finds the pack's entities in heads of items: an index from a word's key to the names that have it."""

    reader: Reader
    index: Mapping[str, list[tuple[Alias, str]]] = field(default_factory=dict)

    @classmethod
    def of(cls, entities: Mapping[str, Entity], reader: Reader) -> Linker:
        """Make the linker of a pack."""
        index: dict[str, list[tuple[Alias, str]]] = defaultdict(list)
        for entity in entities.values():
            kind = entity.kind if entity.kind in ("person", "place", "work") else "term"
            for language, names in entity.names.items():
                for alias in {a for name in names for a in make_aliases(name, kind, language, reader)}:
                    rare = max(alias.parts, key=lambda p: len(p.plain))
                    for key in rare.keys:
                        index[key].append((alias, entity.id))
        return cls(reader, dict(index))

    def link(self, item: str) -> str:
        """Return the id of the entity that an item names, "" for none or more than one alike."""
        reading = self.reader.read(fold_text(item))
        best: dict[str, tuple[int, int]] = {}
        for key in {k for keys in reading.keys for k in keys}:
            for alias, entity in self.index.get(key, ()):
                if all(any(k in reading.places for k in part.keys) for part in alias.parts) and self._fits(
                    alias, len(reading.content)
                ):
                    best[entity] = max(best.get(entity, (0, 0)), (len(alias.parts), _is_given(alias)))
        if not best:
            return ""
        top = max(best.values())
        winners = [e for e, size in best.items() if size == top]
        return winners[0] if len(winners) == 1 else ""

    @staticmethod
    def _fits(alias: Alias, num_content: int) -> bool:
        """A name much shorter than the item is about something else ("the Volga" in the title of a painting); a surname may have names by it."""
        return num_content <= len(alias.parts) + (3 if alias.surname_only else 2)


def _is_given(alias: Alias) -> int:
    """1 for a name that stands in the pack as it is, 0 for a surname taken from a full one."""
    return int(not alias.surname_only or len(alias.text.split()) == 1)


def read_list(text: str, linker: Linker) -> tuple[str, ...]:
    """Return, in order and without repeats, the ids of entities named and the other items as written."""
    found = (linker.link(item) or item for item in split_items(text, sorted(linker.reader.words.both)))
    return tuple(dict.fromkeys(found))

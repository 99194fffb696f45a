"""Which answers of a pack stand in a library, item by item: an assistant that has read the answers is tested on its reading, not its knowledge.

For every probe the library is searched for the entity with the question; an item overlaps when one of the passages found names the entity
(or its document does, in the title) and holds the answer, compared by lemmas. Knows nothing about replies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from samovar.audit.pack import Pack
from samovar.audit.probe import Gold, Probe
from samovar.language import Profile, profile_for

if TYPE_CHECKING:
    from samovar.search.hit import Hit
    from samovar.search.searcher import Searcher

DEPTH = 8  # passages read per probe
Degree = Literal["answer", "entity", "none"]


@dataclass(frozen=True, slots=True)
class Item:
    """`degree`: ``answer``, a passage about the entity holds it; ``entity``, the entity is there without the answer; ``none``."""

    probe: str
    culture: str
    domain: str
    degree: Degree
    document: str = ""
    language: str = ""


def find_overlap(
    pack: Pack,
    searcher: Searcher,
    *,
    languages: tuple[str, ...] = (),
    progress: Callable[[int, int], None] | None = None,
) -> list[Item]:
    """Return one item per probe with a gold answer, the strongest overlap over its languages."""
    probes = [p for p in pack.probes if p.gold]
    items = []
    for index, probe in enumerate(probes):
        items.append(_item(pack, probe, searcher, languages))
        if progress is not None and index % 20 == 0:
            progress(index, len(probes))
    return items


def _item(pack: Pack, probe: Probe, searcher: Searcher, languages: tuple[str, ...]) -> Item:
    best = Item(probe.id, probe.culture, probe.domain, "none")
    for language, gold in probe.gold.items():
        if languages and language not in languages:
            continue
        entity = pack.entities.get(probe.entity)
        names = entity.names.get(language, ()) if entity else ()
        query = " ".join([*names[:1], *probe.questions.get(language, ())[:1]])
        for degree, document in _read(searcher.search(query, k=DEPTH).hits, names, gold, profile_for(language)):
            if degree == "answer":
                return Item(probe.id, probe.culture, probe.domain, "answer", document, language)
            best = Item(probe.id, probe.culture, probe.domain, "entity", document, language)
    return best


def _read(hits: tuple[Hit, ...], names: tuple[str, ...], gold: Gold, profile: Profile) -> Iterator[tuple[Degree, str]]:
    """Yield what each passage that is about the entity holds."""
    for hit in hits:
        text = f"{hit.document.title} {hit.passage.text}"
        words = _lemmas(text, profile)
        if names and not any(_holds(words, name, profile) for name in names):
            continue
        held = any(_holds_answer(hit.passage.text, words, gold, answer, profile) for answer in gold.answers)
        yield ("answer" if held else "entity"), hit.document.uri


def _lemmas(text: str, profile: Profile) -> frozenset[str]:
    return frozenset(form for t in profile.tokens(text) for form in (profile.fold(t.text), *profile.lemmas(t.text)))


def _holds(words: frozenset[str], name: str, profile: Profile) -> bool:
    """Whether all words of a name occur; of a name of several words its last one (the surname) is enough."""
    tokens = [t.text for t in profile.tokens(name) if not profile.is_stop_word(t.text)]
    return bool(tokens) and not words.isdisjoint((profile.fold(tokens[-1]), *profile.lemmas(tokens[-1])))


def _holds_answer(text: str, words: frozenset[str], gold: Gold, answer: str, profile: Profile) -> bool:
    if gold.type in ("year", "number", "date"):
        digits = answer.lstrip("-").split("-")[0]
        return re.search(rf"(?<!\d){re.escape(digits)}(?!\d)", text) is not None
    tokens = [t.text for t in profile.tokens(answer) if not profile.is_stop_word(t.text)]
    return bool(tokens) and all(not words.isdisjoint((profile.fold(t), *profile.lemmas(t))) for t in tokens)


def summarise(items: list[Item]) -> dict[str, dict[str, float]]:
    """Return by culture how many items there are and the share of each degree."""
    table: dict[str, dict[str, float]] = {}
    for culture in dict.fromkeys(i.culture for i in items):
        own = [i for i in items if i.culture == culture]
        table[culture] = {"items": len(own)} | {
            degree: sum(i.degree == degree for i in own) / len(own) for degree in ("answer", "entity", "none")
        }
    return table

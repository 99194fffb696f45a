"""The entities of the culture packs: people, works, places and things with their names, ``packs/<pack>/probes/entities.<culture>.jsonl``.

Knows no text and no count.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity of a pack; `names` by language."""

    id: str
    culture: str
    domain: str
    names: Mapping[str, Sequence[str]]


@cache
def load_entities() -> tuple[Entity, ...]:
    """Return the entities of all packs; read once."""
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


def first_names(entity: Entity) -> dict[str, str]:
    """Return the first name of an entity in each language."""
    return {language: names[0] for language, names in sorted(entity.names.items()) if names}

"""Packs of probes on disk: read, checked for shape, hashed. A pack is a folder of JSON Lines with a ``pack.toml``; see `Pack`.

    packs/core/pack.toml                 name, version, date, licence, cultures, languages, domains
    packs/core/entities.<culture>.jsonl  one `Entity` a line
    packs/core/<kind>*.jsonl             one `Probe` a line: knowledge.ru.jsonl, refusal.jsonl, lists.jsonl …

Knows nothing about what makes a good probe (see `samovar.audit.lint`).
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from samovar.audit.options import check_options
from samovar.audit.probe import KINDS, Entity, Gold, GoldType, Probe
from samovar.errors import UsageError

MANIFEST = "pack.toml"


@dataclass(frozen=True)
class Pack:
    """A pack in memory. `sha256` is over the bytes of all its files: two runs are comparable only when it is the same.

    `places`: id → file and line, for messages.
    """

    name: str
    version: str
    date: str
    licence: str
    cultures: Mapping[str, str]
    languages: tuple[str, ...]
    domains: tuple[str, ...]
    entities: Mapping[str, Entity]
    probes: tuple[Probe, ...]
    sha256: str
    folder: Path
    places: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def by_id(self) -> Mapping[str, Probe]:
        """Probes by id."""
        return {p.id: p for p in self.probes}

    def of_kind(self, *kinds: str) -> tuple[Probe, ...]:
        """Probes of these kinds, in order."""
        return tuple(p for p in self.probes if p.kind in kinds)

    def fame_of(self, entity_id: str) -> tuple[float, float]:
        """Return an entity's anchors (home, world), NaN where there is none."""
        entity = self.entities.get(entity_id)
        fame = entity.fame if entity else {}
        return float(fame.get("home", float("nan"))), float(fame.get("world", float("nan")))


def pack_folder(name: str) -> Path:
    """The folder of a shipped pack, or of one by path. Raises `UsageError` naming those there are."""
    from importlib import resources

    path = Path(name).expanduser()
    if (path / MANIFEST).is_file():
        return path
    shipped = Path(str(resources.files("samovar").joinpath("packs")))
    if path.name == name and (shipped / name / "probes" / MANIFEST).is_file():
        return shipped / name / "probes"
    known = sorted(p.parent.parent.name for p in shipped.glob(f"*/probes/{MANIFEST}"))
    raise UsageError(
        f"expected a pack ({', '.join(known) or 'none is shipped'}) or a folder with {MANIFEST}, found {name!r}"
    )


def load_pack(name: str) -> Pack:
    """Read a pack by name or path.

    Raises:
        UsageError: no such pack, or a line that is not an entity or probe; the message names file, line and field.
    """
    folder = pack_folder(name)
    head = _manifest(folder / MANIFEST)
    files = sorted(folder.glob("*.jsonl"))
    digest = hashlib.sha256()
    for path in (folder / MANIFEST, *files):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    entities: dict[str, Entity] = {}
    probes: dict[str, Probe] = {}
    places: dict[str, str] = {}
    for path in files:
        for place, row in _rows(path):
            made: Entity | Probe
            if path.name.startswith("entities"):
                made = _make(Entity, row, place)
                target: dict[str, Any] = entities
            elif path.name.split(".")[0] in ("grader",):
                continue
            else:
                made = make_probe(row, place)
                target = probes
            if made.id in places:
                raise UsageError(f"{place}: expected a new id, found {made.id!r} again (first in {places[made.id]})")
            target[made.id] = made
            places[made.id] = place
    return Pack(
        name=str(head["name"]),
        version=str(head["version"]),
        date=str(head["date"]),
        licence=str(head["licence"]),
        cultures=dict(head["cultures"]),
        languages=tuple(head["languages"]),
        domains=tuple(head["domains"]),
        entities=entities,
        probes=tuple(probes.values()),
        sha256=digest.hexdigest(),
        folder=folder,
        places=places,
    )


def _manifest(path: Path) -> dict[str, Any]:
    try:
        head = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"expected the description of a pack in {path}, found: {error}") from error
    missing = [
        key for key in ("name", "version", "date", "licence", "cultures", "languages", "domains") if key not in head
    ]
    if missing:
        raise UsageError(f"expected {', '.join(missing)} in {path}, found no such keys")
    return head


def _rows(path: Path) -> list[tuple[str, dict[str, Any]]]:
    rows = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        place = f"{path.name}:{number}"
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UsageError(f"{place}: expected one JSON object on the line, found: {error}") from error
        if not isinstance(row, dict):
            raise UsageError(f"{place}: expected a JSON object, found {type(row).__name__}")
        rows.append((place, row))
    return rows


def make_probe(row: Mapping[str, Any], place: str) -> Probe:
    """Make a probe from its JSON shape. Raises `UsageError` that names the place and the field."""
    data = dict(row)
    gold = data.get("gold", {})
    if not isinstance(gold, Mapping):
        raise UsageError(f"{place}: expected gold by language, found {type(gold).__name__}")
    data["gold"] = {language: _make(Gold, value, f"{place} gold.{language}") for language, value in gold.items()}
    for language, value in data["gold"].items():
        if value.type not in get_args(GoldType):
            raise UsageError(
                f"{place} gold.{language}: expected a type of {', '.join(get_args(GoldType))}, found {value.type!r}"
            )
    probe: Probe = _make(Probe, data, place)
    if probe.kind not in KINDS:
        raise UsageError(f"{place}: expected a kind of {', '.join(KINDS)}, found {probe.kind!r}")
    if not all(isinstance(texts, tuple) for texts in probe.questions.values()):
        raise UsageError(f"{place}: expected a list of questions for each language, found {dict(probe.questions)!r}")
    if not probe.questions or not all(probe.questions.values()):
        raise UsageError(f"{place}: expected at least one question in each language, found none")
    if probe.options or probe.votes:
        check_options(probe, place)
    elif probe.kind in ("knowledge", "cross-lingual", "norms") and set(probe.gold) != set(probe.questions):
        raise UsageError(
            f"{place}: expected gold for {', '.join(probe.questions)}, found {', '.join(probe.gold) or 'none'}"
        )
    return probe


def _make(kind: type[Any], row: Any, place: str) -> Any:
    """Make a dataclass from a JSON object: every key known, every needed one there, lists to tuples."""
    if not isinstance(row, Mapping):
        raise UsageError(f"{place}: expected an object with the fields of {kind.__name__}, found {type(row).__name__}")
    known = {f.name: f for f in fields(kind)}
    if unknown := sorted(set(row) - set(known)):
        raise UsageError(f"{place}: expected the fields of {kind.__name__}, found {', '.join(unknown)}")
    needed = [n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING and n not in row]
    if needed:
        raise UsageError(f"{place}: expected {', '.join(needed)}, found none")
    return kind(**{name: _frozen(value, f"{place} {name}", str(known[name].type)) for name, value in row.items()})


def _frozen(value: Any, place: str, wanted: str) -> Any:
    if isinstance(value, list):
        if not all(isinstance(item, str) for item in value):
            raise UsageError(f"{place}: expected a list of texts, found {value!r}")
        return tuple(value)
    if wanted.startswith("tuple"):
        raise UsageError(f"{place}: expected a list of texts, found {value!r}")
    if isinstance(value, dict):
        return {k: _frozen(v, f"{place}.{k}", "") for k, v in value.items()}
    if wanted == "str" and not isinstance(value, str):
        raise UsageError(f"{place}: expected a text, found {value!r}")
    return value

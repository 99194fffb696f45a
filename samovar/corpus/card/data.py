"""The numbers of a data card: from the manifest, one pass over the documents, one over the ledger.

The same corpus gives the same bytes: no clock, no names of machines. Knows no page.
"""

from __future__ import annotations

import json
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from samovar.corpus.build.commit import read_json, write_json
from samovar.corpus.build.reading import Corpus, open_corpus
from samovar.corpus.build.recipe import STAGES
from samovar.corpus.card.coverage import Coverage
from samovar.corpus.stages.extract import find_host
from samovar.errors import CorpusError

FORMAT = 1
DATA, PAGE = "card.json", "card.html"
TOP_HOSTS = 50
TOP_CLUSTERS = 20
TOP_REFERENCES = 50
_COLUMNS = ("source", "uri", "title", "text", "language", "published", "licence", "metadata")
_PERCENTILES = (5, 25, 50, 75, 95)
_REFERENCE = re.compile(r"([^\s,#]+)#\S* \d\.\d+")

Card = dict[str, Any]
"""What ``card.json`` holds; docs/CORPUS.md lists its parts."""


class Sizes:
    """Documents, characters and bytes by name."""

    def __init__(self) -> None:
        self._of: dict[str, list[int]] = {}

    def add(self, name: str, chars: int, num_bytes: int) -> None:
        """Count one document."""
        entry = self._of.setdefault(name, [0, 0, 0])
        for i, amount in enumerate((1, chars, num_bytes)):
            entry[i] += amount

    def __len__(self) -> int:
        return len(self._of)

    def rows(self, *, top: int | None = None, by_name: bool = False) -> list[dict[str, Any]]:
        """Return the entries, the largest first or by name."""
        pairs = sorted(self._of.items(), key=lambda p: p[0] if by_name else (-p[1][1], p[0]))
        return [{"name": name, "documents": n, "characters": c, "bytes": b} for name, (n, c, b) in pairs[:top]]


class Survey:
    """One pass over the documents of a corpus."""

    def __init__(self, *, coverage: Coverage | None) -> None:
        self.total = Sizes()
        self.by = {kind: Sizes() for kind in ("source", "language", "licence", "century", "decade", "host")}
        self.lengths = array("q")
        self.clusters: list[tuple[int, str, str, list[str]]] = []
        self._coverage = coverage

    def read(self, corpus: Corpus) -> None:
        """Look at every document."""
        for shard in corpus.shards:
            for _, batch in corpus.batches(shard, _COLUMNS, 500):
                table = {name: batch.column(i).to_pylist() for i, name in enumerate(batch.schema.names)}
                for values in zip(*(table[name] for name in _COLUMNS), strict=True):
                    self._add(*values)

    def _add(
        self, source: str, uri: str, title: str, text: str, language: str, published: str, licence: str, metadata: str
    ) -> None:
        size = (len(text), len(text.encode("utf-8", "replace")))
        self.total.add("", *size)
        self.lengths.append(size[0])
        year = published[:4] if published[:4].isdigit() else ""
        names = {
            "source": source,
            "language": language,
            "licence": licence,
            "century": century_of(year),
            "decade": f"{year[:3]}0" if year else "",
            "host": find_host(uri),
        }
        for kind, name in names.items():
            self.by[kind].add(name, *size)
        if '"cluster_size"' in metadata:
            about = json.loads(metadata)
            self._add_cluster(int(about["cluster_size"]), uri, title, json.loads(about.get("duplicates", "[]")))
        if self._coverage is not None:
            self._coverage.add(language, text)

    @property
    def num_hosts(self) -> int:
        """How many hosts there are; texts without a web address have none."""
        return sum(bool(row["name"]) for row in self.by["host"].rows())

    def _add_cluster(self, size: int, uri: str, title: str, others: list[str]) -> None:
        self.clusters.append((size, uri, title, others[:5]))
        if len(self.clusters) > 50 * TOP_CLUSTERS:
            self.clusters = self.biggest()

    def biggest(self) -> list[tuple[int, str, str, list[str]]]:
        """Return the biggest clusters."""
        return sorted(self.clusters, key=lambda c: (-c[0], c[1]))[:TOP_CLUSTERS]


def century_of(year: str) -> str:
    """Return the number of the century of a year, "" when it is not known.

    >>> century_of("1900"), century_of("1901")
    ('19', '20')
    """
    return str((int(year) + 99) // 100) if year else ""


def make_card(root: Path, *, coverage: bool = True) -> Card:
    """Return the card of a finished corpus. `coverage` False leaves out the entities of the culture packs, the slow part.

    Raises:
        CorpusError: the corpus is not finished or damaged.
    """
    corpus = open_corpus(root)
    manifest = corpus.manifest
    finder = Coverage() if coverage else None
    survey = Survey(coverage=finder)
    survey.read(corpus)
    total = survey.total.rows() or [{"documents": 0, "characters": 0, "bytes": 0}]
    return {
        "format": FORMAT,
        "name": manifest["name"],
        "date": manifest["date"],
        "output_sha256": manifest["output_sha256"],
        **{unit: total[0][unit] for unit in ("documents", "characters", "bytes")},
        "flow": flow_of(manifest),
        "passes": passes_of(manifest, total[0]),
        "sources": _sources(manifest, survey),
        "languages": survey.by["language"].rows(),
        "licences": survey.by["licence"].rows(),
        "centuries": survey.by["century"].rows(by_name=True),
        "decades": survey.by["decade"].rows(by_name=True),
        "hosts": {"number": survey.num_hosts, "top": survey.by["host"].rows(top=TOP_HOSTS)},
        "lengths": percentiles(survey.lengths),
        "reasons": _reasons(manifest),
        "duplicates": _duplicates(manifest, survey),
        **_from_ledger(corpus),
        "samples": corpus.samples(),
        "coverage": finder.as_json() if finder is not None else {},
        "versions": dict(manifest["versions"]),
        "recipe": manifest["recipe"],
        "recipe_sha256": manifest["fingerprint"]["recipe"],
        "files": [{key: file[key] for key in ("path", "bytes", "rows", "sha256")} for file in manifest["files"]],
    }


def _counts(manifest: Mapping[str, Any]) -> Counter[tuple[str, str, str]]:
    counts: Counter[tuple[str, str, str]] = Counter()
    for _, stage, decision, reason, number in manifest["counts"]:
        counts[stage, decision, reason] += number
    return counts


def flow_of(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return, stage by stage, how many texts were dropped and changed there and how many were left after it."""
    left = sum(source["seen"] for source in manifest["sources"].values())
    steps = [{"stage": "seen", "dropped": 0, "changed": 0, "left": left}]
    counts = _counts(manifest)
    ran = list(manifest["recipe"]["stages"])
    stages = [*ran, *(s for s in STAGES if s not in ran and any(c[0] == s for c in counts))]
    for stage in stages:
        dropped, changed = (
            sum(n for (s, d, _), n in counts.items() if (s, d) == (stage, decision))
            for decision in ("dropped", "changed")
        )
        left -= dropped
        steps.append({"stage": stage, "dropped": dropped, "changed": changed, "left": left})
    return steps


def passes_of(manifest: Mapping[str, Any], total: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return documents and characters after the texts were read (extracted, repaired, their language told), after they were cleaned (exact
    duplicates, lines, quality, personal data, evaluation sets), and at the end."""
    passes = manifest.get("passes", {})
    made = [(name, passes[name]["documents"], passes[name]["chars"]) for name in ("read", "clean") if name in passes]
    rows = [*made, ("write", total["documents"], total["characters"])]
    return [{"name": name, "documents": documents, "characters": chars} for name, documents, chars in rows]


def _sources(manifest: Mapping[str, Any], survey: Survey) -> list[dict[str, Any]]:
    sizes = {row["name"]: row for row in survey.by["source"].rows()}
    rows = []
    for name in (source["name"] for source in manifest["recipe"]["source"]):  # in the recipe's order
        about = manifest["sources"][name]
        size = sizes.get(name, {"characters": 0, "bytes": 0})
        shown = {key: about[key] for key in ("kind", "seen", "kept", "dropped", "passed", "num_bytes") if key in about}
        rows.append({"name": name, **shown, "characters": size["characters"], "bytes": size["bytes"]})
    return rows


def _reasons(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    counts = _counts(manifest)
    order = {stage: i for i, stage in enumerate(STAGES)}
    keys = sorted(
        (k for k in counts if k[1] != "kept"), key=lambda k: (order.get(k[0], 99), k[1] != "dropped", -counts[k], k[2])
    )
    return [{"stage": s, "decision": d, "reason": r, "count": counts[s, d, r]} for s, d, r in keys]


def _duplicates(manifest: Mapping[str, Any], survey: Survey) -> dict[str, Any]:
    counts = _counts(manifest)
    biggest = [{"size": s, "uri": u, "title": t, "others": o} for s, u, t, o in survey.biggest()]
    return {
        "exact": sum(n for (stage, d, _), n in counts.items() if (stage, d) == ("exact", "dropped")),
        "near": sum(n for (stage, d, _), n in counts.items() if (stage, d) == ("near", "dropped")),
        "clusters": dict(manifest["clusters"]),
        "biggest": biggest,
    }


def _from_ledger(corpus: Corpus) -> dict[str, Any]:
    """Return what only the ledger's values tell: how much of each kind of personal data was masked, which references were found."""
    documents, masked = Counter[str](), Counter[str]()
    references, dropped = Counter[str](), 0
    if corpus.manifest["recipe"]["stages"] and any(
        c[1] in ("personal", "contamination") for c in corpus.manifest["counts"]
    ):
        for row in corpus.ledger():
            if row.stage == "personal" and row.decision == "changed":
                documents[row.reason] += 1
                masked[row.reason] += int(row.value) if row.value.isdecimal() else 1
            elif row.stage == "contamination":
                dropped += row.decision == "dropped"
                references.update(set(_REFERENCE.findall(row.value)))
    personal = [{"kind": kind, "documents": documents[kind], "masked": masked[kind]} for kind in sorted(documents)]
    top = sorted(references.items(), key=lambda pair: (-pair[1], pair[0]))[:TOP_REFERENCES]
    options = corpus.manifest["recipe"].get("contamination", {})
    contamination = {
        "references": list(options.get("references", ())),
        "policy": options.get("policy", ""),
        "dropped": dropped,
        "found": [{"reference": name, "documents": n} for name, n in top],
    }
    return {"personal": personal, "contamination": contamination}


def percentiles(lengths: Iterable[int]) -> dict[str, int]:
    """Return some percentiles of the lengths of texts, in characters (nearest rank)."""
    ordered = sorted(lengths)
    if not ordered:
        return {}
    return {str(p): ordered[max(0, -(-p * len(ordered) // 100) - 1)] for p in _PERCENTILES}


def write_card(root: Path, card: Card, *, language: str = "en") -> tuple[Path, Path]:
    """Write ``card.json`` and ``card.html`` into a folder; return both paths."""
    from samovar.corpus.card.page import render_card

    write_json(root / DATA, card, indent=1)
    page = root / PAGE
    temporary = page.with_name(page.name + ".tmp")
    temporary.write_text(render_card(card, language), "utf-8")
    temporary.replace(page)
    return root / DATA, page


def ensure_card(root: Path, *, language: str = "en") -> Card:
    """Return the card that lies in a corpus, or make and write it when there is none of this very corpus. In a folder that must not be
    changed (a shared, read-only corpus) it is only returned.

    Raises:
        CorpusError: the corpus is not finished or damaged.
    """
    corpus = open_corpus(root)
    if (root / DATA).is_file() and (root / PAGE).is_file():
        try:
            card: Card = read_json(root / DATA)
        except (CorpusError, ValueError):
            card = {}
        if (card.get("format"), card.get("output_sha256")) == (FORMAT, corpus.manifest["output_sha256"]):
            return card
    card = make_card(root)
    with suppress(OSError):
        write_card(root, card, language=language)
    return card

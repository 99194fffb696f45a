"""The numbers of a data card: from the manifest, one pass over the documents, one over the ledger.

The same corpus gives the same bytes: no clock, no names of machines. Knows no page.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from samovar.corpus.build.commit import read_json, whole_file, write_json
from samovar.corpus.build.reading import Corpus, open_corpus
from samovar.corpus.build.recipe import STAGES
from samovar.corpus.card.coverage import Coverage
from samovar.corpus.card.survey import COLUMNS, Survey
from samovar.errors import CorpusError

FORMAT = 1
DATA, PAGE = "card.json", "card.html"
TOP_HOSTS = 50
TOP_REFERENCES = 50
_PERCENTILES = (5, 25, 50, 75, 95)
_REFERENCE = re.compile(r"([^\s,#]+)#\S* \d\.\d+")

Card = dict[str, Any]
"""What ``card.json`` holds; docs/CORPUS.md lists its parts."""


def survey_corpus(corpus: Corpus, *, coverage: bool = True) -> Survey:
    """Look at every document of a corpus."""
    survey = Survey(coverage=Coverage() if coverage else None)
    for shard in corpus.shards:
        for _, batch in corpus.batches(shard, COLUMNS, 500):
            table = {name: batch.column(i).to_pylist() for i, name in enumerate(batch.schema.names)}
            for values in zip(*(table[name] for name in COLUMNS), strict=True):
                survey.add(*values)
    return survey


def make_card(root: Path, *, coverage: bool = True, survey: Survey | None = None) -> Card:
    """Return the card of a finished corpus. `coverage` False leaves out the entities of the culture packs, the slow part; `survey` is what a
    build has counted already.

    Raises:
        CorpusError: the corpus is not finished or damaged.
    """
    corpus = open_corpus(root)
    manifest = corpus.manifest
    survey = survey_corpus(corpus, coverage=coverage) if survey is None else survey
    finder = survey.coverage
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
        for stage, decision, reason, value in _ledger_of(corpus, ("personal", "contamination")):
            if stage == "personal" and decision == "changed":
                documents[reason] += 1
                masked[reason] += int(value) if value.isdecimal() else 1
            elif stage == "contamination":
                dropped += decision == "dropped"
                references.update(set(_REFERENCE.findall(value)))
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


def _ledger_of(corpus: Corpus, stages: Sequence[str]) -> Iterator[tuple[str, str, str, str]]:
    """Yield stage, decision, reason and value of the rows of some stages: the others, nearly all, do not become Python objects."""
    import pyarrow.compute as pc

    for shard in corpus.ledger_shards:
        for _, batch in corpus.batches(shard, ("stage", "decision", "reason", "value"), 10_000):
            # one comparison each: a value set is an Arrow array, and making one imports pandas where that is installed, half a second
            named = [pc.equal(batch.column(0), stage) for stage in stages]
            some = batch.filter(functools.reduce(pc.or_, named))
            yield from zip(*(column.to_pylist() for column in some.columns), strict=True)


def percentiles(lengths: Iterable[int]) -> dict[str, int]:
    """Return some percentiles of the lengths of texts, in characters (nearest rank)."""
    ordered = sorted(lengths)
    if not ordered:
        return {}
    return {str(p): ordered[max(0, -(-p * len(ordered) // 100) - 1)] for p in _PERCENTILES}


def write_data(root: Path, surveys: Iterable[Path]) -> None:
    """Write ``card.json`` of a corpus that was just built, from what its workers counted; its page is made when it is asked for."""
    survey = Survey(coverage=Coverage())
    for path in surveys:
        survey.merge(read_json(path))
    (root / PAGE).unlink(missing_ok=True)
    write_json(root / DATA, make_card(root, survey=survey), indent=1)


def write_card(root: Path, card: Card, *, language: str = "en") -> tuple[Path, Path]:
    """Write ``card.json`` and ``card.html`` into a folder; return both paths."""
    from samovar.corpus.card.page import render_card

    write_json(root / DATA, card, indent=1)
    page = root / PAGE
    with whole_file(page) as file:
        file.write(render_card(card, language).encode("utf-8"))
    return root / DATA, page


def ensure_card(root: Path, *, language: str = "en") -> Card:
    """Return the card that lies in a corpus, or make and write it when there is none of this very corpus. In a folder that must not be
    changed (a shared, read-only corpus) it is only returned.

    Raises:
        CorpusError: the corpus is not finished or damaged.
    """
    corpus = open_corpus(root)
    card: Card = {}
    if (root / DATA).is_file():
        with suppress(CorpusError, ValueError):
            card = read_json(root / DATA)
    if (card.get("format"), card.get("output_sha256")) != (FORMAT, corpus.manifest["output_sha256"]):
        card = make_card(root)
    elif (root / PAGE).is_file():
        return card
    with suppress(OSError):
        write_card(root, card, language=language)
    return card

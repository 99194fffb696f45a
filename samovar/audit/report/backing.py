"""What a report rests on: examples with raw answers, overlap with a library, methods, limits, versions and hashes.

Knows nothing about how anything was measured.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from samovar.audit.items import PANEL
from samovar.audit.overlap import Item, summarise
from samovar.audit.report.data import Report, SystemReport
from samovar.audit.report.examples import Example
from samovar.audit.report.markup import Html, Text, join, table, tag
from samovar.audit.report.screen import culture_name, language_name
from samovar.audit.report.sections import section
from samovar.audit.report.words import ReportWords

MOST_ITEMS = 40
LIMITS = ("probes", "cultures", "languages", "public", "panel", "wording")


def examples(system: SystemReport, words: ReportWords) -> Html:
    """Questions with raw answers by culture, as they came."""
    if system.private:
        return section("examples", words, note=words.say("section.examples_private"))
    parts: list[Text] = []
    for culture in system.graded.pack.cultures:
        own = [e for e in system.examples if e.culture == culture]
        if own:
            title = culture_name(system, culture, words)
            parts.append(tag("details", tag("summary", title), *(_example(e, words) for e in own)))
    return section("examples", words, *parts)


def _example(example: Example, words: ReportWords) -> Html:
    gold = f" {words.say('table.gold')}: {', '.join(example.gold)}." if example.gold else ""
    about = f"{words.name('outcome', example.outcome)} · {words.name('kind', example.kind)} · {language_name(example.language, words)} · {example.rule}."
    return tag(
        "div",
        tag("p", example.question, lang=example.language),
        tag("blockquote", example.answer, lang=example.language),
        tag("p", about + gold, class_="small"),
        class_="example",
    )


def overlap(system: SystemReport, items: Sequence[Item], words: ReportWords) -> Html:
    """How many answers of the pack stand in the library, and which."""
    if not items:
        return section("overlap", words, tag("p", words.say("section.overlap_none"), class_="small"))
    heads = [words.say(f"table.{k}") for k in ("culture", "items", "in_library", "entity_only", "not_there")]
    rows: list[list[Text]] = [
        [
            culture_name(system, culture, words),
            words.number(row["items"]),
            *(f"{words.number(100 * row[k], 1)} %" for k in ("answer", "entity", "none")),
        ]
        for culture, row in summarise(list(items)).items()
    ]
    held = [i for i in items if i.degree == "answer"]
    listed: list[list[Text]] = [[i.probe, culture_name(system, i.culture, words), i.document] for i in held]
    columns = [words.say(f"table.{k}") for k in ("item", "culture", "document")]
    each = tag("details", tag("summary", words.say("section.overlap_items")), table(columns, listed))
    return section("overlap", words, table(heads, rows, numbers=range(1, 5)), each if held else "")


def items(system: SystemReport, words: ReportWords) -> Html:
    """Single questions that work differently between languages or systems: counts by level, and those flagged."""
    parts: list[Text] = []
    for made in system.items:
        name = (
            words.say("section.items_panel")
            if made.name == PANEL
            else " − ".join(language_name(t, words) for t in made.name.split("-"))
        )
        total = sum(made.counts.values())
        parts += [tag("h3", name), tag("p", words.say("section.items_counts", total=total, **made.counts))]
        if made.flagged and not system.private:
            heads = [words.say(f"table.{k}") for k in ("item", "culture", "level", "delta", "focal", "reference", "p")]
            rows: list[list[Text]] = [
                [i.probe, culture_name(system, i.culture, words), i.level, words.number(i.delta, 1), *(words.points(x, 0, sign=False) for x in (i.focal, i.reference)), words.p(i.p_adjusted)]
                for i in made.flagged[:MOST_ITEMS]
            ]  # fmt: skip
            listed = tag("summary", words.say("section.items_flagged", num=len(made.flagged)))
            parts.append(tag("details", listed, table(heads, rows, numbers=range(3, 7))))
    return section("items", words, *parts) if parts else Html("")


def methods(system: SystemReport, words: ReportWords) -> Html:
    """How it was measured, and what it cannot show."""
    margin = words.points(system.analysis.margin, 0, sign=False)
    axes = ", ".join(system.run.about.get("registered", {}).get("axes", ()))
    said = [words.say(f"methods.{k}") for k in ("unit", "gap", "control")]
    said += [words.say("methods.verdict", margin=margin), words.say("methods.grading")]
    said += [words.say("methods.registered", axes=axes)] if axes else []
    limits = tag("ul", *(tag("li", words.say(f"limits.{k}")) for k in LIMITS))
    return join(
        (
            section("methods", words, tag("ul", *(tag("li", s) for s in said)), note=""),
            section("limits", words, limits, note=""),
        )
    )


def _sample(drawn: Any, words: ReportWords) -> str:
    """Say which part of the pack was drawn before it was asked, nothing where all of it was."""
    if not drawn:
        return ""
    size = {k: drawn[k] or words.say("table.all") for k in ("entities", "facets", "prompts")}
    return words.say("evidence.sample_size", probes=drawn["probes"], of=drawn["of"], seed=drawn["seed"], **size)


def versions(report: Report, system: SystemReport, words: ReportWords) -> Html:
    """Exactly what was asked, with what, and the hashes."""
    run, pack = system.run, system.graded.pack
    dates = sorted(r.at for r in run.replies)
    rows = {
        "target": run.name,
        "version": ", ".join(sorted({r.version for r in run.replies if r.version})),
        "describe": json.dumps(run.about.get("describe", {}), ensure_ascii=False),
        "pack": f"{pack.name} {pack.version} ({pack.licence})",
        "pack_hash": pack.sha256,
        "sample": _sample(run.about.get("sample"), words),
        "half": str(run.about.get("half", "")),
        "dates": f"{dates[0]} – {dates[-1]}",
        "bundle": system.bundle_sha256,
        "versions": ", ".join(f"{name} {version}" for name, version in report.programs.items()),
    }
    pairs = [(tag("dt", words.say(f"evidence.{k}")), tag("dd", tag("code", v))) for k, v in rows.items() if v]
    return section("versions", words, tag("dl", *(cell for pair in pairs for cell in pair)), note="")

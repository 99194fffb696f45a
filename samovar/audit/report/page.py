"""The page: one HTML file with everything in it, in every language at once, switched without a script. And the two files of a report.

No address of the page leads out: style inlined, pictures as SVG, a policy that forbids loading anything. Knows nothing about statistics.
"""

from __future__ import annotations

import json
import math
from importlib import resources
from pathlib import Path

from samovar import __version__
from samovar.audit.compare import Comparison
from samovar.audit.report import backing, sections
from samovar.audit.report.data import Report, SystemReport, as_json
from samovar.audit.report.finding import Finding
from samovar.audit.report.markup import Html, Text, escape, join, table, tag
from samovar.audit.report.screen import bounds, culture_name, first_screen, pill
from samovar.audit.report.words import ReportWords, report_languages, report_words

PAGE, DATA = "report.html", "report.json"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def write_report(report: Report, folder: Path, *, language: str = "en") -> tuple[Path, Path]:
    """Write ``report.json`` and ``report.html`` into a folder; `language` is the one shown first. Returns both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    data = json.dumps(as_json(report), ensure_ascii=False, indent=1) + "\n"
    for name, text in ((DATA, data), (PAGE, render_page(report, language))):
        temporary = folder / f"{name}.tmp"
        temporary.write_text(text, "utf-8", errors="replace")
        temporary.replace(folder / name)
    return folder / PAGE, folder / DATA


def render_page(report: Report, language: str = "en") -> str:
    """Return the page; `language` is shown first (the first there is when there are no words for it)."""
    tags = report_languages()
    shown = language if language in tags else tags[0]
    style = resources.files("samovar.audit.report").joinpath("style.css").read_text("utf-8")
    style += "".join(
        f"#lang-{t}:checked ~ main.v-{t} {{ display: block; }} #lang-{t}:checked ~ nav label[for=lang-{t}] {{ background: var(--band); }} #lang-{t}:focus-visible ~ nav label[for=lang-{t}] {{ outline: 2px solid var(--better); }}\n"
        for t in tags
    )
    inputs = "".join(
        f'<input class="switch" type="radio" name="lang" id="lang-{t}"{" checked" if t == shown else ""} aria-label="{escape(report_words(t).say("page.language"))}">'
        for t in tags
    )
    labels = join(tag("label", report_words(t).say("page.language"), for_=f"lang-{t}", lang=t) for t in tags)
    bodies = "".join(body(report, report_words(t)) for t in tags)
    title = report_words(shown).say("page.title", systems=", ".join(s.title for s in report.systems))
    return (
        f'<!doctype html>\n<html lang="{shown}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><title>{escape(title)}</title><style>{style}</style></head>'
        f"<body>{inputs}{tag('nav', labels, class_='lang')}{bodies}</body></html>\n"
    )


def body(report: Report, words: ReportWords) -> Html:
    """Return the whole report in one language."""
    parts: list[Text] = []
    if len(report.systems) > 1:
        parts.append(overview(report, words))
        for index, system in enumerate(report.systems):
            inner = _system(report, system, words)
            parts.append(tag("details", tag("summary", tag("h2", system.title)), inner, open="open" if index == 0 else ""))  # fmt: skip
        parts += [comparison(c, report.systems[0], words) for c in report.comparisons]
    else:
        parts.append(_system(report, report.systems[0], words))
    made = words.say("page.made", version=__version__, date=report.made_at[:10])
    return tag("main", *parts, tag("footer", made), class_=f"version v-{words.language}", lang=words.language)


def _system(report: Report, system: SystemReport, words: ReportWords) -> Html:
    make = (sections.control, sections.more_axes, sections.domains, sections.languages, sections.sources, sections.framing, sections.missing, sections.sensitivity)  # fmt: skip
    return join(
        (
            first_screen(system, words),
            *(part(system, words) for part in make),
            backing.overlap(system, report.overlap, words),
            backing.items(system, words),
            backing.examples(system, words),
            sections.selftest(system, words),
            backing.methods(system, words),
            backing.versions(report, system, words),
        )
    )


def overview(report: Report, words: ReportWords) -> Html:
    """Several systems in one table: the gap of every culture in what each knows."""
    pack = report.systems[0].graded.pack
    heads = [words.say("page.system"), *(culture_name(report.systems[0], c, words) for c in pack.cultures)]
    rows: list[list[Text]] = []
    for system in report.systems:
        found = {f.axis.culture: f for f in system.of("knowledge", preregistered=True)}
        cells = [
            join(
                (
                    words.interval(found[c].axis.raw),
                    " ",
                    pill(system, found[c], words),
                    *_doubt(system, found[c], words),
                )
            )
            if c in found
            else Html("–")
            for c in pack.cultures
        ]
        rows.append([system.title, *cells])
    return tag(
        "section",
        tag("h1", words.say("page.several", num=len(report.systems))),
        tag("p", words.say("page.several_lead"), class_="lead"),
        table(heads, rows),
    )


def _doubt(system: SystemReport, finding: Finding, words: ReportWords) -> list[Text]:
    """The bounds beside a gap that leaves out many answers."""
    if not system.is_doubtful(finding.axis.name) or not math.isfinite(finding.axis.bounds[0]):
        return []
    return [" ", tag("small", words.say("screen.claim_bounds", bounds=bounds(finding, words)), class_="doubt")]


def comparison(made: Comparison, system: SystemReport, words: ReportWords) -> Html:
    """What changed between two runs."""
    heads = [words.say(f"table.{k}") for k in ("axis", "culture", "first", "second", "change", "p", "gap_change")]
    rows: list[list[Text]] = [
        [
            words.name("axis", s.score),
            culture_name(system, s.culture, words) if s.culture else words.say("table.all"),
            words.points(s.first, sign=False),
            words.points(s.second, sign=False),
            words.interval(s.change),
            words.p(s.p_adjusted),
            words.interval(s.gap_change),
        ]
        for s in made.shifts
    ]
    note = words.say("compare.note", num=made.num_shared, changed=len(made.changed))
    title = words.say("compare.title", first=made.first, second=made.second)
    return tag("section", tag("h2", title), tag("p", note, class_="small"), table(heads, rows, numbers=range(2, 7)))

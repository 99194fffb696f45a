"""A report in a few lines for a terminal: rows of short texts. Knows nothing about terminals."""

from __future__ import annotations

from samovar.audit.compare import Comparison
from samovar.audit.report.data import Report, SystemReport
from samovar.audit.report.screen import MAIN, culture_name
from samovar.audit.report.words import ReportWords, report_languages, report_words

Rows = list[list[str]]


def words_for(language: str) -> ReportWords:
    """Return the words of a language, of the first there is when it has none."""
    known = report_languages()
    return report_words(language if language in known else known[0])


def summary(report: Report, language: str) -> list[tuple[str, Rows]]:
    """Return for each system its name and a row per registered comparison: axis, culture, gap, what is said."""
    words = words_for(language)
    return [(s.run.name, [row for name in MAIN for row in _rows(s, name, words)]) for s in report.systems]


def _rows(system: SystemReport, name: str, words: ReportWords) -> Rows:
    rows = []
    for f in system.of(name, preregistered=True):
        said = [words.say("claim.differs" if f.claim in ("worse", "better") else "claim.same")] if f.claim else []
        verdict = "; ".join([*said, words.say(f"verdict.{f.verdict}")])
        culture = culture_name(system, f.axis.culture, words)
        rows.append([words.name("axis", name), culture, words.interval(f.axis.raw), verdict])
    return rows


def comparison(made: Comparison, language: str) -> tuple[str, Rows, str]:
    """Return title, rows (the first is the heading) and note of a comparison of two runs."""
    words = words_for(language)
    heads = [words.say(f"table.{k}") for k in ("axis", "culture", "first", "second", "change", "p", "gap_change")]
    rows = [
        [
            words.name("axis", s.score),
            words.name("culture", s.culture) if s.culture else words.say("table.all"),
            words.points(s.first, sign=False),
            words.points(s.second, sign=False),
            words.interval(s.change),
            words.p(s.p_adjusted),
            words.interval(s.gap_change),
        ]
        for s in made.shifts
    ]
    title = words.say("compare.title", first=made.first, second=made.second)
    return title, [heads, *rows], words.say("compare.note", num=made.num_shared, changed=len(made.changed))

"""Everything a report says, as plain data: made once from graded runs, then written as JSON and shown as HTML.

Knows nothing about languages of the report or how it looks.
"""

from __future__ import annotations

import importlib.metadata
import math
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any

from samovar import __version__
from samovar.audit.analysis import Analysis, Graded, analyse
from samovar.audit.citing import Citing, describe_sources
from samovar.audit.compare import Comparison, compare
from samovar.audit.coverage import Uncovered, find_uncovered
from samovar.audit.design import SELFTEST, design_of_run, selftest_of
from samovar.audit.evidence import Run, bundle_sha256, read_graded
from samovar.audit.items import Comparison as ItemComparison
from samovar.audit.items import flag_items
from samovar.audit.opinions import Framing, describe_framing
from samovar.audit.overlap import Item, summarise
from samovar.audit.report.examples import Example, draw_examples
from samovar.audit.report.finding import Finding, count_verdicts, find
from samovar.audit.selftest import SelfTest
from samovar.audit.sensitivity import Corrected, Errors, correct_gaps, find_errors
from samovar.audit.simultaneous import Simultaneous, simultaneous
from samovar.audit.stats.equivalence import MARGIN
from samovar.corpus.document import utc_now
from samovar.errors import UsageError

FORMAT = 1
FEWEST_PANEL = 2  # other systems of one report that serve as a panel where none is named


def short_name(target: str) -> str:
    """Return a target's name for sentences: ``openai:chat-7b@http://…`` and ``llama:/models/chat-7b.gguf`` are both ``chat-7b``."""
    kind, _, rest = target.partition(":")
    name = rest.partition("@")[0] if rest and "://" not in rest.partition("@")[0] else rest
    name = name.rstrip("/").rsplit("/", 1)[-1].removesuffix(".gguf")
    return name or kind or target


@dataclass(frozen=True)
class SystemReport:
    """One system: its run, what came out, and what may be said."""

    run: Run
    graded: Graded
    analysis: Analysis
    selftest: SelfTest
    num_simulations: int
    findings: tuple[Finding, ...]
    together: Simultaneous
    corrected: tuple[Corrected, ...]
    errors: Errors
    items: tuple[ItemComparison, ...]
    framing: tuple[Framing, ...]
    citing: Citing | None
    examples: tuple[Example, ...]
    bundle_sha256: str
    uncovered: tuple[Uncovered, ...] = ()

    def is_doubtful(self, name: str) -> bool:
        """Whether an axis leaves out so many answers, or so unevenly, that its gaps stand with their bounds."""
        return any(u.axis == name and u.is_large for u in self.uncovered)

    @property
    def title(self) -> str:
        """What the system is called in sentences: its target without the kind, the address and the folders, which stand under "versions"."""
        return short_name(self.run.name)

    @property
    def private(self) -> bool:
        """Whether the private half was asked: its questions are not shown."""
        return self.run.about.get("half") == "private"

    def of(self, name: str, *, preregistered: bool | None = None) -> list[Finding]:
        """Findings of one axis over all cultures, pooled over languages and domains."""
        return [
            f
            for f in self.findings
            if f.axis.name == name
            and not f.axis.domain
            and (preregistered is None or f.axis.preregistered == preregistered)
        ]


@dataclass(frozen=True)
class Report:
    """One report. `overlap` is of the library that our own assistant answers from, empty where it was not measured."""

    systems: tuple[SystemReport, ...]
    comparisons: tuple[Comparison, ...]
    overlap: tuple[Item, ...] = ()
    made_at: str = ""
    programs: Mapping[str, str] = field(default_factory=dict)


def make_report(
    folders: Sequence[Path],
    panel: Sequence[Path] = (),
    *,
    num_simulations: int = 1_000,
    errors: Errors | None = None,
    overlap: Sequence[Item] = (),
    progress: Callable[[int, int, str], None] | None = None,
) -> Report:
    """Read, grade where needed, analyse and test. `errors` are the grader's; by default those of the run's pack or of the grader as shipped.

    Several systems serve as each other's panel where none is named and there are `FEWEST_PANEL` others with another name.

    Raises:
        UsageError: a folder is no run, is damaged, or belongs to another pack than the first.
    """
    runs = [read_graded(folder) for folder in folders]
    others = [read_graded(folder)[1] for folder in panel]
    for _, graded in runs[1:]:
        if graded.pack.sha256 != runs[0][1].pack.sha256:
            first = runs[0][1]
            raise UsageError(
                f"expected runs of one pack, found {first.pack.name} {first.pack.version} ({first.pack.sha256[:12]}) in {first.name} and "
                f"{graded.pack.name} {graded.pack.version} ({graded.pack.sha256[:12]}) in {graded.name}. Make a report for each."
            )
    systems = []
    for run, graded in runs:
        rest = others or [g for _, g in runs if g.name != graded.name]
        chosen = rest if others or len(rest) >= FEWEST_PANEL else []
        known = find_errors(run.folder) if errors is None else errors
        systems.append(_system(run, graded, chosen, rest, num_simulations, known, progress))
    comparisons = tuple(compare(runs[0][1], other) for _, other in runs[1:])
    return Report(tuple(systems), comparisons, tuple(overlap), utc_now(), _programs())


def _system(
    run: Run,
    graded: Graded,
    panel: Sequence[Graded],
    rest: Sequence[Graded],
    num: int,
    errors: Errors | None,
    progress: Callable[[int, int, str], None] | None,
) -> SystemReport:
    margin = float(run.about.get("registered", {}).get("margin", MARGIN))
    analysis = analyse(graded, panel, margin=margin)
    design = design_of_run(graded, len(panel))
    selftest = selftest_of(design, run.folder / SELFTEST, num=num, progress=progress)
    return SystemReport(
        run, graded, analysis, selftest, num, find(analysis.axes, selftest), simultaneous(graded, analysis.axes),
        correct_gaps(graded, errors) if errors else (), errors or {}, flag_items(graded, rest), describe_framing(graded), describe_sources(graded),
        () if run.about.get("half") == "private" else draw_examples(graded, run.replies), bundle_sha256(run.folder),
        find_uncovered(graded),
    )  # fmt: skip


def _programs() -> dict[str, str]:
    found = {"samovar": __version__, "python": platform.python_version()}
    for name in ("numpy", "scipy"):
        found[name] = importlib.metadata.version(name)
    return found


# -- JSON --------------------------------------------------------------------------------------------------------------
def as_json(report: Report) -> dict[str, Any]:
    """Return the report as JSON: numbers are shares (0.05 is five points), what cannot be told is null."""
    first = report.systems[0].graded.pack
    value = {
        "format": FORMAT,
        "made_at": report.made_at,
        "programs": dict(report.programs),
        "pack": {
            "name": first.name,
            "version": first.version,
            "sha256": first.sha256,
            "cultures": dict(first.cultures),
            "languages": first.languages,
            "domains": first.domains,
        },
        "systems": [_system_json(s) for s in report.systems],
        "comparisons": [asdict(c) | {"changed": len(c.changed)} for c in report.comparisons],
        "overlap": {"summary": summarise(list(report.overlap)), "items": [asdict(i) for i in report.overlap]},
    }
    made: dict[str, Any] = plain(value)
    return made


def _system_json(system: SystemReport) -> dict[str, Any]:
    run = system.run
    return {
        "target": run.name,
        "folder": str(run.folder),
        "versions": sorted({r.version for r in run.replies if r.version}),
        "run": {k: v for k, v in run.about.items() if k != "format"},
        "asked_from": min(r.at for r in run.replies),
        "asked_to": max(r.at for r in run.replies),
        "unanswered": run.unanswered,
        "outcomes": system.analysis.outcomes,
        "uncovered": [asdict(u) | {"large": u.is_large} for u in system.uncovered],
        "panel": system.analysis.panel,
        "margin": system.analysis.margin,
        "verdicts": count_verdicts(system.findings),
        "simultaneous": system.together,
        "axes": [_finding_json(f) for f in system.findings],
        "sensitivity": [asdict(c) | {"holds": c.holds} for c in system.corrected],
        "grader_errors": system.errors,
        "framing": system.framing,
        "items": [asdict(c) | ({"flagged": []} if system.private else {}) for c in system.items],
        "sources": system.citing,
        "selftest": {
            "passed": system.selftest.passed,
            "simulations": system.num_simulations,
            "seconds": system.selftest.seconds,
            "gates": system.selftest.gates,
        },
        "examples": system.examples,
        "evidence_sha256": system.bundle_sha256,
    }


def _finding_json(finding: Finding) -> dict[str, Any]:
    axis = asdict(finding.axis)
    judgement = axis.pop("judgement")
    return axis | {
        "verdict": finding.verdict,
        "claim": finding.claim,
        "reason": finding.reason,
        "differs": judgement["differs"],
        "failed_gates": finding.failed_gates,
        "false_alarm": finding.false_alarm,
        "power": finding.power,
    }


def plain(value: Any) -> Any:
    """Dataclasses to dicts, tuples to lists, NaN and infinity to null."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

"""``samovar audit``: measure how selective a chatbot or a search engine is; its packs and its self-test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samovar.commands import audit_report, audit_run
from samovar.commands.help import Command, Group
from samovar.commands.options import Json, as_text
from samovar.commands.progress import ProgressBar
from samovar.commands.session import session_of
from samovar.commands.terminal import GREEN, RED, YELLOW, one_line
from samovar.messages import say

if TYPE_CHECKING:
    from samovar.audit.lint import Finding
    from samovar.audit.pack import Pack

NAME = "audit"
SHOWN_FINDINGS = 200


def packs(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="metavar.pack", help="audit.pack_names")] = None,
    json: Json = False,
) -> None:
    """List the packs there are, or check those named."""
    terminal = session_of(ctx).terminal
    from samovar.audit.lint import lint
    from samovar.audit.pack import load_pack

    chosen = [load_pack(as_text(name)) for name in names or shipped_packs()]
    found = {pack.name: lint(pack) if names else [] for pack in chosen}
    if json:
        rows = [pack_as_json(p) | ({"findings": [asdict(f) for f in found[p.name]]} if names else {}) for p in chosen]
        terminal.json({"packs": rows})
    else:
        for pack in chosen:
            terminal.print(_describe(pack))
            _print_findings(terminal, found[pack.name])
            if names:
                terminal.print(_lint_total(found[pack.name]))
    if any(f.severity == "error" for findings in found.values() for f in findings):
        raise typer.Exit(1)


def shipped_packs() -> list[str]:
    """Return the names of the packs of probes that come with Samovar."""
    from importlib import resources
    from pathlib import Path

    from samovar.audit.pack import MANIFEST

    place = Path(str(resources.files("samovar").joinpath("packs")))
    return sorted(path.parent.parent.name for path in place.glob(f"*/probes/{MANIFEST}"))


def pack_as_json(pack: Pack) -> dict[str, Any]:
    """Return a pack's description and counts as plain data."""
    from collections import Counter

    from samovar.audit.questions import make_questions

    return {
        "name": pack.name,
        "version": pack.version,
        "licence": pack.licence,
        "sha256": pack.sha256,
        "cultures": dict(pack.cultures),
        "languages": list(pack.languages),
        "domains": list(pack.domains),
        "entities": dict(Counter(e.culture for e in pack.entities.values())),
        "probes": dict(Counter(p.kind for p in pack.probes)),
        "questions": len(make_questions(pack.probes)),
    }


def _describe(pack: Pack) -> str:
    about = pack_as_json(pack)
    probes = ", ".join(f"{kind} {count}" for kind, count in about["probes"].items()) or "—"
    return say(
        "audit.pack_line",
        name=one_line(pack.name),
        version=one_line(pack.version),
        cultures=" ".join(pack.cultures),
        languages=" ".join(pack.languages),
        entities=len(pack.entities),
        probes=one_line(probes),
        questions=about["questions"],
    )


def _print_findings(terminal: Any, findings: list[Finding]) -> None:
    for f in findings[:SHOWN_FINDINGS]:
        colour = RED if f.severity == "error" else YELLOW
        terminal.print(f"{terminal.style(f.severity, colour)}  {f.rule}  {one_line(f.where)}: {one_line(f.message)}")
    if len(findings) > SHOWN_FINDINGS:
        terminal.print(say("audit.more_findings", count=len(findings) - SHOWN_FINDINGS))


def _lint_total(findings: list[Finding]) -> str:
    errors = sum(f.severity == "error" for f in findings)
    return say("audit.lint_total", errors=errors, warnings=len(findings) - errors)


def selftest(
    ctx: typer.Context,
    pack: Annotated[str, typer.Option("--pack", metavar="metavar.pack", help="audit.pack")] = "core",
    simulations: audit_report.Simulations = 1_000,
    panel: Annotated[int, typer.Option("--panel", metavar="metavar.number", min=0, help="audit.panel_size")] = 4,
    json: Json = False,
) -> None:
    """Test the ruler on simulated systems with the design of a pack."""
    from samovar.audit.design import design_of_pack
    from samovar.audit.pack import load_pack
    from samovar.audit.selftest import run_selftest

    terminal = session_of(ctx).terminal
    design = design_of_pack(load_pack(as_text(pack)), panel)
    with ProgressBar(terminal, say("audit.selftest_progress"), quiet=json) as bar:
        made = run_selftest(design, num=simulations, progress=bar.update)
    if json:
        gates = [asdict(g) for g in made.gates]
        terminal.json({"passed": made.passed, "gates": gates, "seconds": made.seconds, "seed": made.seed})
    else:
        passed, failed = terminal.style("✓", GREEN), terminal.style("✗", RED)
        terminal.table(
            ((passed if g.passed else failed, g.axis or "—", g.name, f"{g.value:.3f}", g.demand, g.detail) for g in made.gates),
            right=(3,),
        )  # fmt: skip
        num_failed = sum(not g.passed for g in made.gates)
        terminal.print(say("audit.selftest_total", count=len(made.gates), failed=num_failed, simulations=simulations))
    if not made.passed:
        raise typer.Exit(1)


def register(app: Any) -> None:
    """Add the group."""
    group = typer.Typer(rich_markup_mode=None)
    group.callback(cls=Group, help="audit.help", epilog="audit.examples")(_nothing)
    commands: dict[str, Callable[..., None]] = {
        "run": audit_run.run,
        "grade": audit_run.grade,
        "report": audit_report.report,
        "compare": audit_report.compare,
        "gaps": audit_report.gaps,
        "packs": packs,
        "selftest": selftest,
    }
    for name, function in commands.items():
        group.command(name, cls=Command, help=f"audit.{name}_help", epilog=f"audit.{name}_examples")(function)
    app.add_typer(group, name=NAME)


def _nothing() -> None:
    """The group itself does nothing."""

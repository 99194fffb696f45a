"""The sections below the first screen: difficulty control, domains, languages, sources, missing data, grader, self-test.

Each takes a system and words and returns HTML, or nothing where there is nothing to show. Knows nothing about how anything was measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from samovar.audit.gate import Gate
from samovar.audit.outcome import OUTCOMES
from samovar.audit.report.data import SystemReport
from samovar.audit.report.finding import Finding
from samovar.audit.report.markup import Html, Text, join, table, tag
from samovar.audit.report.screen import culture_name, language_name, make_dot, pill, plot
from samovar.audit.report.words import NOTHING, ReportWords

EMPTY = Html("")


def section(key: str, words: ReportWords, *inner: Text, note: str | None = None, opened: bool = True) -> Html:
    """Return a section with its heading and note."""
    text = words.say(f"section.{key}_note") if note is None else note
    body = join((tag("p", text, class_="small") if text else EMPTY, *inner))
    heading = tag("h2", words.say(f"section.{key}"))
    if opened:
        return tag("section", heading, body)
    return tag("details", tag("summary", heading), body)


def reason_of(finding: Finding, words: ReportWords) -> str:
    """Return in words what decided a verdict."""
    if finding.reason == "gate":
        return words.say("reason.gate", gates="; ".join(finding.failed_gates))
    return words.name("reason", finding.reason)


def control(system: SystemReport, words: ReportWords) -> Html:
    """The three numbers of every registered comparison, with verdict, false alarms and power; a table for each axis."""
    parts: list[Text] = []
    for name in dict.fromkeys(f.axis.name for f in system.findings if f.axis.preregistered):
        found = system.of(name, preregistered=True)
        about = words.say(
            "section.gates",
            false_alarm=words.number(100 * found[0].false_alarm, 1),
            power=words.number(100 * found[0].power),
        )
        parts += [_control_table(system, name, found, words), tag("p", about, class_="small")]
    names = system.analysis.panel
    about = words.say("section.panel", names=", ".join(names)) if names else words.say("section.no_panel")
    return section("control", words, tag("p", about), *parts)


def _control_table(system: SystemReport, name: str, found: Sequence[Finding], words: ReportWords) -> Html:
    controlled = name in ("knowledge", "attempts")  # paired comparisons need no control: each unit is its own
    keys = ("raw", "fame", "panel") if controlled else ("raw",)
    heads = [words.say(f"table.{k}") for k in ("culture", *keys, "p", "n", "visible", "verdict")]
    rows: list[list[Text]] = []
    for f in found:
        a = f.axis
        rows.append(
            [
                culture_name(system, a.culture, words),
                *(words.interval(getattr(a, key)) for key in keys),
                words.p(a.p_adjusted),
                words.number(a.raw.n),
                words.points(a.visible, sign=False),
                join((pill(system, f, words), " ", tag("small", reason_of(f, words)))),
            ]
        )
    return table(heads, rows, numbers=range(1, len(keys) + 4), caption=words.name("axis", name))


def more_axes(system: SystemReport, words: ReportWords) -> Html:
    """Attempts, accuracy given attempt and fidelity: what belongs to reading the main axes."""
    parts: list[Text] = []
    for name in ("attempts", "accuracy given attempt", "dropped", "norms"):
        found = system.of(name)
        dots = [make_dot(f.axis.raw, culture_name(system, f.axis.culture, words), f.claim, words) for f in found]
        if any(math.isfinite(dot.value) for dot in dots):
            title = words.name("axis", name)
            note = tag("p", words.name("axis_note", name), class_="small")
            parts += [tag("h2", title), note, plot(dots, title, system.analysis.margin, words)]
    for f in system.of("fidelity"):
        one, other = f.axis.language.split("-")
        note_text = words.say("axis_note.fidelity", one=language_name(one, words), other=language_name(other, words))
        means = f"{words.points(f.axis.target_mean, sign=False)} / {words.points(f.axis.others_mean, sign=False)}"
        parts += [
            tag("h2", words.say("axis.fidelity")),
            tag("p", note_text, class_="small"),
            tag("p", f"{means};  {words.interval(f.axis.raw)}  ", pill(system, f, words)),
        ]
    return join(parts)


def domains(system: SystemReport, words: ReportWords) -> Html:
    """One picture per culture: its gap in every domain."""
    parts: list[Text] = []
    pack = system.graded.pack
    for culture in pack.cultures:
        found = [f for f in system.findings if f.axis.culture == culture and f.axis.domain]
        dots = [make_dot(f.axis.raw, words.name("domain", f.axis.domain), f.claim, words) for f in found]
        if dots:
            title = culture_name(system, culture, words)
            parts.append(tag("details", tag("summary", title), plot(dots, title, system.analysis.margin, words)))
    return section("domains", words, *parts) if parts else EMPTY


def languages(system: SystemReport, words: ReportWords) -> Html:
    """The cross-lingual matrix: share of right answers by culture and language of the question, and the difference."""
    found = system.of("cross-lingual")
    tables: list[Text] = []
    for pair in dict.fromkeys(f.axis.language for f in found):
        one, other = pair.split("-")
        heads = [words.say("table.culture"), language_name(one, words), language_name(other, words), words.say("table.gap"), words.say("table.p"), words.say("table.n"), words.say("table.verdict")]  # fmt: skip
        rows = [
            [
                culture_name(system, f.axis.culture, words),
                words.points(f.axis.target_mean, sign=False),
                words.points(f.axis.others_mean, sign=False),
                words.interval(f.axis.raw),
                words.p(f.axis.p_adjusted),
                words.number(f.axis.raw.n),
                pill(system, f, words),
            ]
            for f in found
            if f.axis.language == pair
        ]
        tables.append(table(heads, rows, numbers=range(1, 6)))
        dots = [make_dot(f.axis.raw, culture_name(system, f.axis.culture, words), f.claim, words) for f in found if f.axis.language == pair]  # fmt: skip
        tables.append(plot(dots, words.say("section.languages"), system.analysis.margin, words))
    if found:
        about = words.say(
            "section.gates",
            false_alarm=words.number(100 * found[0].false_alarm, 1),
            power=words.number(100 * found[0].power),
        )
        tables.append(tag("p", about, class_="small"))
    return section("languages", words, *tables) if tables else EMPTY


def sources(system: SystemReport, words: ReportWords) -> Html:
    """How many sources, how concentrated, how alike between languages."""
    citing = system.citing
    if citing is None:
        return EMPTY
    keys = ("language", "queries", "without", "distinct", "hhi", "effective", "rarefied", "top")
    rows: list[list[Text]] = [
        [
            language_name(t.language, words),
            words.number(t.queries),
            words.number(t.without),
            words.number(t.distinct),
            words.number(t.hhi, 3),
            words.number(t.effective, 1),
            words.number(t.rarefied, 1),
            ", ".join(f"{name} {words.number(count)}" for name, count in t.top[:6]),
        ]
        for t in citing.languages
    ]
    parts = [table([words.say(f"table.{k}") for k in keys], rows, numbers=range(1, 7))]
    if citing.overlaps:
        heads = [words.say(f"table.{k}") for k in ("culture", "language", "rbo", "jaccard", "n")]
        likeness: list[list[Text]] = [
            [
                culture_name(system, o.culture, words) if o.culture else words.say("table.all"),
                " – ".join(language_name(t, words) for t in o.languages),
                _share(o.rbo, words),
                _share(o.jaccard, words),
                words.number(o.rbo.n),
            ]
            for o in citing.overlaps
        ]
        parts.append(table(heads, likeness, numbers=range(2, 5)))
    return section("sources", words, *_variety(system, words), *parts)


def _variety(system: SystemReport, words: ReportWords) -> list[Text]:
    """The axis of the sources: a picture by culture and language, and a line of its gates."""
    found = [f for f in system.of("sources") if math.isfinite(f.axis.raw.value)]
    if not found:
        return []
    names = [
        culture_name(system, f.axis.culture, words) if f.axis.culture
        else " − ".join(t.upper() for t in f.axis.language.split("-"))
        for f in found
    ]  # fmt: skip
    dots = [make_dot(f.axis.raw, name, f.claim, words) for f, name in zip(found, names, strict=True)]
    pills = [join((tag("span", name, " ", pill(system, f, words)), " ")) for f, name in zip(found, names, strict=True)]
    about = words.say(
        "section.gates",
        false_alarm=words.number(100 * found[0].false_alarm, 1),
        power=words.number(100 * found[0].power),
    )
    return [
        tag("p", words.say("axis_note.sources"), class_="small"),
        plot(dots, words.say("axis.sources"), system.analysis.margin, words),
        tag("p", *pills, class_="pills"),
        tag("p", about, class_="small"),
    ]


def _share(estimate: object, words: ReportWords) -> str:
    from samovar.audit.stats.estimate import Estimate

    assert isinstance(estimate, Estimate)
    half = (estimate.high - estimate.low) / 2
    text = words.number(estimate.value, 2)
    return f"{text} ± {words.number(half, 2)}" if math.isfinite(half) else text


def framing(system: SystemReport, words: ReportWords) -> Html:
    """Contested events: the lean to one side, "both", and what order and label alone decide."""
    if not system.framing:
        return EMPTY
    heads = [
        words.say(f"table.{k}") for k in ("culture", "events", "lean", "both", "order", "label", "silent", "undecided")
    ]
    rows: list[list[Text]] = [
        [
            culture_name(system, f.culture, words),
            words.number(f.events),
            *(words.interval(e) for e in (f.lean,)),
            _percent(f.both, words),
            *(words.interval(e) for e in (f.order, f.label)),
            _percent(f.silent, words),
            _percent(f.undecided, words),
        ]
        for f in system.framing
    ]
    return section("framing", words, table(heads, rows, numbers=range(1, 8)))


def missing(system: SystemReport, words: ReportWords) -> Html:
    """Outcomes by kind, and missing and undecided shares with the bounds they leave."""
    counts = system.analysis.outcomes
    heads = [words.say("table.kind"), *(words.say(f"outcome.{o}") for o in OUTCOMES)]
    rows: list[list[Text]] = [
        [words.say(f"kind.{kind}"), *(words.number(counts[kind].get(o, 0)) for o in OUTCOMES)] for kind in counts
    ]
    parts = [table(heads, rows, numbers=range(1, 7))]
    found = [f for f in system.findings if f.axis.preregistered and math.isfinite(f.axis.bounds[0])]
    if found:
        keys = ("axis", "culture", "missing", "undecided", "bounds")
        listed: list[list[Text]] = [
            [
                words.name("axis", f.axis.name),
                culture_name(system, f.axis.culture, words),
                _percent(f.axis.missing, words),
                _percent(f.axis.undecided, words),
                f"{words.points(f.axis.bounds[0])} … {words.points(f.axis.bounds[1])}",
            ]
            for f in found
        ]
        parts.append(table([words.say(f"table.{k}") for k in keys], listed, numbers=range(2, 5)))
    return section("missing", words, *parts)


def _percent(share: float, words: ReportWords) -> str:
    return f"{words.number(100 * share, 1)} %" if math.isfinite(share) else NOTHING


def sensitivity(system: SystemReport, words: ReportWords) -> Html:
    """The gaps after correction for the grader's errors."""
    if not system.corrected:
        return section("sensitivity", words, tag("p", words.say("section.sensitivity_none"), class_="small"))
    heads = [words.say(f"table.{k}") for k in ("culture", "graded", "corrected", "raw", "corrected_gap")]
    rows: list[list[Text]] = [
        [
            culture_name(system, c.culture, words),
            words.points(c.graded, sign=False),
            words.points(c.corrected, sign=False),
            words.interval(c.raw),
            words.interval(c.gap),
        ]
        for c in system.corrected
    ]
    said = tag("p", _validation(system, words), " ", _effect(system, words))
    return section("sensitivity", words, said, table(heads, rows, numbers=range(1, 5)))


def _validation(system: SystemReport, words: ReportWords) -> str:
    """How often the grader was right on its labelled set, language by language."""
    said = []
    for language, rates in system.errors.items():
        (right, of), (held, others) = rates["sensitivity"], rates["specificity"]
        counts = {"right": int(right), "of": int(of), "passed": int(others - held), "others": int(others)}
        said.append(words.say("section.sensitivity_errors", language=language_name(language, words), **counts))
    return " ".join(said)


def _effect(system: SystemReport, words: ReportWords) -> str:
    """What the correction does to the largest gap, and whether it changes a conclusion."""
    most = max(system.corrected, key=lambda c: abs(c.raw.value) if math.isfinite(c.raw.value) else -1.0)
    changed = [culture_name(system, c.culture, words) for c in system.corrected if not c.holds]
    told = (
        words.say("section.sensitivity_changed", cultures=", ".join(changed))
        if changed
        else words.say("section.sensitivity_holds")
    )
    largest = {
        "culture": culture_name(system, most.culture, words),
        "raw": words.interval(most.raw),
        "gap": words.interval(most.gap),
    }
    return words.say("section.sensitivity_largest", **largest) + " " + told


def selftest(system: SystemReport, words: ReportWords) -> Html:
    """Every gate with its demand and what was measured."""
    made = system.selftest
    failed = [g for g in made.gates if not g.passed]
    everything = words.say("section.everything")
    axes = ", ".join(dict.fromkeys(words.name("axis", g.axis) if g.axis else everything for g in failed))
    said = words.say("section.selftest_failed", num=len(failed), axes=axes) if failed else words.say("section.selftest_passed")  # fmt: skip
    note = words.say("section.selftest_note", num=system.num_simulations, seconds=words.number(made.seconds))
    return section("selftest", words, tag("p", said), gate_table(made.gates, words), note=note, opened=bool(failed))


def gate_table(gates: Sequence[Gate], words: ReportWords) -> Html:
    """Return the table of gates."""
    heads = [words.say(f"table.{k}") for k in ("gate", "axis", "demand", "value", "passed")]
    rows: list[list[Text]] = [
        [
            g.name,
            words.name("axis", g.axis) if g.axis else words.say("table.all"),
            g.demand,
            words.number(g.value, 3),
            words.say("table.yes" if g.passed else "table.no"),
        ]
        for g in gates
    ]
    return table(heads, rows, numbers=(3,))

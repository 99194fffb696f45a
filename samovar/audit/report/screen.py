"""The first screen of a report, for someone who is no statistician: what was found in sentences, three pictures, how to read them.

Knows nothing about how anything was measured.
"""

from __future__ import annotations

import math

from samovar.audit.coverage import Uncovered
from samovar.audit.report.data import SystemReport
from samovar.audit.report.finding import Finding, count_verdicts
from samovar.audit.report.markup import Html, Text, join, tag
from samovar.audit.report.plots import Dot, dot_plot, scale_of
from samovar.audit.report.words import ReportWords
from samovar.audit.stats.estimate import Estimate

MAIN = ("knowledge", "refusal", "lists")
COLOURS = {"worse": "worse", "better": "better"}


def first_screen(system: SystemReport, words: ReportWords) -> Html:
    """Return the heading, the findings in sentences, and one picture for each main axis."""
    pictures = [picture(system, name, words) for name in MAIN if system.of(name, preregistered=True)]
    return join(
        (_heading(system, words), _uncovered(system, words), _found(system, words), *pictures, _reading(system, words))
    )


def culture_name(system: SystemReport, culture: str, words: ReportWords) -> str:
    """Return the name of a culture in the language of the report."""
    return words.name("culture", culture, system.graded.pack.cultures.get(culture, culture))


def language_name(tag_: str, words: ReportWords) -> str:
    """Return the name of a language of the questions."""
    return words.name("language_name", tag_)


def _heading(system: SystemReport, words: ReportWords) -> Html:
    run, pack = system.run, system.graded.pack
    dates = sorted(r.at[:10] for r in run.replies)
    tags = [t for t in pack.languages if any(r.question.language == t for r in system.graded.rows)]
    period = words.say("screen.day" if dates[0] == dates[-1] else "screen.days", first=dates[0], last=dates[-1])
    lead = words.say(
        "screen.lead",
        questions=len(run.replies),
        period=period,
        languages=", ".join(language_name(t, words) for t in tags),
    )
    parts: list[Text] = [
        tag("h1", words.say("screen.heading", system=system.title, num=len(pack.cultures))),
        tag("p", lead, class_="lead"),
    ]
    if run.unanswered:
        total = run.unanswered + len(run.replies)
        parts.append(tag("p", words.say("screen.not_complete", num=run.unanswered, total=total), class_="warn"))
    return join(parts)


def _uncovered(system: SystemReport, words: ReportWords) -> Html:
    """The warning where gaps are of a part of the answers only; with the bounds that the rest leaves, culture by culture."""
    parts = [_uncovered_axis(system, u, words) for u in system.uncovered if u.is_large]
    return (
        tag("div", tag("p", tag("strong", words.say("screen.uncovered"))), *parts, class_="warn") if parts else Html("")
    )


def _uncovered_axis(system: SystemReport, found: Uncovered, words: ReportWords) -> Html:
    key = "uncovered_range" if len(found.shares) > 1 else "uncovered_all"
    text = words.say(
        f"screen.{key}",
        axis=words.say(f"axis.{found.axis}"),
        undecided=words.number(100 * found.undecided),
        missing=words.number(100 * found.missing),
        low=words.number(100 * found.smallest),
        high=words.number(100 * found.largest),
    )
    ranges = [
        words.say("screen.uncovered_culture", culture=culture_name(system, f.axis.culture, words), gap=words.interval(f.axis.raw, 0), bounds=bounds(f, words))
        for f in system.of(found.axis, preregistered=True)
        if math.isfinite(f.axis.bounds[0])
    ]  # fmt: skip
    listed = (
        [tag("p", words.say("screen.uncovered_bounds")), tag("ul", *(tag("li", r) for r in ranges))] if ranges else []
    )
    return join((tag("p", text), *listed))


def bounds(finding: Finding, words: ReportWords) -> str:
    """Return the gap with all undecided answers against, and for, the culture."""
    low, high = finding.axis.bounds
    return words.say("screen.bounds", low=words.points(low, 0), high=words.points(high, 0))


def _found(system: SystemReport, words: ReportWords) -> Html:
    registered = [f for name in MAIN for f in system.of(name, preregistered=True)]
    claims = [f for f in registered if f.claim in COLOURS]
    sure = [f for f in claims if f.verdict != "inconclusive"]
    items = [tag("li", claim(system, f, words), " ", pill(system, f, words), *_why(f, words)) for f in sure or claims]
    small = [claim(system, f, words) for f in claims if sure and f.verdict == "inconclusive"]
    if items:
        cultures = {f.axis.culture for f in sure or claims}
        key = "screen.found_one" if len(cultures) == 1 else "screen.found"
        said: Text = join((tag("p", words.say(key, system=system.title), class_="said"), tag("ul", *items)))
        if small:
            listed = tag("ul", *(tag("li", text) for text in small))
            said = join((said, tag("details", tag("summary", words.say("screen.smaller", num=len(small))), listed)))
    else:
        seen = max((f.axis.visible for f in registered if f.axis.name == "knowledge" and math.isfinite(f.axis.visible)), default=math.nan)  # fmt: skip
        more = words.say("screen.found_none_power", visible=words.points(seen, 0, sign=False)) if math.isfinite(seen) else ""  # fmt: skip
        said = join((tag("p", words.say("screen.found_none"), class_="said"), tag("p", more)))
    return tag("section", said, _counts(system, words), class_="found")


def _why(finding: Finding, words: ReportWords) -> list[Text]:
    """Why a difference has no verdict."""
    if finding.verdict not in ("withheld", "inconclusive"):
        return []
    key = "withheld" if finding.verdict == "withheld" else "margin"
    return [" ", tag("small", words.say(f"screen.why_{key}"))]


def _counts(system: SystemReport, words: ReportWords) -> Html:
    counts = count_verdicts(system.findings)
    text = words.say("screen.counts", num=sum(counts.values()), **counts)
    lowest, surest = system.together.lowest, system.together.surest
    for key, bound, value in (("bound", lowest, "low"), ("sure", surest, "high")):
        if bound is not None:
            axis, culture = words.name("axis", bound.name), culture_name(system, bound.culture, words)
            text += " " + words.say(
                f"screen.{key}", **{value: words.points(getattr(bound, value), 0)}, culture=culture, axis=axis
            )
    return tag("p", text, class_="counts")


def claim(system: SystemReport, finding: Finding, words: ReportWords) -> str:
    """Return one finding as a sentence."""
    axis = finding.axis
    said = words.say(
        f"screen.claim_{axis.name}",
        culture=culture_name(system, axis.culture, words),
        own=words.points(axis.target_mean, 0, sign=False),
        rest=words.points(axis.others_mean, 0, sign=False),
        gap=words.interval(axis.raw, 0),
    )
    if system.is_doubtful(axis.name) and math.isfinite(axis.bounds[0]):
        said += " " + words.say("screen.claim_bounds", bounds=bounds(finding, words))
    return said


def pill(system: SystemReport, finding: Finding, words: ReportWords) -> Html:
    """Return the verdict as a small label, with what it means as its title."""
    margin = words.points(system.analysis.margin, 0, sign=False)
    title = words.say(f"verdict_note.{finding.verdict}", margin=margin)
    return tag("span", words.say(f"verdict.{finding.verdict}"), class_=f"pill {finding.verdict}", title=title)


def picture(system: SystemReport, name: str, words: ReportWords) -> Html:
    """Return the picture of one axis over all cultures, with its words."""
    found = system.of(name, preregistered=True)
    dots = [make_dot(f.axis.raw, culture_name(system, f.axis.culture, words), f.claim, words) for f in found]
    title = words.say(f"axis.{name}")
    if not any(math.isfinite(d.value) for d in dots):
        reason = words.name("reason", found[0].reason)
        nothing = words.say("section.nothing_recognised", reason=reason)
        return tag("section", tag("h2", title), tag("p", nothing, class_="small"), class_="picture")
    return tag(
        "section",
        tag("h2", title),
        tag("p", words.say(f"axis_note.{name}"), class_="small"),
        plot(dots, title, system.analysis.margin, words),
        tag("p", *[join((tag("span", culture_name(system, f.axis.culture, words), " ", pill(system, f, words)), " ")) for f in found], class_="pills"),
        class_="picture",
    )  # fmt: skip


def make_dot(estimate: Estimate, label: str, said: str, words: ReportWords) -> Dot:
    """Return one row of a picture."""
    return Dot(label, estimate.value, estimate.low, estimate.high, words.interval(estimate), COLOURS.get(said, ""))


def plot(dots: list[Dot], title: str, margin: float, words: ReportWords) -> Html:
    """Return the picture of some rows with ticks in points."""
    reach = scale_of(dots, margin)
    ticks = [words.points(share * reach, 0) for share in (-1, -0.5, 0, 0.5, 1)]
    return Html(dot_plot(dots, title, margin=margin, ticks=ticks))


def _reading(system: SystemReport, words: ReportWords) -> Html:
    margin = words.points(system.analysis.margin, 0, sign=False)
    return tag(
        "section",
        tag(
            "div",
            tag("h3", words.say("screen.how_title")),
            tag("p", words.say("screen.how", margin=margin)),
            _verdicts(system, margin, words),
        ),
        tag("div", tag("h3", words.say("screen.not_title")), tag("p", words.say("screen.not"))),
        class_="two",
    )


def _verdicts(system: SystemReport, margin: str, words: ReportWords) -> Html:
    """What the verdicts that this report gives mean."""
    given = {f.verdict for name in MAIN for f in system.of(name, preregistered=True)}
    return tag(
        "ul",
        *(
            tag(
                "li",
                tag("span", words.say(f"verdict.{v}"), class_=f"pill {v}"),
                " ",
                words.say(f"verdict_note.{v}", margin=margin),
            )
            for v in ("against", "for", "equivalent", "inconclusive", "withheld")
            if v in given
        ),
        class_="verdicts",
    )

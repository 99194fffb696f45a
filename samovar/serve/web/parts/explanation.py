"""The explanation of a rank as a readable bar: each component a segment, each number to be had, the sum the score.

Components that take away (a typo's discount, diversity) are hatched at the end of what the others give. Knows how components are named
(docs/SEARCH.md), not how they are computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from samovar.messages import Words
from samovar.search.hit import Component, Hit
from samovar.serve.web.parts.markup import join, tag

KINDS = ("text", "sentence", "title", "phrase", "4-grams", "typo", "dense", "diversity", "duplicate")
WIDTH = 1000  # units of the drawing; it is stretched to the width there is


@dataclass(frozen=True, slots=True)
class Part:
    """One component, named in words. `kind` is the name before the colon, one of `KINDS` or ``other``."""

    kind: str
    label: str
    value: float


def parts_of(hit: Hit, words: Words) -> list[Part]:
    """Return the components in words: those that give, in the order of `KINDS`, then those that take away."""
    parts = [_part(component, words) for component in hit.explain]
    order = {kind: number for number, kind in enumerate((*KINDS, "other"))}
    return sorted(parts, key=lambda p: (p.value < 0, order[p.kind], -abs(p.value)))


def _part(component: Component, words: Words) -> Part:
    kind, _, detail = component.name.partition(":")
    kind = kind if kind in KINDS else "other"
    before, _, after = detail.partition("→")
    label = words.say(f"explain.{_key(kind)}", word=detail, typed=before, searched=after, name=component.name)
    return Part(kind, label, component.value)


def _key(kind: str) -> str:
    return kind.removeprefix("4-")


def widest(hits: Sequence[Hit]) -> float:
    """Return the length of the longest bar, to draw all to one measure."""
    return max((sum(c.value for c in hit.explain if c.value > 0) for hit in hits), default=0.0) or 1.0


def explanation(hit: Hit, words: Words, scale: float) -> Markup:
    """Return the bar of a hit with its account folded under it. `scale` is the score that fills the whole width."""
    parts = parts_of(hit, words)
    score = words.number(hit.score, 2)
    spoken = "; ".join(f"{part.label} {words.number(part.value, 2)}" for part in parts)
    head = tag(
        "summary",
        _bar(parts, scale, words.say("explain.spoken", score=score, parts=spoken)),
        tag("span", words.say("explain.score", score=score), class_="score"),
        class_="explain-head",
    )
    return tag("details", head, _account(hit, parts, words), class_="explain")


def _bar(parts: Sequence[Part], scale: float, spoken: str) -> Markup:
    segments: list[Markup] = []
    at = 0.0
    for part in parts:
        width = abs(part.value) / scale * WIDTH
        if part.value < 0:
            at -= width
        box = tag(
            "rect",
            x=round(max(at, 0), 2), y=0, width=round(max(width - 2, 1.5), 2), height=12, class_=f"c-{_key(part.kind)}" + (" minus" if part.value < 0 else ""),
        )  # fmt: skip
        segments.append(box)
        if part.value >= 0:
            at += width
    return tag(
        "svg", *segments,
        viewBox=f"0 0 {WIDTH} 12", preserveAspectRatio="none", role="img", aria_label=spoken, class_="explain-bar", focusable="false",
    )  # fmt: skip


def _account(hit: Hit, parts: Sequence[Part], words: Words) -> Markup:
    """The table of all components; `data-value` holds each number in full, so that the sum can be checked exactly."""
    rows = [
        tag(
            "tr",
            tag(
                "th",
                tag(
                    "i", class_=f"swatch c-{_key(part.kind)}" + (" minus" if part.value < 0 else ""), aria_hidden="true"
                ),
                part.label,
                scope="row",
            ),
            tag("td", _signed(part.value, words), data_value=repr(part.value), title=repr(part.value)),
            tag("td", words.say(f"explain.about_{_key(part.kind)}"), class_="about"),
        )
        for part in parts
    ]
    total = tag(
        "tr",
        tag("th", words.say("explain.sum"), scope="row"),
        tag("td", words.number(hit.score, 4), data_score=repr(hit.score), title=repr(hit.score)),
        tag("td", words.say("explain.exact"), class_="about"),
    )
    columns = [tag("th", words.say(f"explain.{name}"), scope="col") for name in ("component", "value", "meaning")]
    return tag(
        "div",
        tag(
            "table",
            tag("caption", words.say("explain.caption", rank=hit.rank), class_="visually-hidden"),
            tag("thead", tag("tr", *columns)),
            tag("tbody", join(*rows)),
            tag("tfoot", total),
            class_="account",
        ),
        class_="scroll-x",
    )


def _signed(value: float, words: Words) -> str:
    return ("+" if value >= 0 else "−") + words.number(abs(value), 4)


def legend(hits: Sequence[Hit], words: Words) -> Markup:
    """Return which colour is what, of the kinds that occur."""
    present = {component.name.partition(":")[0] for hit in hits for component in hit.explain}
    items = [
        tag(
            "li", tag("i", class_=f"swatch c-{_key(kind)}", aria_hidden="true"), words.say(f"explain.kind_{_key(kind)}")
        )
        for kind in KINDS
        if kind in present
    ]
    return tag("ul", *items, class_="legend", aria_label=words.say("explain.legend"))

"""Pictures of a report as inline SVG: dots with intervals around a line of no difference. No script, no font, nothing from elsewhere.

Every picture has the same numbers beside it as text; colours come from the page's style sheet. Knows nothing about statistics.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LEFT, RIGHT, ROW, TOP, BOTTOM = 760, 215, 155, 30, 10, 30
LABEL_LETTERS = 28


@dataclass(frozen=True, slots=True)
class Dot:
    """One row: label at the left, `note` at the right, the value with its interval (shares, NaN where there is none). `kind` is a class of colour."""

    label: str
    value: float
    low: float
    high: float
    note: str = ""
    kind: str = ""


def dot_plot(dots: Sequence[Dot], title: str, *, margin: float, ticks: Sequence[str] = ()) -> str:
    """Return an SVG of gaps in points. The scale is symmetric and the same for all rows; `ticks` are texts for −reach, 0 and +reach."""
    reach = scale_of(dots, margin)
    height = TOP + ROW * len(dots) + BOTTOM
    middle = (LEFT + WIDTH - RIGHT) / 2
    half = (WIDTH - RIGHT - LEFT) / 2

    def x(value: float) -> float:
        return round(middle + half * max(-1.0, min(1.0, value / reach)), 1)

    foot = height - BOTTOM
    parts = [
        f'<svg class="dots" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title, quote=True)}">',
        f'<rect class="band" x="{x(-margin)}" y="{TOP}" width="{round(x(margin) - x(-margin), 1)}" height="{foot - TOP}"/>',
        f'<line class="zero" x1="{x(0)}" y1="{TOP}" x2="{x(0)}" y2="{foot}"/>',
        f'<line class="axis" x1="{LEFT}" y1="{foot}" x2="{WIDTH - RIGHT}" y2="{foot}"/>',
    ]
    for at, text in zip((-reach, -reach / 2, 0.0, reach / 2, reach), ticks, strict=False):
        parts.append(f'<text class="tick" x="{x(at)}" y="{foot + 18}" text-anchor="middle">{escape(text)}</text>')
    for index, dot in enumerate(dots):
        parts += _row(dot, TOP + ROW * index + ROW / 2, x)
    return "".join((*parts, "</svg>"))


def _row(dot: Dot, y: float, at: Callable[[float], float]) -> list[str]:
    label = dot.label if len(dot.label) <= LABEL_LETTERS else dot.label[: LABEL_LETTERS - 1] + "…"
    parts = [f'<text class="label" x="{LEFT - 14}" y="{y + 5}" text-anchor="end">{escape(label)}</text>']
    if math.isfinite(dot.low) and math.isfinite(dot.high):
        parts.append(f'<line class="bar {dot.kind}" x1="{at(dot.low)}" y1="{y}" x2="{at(dot.high)}" y2="{y}"/>')
    if math.isfinite(dot.value):
        parts.append(f'<circle class="dot {dot.kind}" cx="{at(dot.value)}" cy="{y}" r="6"/>')
    parts.append(f'<text class="note {dot.kind}" x="{WIDTH - RIGHT + 14}" y="{y + 5}">{escape(dot.note)}</text>')
    return parts


def scale_of(dots: Sequence[Dot], margin: float) -> float:
    """Return how far the scale goes to either side: the widest interval, at least twice the margin, rounded up to ten points."""
    ends = [abs(v) for d in dots for v in (d.low, d.high, d.value) if math.isfinite(v)]
    return min(1.0, math.ceil(10 * max([2 * margin, *ends]) - 1e-9) / 10) or 0.1

"""Bar charts drawn as inline SVG, each with its numbers as a table for who cannot or will not look. Knows only names and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from samovar.messages import Words
from samovar.serve.web.parts.markup import join, tag

MOST_BARS = 12
COLUMN_WIDTH = 1000.0
COLUMN_HEIGHT = 120


def bar_chart(title: str, counts: Mapping[str, int], words: Words, *, names: Mapping[str, str] | None = None) -> Markup:
    """Return horizontal bars, the largest first; what does not fit is summed up as "others". `names` says values in words."""
    if not counts:
        return Markup("")
    rows = [((names or {}).get(value) or value or words.say("chart.none"), number) for value, number in counts.items()]
    shown, rest = rows[:MOST_BARS], rows[MOST_BARS:]
    total, largest = sum(counts.values()), rows[0][1]
    bars = [_row(label, number, largest, total, words) for label, number in shown]
    if rest:
        label, number = words.say("chart.others", count=len(rest)), sum(number for _, number in rest)
        bars.append(_row(label, number, max(largest, number), total, words, class_="bar rest"))
    return _figure(title, tag("dl", *bars, class_="bars"), rows, words)


def _row(label: str, number: int, largest: int, total: int, words: Words, class_: str = "bar") -> Markup:
    amount = tag("span", words.number(number), class_="amount")
    share = tag("span", _share(number, total, words), class_="share")
    return tag("div", tag("dt", label), tag("dd", _bar(number / largest), amount, share), class_=class_)


def _bar(share: float) -> Markup:
    width = round(max(share * 100, 0.4), 2)
    return tag(
        "svg", tag("rect", x=0, y=0, width=width, height=10, rx=1),
        viewBox="0 0 100 10", preserveAspectRatio="none", aria_hidden="true", focusable="false",
    )  # fmt: skip


def _share(number: int, total: int, words: Words) -> str:
    return words.number(100 * number / total, 0 if number == total else 1) + " %"


def column_chart(title: str, counts: Sequence[tuple[str, int]], words: Words) -> Markup:
    """Return upright columns in the order given: years, centuries."""
    if not counts:
        return Markup("")
    largest = max(number for _, number in counts) or 1
    step = COLUMN_WIDTH / len(counts)
    columns = []
    for index, (label, number) in enumerate(counts):
        height = COLUMN_HEIGHT * number / largest
        box = tag(
            "rect",
            x=round(index * step + step * 0.12, 2), y=round(COLUMN_HEIGHT - height, 2), width=round(step * 0.76, 2), height=round(height, 2),
        )  # fmt: skip
        columns.append(tag("g", tag("title", f"{label}: {words.number(number)}"), box))
    spoken = "; ".join(f"{label}: {words.number(number)}" for label, number in counts)
    drawing = tag(
        "svg", *columns,
        viewBox=f"0 0 {COLUMN_WIDTH:.0f} {COLUMN_HEIGHT}", preserveAspectRatio="none", role="img", aria_label=f"{title}. {spoken}", class_="columns",
    )  # fmt: skip
    every = max(1, -(-len(counts) // 12))
    ticks = [tag("span", label if index % every == 0 else "") for index, (label, _) in enumerate(counts)]
    return _figure(title, join(drawing, tag("div", *ticks, class_="ticks", aria_hidden="true")), counts, words)


def _figure(title: str, drawing: Markup, rows: Sequence[tuple[str, int]], words: Words) -> Markup:
    body = [
        tag("tr", tag("th", label, scope="row"), tag("td", words.number(number), data_value=number))
        for label, number in rows
    ]
    heads = tag(
        "tr", tag("th", words.say("chart.value"), scope="col"), tag("th", words.say("chart.documents"), scope="col")
    )
    table = tag(
        "table", tag("caption", title, class_="visually-hidden"), tag("thead", heads), tag("tbody", *body), class_="plain"
    )  # fmt: skip
    fold = tag("details", tag("summary", words.say("chart.table")), tag("div", table, class_="scroll-x"))
    return tag("figure", tag("figcaption", title), drawing, fold, class_="chart")

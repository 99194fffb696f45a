"""What differs between two corpora: every figure of their cards side by side.

Knows neither pages nor corpora, only the cards' data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_SIZED = ("languages", "licences", "centuries", "decades")


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of two corpora. `group` is a part of the card, `name` a figure in it: as data, not as words."""

    group: str
    name: tuple[str, ...]
    first: int
    second: int

    @property
    def change(self) -> int:
        """The second minus the first."""
        return self.second - self.first


def compare_cards(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Difference]:
    """Return the figures that are not equal, in the order of the card."""
    one, other = dict(figures(first)), dict(figures(second))
    keys = [*one, *(key for key in other if key not in one)]
    order = {group: i for i, group in enumerate(dict.fromkeys(group for group, _ in keys))}
    keys.sort(key=lambda key: order[key[0]])
    found = (Difference(*key, one.get(key, 0), other.get(key, 0)) for key in keys)
    return [d for d in found if d.first != d.second]


def figures(card: Mapping[str, Any]) -> Iterator[tuple[tuple[str, tuple[str, ...]], int]]:
    """Yield every figure of a card with its group and name."""
    for unit in ("documents", "characters", "bytes"):
        yield ("totals", (unit,)), card[unit]
    for step in card["flow"]:
        yield ("flow", (step["stage"],)), step["left"]
    for source in card["sources"]:
        for unit in ("seen", "kept", "dropped"):
            yield ("sources", (source["name"], unit)), source[unit]
    for group in _SIZED:
        for row in card[group]:
            yield (group, (row["name"],)), row["documents"]
    for row in card["hosts"]["top"]:
        yield ("hosts", (row["name"],)), row["documents"]
    for p, length in card["lengths"].items():
        yield ("lengths", (p,)), length
    for row in card["reasons"]:
        yield ("reasons", (row["stage"], row["decision"], row["reason"])), row["count"]
    for row in card["personal"]:
        yield ("personal", (row["kind"],)), row["masked"]
    for row in card["contamination"]["found"]:
        yield ("contamination", (row["reference"],)), row["documents"]
    for culture, about in card["coverage"].get("cultures", {}).items():
        yield ("coverage", (culture,)), about["mentioned"]
        for domain, part in about["domains"].items():
            yield ("coverage", (culture, domain)), part["mentioned"]

"""Mask personal data: addresses, telephone, card, account and document numbers, each kind by one pattern and, where there is one, its checksum.

The patterns are data: neutral ones in ``corpus/data/stages.toml``, those of a country in ``packs/<language>/corpus.toml``; this file knows
how check digits work, not whose. The ledger gets kinds and counts, never what was masked. Sources: ISO/IEC 7812 (Luhn), ISO 13616 (IBAN),
E.123 and E.164 (telephone numbers). Joined into one pattern the kinds were 5 to 90 times slower.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from samovar.corpus.build.item import Item, Notes
from samovar.corpus.stages.options import StageOptions
from samovar.corpus.stages.rules import Table, load_language, load_neutral
from samovar.errors import UsageError

_STRETCH = re.compile(r"[0-9](?:[ \u00a0().,№/+-]{0,3}[0-9])+")
_DIGITS = re.compile(r"\d")
_SEPARATED = re.compile(r"^\+|[ \u00a0()-]")


class PersonalOptions(StageOptions):
    """`kinds`: those to mask, empty: all but the optional ones (addresses of computers). `packs`: languages whose patterns hold for every
    text, whatever its own language. `drop_above`: a text with more masked pieces than this is dropped, 0: never."""

    kinds: tuple[str, ...] = ()
    packs: tuple[str, ...] = ()
    drop_above: int = 0


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of personal data, see ``stages.toml`` for what the keys of a table mean."""

    name: str
    pattern: re.Pattern[str]
    mask: str
    near: re.Pattern[str] | None
    reach: int
    checks: tuple[Callable[[str], bool], ...]
    needs: tuple[str, ...]
    digits: int

    def may_occur(self, text: str, num_digits: int) -> bool:
        """Tell cheaply whether the pattern is worth trying; `num_digits` is the length of the text's longest number."""
        return num_digits >= self.digits and (not self.needs or any(sign in text for sign in self.needs))

    def accepts(self, found: re.Match[str]) -> bool:
        """Tell whether a match stands near the right word and passes its checks."""
        if self.near is not None:
            start = found.start()
            if not self.near.search(found.string, max(0, start - self.reach), start):
                return False
        return all(check(found.group()) for check in self.checks)


class Personal:
    """Replace personal data by masks such as ``<email>``."""

    name = "personal"

    def __init__(self, options: PersonalOptions | None = None) -> None:
        self._options = options or PersonalOptions()
        self._kinds: dict[str, list[Kind]] = {}
        known = {kind.name for tag in ("und", *self._options.packs) for kind in list_kinds(tag)}
        self._all = frozenset(known)

    def apply(self, items: list[Item], notes: Notes) -> list[Item]:
        """Return the items with masked texts; how many of each kind were masked is noted as a change."""
        return [item for item in items if self._mask(item, notes)]

    def _mask(self, item: Item, notes: Notes) -> bool:
        kinds = self._kinds.get(item.language)
        if kinds is None:
            kinds = self._kinds[item.language] = self._choose(item.language)
        item.text, counts = mask_text(item.text, kinds)
        for kind, count in sorted(counts.items()):
            notes.change(item.uri, self.name, kind, count)
        total = counts.total()
        if 0 < self._options.drop_above < total:
            notes.drop(item.uri, self.name, "much_personal_data", total)
            return False
        return True

    def _choose(self, language: str) -> list[Kind]:
        found: dict[str, Kind] = {}
        for tag in (language, *self._options.packs):
            found.update((kind.name, kind) for kind in list_kinds(tag, self._options.kinds))
        return list(found.values())


def mask_text(text: str, kinds: list[Kind]) -> tuple[str, Counter[str]]:
    """Return the text with everything of the kinds masked, and how many of each there were."""
    counts: Counter[str] = Counter()
    num_digits = _longest_number(text)
    for kind in kinds:
        if kind.may_occur(text, num_digits):
            text = _mask_kind(text, kind, counts)
    return text, counts


def _mask_kind(text: str, kind: Kind, counts: Counter[str]) -> str:
    def replace(found: re.Match[str]) -> str:
        if not kind.accepts(found):
            return found.group()
        counts[kind.name] += 1
        return kind.mask

    return kind.pattern.sub(replace, text)


def _longest_number(text: str) -> int:
    return max((len(_DIGITS.findall(stretch)) for stretch in _STRETCH.findall(text)), default=0)


def list_kinds(language: str, wanted: tuple[str, ...] = ()) -> list[Kind]:
    """Return the kinds of personal data that are looked for in texts of a language: neutral ones, then the pack's.

    Raises:
        UsageError: a table of the pack is wrong.
    """
    tables: dict[str, Table] = {**load_neutral()["personal"], **load_language(language).get("personal", {})}
    return [
        _make_kind(name, language)
        for name, table in tables.items()
        if (name in wanted if wanted else not table.get("optional"))
    ]


@cache
def _make_kind(name: str, language: str) -> Kind:
    table = {**load_neutral()["personal"], **load_language(language).get("personal", {})}[name]
    try:
        near = table.get("near")
        return Kind(
            name,
            re.compile(table["pattern"]),
            table["mask"],
            re.compile(near) if near else None,
            int(table.get("reach", 40)),
            _make_checks(table.get("checks", [])),
            tuple(table.get("needs", ())),
            int(table.get("digits", 0)),
        )
    except (KeyError, re.error, TypeError) as error:
        raise UsageError(
            f"personal.{name} of {language}: expected pattern, mask and known checks, found {error!r}: correct the file"
        ) from error


def _make_checks(entries: list[Any]) -> tuple[Callable[[str], bool], ...]:
    named = [_CHECKS[entry] for entry in entries if isinstance(entry, str)]
    tables = [entry for entry in entries if not isinstance(entry, str)]
    return (*named, lambda number: _check_tables(number, tables)) if tables else tuple(named)


def _digits_of(number: str) -> list[int]:
    return [int(digit) for digit in number if digit.isdecimal()]


def _check_tables(number: str, tables: list[Mapping[str, Any]]) -> bool:
    """Check digits as weighted sums: those of the tables whose `length` fits must all hold, and at least one must fit.

    `weights` go with the first digits; the sum modulo each of `modulo` in turn must equal the `width` digits behind them.
    """
    digits = _digits_of(number)
    fitting = [table for table in tables if table["length"] == len(digits)]
    return bool(fitting) and all(_check_weights(digits, table) for table in fitting)


def _check_weights(digits: list[int], table: Mapping[str, Any]) -> bool:
    weights = table.get("weights", [])
    if not weights:
        return True
    total = sum(weight * digit for weight, digit in zip(weights, digits, strict=False))
    for modulus in table["modulo"]:
        total %= modulus
    width = table.get("width", 1)
    expected = int("".join(map(str, digits[len(weights) : len(weights) + width])))
    return bool(total == expected) and len(set(digits)) > 1


def check_luhn(number: str) -> bool:
    """Tell whether the digits end in a Luhn check digit."""
    total = 0
    for place, digit in enumerate(reversed(_digits_of(number))):
        doubled = digit * 2 if place % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def check_mod97(number: str) -> bool:
    """Tell whether letters and digits, the first four moved behind, leave 1 modulo 97, and there are 15 to 34 of them."""
    signs = "".join(sign for sign in number if sign.isalnum())
    return 15 <= len(signs) <= 34 and int("".join(str(int(sign, 36)) for sign in signs[4:] + signs[:4])) % 97 == 1


def _check_varied(number: str) -> bool:
    return len(set(_digits_of(number))) > 1


def _check_separated(number: str) -> bool:
    return _SEPARATED.search(number) is not None


def _check_ipv4(number: str) -> bool:
    parts = [int(part) for part in number.split(".")]
    return all(part < 256 for part in parts) and parts[0] > 0


_CHECKS: Mapping[str, Callable[[str], bool]] = {
    "luhn": check_luhn,
    "mod97": check_mod97,
    "varied": _check_varied,
    "spaced": _check_separated,
    "ipv4": _check_ipv4,
}

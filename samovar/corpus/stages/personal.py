"""Mask personal data: addresses, telephone, card, account and document numbers, each kind by one pattern and, where there is one, its checksum.

The patterns are data: neutral ones in ``corpus/data/stages.toml``, those of a country in ``packs/<language>/corpus.toml``; this file knows
how check digits work, not whose. The ledger gets kinds and counts, never what was masked. Sources: ISO/IEC 7812 (Luhn), ISO 13616 (IBAN),
E.123 and E.164 (telephone numbers). Joined into one pattern the kinds were 5 to 90 times slower.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, Literal
from urllib.parse import unquote

from pydantic import Field, model_validator

from samovar.corpus.build.item import Item, Notes
from samovar.corpus.stages.options import StageOptions
from samovar.corpus.stages.rules import Table, list_languages, load_language, load_neutral
from samovar.corpus.stages.scan import batches_of
from samovar.corpus.stages.sieve import Look, Sieve, Stretch
from samovar.errors import UsageError

_MIN_DIGITS = 5  # no kind that asks for digits asks for fewer, but for optional ones
_MAX_GAP = 3
_BETWEEN = " \u00a0().,№/+-"
_STRETCH = re.compile(rf"[0-9](?:[{_BETWEEN}]{{0,{_MAX_GAP}}}[0-9]){{{_MIN_DIGITS - 1},}}")
_BEFORE = 4  # characters before its first digit that a number's pattern may begin with
_LONGEST = 200  # characters from the beginning of a match that its pattern may look at
_DIGITS = re.compile(r"\d")
_LOOK_ALIKES = (
    *((sign, "-") for sign in "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\uff0d"),
    *((sign, " ") for sign in "\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"),
    *((chr(zero + digit), str(digit)) for zero in (0x660, 0x6F0, 0x966, 0xFF10) for digit in range(10)),
    *zip("\uff0b\uff20\uff08\uff09\uff0e", "+@().", strict=True),
)
"""Dashes, spaces and digits (Arabic-Indic, Persian, Devanagari, full width) that typesetters use, and what they stand for."""
_REMEMBERED = 200  # characters: shorter texts are titles, dates, names of authors, and come again
_SEPARATED = re.compile(r"^\+|[ \u00a0()-]")


class PersonalOptions(StageOptions):
    """`kinds`: those to mask (``phone`` means ``phone_ru``, too), empty: all but the optional ones (addresses of computers). `packs`: languages whose patterns hold for every
    text, whatever its own language. `drop_above`: a text with more masked pieces than this is dropped, 0: never. `addresses`: an address of a
    document with an e-mail in it is never changed, because the document's id is made of it: ``note`` it in the ledger or ``drop`` the document."""

    kinds: tuple[str, ...] = ()
    packs: tuple[str, ...] = ()
    drop_above: int = Field(0, ge=0)
    addresses: Literal["note", "drop"] = "note"

    @model_validator(mode="after")
    def _check_names(self) -> PersonalOptions:
        packs = list_languages()
        if strange := sorted(set(self.packs) - set(packs)):
            raise ValueError(f"expected packs among {', '.join(packs)}, found {', '.join(strange)}: correct it")
        known = {name for tag in ("und", *packs) for name in _tables_of(tag)}
        if strange := sorted(kind for kind in self.kinds if not any(_is_wanted(name, (kind,)) for name in known)):
            raise ValueError(f"expected kinds among {', '.join(sorted(known))}, found {', '.join(strange)}: correct it")
        return self


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
    lines: bool = False
    together: int = 0
    inside: bool = False

    least: int = field(init=False)
    """The digits that the text's longest number must have; 0 where any will do, for numbers shorter than `_MIN_DIGITS` are not counted."""
    looks_at_numbers: bool = field(init=False)
    """Whether matches are looked for at numbers of some length alone; a word that must stand before them is looked for last."""

    def __post_init__(self) -> None:
        asked = max(self.digits, self.together)
        at_numbers = (self.inside or self.near is not None) and self.digits >= _MIN_DIGITS
        object.__setattr__(self, "least", asked if asked >= _MIN_DIGITS else 0)
        object.__setattr__(self, "looks_at_numbers", at_numbers)

    def may_occur(self, text: str, num_digits: int) -> bool:
        """Tell cheaply whether the pattern is worth trying; `num_digits` is the length of the text's longest number."""
        return num_digits >= self.least and (not self.needs or self.looks_at_numbers or self.has_needed(text))

    def has_needed(self, text: str) -> bool:
        """Tell whether one of `needs` is in a text."""
        return any(sign in text for sign in self.needs)

    def accepts(self, found: re.Match[str]) -> bool:
        """Tell whether a match stands near the right word and passes its checks."""
        if self.near is not None:
            start = found.start()
            if not self.near.search(found.string, max(0, start - self.reach), start):
                return False
        return all(check(found.group()) for check in self.checks)


class _Masks:
    """The kinds that are looked for in texts of a language, and what tells that a text has none of them."""

    def __init__(self, kinds: list[Kind]) -> None:
        self.kinds = kinds
        self._mask_short = lru_cache(maxsize=10_000)(lambda text: mask_text(text, kinds))
        by_strings = [kind for kind in kinds if not kind.least]
        self._sieve: Sieve | None = None
        if all(kind.needs for kind in by_strings):
            needs = {kind.name: kind.needs for kind in by_strings}
            self._sieve = Sieve(needs, _MIN_DIGITS, _MAX_GAP, _BETWEEN, _LOOK_ALIKES)

    def find_suspects(self, texts: list[str]) -> Mapping[int, Look | None]:
        """Return those texts, by their ids, that may hold something, with what is known of them."""
        if self._sieve is None:
            return {id(text): None for text in texts}
        found: dict[int, Look | None] = {}
        for batch in batches_of(texts, len):
            found.update((id(batch[number]), look) for number, look in self._sieve.look(batch).items())
        return found

    def mask(self, text: str, look: Look | None) -> tuple[str, Counter[str]]:
        """Do `mask_text`; the result is not to be changed."""
        return self._mask_short(text) if len(text) <= _REMEMBERED else mask_text(text, self.kinds, look)


class Personal:
    """Replace personal data by masks such as ``<email>``."""

    name = "personal"

    def __init__(self, options: PersonalOptions | None = None) -> None:
        self._options = options or PersonalOptions()
        self._masks: dict[str, _Masks] = {}
        known = {kind.name for tag in ("und", *self._options.packs) for kind in list_kinds(tag)}
        self._all = frozenset(known)

    def apply(self, items: list[Item], notes: Notes) -> list[Item]:
        """Return the items with masked texts; how many of each kind were masked is noted as a change."""
        suspects: dict[int, Look | None] = {}
        for language in {item.language for item in items}:
            of_language = [item for item in items if item.language == language]
            texts = [text for item in of_language for text in (item.text, item.title, *item.metadata.values())]
            suspects |= self._masks_for(language).find_suspects(texts)
        return [item for item in items if self._mask(item, suspects, notes)]

    def _mask(self, item: Item, suspects: Mapping[int, Look | None], notes: Notes) -> bool:
        """Mask the texts of an item among those whose ids are given; none of them has been replaced before."""
        masks = self._masks_for(item.language)
        counts: Counter[str] = Counter()
        if id(item.text) in suspects:
            item.text, more = masks.mask(item.text, suspects[id(item.text)])
            counts.update(more)
        if id(item.title) in suspects:
            item.title, more = masks.mask(item.title, suspects[id(item.title)])
            counts.update(more)
        for key, value in item.metadata.items():
            if id(value) in suspects:
                item.metadata[key], more = masks.mask(value, suspects[id(value)])
                counts.update(more)
        for kind, count in sorted(counts.items()):
            notes.change(item.uri, self.name, kind, count)
        if _names_somebody(item.uri, masks.kinds):
            if self._options.addresses == "drop":
                notes.drop(item.uri, self.name, "personal_address")
                return False
            notes.change(item.uri, self.name, "personal_address", 1)
        total = counts.total()
        if 0 < self._options.drop_above < total:
            notes.drop(item.uri, self.name, "much_personal_data", total)
            return False
        return True

    def _masks_for(self, language: str) -> _Masks:
        if language not in self._masks:
            self._masks[language] = _Masks(self._choose(language))
        return self._masks[language]

    def mask_sample(self, text: str) -> str:
        """Return a piece of a dropped text, whose language may not be known, with the personal data of all languages masked."""
        for tag in list_languages():
            text, _ = mask_text(text, list_kinds(tag, self._options.kinds))
        return text

    def _choose(self, language: str) -> list[Kind]:
        found: dict[str, Kind] = {}
        for tag in (language, *self._options.packs):
            found.update((kind.name, kind) for kind in list_kinds(tag, self._options.kinds))
        return list(found.values())


def _names_somebody(uri: str, kinds: list[Kind]) -> bool:
    """Tell whether an e-mail stands in an address; the user before a host ("ftp://user@host") is one, too."""
    if "@" not in uri and "%40" not in uri:
        return False
    plain = unquote(uri)
    return any(kind.pattern.search(plain) for kind in kinds if kind.name.startswith("email"))


def mask_text(text: str, kinds: list[Kind], look: Look | None = None) -> tuple[str, Counter[str]]:
    """Return the text with everything of the kinds masked, and how many of each there were. `look`: what a sieve for these kinds saw in it."""
    counts: Counter[str] = Counter()
    plain = straighten(text) if look is None else straighten(text, look.odd)
    numbers = _find_numbers(plain) if look is None else look.numbers
    longest = _longest(numbers)
    for kind in kinds:
        if longest < kind.least or (look is not None and not kind.least and kind.name not in look.needed):
            continue
        if kind.may_occur(plain, longest):
            spans = _find_kind(plain, kind, numbers)
            if spans:
                counts[kind.name] += len(spans)
                masked = _put(text, spans, kind.mask)
                plain = masked if plain is text else _put(plain, spans, kind.mask)
                text = masked
                numbers, look = _find_numbers(plain), None
                longest = _longest(numbers)
    return text, counts


def straighten(text: str, signs: str | None = None) -> str:
    """Return a text of the same length with plain hyphens, spaces, digits and signs in place of their look-alikes: patterns are tried on it,
    so that a typesetter's dashes and thin spaces hide nothing. The text itself when there is nothing to do. `signs`: the look-alikes in it."""
    if text.isascii():
        return text
    for sign, plain in _LOOK_ALIKES:
        if sign in (text if signs is None else signs):
            text = text.replace(sign, plain)
    return text


def _put(text: str, spans: list[tuple[int, int]], mask: str) -> str:
    pieces: list[str] = []
    done = 0
    for start, end in spans:
        pieces += (text[done:start], mask)
        done = end
    return "".join((*pieces, text[done:]))


def _find_kind(text: str, kind: Kind, numbers: list[Stretch]) -> list[tuple[int, int]]:
    if kind.looks_at_numbers:
        return _find_at_numbers(text, kind, numbers)
    if not kind.lines:
        return _find_in(text, kind)
    spans: list[tuple[int, int]] = []
    for start, end in _lines_with(text, kind.needs):
        spans += ((start + first, start + last) for first, last in _find_in(text[start:end], kind))
    return spans


def _lines_with(text: str, needs: tuple[str, ...]) -> list[tuple[int, int]]:
    """Return start and end of the lines in which one of the strings stands, in order."""
    found: dict[int, int] = {}
    for need in needs:
        place = text.find(need)
        while place >= 0:
            end = text.find("\n", place)
            end = end if end >= 0 else len(text)
            found[text.rfind("\n", 0, place) + 1] = end
            place = text.find(need, end)
    return sorted(found.items())


def _find_at_numbers(text: str, kind: Kind, numbers: list[Stretch]) -> list[tuple[int, int]]:
    """Find what begins at a number: the pattern is tried there alone, a bracket or sign before it included."""
    spans: list[tuple[int, int]] = []
    done = 0
    for start, end, digits in numbers:
        if digits < kind.digits:
            continue
        place = max(start - _BEFORE, done)
        while place <= end and (found := kind.pattern.search(text, place, end + _LONGEST)) and found.start() <= end:
            place = max(found.end(), place + 1)
            if kind.accepts(found):
                spans.append(found.span())
                done = found.end()
    return spans


def _find_in(text: str, kind: Kind) -> list[tuple[int, int]]:
    return [found.span() for found in kind.pattern.finditer(text) if kind.accepts(found)]


def _find_numbers(text: str) -> list[Stretch]:
    """Return start, end and number of digits of the stretches of digits and separators that have `_MIN_DIGITS` at least."""
    return [(found.start(), found.end(), len(_DIGITS.findall(found.group()))) for found in _STRETCH.finditer(text)]


def _longest(numbers: list[Stretch]) -> int:
    return max([digits for _, _, digits in numbers], default=0)


def list_kinds(language: str, wanted: tuple[str, ...] = ()) -> list[Kind]:
    """Return the kinds of personal data that are looked for in texts of a language: neutral ones, then the pack's.

    Raises:
        UsageError: a table of the pack is wrong.
    """
    return [
        _make_kind(name, language)
        for name, table in _tables_of(language).items()
        if (_is_wanted(name, wanted) if wanted else not table.get("optional"))
    ]


def _is_wanted(name: str, wanted: tuple[str, ...]) -> bool:
    """Tell whether a kind is meant: ``phone`` means ``phone_ru``, too."""
    return any(name == kind or name.startswith(f"{kind}_") for kind in wanted)


def _tables_of(language: str) -> dict[str, Table]:
    return {**load_neutral()["personal"], **load_language(language).get("personal", {})}


@cache
def _make_kind(name: str, language: str) -> Kind:
    table = _tables_of(language)[name]
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
            bool(table.get("lines", False)),
            int(table.get("together", 0)),
            bool(table.get("inside", False)),
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

"""Where a right or a refused answer is mentioned in a reply: whole, by surname, in another spelling or script, with a slip of the pen.

A mention's window is the alias's length + 3 words, in one sentence, in any order. Knows nothing about what is said of it (see `polarity`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from samovar.audit.grade.gold import Alias, Part, Prepared, sound_of
from samovar.audit.grade.reading import Reading, read_roman

SLACK = 3  # words that may stand inside a mention beyond the alias's own: a patronymic, a title
MIN_JOINED_LETTERS = 6  # in all, of a name written apart or together
MIN_SOUND_LETTERS = 5  # of a syllable or two spelt otherwise in the same script
MIN_TYPO_LETTERS = 7  # one wrong letter in a shorter word makes another name: Austen, Austin
Way = Literal["whole", "surname", "sound", "typo", "part"]


@dataclass(frozen=True, slots=True)
class Mention:
    """A mention: tokens `first` … `last`, those that matched, and how. `other`: another person with the same surname."""

    first: int
    last: int
    matched: tuple[int, ...]
    alias: Alias
    way: Way
    other: bool = False


def find_accepted(reading: Reading, prepared: Prepared, asked: frozenset[str]) -> list[Mention]:
    """Return mentions of right answers in order, without those inside longer ones. `asked`: keys of the question's words."""
    found = [m for alias in prepared.accepts for m in _mentions(reading, alias, prepared)]
    if not found and len(reading) <= 6:
        found = [
            m
            for alias in prepared.accepts
            if (rest := _without(alias, asked))
            for m in _mentions(reading, rest, prepared)
            if not _is_in_longer_name(reading, m, alias, asked)
        ]
    if not found and prepared.gold.type in ("person", "place"):
        found = [m for alias in prepared.accepts for m in _by_sound(reading, alias, prepared)]
    if not found:
        found = [m for alias in prepared.accepts for m in (*_joined(reading, alias), *_with_typo(reading, alias))]
    return _outermost(found)


def find_rejected(reading: Reading, prepared: Prepared) -> list[Mention]:
    """Return mentions of answers on the reject list, in order."""
    return _outermost([m for alias in prepared.rejects for m in _mentions(reading, alias, None)])


def _mentions(reading: Reading, alias: Alias, prepared: Prepared | None) -> Iterable[Mention]:
    spots = [_spots(reading, part) for part in alias.parts]
    if not all(spots):
        return
    used: set[int] = set()
    reach = alias.num_words + SLACK
    for start in spots[0]:
        chosen = _gather(start, spots[1:], reach)
        if chosen is None or used & set(chosen):
            continue
        first, last = min(chosen), max(chosen)
        if last - first + 1 > reach or reading.sentence_of[first] != reading.sentence_of[last]:
            continue
        used |= set(chosen)
        other = alias.surname_only and prepared is not None and _is_namesake(reading, first, prepared)
        first, last = _widen(reading, first, last, alias)
        yield Mention(first, last, tuple(chosen), alias, "surname" if alias.surname_only else "whole", other)


def _widen(reading: Reading, first: int, last: int, alias: Alias) -> tuple[int, int]:
    """Take in the alias's other words beside a mention: articles, initials, the "Oh!" of a title."""
    longest = max(alias.num_words, len(alias.words))
    while first > 0 and last - first + 1 < longest and reading.low[first - 1] in alias.words:
        first -= 1
    while last + 1 < len(reading) and last - first + 1 < longest and reading.low[last + 1] in alias.words:
        last += 1
    return first, last


def _gather(start: int, rest: list[list[int]], reach: int) -> list[int] | None:
    """For each other word the nearest place to the first one, each place used once."""
    chosen = [start]
    for places in rest:
        near = [p for p in places if abs(p - start) < reach and p not in chosen]
        if not near:
            return None
        chosen.append(min(near, key=lambda p: abs(p - start - 0.1)))  # after rather than before
    return chosen


def _spots(reading: Reading, part: Part) -> list[int]:
    places = reading.places
    if len(part.keys) == 1:
        found = places.get(next(iter(part.keys)), [])
    else:
        found = sorted({p for key in part.keys for p in places.get(key, ())})
    found = [p for p in found if reading.tokens[p] != "I" or _is_numeral(reading, p)]
    if part.named and found and not reading.text.islower():
        return [p for p in found if reading.is_capital(p) or not reading.tokens[p][0].isalpha()]
    return found


def _is_numeral(reading: Reading, i: int) -> bool:
    """Whether a lone "I" is a numeral ("Peter I"), not a pronoun."""
    return (
        i > 0
        and reading.is_capital(i - 1)
        and reading.gap(i) == " "
        and reading.sentence_of[i] == reading.sentence_of[i - 1]
    )


def _is_namesake(reading: Reading, i: int, prepared: Prepared) -> bool:
    """Whether a surname stands with a first name or initial that no alias has: Ivan, not Sergei, Aksakov."""
    if not prepared.given:
        return False
    return any(_is_other_name(reading, i, at, prepared) for at in (i - 1, i + 1))


def _is_other_name(reading: Reading, i: int, at: int, prepared: Prepared) -> bool:
    if not 0 <= at < len(reading) or reading.sentence_of[at] != reading.sentence_of[i]:
        return False
    gap = reading.gap(max(i, at)).strip(" ")
    if gap not in ("", ".") or not reading.is_capital(at):
        return False
    while (
        at < i
        and len(reading.tokens[at]) == 1
        and at
        and len(reading.tokens[at - 1]) == 1
        and reading.is_capital(at - 1)
    ):
        at -= 1  # of several initials the first is the first name's
    word = reading.low[at]
    if at > i and reading.tokens[at].isupper() and read_roman(reading.tokens[at]):
        return True  # "George III" where George is a saint
    if len(word) == 1:
        return (
            word.isalpha()
            and (at < i or gap == "")
            and not any(g.startswith(word) or sound_starts(g, word, reading) for g in prepared.given)
        )
    if (
        gap
        or any(k[1:] in prepared.given for k in reading.keys[at] if k[0] == "=")
        or not reading.keys[at].isdisjoint(prepared.given)
    ):
        return False
    for profile in (p for p in reading.reader.profiles if p.accepts(word)):
        tags = profile.tags(word)
        # a tagger that tells names from other words
        if tags != {"noun"} or (profile.lexicon and profile.lexicon(word)):
            return "name" in tags and "surname" not in tags
    if any(
        sound_of(word, reading.reader) == sound_of(g, reading.reader) != "" or is_one_edit(word, g)
        for g in prepared.given
        if len(g) > 3
    ):
        return False
    if at == i + 1 and len(reading) == 2:  # the surname first, and nothing else in the reply
        known = any(g.startswith(word[:1]) or sound_starts(g, word[:1], reading) for g in prepared.given)
        return not known and word not in reading.reader.words.titles
    if at > i or word in reading.reader.stop_words or word in reading.reader.words.titles:
        return False
    return (
        at == 0
        or reading.sentence_of[at] == reading.sentence_of[at - 1]
        or reading.sentence_of.count(reading.sentence_of[i]) <= 4
    )


def sound_starts(name: str, initial: str, reading: Reading) -> bool:
    """Whether a name in one script starts as an initial in another."""
    return any(p.transliterate(name[:1]).lower() == p.transliterate(initial).lower() for p in reading.reader.profiles)


def _without(alias: Alias, asked: frozenset[str]) -> Alias | None:
    """The alias without words that the question has said ("XIV century" → "XIV"), or None when that leaves all or nothing."""
    rest = tuple(p for p in alias.parts if p.keys.isdisjoint(asked))
    return Alias(alias.text, rest, len(rest), alias.language) if 0 < len(rest) < len(alias.parts) else None


def _is_in_longer_name(reading: Reading, mention: Mention, alias: Alias, asked: frozenset[str]) -> bool:
    """Whether what is left of an alias stands in a name of other words: "Thomas More" for Thomas of Canterbury."""
    if not reading.is_capital(mention.first):
        return False
    for at in (mention.first - 1, mention.last + 1):
        if not 0 <= at < len(reading) or reading.gap(max(at, mention.first)) != " ":
            continue
        word = reading.low[at]
        if (
            reading.is_capital(at)
            and (at > mention.last or at in reading.content)
            and word not in alias.words | reading.reader.words.titles
        ):
            return reading.keys[at].isdisjoint(asked)
    return False


def _by_sound(reading: Reading, alias: Alias, prepared: Prepared) -> Iterable[Mention]:
    """Mentions in another spelling or script."""
    if not any(p.sound for p in alias.parts):
        return
    sounds = [
        (i, sound_of(reading.low[i].removesuffix("'s"), reading.reader))
        for i in reading.content
        if reading.is_capital(i) or reading.text.islower()
    ]
    spots = [
        [i for i, s in sounds if _sounds_alike(reading, i, s, p)] if p.sound else _spots(reading, p)
        for p in alias.parts
    ]
    if not all(spots):
        return
    chosen = _gather(spots[0][0], spots[1:], alias.num_words + SLACK)
    if chosen:
        first, last = min(chosen), max(chosen)
        other = alias.surname_only and _is_namesake(reading, first, prepared)
        yield Mention(first, last, tuple(chosen), alias, "sound", other)


def _sounds_alike(reading: Reading, i: int, sound: str, part: Part) -> bool:
    """Whether a word sounds like a part. Of names of one or two syllables that stand after a surname (Zhen, Zheng) only between scripts."""
    if sound != part.sound or len(sound) >= MIN_SOUND_LETTERS or reading.low[i].isascii() != part.plain.isascii():
        return sound == part.sound
    given = reading.reader.words.given_after
    return not (given and given.fullmatch(part.plain))


def _joined(reading: Reading, alias: Alias) -> Iterable[Mention]:
    """Mentions that join or part words otherwise: "Bull's Eye", "Bullseye"."""
    wanted = "".join(c for c in alias.text.lower().translate(reading.reader.folds) if c.isalnum())
    if len(wanted) < MIN_JOINED_LETTERS or wanted not in reading.squashed:
        return
    for i, word in enumerate(reading.low):
        joined = "".join(c for c in word if c.isalnum())
        at = i
        while joined and wanted.startswith(joined) and len(joined) < len(wanted) and at + 1 < len(reading):
            at += 1
            joined += "".join(c for c in reading.low[at] if c.isalnum())
        if joined == wanted:
            yield Mention(i, at, tuple(range(i, at + 1)), alias, "whole")


def _with_typo(reading: Reading, alias: Alias) -> Iterable[Mention]:
    """Mentions in which one long word has one letter too many, too few, wrong or swapped; a word of the dictionary is no slip."""
    slips: list[int] = []
    for part in alias.parts:
        exact = _spots(reading, part)
        if exact:
            slips.append(exact[0])
            continue
        near = [i for i in reading.content if _is_slip(reading, i, part)]
        if not near:
            return
        slips.append(near[0])
    if slips and max(slips) - min(slips) < alias.num_words + SLACK:
        yield Mention(min(slips), max(slips), tuple(slips), alias, "typo")


def _is_slip(reading: Reading, i: int, part: Part) -> bool:
    word, wanted = reading.low[i], part.plain
    if (
        len(wanted) < MIN_TYPO_LETTERS
        or word[:1] != wanted[:1]
        or abs(len(word) - len(wanted)) > 1
        or any(c.isdigit() for c in word)
    ):
        return False
    if not is_one_edit(word, wanted):
        return False
    return not any(p.lexicon and p.accepts(word) and p.lexicon(word) for p in reading.reader.profiles)


def is_one_edit(a: str, b: str) -> bool:
    """Whether one letter inserted, left out, replaced, or two neighbours swapped, make one word of the other.

    Source: Damerau (1964), Comm. ACM 7:171–176.
    """
    if a == b or abs(len(a) - len(b)) > 1:
        return False
    i = 0
    while i < min(len(a), len(b)) and a[i] == b[i]:
        i += 1
    if len(a) == len(b):
        return a[i + 1 :] == b[i + 1 :] or (a[i : i + 2] == b[i : i + 2][::-1] and a[i + 2 :] == b[i + 2 :])
    longer, shorter = (a, b) if len(a) > len(b) else (b, a)
    return longer[i + 1 :] == shorter[i:]


def _outermost(found: list[Mention]) -> list[Mention]:
    kept: list[Mention] = []
    for mention in sorted(found, key=lambda m: (m.other, -len(m.matched), m.first)):
        if not any(k.first <= mention.last and mention.first <= k.last for k in kept):
            kept.append(mention)
    return sorted(kept, key=lambda m: m.first)


def shared_words(reading: Reading, prepared: Prepared, asked: frozenset[str]) -> float:
    """Return the largest share of an alias's words (not said in the question) that the reply has: a near miss when it is high."""
    best = 0.0
    for alias in prepared.accepts:
        parts = [p for p in alias.parts if p.keys.isdisjoint(asked)]
        if parts:
            here = sum(any(key in reading.places for key in p.keys) for p in parts)
            best = max(best, here / len(parts))
    return best

"""A gold answer made ready to be looked for: aliases as lists of words with keys, surnames by type, lengths. Prepared once per question.

Knows nothing about replies.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from samovar.audit.grade.reading import Reader, Reading
from samovar.audit.probe import Gold, Probe

_BRACKETS = re.compile(r"\s*\([^()]*\)\s*$")
_TAIL = re.compile(r",\s+(?=[^\W\d_])")  # "Cher, in 1998", "Portland, Oregon"
NAMED = ("person", "place")
"""Types whose words are names: written with a capital letter, matched by name and not by stem."""


@dataclass(frozen=True, slots=True)
class Part:
    """One word of an alias. `named`: it stands with a capital letter in a name. `sound`: its letters as they sound in Latin, "" if not used."""

    keys: frozenset[str]
    plain: str
    named: bool = False
    sound: str = ""


@dataclass(frozen=True, slots=True)
class Alias:
    """One way to say an answer: its content words, how many words it has in all, the language it is in, and all its words, folded.
    `family_first`: a name whose first word is the surname (Liu An); it is never known by its last word alone."""

    text: str
    parts: tuple[Part, ...]
    num_words: int
    language: str
    surname_only: bool = False
    words: frozenset[str] = frozenset()
    family_first: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A probe's golds in all languages, the asked one first. `given`: first names that a right person may have (plain forms)."""

    gold: Gold
    accepts: tuple[Alias, ...]
    rejects: tuple[Alias, ...]
    given: frozenset[str]
    surnames: frozenset[str]


def prepare(probe: Probe, language: str, reader: Reader) -> Prepared:
    """Return the golds ready to be looked for; kept for the probes of a run. The asked language's gold decides the type."""
    return _prepare(_Golds(probe.id, language, probe.gold), reader)


@dataclass(frozen=True, slots=True)
class _Golds:
    """What the cache goes by: a probe's id alone is no key, another pack may have the same."""

    id: str
    language: str
    golds: Mapping[str, Gold]

    def __hash__(self) -> int:
        return hash((self.id, self.language))


@lru_cache(maxsize=20_000)
def _prepare(golds: _Golds, reader: Reader) -> Prepared:
    order = [golds.language, *(t for t in golds.golds if t != golds.language)]
    asked = golds.golds[golds.language]
    accepts, rejects = [], []
    for tag in order:
        gold = golds.golds[tag]
        accepts += [a for text in gold.answers for a in make_aliases(text, gold.type, tag, reader)]
        rejects += [a for text in gold.reject for a in make_aliases(text, gold.type, tag, reader)]
    own = {p.plain for a in accepts for p in a.parts}
    rejects = [a for a in rejects if not (a.surname_only and a.parts[0].plain in own)]
    surnames = {a.parts[0].plain for a in accepts if a.surname_only}
    given = {p.plain for a in accepts if not a.surname_only and len(a.parts) > 1 for p in a.parts} - surnames
    accepts = list({(a.parts, a.surname_only, a.words & reader.words.negation): a for a in reversed(accepts)}.values())[
        ::-1
    ]
    longest_first = sorted(accepts, key=lambda a: (-len(a.parts), a.surname_only))
    return Prepared(asked, tuple(longest_first), tuple(dict.fromkeys(rejects)), frozenset(given), frozenset(surnames))


def make_aliases(text: str, kind: str, language: str, reader: Reader) -> list[Alias]:
    """Return an answer as an alias, and a person's surname as another (the surname rule: the last word of a full name)."""
    text = _BRACKETS.sub("", text) or text
    reading = reader.read(text)
    family_first = kind == "person" and _is_family_first(reading)
    indexes = reading.content if reading.content and not family_first else list(range(len(reading)))
    # "Peter I": a lone numeral is content too
    if any(k[0] == "#" for i in range(len(reading)) for k in reading.keys[i]):
        indexes = [i for i in range(len(reading)) if i in set(indexes) or any(k[0] == "#" for k in reading.keys[i])]
    parts = tuple(_part(reading, i, kind) for i in indexes)
    if not parts:
        return []
    words = frozenset(reading.low)
    made = [Alias(text, parts, len(reading), language, words=words, family_first=family_first)]
    if kind == "person" and not family_first and _has_surname(reading, parts):
        made.append(Alias(text, parts[-1:], 1, language, surname_only=True, words=words))
    if kind == "person" and len(parts) == 1 and len(reading) == 1 and parts[0].named:
        made = [Alias(text, parts, 1, language, surname_only=True, words=words)]
    head = _head_of(text, kind, reader)
    return made + make_aliases(head, kind, language, reader) if head else made


def _head_of(text: str, kind: str, reader: Reader) -> str:
    """Return the part of an answer before a comma that can stand for all of it: a place without what it lies in, a person or thing without
    a description, a title without its "or …". Of other answers ("Liberty, equality, fraternity") no part is the whole."""
    tail = _TAIL.search(text)
    if not tail:
        return ""
    head, word = text[: tail.start()], reader.read(text[tail.end() :]).low[0]
    if kind == "work":
        stands = word in reader.words.either
    elif kind == "term":
        stands = text[tail.end()].islower() and word in reader.stop_words | reader.words.either
    else:
        stands = kind == "place" or text[tail.end()].islower()
    return head if stands and reader.read(head).content else ""


def _is_family_first(reading: Reading) -> bool:
    """Whether a person's name is one whose first word is the surname, by its sound: a surname of the list and one or two syllables after it."""
    words = reading.reader.words
    if len(reading) < 2 or " " not in reading.text or not words.given_after or reading.low[0] not in words.family_first:
        return False
    rest = "".join(reading.low[1:])
    return (
        all(map(reading.is_capital, (0, 1)))
        and reading.text.count(" ") == 1
        and bool(words.given_after.fullmatch(rest))
    )


def _has_surname(reading: Reading, parts: tuple[Part, ...]) -> bool:
    """Whether a full name ends in a surname: no numeral, no epithet with an article or a preposition before it, no second person."""
    stop = reading.reader.stop_words
    words = reading.reader.words
    if len(parts) < 2 or any(k[0] == "#" for p in parts for k in p.keys) or "," in reading.text:
        return False
    if any(w in stop or w in words.both for w in reading.low) or not all(p.named for p in parts):
        return False
    return len(parts[-1].plain) > 2 and reading.low[0] not in words.titles


def _part(reading: Reading, i: int, kind: str) -> Part:
    keys = reading.keys[i]
    named = kind in NAMED and reading.is_capital(i)
    plain = next((k[1:] for k in keys if k[0] == "="), reading.low[i])
    if named or kind == "work":  # stems would join Wilde and wild, Hughes and Hugh
        keys = frozenset(k for k in keys if k[0] != "~")
    if named and plain in keys:  # golds stand in the nominative: another parse is another name
        keys = frozenset(k for k in keys if k == plain or k[0] in "=#")
    return Part(keys, plain, named, sound_of(plain, reading.reader) if kind in NAMED else "")


_SOUNDS = {
    "shch": "s", "tsch": "c", "tch": "c", "sch": "s", "sh": "s", "ch": "c", "cz": "c", "zh": "z", "kh": "h", "ph": "f", "th": "t", "ck": "k",
    "chzh": "z", "tsz": "dz", "ts": "c", "tz": "c", "ce": "se", "ci": "si", "cy": "si", "c": "k", "x": "ks", "w": "v", "q": "k", "ia": "a", "ya": "a", "ja": "a",
    "yu": "u", "iu": "u", "ju": "u", "yo": "o", "io": "o", "ie": "e", "ye": "e", "j": "i", "y": "i", "'": "", "-": "",
}  # fmt: skip
_SOUND = re.compile("|".join(sorted(map(re.escape, _SOUNDS), key=len, reverse=True)))


@lru_cache(maxsize=50_000)
def sound_of(word: str, reader: Reader) -> str:
    """Return how a name sounds, roughly and in Latin letters, so that spellings of two systems or scripts meet; "" for fewer than 4 letters.

    >>> # Chaikovskij, Tchaikovsky and the Cyrillic spelling all give "caikovsk"
    """
    for profile in reader.profiles:
        if profile.transliteration and profile.accepts(word):
            word = profile.transliterate(profile.lemmas(word)[0])
            break
    if not word.isascii() or len(word) < 4:
        return ""
    word = _SOUND.sub(lambda m: _SOUNDS[m[0]], word)
    word = re.sub(r"(.)\1+", r"\1", word).replace("ei", "ai").removesuffix("i")
    return word if len(word) > 3 else ""

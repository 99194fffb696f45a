"""Which tokens of a vocabulary a language is written with, whatever its texts are about: the letters decide, not what was seen of them.

Texts, however many, hold only some of a language's words, and a word whose token was dropped costs far more than its share. So every token
stays that is written wholly in the letters of the language, with the signs that belong to no script; every single letter of the Latin, Greek and
Cyrillic alphabets, which formulas and foreign names are spelt with; and of the tokens in Latin letters, which names, units and addresses
bring into any text, and of the runs of signs, which markup and code are full of, the commonest. Knows vocabularies, no models. The letters are
the language profile's; without a profile, those that the texts are written in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from string import ascii_letters

from samovar.language import profile_for
from samovar.train.adapt.vocabulary import Vocabulary

MIN_SHARE = 1e-4
"""Without a profile a letter belongs to the language if it comes at least once in so many."""
COMMON_SHARE = 1 / 8
"""So much of the old vocabulary stays for its Latin letters and runs of signs. Of 262,144 tokens (Gemma 3) .2 and all runs of signs left 73,984 and decoded
1.8 times as fast as the original, 1/8 leaves 51,264 (1.9 to 2.2, by the machine's memory), .1 45,248, .08 40,512. Each step costs: of an encyclopaedia's
bits per byte .4, .5, .6 and .7 %. A token is .7 kB; one that a text needs and does not find costs 7 to 15 bits."""
_CAPITAL, _SPACE = 1 / 3, 0.7
_SIGNS = ((0x0000, 0x0100), (0x0300, 0x0370), (0x2000, 0x2300))
"""Where the signs of no script stand: ASCII and Latin-1, combining marks, and punctuation to mathematical operators."""
_SINGLES = ((0x00C0, 0x0530), (0x1E00, 0x2000))
"""Where the Latin (with marks and phonetic letters), Greek and Cyrillic alphabets stand. A letter without a token is spelt in bytes, which no model expects."""
_LATIN = frozenset(ascii_letters) | {
    chr(code) for start, end in ((0x00C0, 0x0250), (0x1E00, 0x1F00)) for code in range(start, end)
}
"""Latin letters, those with marks among them (and two signs, which do no harm)."""
_NUMERALS = frozenset("IVXLCDM")
"""Roman numerals count as signs: centuries, kings and chapters, in any script."""


@dataclass(frozen=True, slots=True)
class Letters:
    """The letters of a language, small and capital. `tag` is its BCP 47 tag, ``und`` when it cannot be told; `has_profile` says where
    the letters come from."""

    tag: str
    letters: frozenset[str]
    has_profile: bool


def find_letters(tag: str, texts: Iterable[str]) -> Letters:
    """Return the letters of a language: its profile's, else those of the texts."""
    alphabet: Iterable[str] = profile_for(tag).alphabet
    if alphabet:
        return Letters(tag, _with_capitals(alphabet), True)
    counts = Counter(c for text in texts for c in text.lower() if c.isalpha())
    alphabet = (c for c, count in counts.items() if count >= MIN_SHARE * counts.total())
    return Letters(tag or "und", _with_capitals(alphabet), False)


def _with_capitals(alphabet: Iterable[str]) -> frozenset[str]:
    letters = set(alphabet)
    return frozenset(letters | {c.upper() for c in letters if len(c.upper()) == 1})


def sort_tokens(
    vocabulary: Vocabulary, letters: frozenset[str], share: float | None = None
) -> list[tuple[str, list[int]]]:
    """Return, by reason, the ids that a language needs beyond what was seen: ``letters`` and ``signs`` (single ones, numerals, spaces, and single
    letters of other alphabets) in the order learnt, ``common`` by how common they seem, `share` of the vocabulary of them (`COMMON_SHARE`).

    The end or the beginning of a letter's bytes counts as the letter: where a vocabulary merges bytes, tokens part letters.
    """
    native, latin = _Writing(letters), _Writing(_LATIN)
    found: dict[str, list[int]] = {"letters": [], "signs": []}
    others: list[tuple[float, int]] = []
    for number in range(len(vocabulary.tokens)):
        spelt = None if number in vocabulary.fixed else vocabulary.spell(number)
        if not spelt:
            continue
        kind = native.judge(spelt)
        if kind and not (kind == "signs" and _is_run(spelt)):
            found[kind].append(number)
        elif _is_single(spelt):
            found["signs"].append(number)
        elif kind or latin.judge(spelt):
            others.append((_rarity(number, spelt), number))
    common = [
        number
        for _, number in sorted(others)[: int(len(vocabulary.tokens) * (COMMON_SHARE if share is None else share))]
    ]
    return [*found.items(), ("common", common)]


def _rarity(number: int, spelt: bytes) -> float:
    """Guess how rare a Latin token or a run of signs is in texts of another script: learnt late, long (short ones make up any word), no name or abbreviation,
    inside a word.

    Beside capitals that count double and no heed of the space this leaves 7 % fewer tokens uncovered of the Latin words in Russian word frequencies, 20 %
    fewer of documentation, 17 % more of a game's texts; beside the order learnt alone 33 %, 57 % and 3 % fewer.
    """
    capital = _CAPITAL if any(65 <= byte <= 90 for byte in spelt) else 1.0
    return number * len(spelt) * capital * (_SPACE if spelt.startswith(b" ") else 1.0)


def _is_run(spelt: bytes) -> bool:
    """Whether bytes are several signs, neither numerals nor spaces: a text without the token is spelt in its parts, which costs little."""
    text = spelt.decode("utf-8", "replace").strip()
    return len(text) > 1 and not any(c.isalnum() for c in text)


def _is_single(spelt: bytes) -> bool:
    """Whether bytes are one letter of the alphabets that names and formulas are written in, a space before it or not."""
    text = spelt.decode("utf-8", "replace").removeprefix(" ")
    return len(text) == 1 and text.isalpha() and any(start <= ord(text) < end for start, end in _SINGLES)


class _Writing:
    """Letters and signs as UTF-8, and the pieces that their bytes fall into."""

    def __init__(self, letters: frozenset[str]) -> None:
        signs = {chr(code) for start, end in _SIGNS for code in range(start, end)}
        self.letters, self.signs = letters, {c for c in signs if not c.isalpha()} | _NUMERALS - letters
        self.letter_pieces, self.sign_pieces = (_cut([c.encode() for c in some]) for some in (letters, self.signs))

    def judge(self, spelt: bytes) -> str:
        """Return ``letters`` for bytes in letters and signs, ``signs`` without letters, "" if anything else is among them."""
        start, end = _whole_characters(spelt)
        text = spelt[start:end].decode("utf-8", "replace")
        pieces = [piece for piece in (spelt[:start], spelt[end:]) if piece]
        if any(piece not in self.letter_pieces and piece not in self.sign_pieces for piece in pieces):
            return ""
        own = sum(c in self.letters for c in text)
        if any(c not in self.signs for c in text if c not in self.letters):
            return ""
        return "letters" if own or any(piece in self.letter_pieces for piece in pieces) else "signs"


def _cut(characters: Sequence[bytes]) -> frozenset[bytes]:
    """Return all parts of characters of several bytes."""
    return frozenset(
        spelt[start:end]
        for spelt in characters
        for start in range(len(spelt))
        for end in range(start + 1, len(spelt) + 1)
        if end - start < len(spelt)
    )


def _whole_characters(spelt: bytes) -> tuple[int, int]:
    """Return where the first whole character begins and the last one ends."""
    start = 0
    while start < len(spelt) and spelt[start] & 0xC0 == 0x80:
        start += 1
    last = len(spelt) - 1
    while last > start and spelt[last] & 0xC0 == 0x80:
        last -= 1
    if last < start or spelt[last] < 0xC0:
        return start, len(spelt)
    length = 2 + (spelt[last] >= 0xE0) + (spelt[last] >= 0xF0)
    return start, last if len(spelt) - last < length else len(spelt)

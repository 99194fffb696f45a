"""A reply made readable: folded text, words with their keys, sentences. What every rule looks at.

Folding: NFKC, quotes, dashes and invisible characters made plain, markdown marks removed. A word's *keys* are everything it may be compared
by: the lemmas of all its parses, the stem of a word that has no other lemma (``~kilt``), its plain form (``=kilts``), ``#14`` for numbers in digits,
Roman numerals or words. Two words match when they share a key. Knows nothing about right answers.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from samovar.audit.grade.vocabulary import Vocabulary, vocabulary_for
from samovar.language import Profile
from samovar.language.token import TOKEN_TEXT

MAX_CHARACTERS = 20_000  # a reply longer than this is read up to here: no answer to a short question starts later
_PLAIN = str.maketrans(
    {**dict.fromkeys("«»„“”‟❝❞〝〞‹›", '"'), **dict.fromkeys("‘’‚‛ʼ´", "'"), **dict.fromkeys("‐‑‒–—―−", "-"),
     **dict.fromkeys("\u00ad\u0301\u200b\u200c\u2060\ufeff", None)}
)  # fmt: skip
_MARKDOWN = (
    (re.compile(r"!?\[([^\]\n]{1,200})\]\([^)\s]*\)"), r"\1"),  # links keep their words
    (re.compile(r"\[\^?\d{1,3}\]"), ""),  # numbers of sources
    (re.compile(r"^[ \t]*(?:#{1,6}|>|[-*+•])[ \t]+", re.M), ""),
    (re.compile(r"\*{1,3}|__|~~|```\w*|`"), ""),
    (re.compile(r"<br ?/?>"), "\n"),
)  # fmt: skip
_CASES = frozenset(["nom", "gen", "dat", "acc", "ins", "loc"])
_MARKS = set("*#[>_~•+-<`")
_ROMAN = re.compile(r"(?=[IVXLCDM])M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})(?=$|th$|st$|nd$|rd$)")
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_NO_ROMAN = frozenset(["C", "D", "L", "M", "DI", "MI", "DC", "CD", "MD", "CV", "MC"])
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th)")
_STUCK = re.compile(r"([^\W\d_]{3,})\d{1,2}")  # a source's number stuck to a word: "Inn1"
_END = re.compile(r"[.!?…\n]")


def fold_text(text: str) -> str:
    """Return the reply's text without markdown and with plain quotes, dashes and spaces; case and line ends stay."""
    text = text[:MAX_CHARACTERS]
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(_PLAIN)
    if not _MARKS.isdisjoint(text):
        for pattern, replacement in _MARKDOWN:
            text = pattern.sub(replacement, text)
    return text


def read_roman(word: str) -> int | None:
    """Return the value of a Roman numeral in capitals (``XIV``, ``XIIIth``), or None."""
    found = _ROMAN.match(word)
    if not found or found.group() in _NO_ROMAN:
        return None
    values = [_ROMAN_VALUES[c] for c in found.group()]
    return sum(-v if v < max(values[i:]) else v for i, v in enumerate(values))


@dataclass(frozen=True, eq=False)
class Reader:
    """Makes readings for a set of languages; the first is the one asked in. Keeps the keys of the words it has seen."""

    profiles: tuple[Profile, ...]
    words: Vocabulary

    @classmethod
    def of(cls, profiles: Sequence[Profile]) -> Reader:
        """Return the reader of these languages, the same object for the same languages."""
        return _reader(tuple(profiles))

    def read(self, text: str) -> Reading:
        """Read a reply."""
        return Reading(self, fold_text(text))

    @cached_property
    def keys(self) -> _Keys:
        """Word as written → its keys."""
        return _Keys(self)

    @cached_property
    def folds(self) -> dict[int, str]:
        """Letters written interchangeably in any of the languages, each where its own letters allow it."""
        table: dict[int, str] = {}
        for profile in reversed(self.profiles):
            table.update({ord(a): b for a, b in profile.folds.items()})
        return table

    @cached_property
    def stop_words(self) -> frozenset[str]:
        """Stop words of all the languages."""
        return frozenset().union(*(p.stop_words for p in self.profiles))

    @cached_property
    def abbreviations(self) -> frozenset[str]:
        """Words whose full stop ends no sentence."""
        return frozenset().union(*(p.abbreviations | p.closing_abbreviations for p in self.profiles)) - {"no"}

    def make_keys(self, word: str) -> frozenset[str]:
        """Return the keys of one word as written."""
        if found := _ORDINAL.fullmatch(word):
            return frozenset((f"#{int(found[1])}",))
        if word.isdigit():
            return frozenset((f"#{int(word)}",))
        keys: set[str] = set()
        value = read_roman(word)
        if value and (word.isupper() or len(word) > 3):
            keys.add(f"#{value}")
        if stuck := _STUCK.fullmatch(word):
            word = stuck[1]
        plain = _strip_marks(word.lower()).translate(self.folds)
        plain = plain[:-2] if plain.endswith("'s") else plain.rstrip("'")
        keys.add(f"={plain}")
        for profile in self.profiles:
            folded = profile.fold(plain)
            if not profile.accepts(folded):
                continue
            lemmas = profile.lemmas(folded)
            keys.update(lemmas)
            # a language whose dictionary has no forms: stems instead, marked, for names are not compared by them
            if lemmas == (folded,) and _CASES.isdisjoint(profile.tags(folded)):
                keys.add(f"~{profile.stem(folded)}")
            for lemma in lemmas:
                number = profile.number_words.get(lemma, self.words.ordinals.get(lemma))
                if number:
                    keys.add(f"#{number}")
        return frozenset(keys)


@lru_cache(maxsize=16)
def _reader(profiles: tuple[Profile, ...]) -> Reader:
    return Reader(profiles, vocabulary_for(tuple(p.tag for p in profiles)))


class _Keys(dict[str, frozenset[str]]):
    """A cache that fills itself; emptied when it grows past what a run needs."""

    def __init__(self, reader: Reader) -> None:
        super().__init__()
        self._reader = reader

    def __missing__(self, word: str) -> frozenset[str]:
        if len(self) >= 400_000:
            self.clear()
        self[word] = keys = self._reader.make_keys(word)
        return keys


def _strip_marks(word: str) -> str:
    """Drop the marks of Latin letters (``brontë``); other scripts keep theirs, where a mark makes another letter."""
    if word.isascii():
        return word
    out = []
    for char in unicodedata.normalize("NFC", word):
        base = unicodedata.normalize("NFD", char)[0]
        out.append(base if base.isascii() else char)
    return "".join(out)


@dataclass(eq=False)
class Reading:
    """A text read: `tokens` as written (hyphenated words in parts), `starts`/`ends` their places in `text`, everything else worked out when asked."""

    reader: Reader
    text: str

    def __post_init__(self) -> None:
        self.tokens: list[str] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        for match in TOKEN_TEXT.finditer(self.text):
            piece, start = match.group(), match.start()
            if "-" not in piece:
                self._add(piece, start)
                continue
            for part in piece.split("-"):
                if part:
                    self._add(part, start)
                start += len(part) + 1

    def _add(self, piece: str, start: int) -> None:
        self.tokens.append(piece)
        self.starts.append(start)
        self.ends.append(start + len(piece))

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def low(self) -> list[str]:
        """Folded words."""
        folds = self.reader.folds
        return [t.lower().translate(folds) for t in self.tokens]

    @cached_property
    def folded(self) -> str:
        """The folded text, of the same length as `text` wherever folding keeps lengths (the patterns' text)."""
        return self.text.lower().translate(self.reader.folds)

    @cached_property
    def squashed(self) -> str:
        """All letters and digits in one piece: whether a name written together or apart can be there at all."""
        return "".join(c for word in self.low for c in word if c.isalnum())

    @cached_property
    def keys(self) -> list[frozenset[str]]:
        """Keys of each token."""
        known = self.reader.keys
        return [known[t] for t in self.tokens]

    @cached_property
    def places(self) -> dict[str, list[int]]:
        """Key → the tokens that have it."""
        table: dict[str, list[int]] = defaultdict(list)
        for i, keys in enumerate(self.keys):
            for key in keys:
                table[key].append(i)
        return table

    @cached_property
    def sentence_of(self) -> list[int]:
        """Token → number of its sentence."""
        numbers, current = [], 0
        for i in range(len(self.tokens)):
            if i and self._ends_sentence(i):
                current += 1
            numbers.append(current)
        return numbers

    def _ends_sentence(self, i: int) -> bool:
        """Whether a sentence ends between token i - 1 and token i."""
        gap = self.gap(i)
        if not _END.search(gap):
            return False
        if "\n" in gap or "!" in gap or "?" in gap:
            return True
        before, after = self.tokens[i - 1], self.tokens[i]
        if after[0].islower():
            return False
        return not (
            gap[0] == "." and ((len(before) == 1 and before.isalpha()) or before.lower() in self.reader.abbreviations)
        )

    def gap(self, i: int) -> str:
        """What stands between token i - 1 and token i."""
        return self.text[self.ends[i - 1] if i else 0 : self.starts[i]]

    def sentence(self, number: int) -> range:
        """The tokens of a sentence."""
        of = self.sentence_of
        first = of.index(number)
        last = first
        while last < len(of) and of[last] == number:
            last += 1
        return range(first, last)

    @cached_property
    def num_sentences(self) -> int:
        """How many sentences there are."""
        return self.sentence_of[-1] + 1 if self.tokens else 0

    def is_capital(self, i: int) -> bool:
        """Whether a token starts with a capital letter."""
        return self.tokens[i][:1].isupper()

    def slice(self, first: int, last: int) -> str:
        """The text of tokens first … last."""
        return self.text[self.starts[first] : self.ends[last]] if self.tokens else ""

    @cached_property
    def content(self) -> list[int]:
        """Tokens that are neither stop words nor single letters."""
        stop = self.reader.stop_words
        return [
            i
            for i, word in enumerate(self.low)
            if word not in stop and (len(word) > 1 or word.isdigit() or not word.isascii())
        ]

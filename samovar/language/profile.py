"""The `Profile`: the one object through which the rest of Samovar speaks about a language.

A profile is data plus at most two functions (`stem`, `lemmatise`). Field by field it says what a language needs; every field has a
neutral default, so a new language can start with a tag and an alphabet and grow. Source of the shape: DESIGN.md, the language room.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from samovar.language.sentence import split_sentences
from samovar.language.token import SOFT_HYPHEN, STRESS, Span, Token, tokenize

QuestionKind = Literal["person", "place", "time", "number", "reason", "definition", "manner", "thing", "choice", "name"]


@dataclass(frozen=True, slots=True)
class Question:
    """What a question asks for: its kind, the (last) question word, the noun after it (lemma), the word before it, and the place and
    number of the opening's words."""

    kind: QuestionKind
    word: str
    noun: str
    before: str
    index: int
    size: int = 0


_DROPPED = {ord(SOFT_HYPHEN): None, ord(STRESS): None, 0x200B: None, 0x200C: None, 0x2060: None, 0xFEFF: None}
_QUOTES = str.maketrans({**dict.fromkeys("«»„“”‟❝❞〝〞", '"'), **dict.fromkeys("‘’‚‛ʼ`´", "'")})
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−", "-"))
_CACHE_WORDS = 400_000  # words kept per profile: about 60 MB at most; a library of 200,000 passages has about 250,000 distinct words


@dataclass(frozen=True, eq=False)
class Profile:
    """A language. `tag` is BCP 47, `script` ISO 15924; `alphabet` the lower-case letters of ordinary words."""

    tag: str
    name: str
    script: str = "Zyyy"
    alphabet: str = ""
    vowels: str = ""
    stop_words: frozenset[str] = frozenset()
    abbreviations: frozenset[str] = frozenset()
    closing_abbreviations: frozenset[str] = frozenset()
    # letters written interchangeably (ё → е): folded in every comparison
    folds: Mapping[str, str] = field(default_factory=dict)
    # letters of other scripts that look like ours (Latin c → Cyrillic с)
    lookalikes: Mapping[str, str] = field(default_factory=dict)
    # what a key of a US keyboard types in this language's layout
    keyboard: Mapping[str, str] = field(default_factory=dict)
    # letter → Latin, for names written in two scripts
    transliteration: Mapping[str, str] = field(default_factory=dict)
    # question openings in lower case; the earliest in the question wins, of several at one place the longest
    questions: tuple[tuple[str, QuestionKind], ...] = ()
    # nouns that tell what a "which/what …" question asks for
    answer_nouns: Mapping[str, QuestionKind] = field(default_factory=dict)
    months: Mapping[str, int] = field(default_factory=dict)
    number_words: Mapping[str, int] = field(default_factory=dict)
    time_words: frozenset[str] = frozenset()
    place_prepositions: frozenset[str] = frozenset()
    negations: frozenset[str] = frozenset()
    reason_markers: tuple[str, ...] = ()
    pronouns: frozenset[str] = frozenset()
    # words of equal standing in questions and texts: a lemma → other lemmas (small, general, not domain knowledge)
    synonyms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # regular expressions (over `normalise`d text) of commands to a reader that is a machine: quoted, never obeyed, never evidence
    commands: tuple[str, ...] = ()
    # words that open a follow-up question ("and", "а")
    follow_up_openings: frozenset[str] = frozenset()
    decimal_mark: str = "."
    group_marks: str = "\u00a0\u202f\u2009 ,"
    stemmer: Callable[[str], str] = lambda word: word
    lemmatiser: Callable[[str], tuple[str, ...]] = lambda word: (word,)
    # folded word → coarse labels of its likeliest reading: noun adj verb num prep conj pron adv part, name surname patronymic place
    # organisation, and the case: nom gen dat acc ins loc; an empty set where the language has no tagger
    tagger: Callable[[str], frozenset[str]] = lambda word: frozenset()
    # folded word → whether the dictionary has it (such a word is never taken for a typo); None where there is no dictionary
    lexicon: Callable[[str], bool] | None = None
    # words of this script inside documents in a language of another script are read by this profile
    reads_script: bool = False
    # raised whenever the result of `terms` changes for any word; part of the analyser's version
    revision: int = 1
    _terms: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    _lemmas: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    _tags: dict[str, frozenset[str]] = field(default_factory=dict, repr=False)

    # -- characters -------------------------------------------------------------------------------------------------
    @cached_property
    def _fold_table(self) -> dict[int, str | None]:
        return {**_DROPPED, **{ord(a): b for a, b in self.folds.items()}}

    @cached_property
    def _letters(self) -> frozenset[str]:
        return frozenset(self.alphabet)

    @cached_property
    def _plain(self) -> frozenset[str]:
        """The letters that folding leaves as they are: a word of these alone needs no more work."""
        return self._letters - set(self.folds) - set(self.lookalikes)

    @cached_property
    def _is_foreign_to_ascii(self) -> bool:
        return not any(c.isascii() for c in self.alphabet)

    @cached_property
    def _lookalike_table(self) -> dict[int, str]:
        return {ord(a): b for a, b in self.lookalikes.items()}

    def normalise(self, text: str) -> str:
        """Return `text` for comparison: NFKC, lower case, ё→е and the like, quotes and dashes made plain, invisible characters dropped.

        Offsets are not preserved; for offsets tokenise first and normalise the tokens.
        """
        text = unicodedata.normalize("NFKC", text).lower().translate(_QUOTES).translate(_DASHES)
        return text.translate(self._fold_table)

    def fold(self, word: str) -> str:
        """Return one word for comparison: lower case, folded letters, look-alike letters of another script put right."""
        lowered = word.lower()
        if self._plain.issuperset(lowered):
            return lowered
        if not word.isascii() and not word.isalnum():
            lowered = unicodedata.normalize("NFKC", word).lower()
        word = lowered.translate(self._fold_table)
        if "-" in word and not word.isascii():  # part by part: "HD-качество" is a Latin and a Cyrillic word
            parts = [self.fix_lookalikes(part) for part in word.split("-")]
            native = any(c in self._letters for part in parts for c in part)
            return "-".join((self.as_lookalike(part) or part) if native else part for part in parts)
        return self.fix_lookalikes(word)

    def fix_lookalikes(self, word: str) -> str:
        """Replace look-alike letters in a word that has at least one letter of this alphabet (``мocква`` → ``москва``)."""
        if not self.lookalikes or word.isascii():
            return word
        foreign = [c for c in word if c in self.lookalikes]
        if not foreign or not any(c in self._letters for c in word):
            return word
        return word.translate(self._lookalike_table)

    def as_lookalike(self, word: str) -> str | None:
        """Return a word written wholly in look-alike letters (Latin ``CCCP``) in this alphabet, or None when it cannot be."""
        word = word.lower()
        if word and self.lookalikes and all(c in self.lookalikes for c in word if c.isalpha()):
            return word.translate(self._lookalike_table).translate(self._fold_table)
        return None

    def switch_layout(self, word: str) -> str | None:
        """Return what the same keys type in this layout (``geirby`` → ``пушкин``), or None when a key has no letter here."""
        out = [self.keyboard.get(c) for c in word.lower()]
        if not out or any(c is None for c in out):
            return None
        return "".join(c for c in out if c).translate(self._fold_table)

    def accepts(self, word: str) -> bool:
        """Whether a folded word is written in this alphabet (digits, hyphens and apostrophes aside)."""
        if self._letters.issuperset(word):
            return bool(word)
        if self._is_foreign_to_ascii and word.isascii():
            return False
        letters = [c for c in word if c.isalpha()]
        return bool(letters) and self._letters.issuperset(letters)

    def transliterate(self, text: str) -> str:
        """Return `text` in Latin letters by the profile's table; unknown characters stay."""
        out = []
        for char in text:
            latin = self.transliteration.get(char.lower())
            if latin is None:
                out.append(char)
            else:
                out.append(latin[:1].upper() + latin[1:] if char.isupper() else latin)
        return "".join(out)

    # -- segments ---------------------------------------------------------------------------------------------------
    def tokens(self, text: str) -> list[Token]:
        """Return words and numbers with offsets."""
        return tokenize(text)

    def sentences(self, text: str) -> list[Span]:
        """Return the sentence spans of `text`."""
        return split_sentences(text, self)

    # -- words ------------------------------------------------------------------------------------------------------
    def stem(self, word: str) -> str:
        """Return the stem of a folded word."""
        return self.stemmer(word)

    def lemmas(self, word: str) -> tuple[str, ...]:
        """Return the dictionary forms of all parses of a word, the likeliest first, folded; never empty."""
        found = self._lemmas.get(word)
        if found is None:
            folded = self.fold(word)
            plain = self._plain.issuperset
            lemmas = [x if plain(x) else x.translate(self._fold_table) for x in self.lemmatiser(folded)]
            found = tuple(dict.fromkeys(lemmas)) or (folded,)
            if len(self._lemmas) >= _CACHE_WORDS:
                self._lemmas.clear()
            self._lemmas[word] = found
        return found

    def terms(self, word: str) -> tuple[str, ...]:
        """Return the index terms of a word: the stems of its lemmas, the likeliest first, without repeats.

        A hyphenated word gives its own terms and those of its parts.
        """
        found = self._terms.get(word)
        if found is None:
            found = self._make_terms(word)
            if len(self._terms) >= _CACHE_WORDS:
                self._terms.clear()
            self._terms[word] = found
        return found

    def _make_terms(self, word: str) -> tuple[str, ...]:
        folded = self.fold(word)
        if not self._plain.issuperset(folded):
            folded = folded.translate(_DASHES).translate(_QUOTES).strip("-'_")
        if not folded:
            return ()
        out = dict.fromkeys(map(self.stemmer, self.lemmas(folded)))
        if "-" in folded:
            for part in folded.split("-"):
                out.update(dict.fromkeys(self.terms(part)))
        return tuple(out)

    def is_stop_word(self, word: str) -> bool:
        """Whether a word is of no content by itself (folded comparison)."""
        return self.fold(word) in self.stop_words

    def tags(self, word: str) -> frozenset[str]:
        """Return coarse grammatical labels of a word (see `tagger`); empty where nothing is known."""
        folded = self.fold(word)
        found = self._tags.get(folded)
        if found is None:
            found = self.tagger(folded)
            if len(self._tags) >= _CACHE_WORDS:
                self._tags.clear()
            self._tags[folded] = found
        return found

    # -- questions --------------------------------------------------------------------------------------------------
    def read_question(self, question: str) -> Question:
        """Return what a question asks for: the earliest question opening decides, then the noun after it ("which city")."""
        tokens = self.tokens(question)
        words = [self.fold(t.text) for t in tokens]
        for i in range(len(words)):
            for opening, kind in self._openings.get(words[i], ()):
                size = len(opening)
                if tuple(words[i : i + size]) == opening:
                    noun = self._asked_noun(words[i + size : i + size + 4])
                    if kind in ("thing", "choice", "name") and noun in self.answer_nouns:
                        kind = self.answer_nouns[noun]
                    return Question(kind, words[i + size - 1], noun, words[i - 1] if i else "", i, size)
        return Question("thing", "", "", "", -1)

    def question_kind(self, question: str) -> QuestionKind:
        """Return the kind of a question alone."""
        return self.read_question(question).kind

    def _asked_noun(self, words: list[str]) -> str:
        """The lemma of the first noun after the question word; without a tagger the first known answer noun."""
        for word in words:
            lemma = self.lemmas(word)[0]
            if lemma in self.answer_nouns or "noun" in self.tags(word):
                return lemma
            if "verb" in self.tags(word) or "prep" in self.tags(word):
                break
        return ""

    @cached_property
    def _openings(self) -> dict[str, list[tuple[tuple[str, ...], QuestionKind]]]:
        table: dict[str, list[tuple[tuple[str, ...], QuestionKind]]] = {}
        for opening, kind in self.questions:
            words = tuple(opening.split())
            table.setdefault(words[0], []).append((words, kind))
        for entries in table.values():
            entries.sort(key=lambda entry: -len(entry[0]))
        return table

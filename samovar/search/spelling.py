"""Words of a query that the library does not have: what the user may have meant. Words that it has are never touched.

Tried in this order: letters of another script that look alike (Latin ``CCCP``), the other keyboard layout (``geirby`` → пушкин),
the other script by transliteration, one edit (a letter left out, put in, replaced, or two swapped), two edits in a long word. A word that
the language's dictionary has is not a typo, even when the library lacks it. Knows the vocabulary only through `Vocabulary`.
Source: one and two edits as in Damerau (1964); candidates by enumeration, not by an index: unknown words are rare.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from samovar.language import Profile
from samovar.search.analysis import QueryAnalyser, clean_term
from samovar.search.vocabulary import Vocabulary

CorrectionKind = Literal["look-alike", "layout", "transliteration", "typo"]

SHORTEST_TYPO = 4  # letters; shorter words are one edit from too many others
SHORTEST_TWO_EDITS = 8
_PREFIX = 3  # two edits are looked for among forms that begin with the same letters
_MOST_FORMS = 3_000
_MOST_TERMS = 4  # spellings kept beside the best one: the other words of the query decide
_CHUNK = re.compile(r"\S+")
_TRAILING = '?!…»”"'
# a character other than a letter or digit inside a chunk: most texts have none, and are done
_INNER_MARK = re.compile(rf"[^\w\s{_TRAILING}]|_|[{_TRAILING}](?=[^\s{_TRAILING}])")


@dataclass(frozen=True, slots=True)
class Correction:
    """What stands for a typed word: `text` is the best spelling, `terms` the index terms of it and of its rivals."""

    typed: str
    text: str
    terms: tuple[str, ...]
    kind: CorrectionKind


@dataclass(frozen=True, slots=True)
class Speller:
    """Finds corrections in the vocabulary of one index. `is_visible`: whether any passage that the asker may see has one of these terms; a word that
    stands only in what others keep for themselves must not come back as a suggestion."""

    rows: Vocabulary
    analyser: QueryAnalyser
    is_visible: Callable[[tuple[str, ...]], bool] | None = None

    def correct(self, word: str) -> Correction | None:
        """Return what an unknown word may stand for, or None."""
        for kind, texts in self._direct(word):
            for text in texts:
                terms = self._known_terms(text)
                if terms:
                    return Correction(word, text, terms, kind)
        reader = self.analyser.readers(word)[0]
        folded = reader.fold(word)
        if (
            len(folded) < SHORTEST_TYPO
            or any(c.isdigit() for c in folded)
            or (reader.lexicon is not None and reader.lexicon(folded))
        ):
            return None
        return self._typo(word, folded, reader)

    def _direct(self, word: str) -> Iterator[tuple[CorrectionKind, Sequence[str]]]:
        profiles = self.analyser.profiles
        foreign = [p for p in profiles if not p.accepts(p.fold(word))]
        yield "look-alike", [text for p in foreign if (text := p.as_lookalike(word))]
        yield "layout", [text for p in foreign if len(word) > 2 and (text := p.switch_layout(word))]
        yield "transliteration", [t for p in profiles if p.transliteration for t in transliterations(word, p)]

    def switch_chunks(self, text: str, is_known: Callable[[str], bool]) -> tuple[str, list[Correction]]:
        """Put right words typed in the wrong layout whose letters are punctuation there (``k.,jdm`` → любовь); return the new text."""
        made: list[Correction] = []
        if not _INNER_MARK.search(text):
            return text, made

        def switch(match: re.Match[str]) -> str:
            chunk = match.group()
            core = chunk.rstrip(_TRAILING)
            if len(core) < 4 or core.isalnum():
                return chunk
            words = re.findall(r"\w+", core)
            if not words or any(is_known(w) for w in words):
                return chunk
            for profile in self.analyser.profiles:
                switched = profile.switch_layout(core)
                if (
                    switched
                    and switched.isalpha()
                    and not profile.accepts(words[0].lower())
                    and (terms := self._known_terms(switched))
                ):
                    made.append(Correction(core, switched, terms, "layout"))
                    return switched + chunk[len(core) :]
            return chunk

        return _CHUNK.sub(switch, text), made

    def _known_terms(self, text: str) -> tuple[str, ...]:
        terms = [clean_term(t) for p in self.analyser.readers(text) for t in p.terms(text)]
        frequencies = self.rows.document_frequencies(terms)
        known = tuple(t for t in dict.fromkeys(terms) if frequencies[t] > 0)
        return known if self.is_visible is None else tuple(t for t in known if self.is_visible((t,)))

    def _typo(self, word: str, folded: str, reader: Profile) -> Correction | None:
        letters = "".join(sorted(set(reader.fold(reader.alphabet))))
        counts = self.rows.form_counts(single_edits(folded, letters))
        found = {form: count for form, count in counts.items() if count}
        if not found:
            found = self._forms_of_near_terms(folded, reader, letters)
        if not found and len(folded) >= SHORTEST_TWO_EDITS:
            near = self.rows.forms_with_prefix(folded[:_PREFIX], _MOST_FORMS)
            found = {
                form: count
                for form, count in near
                if abs(len(form) - len(folded)) <= 2 and edit_distance(form, folded, 2) <= 2
            }
        return self._best(word, found)

    def _forms_of_near_terms(self, folded: str, reader: Profile, letters: str) -> dict[str, int]:
        """Forms of the terms one edit from the word's own term: «пушкна» when only «пушкин» is in the texts."""
        term = clean_term(reader.terms(folded)[0])
        if len(term) < SHORTEST_TYPO:
            return {}
        near = self.rows.document_frequencies(single_edits(term, letters))
        terms = sorted((t for t, df in near.items() if df), key=lambda t: (-near[t], t))[:_MOST_TERMS]
        return dict(form for t in terms for form in self.rows.forms_with_prefix(t, 1))

    def _best(self, word: str, found: dict[str, int]) -> Correction | None:
        best = ""
        terms: dict[str, None] = {}
        for form in sorted(found, key=lambda f: (-found[f], f)):
            known = self._known_terms(form)
            best = best or (form if known else "")
            terms.update(dict.fromkeys(known))
            if len(terms) >= _MOST_TERMS:
                break
        return Correction(word, best, tuple(terms)[:_MOST_TERMS], "typo") if best else None


def single_edits(word: str, letters: str) -> list[str]:
    """Return every string one edit away from `word`, without the word itself."""
    splits = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    made = dict.fromkeys(a + b[1:] for a, b in splits if b)
    made.update(dict.fromkeys(a + b[1] + b[0] + b[2:] for a, b in splits if len(b) > 1))
    made.update(dict.fromkeys(a + c + b[1:] for a, b in splits if b for c in letters))
    made.update(dict.fromkeys(a + c + b for a, b in splits for c in letters))
    made.pop(word, None)
    return list(made)


def edit_distance(a: str, b: str, limit: int) -> int:
    """Return the number of edits (swaps of neighbours count one) between two words, or `limit` + 1 when there are more."""
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            value = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                value = min(value, before[j - 2] + 1)
            row.append(value)
        if min(row) > limit:
            return limit + 1
        before, last = last, row
    return min(last[-1], limit + 1)


def transliterations(word: str, profile: Profile) -> list[str]:
    """Return a word in the other script by a profile's table: its own letters to Latin, Latin back by the longest match."""
    if profile.accepts(profile.fold(word)):
        return [profile.transliterate(profile.fold(word))]
    back = {latin: letter for letter, latin in profile.transliteration.items() if latin and letter not in profile.folds}
    out, rest = "", word.lower()
    while rest:
        for size in range(4, 0, -1):
            if rest[:size] in back:
                out, rest = out + back[rest[:size]], rest[size:]
                break
        else:
            if rest[0].isalpha():
                return []
            out, rest = out + rest[0], rest[1:]
    return [out]

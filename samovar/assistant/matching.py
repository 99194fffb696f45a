"""Which word of the evidence stands for a word of a sentence: the same word, a synonym, a name in another script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from samovar.assistant.facts import Facts, Word
from samovar.language import Profile

SYNONYM, SIMILAR = 0.8, 0.7  # what a synonym, and a word with the same beginning, count for
SAME_BEGINNING = 0.7  # share of the longer word
SAME_NAME = 0.8  # the same for names; of letters after transliteration


@dataclass(frozen=True, slots=True)
class Match:
    """A word of the evidence that stands for one of the sentence, and how far (0..1)."""

    strength: float
    word: Word


def match_word(word: Word, there: Facts, profile: Profile) -> Match | None:
    best: Match | None = None
    for other in there.words:
        if not word.terms.isdisjoint(other.terms):
            strength = 1.0
        elif not word.synonyms.isdisjoint(other.terms) or not word.terms.isdisjoint(other.synonyms):
            strength = SYNONYM
        elif word.capital and other.capital and same_across_scripts(word.fold, other.fold, profile):
            strength = 1.0
        elif same_beginning(word.fold, other.fold) >= SAME_BEGINNING and not (word.is_person and other.is_person):
            strength = SIMILAR
        else:
            continue
        if best is None or (strength, other.negated == word.negated) > (
            best.strength,
            best.word.negated == word.negated,
        ):
            best = Match(strength, other)
    return best


def same_beginning(a: str, b: str) -> float:
    size = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return size / max(len(a), len(b)) if size >= 4 else 0.0


def same_across_scripts(a: str, b: str, profile: Profile) -> bool:
    if not profile.transliteration or a.isascii() == b.isascii():
        return False
    x, y = profile.transliterate(a), profile.transliterate(b)
    return x[:1] == y[:1] and SequenceMatcher(None, x, y).ratio() >= SAME_NAME


def stands_among(word: Word, words: Sequence[Word], profile: Profile) -> bool:
    return any(not word.terms.isdisjoint(w.terms) or same_across_scripts(word.fold, w.fold, profile) for w in words)


def name_is_there(word: Word, match: Match | None, there: Facts, profile: Profile) -> bool:
    """Whether a name stands in the evidence: capitalised there too, or the same name in another script."""
    if match and match.strength == 1.0 and (match.word.capital or word.first):
        return True
    names = [w for w in there.words if w.capital]
    if any(not word.terms.isdisjoint(w.terms) for w in names):
        return True
    if match and match.word.capital and not word.is_person and same_beginning(word.fold, match.word.fold) >= SAME_NAME:
        return True
    return any(same_across_scripts(word.fold, w.fold, profile) for w in names)

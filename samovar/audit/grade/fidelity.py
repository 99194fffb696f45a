"""Whether a reply is written in the language and script it was asked in. Code, quotations and names in other scripts are left out of the count.

Short replies are judged by their letters and words alone, longer ones also by the corpus's language identifier. Knows nothing about what was asked.
"""

from __future__ import annotations

import re
from collections import Counter

from samovar.audit.grade.reading import Reader, fold_text
from samovar.audit.outcome import Outcome

MIN_SHARE = 0.7  # of the words must be in the asked language's alphabet
OTHER_SHARE = 0.3  # below which the reply is plainly in another
MIN_WORDS = 2
SURE = 0.6  # of the language identifier
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]+`", re.S)
_QUOTED = re.compile(r'"[^"\n]{1,300}"|\([^()\n]{1,120}\)')
_ADDRESS = re.compile(r"https?://\S+|\S+@\S+")


def grade_language(text: str, language: str, reader: Reader) -> tuple[Outcome, str, str]:
    """Return (outcome, rule, language found): correct in the asked language, wrong in another, undecided when it cannot be told."""
    prose = _ADDRESS.sub(" ", _CODE.sub(" ", text))
    prose = fold_text(prose)
    bare = _QUOTED.sub(" ", prose)
    reading = reader.read(bare if len(re.findall(r"[^\W\d_]{2,}", bare)) >= MIN_WORDS else prose)
    words = [w for w in reading.low if w[:1].isalpha()]
    if not words:
        return "undecided", "no_words", ""
    share = _share_of(words, language, reader)
    other = _best_other(words, language, reader)
    if share < OTHER_SHARE:
        return "wrong", "other_alphabet", other
    if share < MIN_SHARE:
        return "undecided", "mixed", ""
    found, certainty = _identify(reading.text)
    if found and found != language and certainty >= SURE and not _has_own_words(words, language, reader):
        return "wrong", "other_language", found
    if not found and len(words) < MIN_WORDS and _shares_alphabet(language, reader):
        return "undecided", "too_short", ""
    return "correct", "language", language


def _share_of(words: list[str], language: str, reader: Reader) -> float:
    profile = next(p for p in reader.profiles if p.tag.split("-")[0] == language.split("-")[0])
    return sum(profile.accepts(w) for w in words) / len(words)


def _best_other(words: list[str], language: str, reader: Reader) -> str:
    counts = Counter(p.tag for w in words for p in reader.profiles if p.tag != language and p.accepts(w))
    return counts.most_common(1)[0][0] if counts else ""


def _identify(text: str) -> tuple[str, float]:
    from samovar.corpus.identify import identify_language

    tag, certainty = identify_language(text)
    return ("" if tag == "und" else tag), certainty


def _has_own_words(words: list[str], language: str, reader: Reader) -> bool:
    """Whether at least a fifth of the words are the language's stop words: then the identifier, not the reply, is mistaken."""
    profile = next(p for p in reader.profiles if p.tag.split("-")[0] == language.split("-")[0])
    return sum(w in profile.stop_words for w in words) >= 0.2 * len(words)


def _shares_alphabet(language: str, reader: Reader) -> bool:
    """Whether a word of the language's letters may well be of another language: Latin letters are of many."""
    profile = next(p for p in reader.profiles if p.tag.split("-")[0] == language.split("-")[0])
    return profile.script == "Latn"

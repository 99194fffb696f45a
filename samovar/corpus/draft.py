"""The last step of every reader: what a file gave becomes a clean text with a language, or a row that says why not.

Knows no format. Order matters: mojibake is repaired before control characters are removed, because they carry lost
bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from samovar.corpus.clean import clean_line, clean_text, count_letters
from samovar.corpus.dates import clean_date
from samovar.corpus.document import UNKNOWN, LedgerRow
from samovar.corpus.encoding import repair_mojibake
from samovar.corpus.extracted import Extracted, drop
from samovar.corpus.identify import MIN_CHARACTERS, UNDETERMINED, clean_language, identify_language
from samovar.corpus.limits import Limits

SURE = 0.8  # a detector this sure overrules what the file declares: declared languages are often the editor's default


@dataclass(frozen=True, slots=True)
class Draft:
    """Raw text and metadata as a reader found them; `language` is what the file declares, possibly empty or wrong."""

    uri: str
    text: str
    title: str = ""
    fallback_title: str = ""
    language: str = ""
    published: str = ""
    publisher: str = ""
    origin: str = ""
    licence: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    changed: tuple[tuple[str, str], ...] = ()


def settle(draft: Draft, limits: Limits) -> Extracted | LedgerRow:
    """Clean a draft, identify its language and check it against the limits.

    Dropped with ``too_long`` (characters), ``empty``, or ``too_short`` (letters found).
    """
    if len(draft.text) > limits.max_text_chars:
        return drop(draft.uri, "too_long", len(draft.text))
    text, kind = repair_mojibake(draft.text)
    changed = list(draft.changed)
    if kind:
        changed.append(("mojibake_repaired", kind))
    if num_lost := text.count("\ufffd"):
        changed.append(("replacement_characters", str(num_lost)))
    text = clean_text(text)
    if not text:
        return drop(draft.uri, "empty", 0)
    num_letters = count_letters(text, limits.min_letters)
    if num_letters < limits.min_letters:
        return drop(draft.uri, "too_short", num_letters)
    language, note = _choose_language(text, clean_language(draft.language))
    return Extracted(
        uri=draft.uri,
        title=_repair_line(draft.title) or clean_line(draft.fallback_title),
        text=text,
        language=language,
        published=clean_date(draft.published),
        publisher=_repair_line(draft.publisher),
        origin=clean_line(draft.origin) or UNKNOWN,
        licence=clean_line(draft.licence) or UNKNOWN,
        metadata={key: line for key, value in draft.metadata.items() if (line := _repair_line(value))},
        changed=(*changed, *note),
    )


def _repair_line(text: str) -> str:
    return clean_line(repair_mojibake(text)[0]) if text else ""


def _choose_language(text: str, declared: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The detectors win when they are sure; else the file's own word; short texts keep what the file says."""
    found, confidence = identify_language(text)
    if not declared or declared == found:
        return found, ()
    if found == UNDETERMINED or (confidence < SURE and len(text) < 20 * MIN_CHARACTERS):
        return declared, ()
    return found, (("language_overruled", f"declared {declared}"),)

"""Which language a text is in, and which of its paragraphs are in another one.

The detector is `samovar.corpus.identify`. Paragraphs are not all asked about: one is suspected when most of its letters are of another
script than the text's, or when its letters rule the text's language out; only suspects are identified. Knows no particular language.
"""

from __future__ import annotations

from pydantic import Field

from samovar.corpus.build.item import Item, Notes
from samovar.corpus.identify import (
    MIN_CHARACTERS,
    UNDETERMINED,
    clean_language,
    could_be,
    find_foreign_lines,
    identify_language,
)
from samovar.corpus.stages.extract import DECLARED_LANGUAGE
from samovar.corpus.stages.options import StageOptions

SURE = 0.8


class LanguageOptions(StageOptions):
    """`keep`: the languages that stay (BCP 47), empty: all. `keep_unknown`: texts whose language cannot be told stay too. `trust_declared`:
    a text too short to tell has the language it declares. `paragraphs`: what happens to paragraphs in another language: nothing, they
    are counted (``share_foreign`` among the signals), or they are taken out."""

    keep: tuple[str, ...] = ()
    keep_unknown: bool = False
    trust_declared: bool = True
    paragraphs: str = Field("count", pattern="^(ignore|count|drop)$")
    max_foreign: float = Field(1.0, ge=0, le=1)


class Language:
    """Name the language of each item; drop those in other languages than asked for."""

    name = "language"

    def __init__(self, options: LanguageOptions | None = None) -> None:
        self._options = options or LanguageOptions()
        self._keep = frozenset(clean_language(tag) or tag for tag in self._options.keep)

    def apply(self, items: list[Item], notes: Notes) -> list[Item]:
        """Return the items in the languages that stay; paragraphs in other languages are counted or taken out."""
        return [item for item in items if self._identify(item, notes)]

    def _identify(self, item: Item, notes: Notes) -> bool:
        declared = item.metadata.pop(DECLARED_LANGUAGE, "")
        item.language, item.confidence = identify_language(item.text)
        if declared and declared != item.language:
            self._weigh(item, declared, notes)
        if self._keep and item.language not in self._keep:
            if item.language != UNDETERMINED:
                notes.drop(item.uri, self.name, "other_language", item.language, item.text)
                return False
            if not self._options.keep_unknown:
                notes.drop(item.uri, self.name, "unknown_language", f"{item.confidence:.2f}", item.text)
                return False
        return self._options.paragraphs == "ignore" or self._look_at_paragraphs(item, notes)

    def _weigh(self, item: Item, declared: str, notes: Notes) -> None:
        """The detectors win when they are sure; else the text's own word, unless its letters rule that out."""
        unsure = item.confidence < SURE and len(item.text) < 20 * MIN_CHARACTERS
        if item.language == UNDETERMINED or unsure:
            if self._options.trust_declared and could_be(declared, item.text):
                item.language = declared
        else:
            notes.change(item.uri, self.name, "language_overruled", f"declared {declared}, found {item.language}")

    def _look_at_paragraphs(self, item: Item, notes: Notes) -> bool:
        if item.language == UNDETERMINED:
            return True
        foreign = find_foreign_lines(item.text, item.language)
        num_chars = sum(map(len, foreign.values()))
        share = num_chars / max(1, len(item.text))
        item.signals["share_foreign"] = round(share, 4)
        if share > self._options.max_foreign:
            notes.drop(item.uri, self.name, "foreign_paragraphs", f"{share:.3f}", item.text)
            return False
        if foreign and self._options.paragraphs == "drop":
            item.text = "\n".join(
                line for number, line in enumerate(item.text.split("\n")) if number not in foreign
            ).strip("\n")
            while "\n\n\n" in item.text:
                item.text = item.text.replace("\n\n\n", "\n\n")
            notes.change(item.uri, self.name, "foreign_paragraphs", f"{len(foreign)} ({num_chars} characters)")
            if not item.text.strip():
                notes.drop(item.uri, self.name, "only_foreign_paragraphs", f"{share:.3f}")
                return False
        return True

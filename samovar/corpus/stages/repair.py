"""Mojibake repaired, control and invisible characters taken out, one kind of space and line break; what is then empty goes.

The same functions as in the library's own extraction (`samovar.corpus.draft`): a text that was cleaned once is not changed again.
"""

from __future__ import annotations

from pydantic import Field

from samovar.corpus.build.item import Item, Notes
from samovar.corpus.clean import clean_line, clean_text, count_letters
from samovar.corpus.encoding import repair_mojibake
from samovar.corpus.stages.options import StageOptions


class RepairOptions(StageOptions):
    """`mojibake`: undo text that was read in the wrong encoding. A text with fewer than `min_letters` letters is dropped."""

    mojibake: bool = True
    min_letters: int = Field(20, ge=0)


class Repair:
    """Repair and clean texts and titles; drop the empty and the very short."""

    name = "repair"

    def __init__(self, options: RepairOptions | None = None) -> None:
        self._options = options or RepairOptions()

    def apply(self, items: list[Item], notes: Notes) -> list[Item]:
        """Return the items that have a text; repairs are noted as changes."""
        return [item for item in items if self._repair(item, notes)]

    def _repair(self, item: Item, notes: Notes) -> bool:
        text = item.text
        if self._options.mojibake:
            text, kind = repair_mojibake(text)
            item.title = clean_line(repair_mojibake(item.title)[0])
            if kind:
                notes.change(item.uri, self.name, "mojibake_repaired", kind)
        if num_lost := text.count("\ufffd"):
            notes.change(item.uri, self.name, "replacement_characters", num_lost)
        item.text = clean_text(text)
        if not item.text:
            notes.drop(item.uri, self.name, "empty", 0)
            return False
        num_letters = count_letters(item.text, self._options.min_letters)
        if num_letters < self._options.min_letters:
            notes.drop(item.uri, self.name, "too_short", num_letters, item.text)
            return False
        return True

"""A model's draft while it is being written, on a terminal: shown as it comes, taken back when the checked answer is there.

The draft carries the model's own markers; the answer that stays on the screen carries ours. What has scrolled out of the
window cannot be taken back: then the answer is printed below it. Knows nothing of models.
"""

from __future__ import annotations

from samovar.commands.terminal import DIM, Terminal, cell_width, clean


class Draft:
    """The text written so far and where it left the cursor."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._columns = terminal.columns
        self._row = 0
        self._column = 0
        self.text = ""

    def add(self, piece: str) -> None:
        """Write a piece."""
        self.text += piece
        shown = clean(piece).expandtabs(4)
        self._advance(shown)
        self._terminal.write(self._terminal.style(shown, DIM) if shown.strip() else shown)

    def _advance(self, text: str) -> None:
        """Follow the cursor: a character that does not fit goes to the next row."""
        for character in text:
            if character == "\n":
                self._row, self._column = self._row + 1, 0
                continue
            width = cell_width(character)
            if self._column + width > self._columns:
                self._row, self._column = self._row + 1, 0
            self._column += width

    def take_back(self) -> None:
        """Erase the draft, or end its line when it is too long for that or the window has changed."""
        if not self.text:
            return
        fits = self._row < self._terminal.rows - 1 and self._columns == self._terminal.columns
        if fits and self._terminal.can_erase:
            up = f"\x1b[{self._row}A" if self._row else ""
            self._terminal.write(f"\r{up}\x1b[J")
        else:
            self._terminal.write("\n\n")
        self.text, self._row, self._column = "", 0, 0

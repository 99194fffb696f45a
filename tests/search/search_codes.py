"""Rows and codes without a file: a dictionary stands for the vocabulary, the coder is the real one."""

from __future__ import annotations

from collections.abc import Iterable

from samovar.search.analysis import PassageAnalyser
from samovar.search.coder import Coder
from samovar.search.codes import ENCODING, PART, code_of
from samovar.search.rows import Row


class Codes:
    """Numbers terms and pieces as a `Vocabulary` does; `first` is the number of the first one."""

    def __init__(self, first: int = 0) -> None:
        self._numbers: dict[str, dict[str, int]] = {"terms": {}, "grams": {}}
        self._first = first
        self._analyser = PassageAnalyser()
        self.coder = Coder(self)

    def number(self, table: str, words: Iterable[str]) -> dict[str, int]:
        known = self._numbers[table]
        return {word: known.setdefault(word, self._first + len(known)) for word in words}

    def code(self, term: str) -> str:
        return code_of(self.number("terms", [term])[term])

    def gram(self, gram: str) -> str:
        return code_of(self.number("grams", [gram])[gram])

    def terms(self, word: str) -> list[str]:
        return self._analyser.analyse(word, "ru").lines[0][0].split(" ")

    def row(self, number: int, body: str, title: str = "") -> Row:
        made = self._analyser.analyse(body, "ru")
        head = self._analyser.analyse_titles([title], "ru")
        self.coder.learn(slot for line in (*head, *made.lines) for slot in line)
        parts = self.coder.encode(head, made.lines).stored.decode(ENCODING).split(PART)
        return Row(number, made.length, number, 0, parts[0], parts[1], parts[2])

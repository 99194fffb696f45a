"""What reaches the terminal: clean text, right widths, valid JSON, drafts that are taken back, quotes in their place."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.commands.draft import Draft
from samovar.commands.quoting import indent_wrapped, mark_spans, quote_in_context, snippet_line, surroundings
from samovar.commands.terminal import Terminal, cell_width, clean, one_line, paint
from samovar.messages import use_language


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def plain_terminal() -> Terminal:
    return Terminal(io.StringIO(), io.StringIO())


def output(terminal: Terminal) -> str:
    assert isinstance(terminal.out, io.StringIO)
    return terminal.out.getvalue()


# -- text -----------------------------------------------------------------------------------------------------------
@given(st.text())
def test_clean_text_cannot_control_the_terminal(text: str) -> None:
    cleaned = clean(text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", cleaned)
    cleaned.encode("utf-8")
    assert "\n" not in one_line(text)


def test_clean_keeps_words() -> None:
    assert clean("Чай — «горячий»\n\tда\x1b[31mкрасный\u202eтекст\ud800") == "Чай — «горячий»\n\tда [31mкрасныйтекст?"


@pytest.mark.parametrize(
    ("text", "width"),
    [("abc", 3), ("чай", 3), ("茶", 2), ("e\u0301", 1), (paint("чай", "1", "31"), 3), ("", 0), ("\u200b", 0)],
)
def test_cell_width(text: str, width: int) -> None:
    assert cell_width(text) == width


def test_colour_only_on_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    assert Terminal(Screen(), Screen()).style("x", "1") == "\x1b[1mx\x1b[0m"
    assert plain_terminal().style("x", "1") == "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert Terminal(Screen(), Screen()).style("x", "1") == "x"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert Terminal(Screen(), Screen()).style("x", "1") == "x"


@given(st.lists(st.lists(st.text(alphabet="аbВ茶 ", max_size=6), min_size=2, max_size=2), min_size=1, max_size=5))
def test_tables_align(rows: list[list[str]]) -> None:
    terminal = plain_terminal()
    terminal.table([(first, "|" + second) for first, second in rows])
    lines = output(terminal).splitlines()
    assert len(lines) == len(rows)
    assert len({cell_width(line[: line.index("|")]) for line in lines}) == 1


@given(st.dictionaries(st.text(max_size=5), st.one_of(st.text(), st.integers(), st.floats(allow_nan=False), st.none())))
def test_json_is_valid_on_every_encoding(value: dict[str, Any]) -> None:
    for encoding in ("utf-8", "ascii", "koi8-r"):
        raw = io.BytesIO()
        out = io.TextIOWrapper(raw, encoding=encoding, errors="replace", newline="\n")
        terminal = Terminal(out, io.StringIO())
        terminal.json(value)
        terminal.json_list("rows", [value, value], {"total": 2})
        terminal.json(value, line=True)
        terminal.flush()
        decoder, text, read = json.JSONDecoder(), raw.getvalue().decode(encoding), []
        while text.strip():
            found, end = decoder.raw_decode(text.lstrip())
            read.append(found)
            text = text.lstrip()[end:]
        expected = json.loads(json.dumps(value).encode().decode("utf-8"))
        expected = _without_surrogates(expected) if encoding == "utf-8" else expected
        assert read == [expected, {"rows": [expected, expected], "total": 2}, expected]
        out.close()


def _without_surrogates(value: Any) -> Any:
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


# -- quotes ---------------------------------------------------------------------------------------------------------
@st.composite
def texts_with_span(draw: st.DrawFn) -> tuple[str, int, int]:
    text = draw(st.text(alphabet="абв .\n", min_size=1, max_size=80))
    start = draw(st.integers(0, len(text)))
    return text, start, draw(st.integers(start, len(text)))


@given(texts_with_span(), st.integers(0, 30))
def test_surroundings_contain_the_quote(case: tuple[str, int, int], chars: int) -> None:
    text, start, end = case
    low, high = surroundings(text, start, end, chars)
    assert 0 <= low <= start <= end <= high <= len(text)
    assert start - low <= chars and high - end <= chars
    assert low == 0 or low == start or text[low - 1].isspace()
    assert high == len(text) or high == end or text[high].isspace()


@given(texts_with_span(), st.lists(st.tuples(st.integers(-5, 90), st.integers(-5, 90)), max_size=5), st.integers(0, 9))
def test_marking_changes_no_letter(case: tuple[str, int, int], spans: list[tuple[int, int]], offset: int) -> None:
    text = case[0]
    coloured = Terminal(Screen(), Screen())
    coloured.out_colour = True
    marked = mark_spans(text, offset, spans, coloured)
    assert re.sub("\x1b\\[[0-9;]*m", "", marked) == clean(text)
    assert mark_spans(text, offset, spans, plain_terminal()) == clean(text)


def test_marks_are_where_the_offsets_say() -> None:
    terminal = Terminal(Screen(), Screen())
    terminal.out_colour = True
    assert mark_spans("один два три", 100, [(105, 108)], terminal) == "один \x1b[1;33mдва\x1b[0m три"
    shown = quote_in_context("один два три", 5, 8, terminal)
    assert shown == "один \x1b[1;33mдва\x1b[0m три"


def test_snippets_say_where_the_text_goes_on() -> None:
    text = "раз два три четыре пять"
    assert snippet_line(text, 10, (14, 21), [], plain_terminal()) == "… два три …"
    assert snippet_line(text, 10, (10, 33), [], plain_terminal()) == text
    assert snippet_line(text, 10, (0, 0), [], plain_terminal()) == text


def test_wrapping_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    text = "слово " * 20
    assert "\n" not in indent_wrapped(text, plain_terminal())
    assert max(map(len, indent_wrapped(text, Terminal(Screen(), Screen())).splitlines())) < 30


# -- drafts: checked with a small emulation of a terminal --------------------------------------------------------------
class Emulator:
    """The few sequences a draft uses, on a screen that is high enough: characters wrap, \\x1b[nA, \\r, \\x1b[J, colours."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.cells: list[list[str]] = [[]]
        self.row = self.column = 0

    def feed(self, data: str) -> None:
        for sequence, character in re.findall(r"\x1b\[([0-9;]*[A-Za-z])|([\s\S])", data):
            if sequence.endswith("A"):
                self.row -= int(sequence[:-1] or 1)
            elif sequence.endswith("J"):
                self.cells = [*self.cells[: self.row], self.cells[self.row][: self.column]]
            elif character == "\r":
                self.column = 0
            elif character == "\n":
                self._down()
            elif character:
                width = cell_width(character)
                if self.column + width > self.columns:
                    self._down()
                line = self.cells[self.row]
                line.extend(" " * (self.column - len(line)))
                line[self.column : self.column + width] = [character, *[""] * (width - 1)]
                self.column += width

    def _down(self) -> None:
        self.row, self.column = self.row + 1, 0
        while len(self.cells) <= self.row:
            self.cells.append([])

    def text(self) -> str:
        return "\n".join("".join(line).rstrip() for line in self.cells).rstrip("\n")


@settings(max_examples=60)
@given(st.lists(st.text(alphabet="аб \n茶w", max_size=25), max_size=8), st.integers(20, 40))
def test_a_draft_leaves_nothing_behind(pieces: list[str], columns: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(columns))
        patch.setenv("LINES", "500")
        patch.delenv("NO_COLOR", raising=False)
        patch.setenv("TERM", "xterm")
        screen = Screen()
        terminal = Terminal(screen, Screen())
        terminal.print("выше")
        draft = Draft(terminal)
        for piece in pieces:
            draft.add(piece)
        emulator = Emulator(columns)
        emulator.feed(screen.getvalue())
        shown = emulator.text().partition("\n")[2]
        assert shown.replace("\n", "").replace(" ", "") == "".join(pieces).replace("\n", "").replace(" ", "")
        before = len(screen.getvalue())
        draft.take_back()
        terminal.print("ответ")
        emulator.feed(screen.getvalue()[before:])
        assert emulator.text() == "выше\nответ"


def test_a_draft_longer_than_the_window_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("LINES", "5")
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen()
    draft = Draft(Terminal(screen, Screen()))
    draft.add("строка\n" * 10)
    draft.take_back()
    assert "\x1b[J" not in screen.getvalue()


def test_progress_without_a_terminal_is_quiet_at_first() -> None:
    from samovar.commands.progress import ProgressBar

    use_language("en")
    terminal = plain_terminal()
    with ProgressBar(terminal, "Reading") as bar:
        bar.update(1, 2, "detail", 3.0)
        assert isinstance(terminal.err, io.StringIO)
        assert terminal.err.getvalue() == ""
        bar._last_line -= 60
        bar.update(1, 2, "detail", 3.0)
    assert terminal.err.getvalue() == "Reading: 50 %  detail  3.0 s left\n"


def test_progress_on_a_terminal_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    from samovar.commands.progress import ProgressBar

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    use_language("ru")
    screen = Screen()
    with ProgressBar(Terminal(io.StringIO(), screen), "Чтение") as bar:
        bar.update(1, 4, "3 из [красных] файлов", 75.0)
    shown = screen.getvalue()
    assert "Чтение" in shown and "3 из [красных] файлов" in shown and "осталось 1:15" in shown
    assert shown.endswith("\x1b[2K") or "\x1b[?25h" in shown  # line erased, cursor shown again

"""CSV and TSV with a text column. One broken quote must not swallow the rest of the file. Source: RFC 4180,
csv.Sniffer's idea."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from samovar.corpus.blob import Blob
from samovar.corpus.columns import map_columns
from samovar.corpus.document import LedgerRow
from samovar.corpus.extracted import Extracted, drop, note
from samovar.corpus.job import Job
from samovar.corpus.readers.tables import Row, open_lines, settle_rows
from samovar.errors import ExtractionError

_MAX_COLUMNS = 5_000
_MAX_LINES_PER_ROW = 1_000  # a quoted cell with more lines is an unbalanced quote
_DELIMITERS = (",", ";", "\t", "|")
_NO_DELIMITER = "\x1f"  # the unit separator: in no text
_LINE_CHARS = 16 * 2**20
_HEADER_CELL = 80  # letters; a longer first cell is data, not a name


class _RunawayQuoteError(Exception):
    """A row went on for too many lines."""


class _Lines:
    """The lines of a file, remembered since the current row began so that they can be read again without quotes."""

    def __init__(self, file: io.TextIOWrapper, max_chars: int) -> None:
        self._file = file
        self._max_chars = max_chars
        self.pending: list[str] = []
        self.again: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self.again.pop() if self.again else self._file.readline(self._max_chars).replace("\0", "")
        if not line:
            raise StopIteration
        self.pending.append(line)
        if len(self.pending) > _MAX_LINES_PER_ROW:
            raise _RunawayQuoteError
        return line

    def rewind(self) -> None:
        """Put the lines of the current row back."""
        self.again = self.pending[::-1] + self.again
        self.pending = []


def read_csv(blob: Blob, job: Job) -> Iterator[Extracted | LedgerRow]:
    """Yield a document for every row of a CSV or TSV file."""
    csv.field_size_limit(min(2 * job.limits.max_text_chars, 2**31 - 1))
    file, _ = open_lines(blob)
    with file:
        yield from settle_rows(_name_cells(_parse(file, blob), blob), blob, job)


def guess_delimiter(sample: str) -> str:
    """Return the delimiter under which the first line names a text column, or else most lines have the same number
    of columns.

    A delimiter that the first line lacks is out: a table with one column has none, whatever its texts contain.
    """
    lines = [line for line in io.StringIO(sample, newline=None).readlines() if line.strip()][:30]
    best, best_rank = _NO_DELIMITER, (False, 0)
    for delimiter in _DELIMITERS:
        rows = list(csv.reader(lines, delimiter=delimiter, strict=False))
        width = len(rows[0]) if rows else 0
        rank = ("text" in map_columns(rows[0]), sum(len(row) == width for row in rows)) if width > 1 else (False, 0)
        if rank > best_rank:
            best, best_rank = delimiter, rank
    return best


def _parse(file: io.TextIOWrapper, blob: Blob) -> Iterator[list[str] | LedgerRow | csv.Error]:
    """Yield rows and errors; after a runaway quote the rows from there on are read with quotes as plain characters."""
    lines = _Lines(file, _LINE_CHARS)
    sample = file.read(64 * 1024)
    file.seek(0)
    delimiter = guess_delimiter(sample.replace("\0", ""))
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        lines.pending = []
        try:
            row = next(reader)
        except StopIteration:
            return
        except _RunawayQuoteError:
            yield note(blob.uri, "unbalanced_quote", lines.pending[0][:100])
            lines.rewind()
            reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
            continue
        except csv.Error as error:
            yield error
            continue
        if len(row) > _MAX_COLUMNS:
            raise ExtractionError("too_many_columns", f"at most {_MAX_COLUMNS} columns expected", str(len(row)))
        if any(cell.strip() for cell in row):
            yield row


def _name_cells(rows: Iterator[list[str] | LedgerRow | csv.Error], blob: Blob) -> Iterator[Row | LedgerRow]:
    """Use the first row as names when it looks like names; number the columns otherwise."""
    header: list[str] | None = None
    number = 0
    for row in rows:
        if isinstance(row, LedgerRow):
            yield row
            continue
        if isinstance(row, csv.Error):
            number += 1
            yield drop(f"{blob.uri}#row={number}", "bad_row", row)
            continue
        if header is None:
            header = [cell.strip() or f"column {index}" for index, cell in enumerate(row, 1)]
            if "text" in map_columns(header) or max(map(len, header)) <= _HEADER_CELL:
                continue
            header = [f"column {index}" for index in range(1, len(row) + 1)]
        number += 1
        yield number, dict(zip(header, row, strict=False))

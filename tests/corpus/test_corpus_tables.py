"""CSV, JSON Lines, JSON, Parquet: every row a document, every bad row one ledger row."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.corpus.blob import Blob
from samovar.corpus.columns import map_columns
from samovar.corpus.document import LedgerRow
from samovar.corpus.extract import extract_blob
from samovar.corpus.extracted import Extracted
from samovar.corpus.job import Job
from samovar.corpus.limits import Limits
from samovar.corpus.readers.csvtable import guess_delimiter

Read = Callable[..., list[Extracted | LedgerRow]]

TEXTS = [
    "Самовар стоял на столе, и вся семья собиралась вокруг него.",
    'Чай пили с баранками,\nвареньем и мёдом, "не спеша".',
    "Потом расходились по комнатам и читали книги; тихо.",
]
ROWS = [
    {
        "id": n,
        "title": f"Имя {n}",
        "text": text,
        "url": f"https://example.org/{n}",
        "language": "ru",
        "date": f"202{n}-01-02",
        "publisher": "Дом",
        "license": "cc0",
        "origin": "RU",
        "author": "А",
    }
    for n, text in enumerate(TEXTS, 1)
]


def check_rows(items: list[Extracted | LedgerRow], name: str) -> None:
    assert [item.uri for item in items] == [f"{name}#row={n}" for n in (1, 2, 3)]
    for number, (item, text) in enumerate(zip(items, TEXTS, strict=True), 1):
        assert isinstance(item, Extracted)
        assert (item.title, item.text, item.language) == (f"Имя {number}", text, "ru")
        assert (item.published, item.publisher, item.licence, item.origin) == (
            f"202{number}-01-02",
            "Дом",
            "CC0-1.0",
            "RU",
        )
        assert item.metadata == {"author": "А", "url": f"https://example.org/{number}"}


def make_csv(rows: list[dict[str, Any]], delimiter: str = ",") -> str:
    target = io.StringIO()
    writer = csv.DictWriter(target, fieldnames=list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return target.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "cp1251", "utf-16"])
def test_csv(read: Read, delimiter: str, codec: str) -> None:
    check_rows(read(make_csv(ROWS, delimiter).encode(codec), "a.csv"), "a.csv")


def test_jsonl(read: Read) -> None:
    data = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)
    check_rows(read(data.encode(), "a.jsonl"), "a.jsonl")
    check_rows(read(("\ufeff" + data + "\n\n").encode(), "a.jsonl"), "a.jsonl")
    check_rows(read(data.encode("utf-16"), "a.ndjson"), "a.ndjson")


@pytest.mark.parametrize("shape", [lambda rows: rows, lambda rows: {"version": 1, "data": rows}])
def test_json(read: Read, shape: Callable[[list[dict[str, Any]]], object]) -> None:
    check_rows(read(json.dumps(shape(ROWS)).encode(), "a.json"), "a.json")


def test_parquet(read: Read) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    target = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), target, compression="zstd", row_group_size=2)
    check_rows(read(target.getvalue(), "a.parquet"), "a.parquet")


def test_bad_lines_cost_one_row_each(read: Read) -> None:
    lines = [
        json.dumps({"text": TEXTS[0]}),
        "{broken",
        '"a string"',
        "[" * 100_000 + "]" * 100_000,
        '{"text": ' + "9" * 10_000 + "}",
        '{"text": null}',
        '{"other": 1}',
        json.dumps({"text": TEXTS[2], "number": 1e400}),
    ]
    items = read("\n".join(lines).encode(), "a.jsonl")
    kinds = [item.reason if isinstance(item, LedgerRow) else "kept" for item in items]
    assert kinds == ["kept", "bad_json", "bad_json", "too_deep", "too_short", "empty", "empty", "kept"]
    assert [item.uri for item in items] == [f"a.jsonl#row={n}" for n in range(1, 9)]


def test_unbalanced_quote_does_not_swallow_the_file(read: Read) -> None:
    lines = ["title,text", f'One,"{TEXTS[0]}"', 'Two,"this quote never ends and the sentence goes on for a while']
    lines += [f"Row {n},An ordinary sentence number {n} with enough letters in it" for n in range(3, 2503)]
    items = read("\n".join(lines).encode(), "a.csv")
    kept = [item for item in items if isinstance(item, Extracted)]
    (row,) = [item for item in items if isinstance(item, LedgerRow)]
    assert (row.decision, row.reason, row.uri) == ("changed", "unbalanced_quote", "a.csv")
    assert len(kept) == 2502 and kept[1].title == "Two" and kept[0].text == TEXTS[0] and kept[-1].title == "Row 2502"


def test_nul_bytes_and_ragged_rows(read: Read) -> None:
    data = f"title,text\0\nA\0,{TEXTS[2]}\nonly one cell\nC,{TEXTS[2]},too,many\n\n".encode()
    items = read(data, "a.csv")
    assert [item.text for item in items if isinstance(item, Extracted)] == [TEXTS[2]] * 2
    assert [item.reason for item in items if isinstance(item, LedgerRow)] == ["empty"]


def test_table_without_names(read: Read) -> None:
    data = "\n".join(f"{n},{TEXTS[2] * 3}" for n in range(1, 4))
    items = read(data.encode(), "a.csv")
    assert [isinstance(item, Extracted) and item.text for item in items] == [TEXTS[2] * 3] * 3
    assert items[0].uri == "a.csv#row=1"


def test_unnamed_text_column_is_guessed_from_the_longest_prose(read: Read) -> None:
    rows = [{"k": str(n), "v": text * 2, "w": "x"} for n, text in enumerate(TEXTS)]
    assert [item.text for item in read(make_csv(rows).encode(), "a.csv") if isinstance(item, Extracted)] == [
        t * 2 for t in TEXTS
    ]


@pytest.mark.parametrize(
    ("data", "name"), [(b"a,b\n1,2\n3,4\n", "a.csv"), (b'{"a": 1}\n{"a": 2}\n', "a.jsonl"), (b'[{"a": 1}]', "a.json")]
)
def test_table_without_texts_is_refused(read: Read, data: bytes, name: str) -> None:
    (row,) = read(data, name)
    assert isinstance(row, LedgerRow) and row.reason == "no_text_column"


def test_too_many_columns(read: Read) -> None:
    (row,) = read((",".join(["c"] * 100_000) + "\n").encode() * 2, "a.csv")
    assert isinstance(row, LedgerRow) and row.reason == "too_many_columns" and row.value == "100000"


def test_column_names_in_another_language_and_case() -> None:
    assert map_columns([" Заголовок ", "ТЕКСТ", "Год"]) == {"text": "ТЕКСТ", "title": " Заголовок ", "published": "Год"}
    assert map_columns(["content", "text"]) == {"text": "text"}
    assert map_columns(["source"]) == {"publisher": "source"}


cells = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20)


@given(st.sampled_from(",;\t|"), st.lists(cells, min_size=1, max_size=6))
@settings(max_examples=80, deadline=None)
def test_every_csv_row_ends_in_one_item(delimiter: str, texts: list[str]) -> None:
    rows = [{"text": text, "n": str(number)} for number, text in enumerate(texts, 1)]
    blob = Blob.from_bytes(make_csv(rows, delimiter).encode(), "a.csv", "a.csv")
    items = list(extract_blob(blob, Job(Limits())))
    assert [item.uri for item in items] == [f"a.csv#row={n}" for n in range(1, len(rows) + 1)]


def test_delimiters() -> None:
    assert guess_delimiter("a;b\n1,5;2,5\n3;4,5") == ";"
    assert guess_delimiter("a\tb\n1\t2\n") == "\t"
    assert guess_delimiter("name,x;text\n1,5;2,3\n") == ";"
    assert guess_delimiter("text\none, two\nthree, four") not in ",;\t|"

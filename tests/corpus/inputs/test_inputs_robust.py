"""Nasty inputs: whatever stands in a file, each record is a text or a row of the ledger, and nothing raises or hangs."""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path

import brotli
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from document_makers import make_zim
from hypothesis import given, settings
from hypothesis import strategies as st
from input_makers import faults, good, make_dump, make_record, make_response, make_wiki_page, read_all

from samovar.corpus.build.lock import hold
from samovar.corpus.readers.html import decode_html, draft_page
from samovar.corpus.readers.nesting import MAX_DEPTH, flatten
from samovar.errors import CorpusError


# -- links -----------------------------------------------------------------------------------------------------------
def test_links_out_of_a_folder_are_not_followed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    (inside / "sub").mkdir(parents=True)
    (outside / "deep").mkdir(parents=True)
    (inside / "a.txt").write_text("внутри")
    (outside / "b.txt").write_text("снаружи")
    (outside / "deep/c.txt").write_text("глубоко")
    (inside / "file.txt").symlink_to(outside / "b.txt")
    (inside / "sub/folder").symlink_to(outside)
    (inside / "sub/loop").symlink_to(inside)
    (inside / "sub/again.txt").symlink_to(inside / "a.txt")
    (inside / "sub/up").symlink_to("../../out/deep")
    (inside / "sub/none").symlink_to("nowhere")
    records = read_all(inside, "folder")
    assert good(records) == ["in/a.txt"]
    assert sorted(faults(records)) == ["duplicate", "not_found", "outside_folder", "outside_folder", "outside_folder", "symlink_loop"]  # fmt: skip
    followed = read_all(inside, "folder", follow_links=True)
    assert len(good(followed)) == 4 and "outside_folder" not in faults(followed)


def test_a_link_that_is_named_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a.txt").write_text("текст")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert len(good(read_all(tmp_path / "link", "folder"))) == 1


# -- a refused build ---------------------------------------------------------------------------------------------------
def test_a_refused_build_leaves_nothing(tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    old.mkdir()
    (old / "mine.txt").write_text("x")
    for folder in (new, old):
        with pytest.raises(CorpusError, match="no"), hold(folder / ".lock"):
            raise CorpusError("no")
    assert not new.exists() and os.listdir(old) == ["mine.txt"]
    with pytest.raises(CorpusError, match="later"), hold(new / ".lock"):
        (new / "work").mkdir()
        (new / "work/plan.json").write_text("{}")
        raise CorpusError("later")
    assert (new / ".lock").exists()
    with hold(new / ".lock"), pytest.raises(CorpusError, match="only builder"), hold(new / ".lock"):
        pass
    assert (new / ".lock").exists()


# -- what stands in files -------------------------------------------------------------------------------------------------
PAGE = f"<html><head><title>Чай</title></head><body><p>{'Вода кипит в самоваре. ' * 20}</p></body></html>"
HTML = "Content-Type: text/html; charset=utf-8"
GOOD_ROW = '{"text": "Хороший текст о чае и самоваре."}\n'.encode()


def chunk(body: bytes, extension: bytes = b"") -> bytes:
    parts = (b"%x%s\r\n%s\r\n" % (len(body[i : i + 99]), extension, body[i : i + 99]) for i in range(0, len(body), 99))
    return b"".join(parts) + b"0\r\n\r\n"


def declared(encoding: str) -> bytes:
    return PAGE.replace("<head>", f"<head><meta charset={encoding}>").encode()


RESPONSES: dict[str, tuple[bytes, tuple[str, ...], str]] = {  # body, headers, the fault expected
    "chunked": (chunk(PAGE.encode()), (HTML, "Transfer-Encoding: chunked"), ""),
    "chunked, with extensions": (chunk(PAGE.encode(), b";a=b"), (HTML, "transfer-encoding: Chunked"), ""),
    "chunked, but it is not": (PAGE.encode(), (HTML, "Transfer-Encoding: chunked"), ""),
    "chunked, no end": (chunk(PAGE.encode())[:-5], (HTML, "Transfer-Encoding: chunked"), ""),
    "chunked and packed": (chunk(gzip.compress(PAGE.encode())), (HTML, "Transfer-Encoding: chunked", "Content-Encoding: gzip"), ""),
    "br": (brotli.compress(PAGE.encode()), (HTML, "Content-Encoding: br"), ""),
    "br, cut": (brotli.compress(PAGE.encode())[:40], (HTML, "Content-Encoding: br"), "damaged"),
    "br bomb": (brotli.compress(bytes(10**8), quality=1), (HTML, "Content-Encoding: br"), "too_large"),
    "zstd": (zstandard.compress(PAGE.encode()), (HTML, "Content-Encoding: zstd"), ""),
    "zstd bomb": (zstandard.compress(bytes(10**8)), (HTML, "Content-Encoding: zstd"), "too_large"),
    "raw deflate": (zlib.compress(PAGE.encode())[2:-4], (HTML, "Content-Encoding: deflate"), ""),
    "packed twice": (brotli.compress(gzip.compress(PAGE.encode())), (HTML, "Content-Encoding: gzip, br"), ""),
    "packed, but it is not": (PAGE.encode(), (HTML, "Content-Encoding: gzip"), ""),
    "utf-16 with a mark": (PAGE.encode("utf-16"), ("Content-Type: text/html",), ""),
    "utf-16 without": (PAGE.encode("utf-16-be"), ("Content-Type: text/html; charset=utf-16be",), ""),
    "utf-32": (PAGE.encode("utf-32"), ("Content-Type: text/html",), ""),
    "meta says cp1251, it is utf-8": (declared("windows-1251"), ("Content-Type: text/html; charset=windows-1251",), ""),
    "meta says utf-8, it is cp1251": (declared("utf-8").decode().encode("cp1251"), ("Content-Type: text/html",), ""),
    "meta against header": (declared("koi8-r").decode().encode("koi8-r"), ("Content-Type: text/html; charset=cp1251",), ""),
    "no such charset": (declared("x-nonsense").decode().encode("cp1251"), ("Content-Type: text/html; charset=none",), ""),
    "a codec that is no charset": (declared("zlib_codec").decode().encode("cp1251"), ("Content-Type: text/html; charset=rot13",), ""),
}  # fmt: skip


@pytest.mark.parametrize("name", RESPONSES)
def test_responses(tmp_path: Path, name: str) -> None:
    body, headers, fault = RESPONSES[name]
    path = tmp_path / "a.warc"
    last = make_record("http://example.org/last", make_response(PAGE.encode()))
    path.write_bytes(make_record("http://example.org/x", make_response(body, *headers)) + last)
    first, second = read_all(path, "warc")
    assert second.fault is None
    assert (first.fault or ("",))[0] == fault
    if not fault:
        assert isinstance(first.data, bytes)
        html, _ = decode_html(first.data, first.declared.get("charset", ""))
        text = draft_page(html, first.uri, open_web=True).text
        assert text.startswith("Вода кипит в самоваре.") and "\ufffd" not in text


ROWS: dict[str, tuple[bytes, list[str]]] = {  # before a good row; faults
    "a mark": (b"\xef\xbb\xbf" + GOOD_ROW, []),
    "NaN": (b'{"text": NaN}\n', ["empty"]),
    "a number": (b'{"text": ' + b"9" * 9999 + b"}\n", ["empty"]),
    "a key twice": (b'{"text": "one one one", "text": "two two two"}\n', []),
    "a list": (b'[{"text": "x"}]\n', ["bad_json"]),
    "null, object, list": (b'{"text": null}\n{"text": {"a": 1}}\n{"text": ["a"]}\n', ["empty"] * 3),
    "deep": (b'{"text":' + b"[" * 99_999 + b"]" * 99_999 + b"}\n", ["too_deep"]),
    "half a pair": (b'{"text": "a\\ud800b c d e f"}\n', []),
    "bytes of no encoding": (b'{"text": "\xff\xfe bad bad"}\n', []),
    "blank": (b"\n\0\n \n", []),
    "40 MB": (b'{"text": "' + b"a " * 20_000_000 + b'"}\n', []),
    "70 MB": (b'{"text": "' + b"a " * 35_000_000 + b'"}\n', ["too_large"]),
}


@pytest.mark.parametrize("name", ROWS)
def test_rows(tmp_path: Path, name: str) -> None:
    data, expected = ROWS[name]
    path = tmp_path / "a.jsonl"
    path.write_bytes(data + GOOD_ROW)
    records = read_all(path, "jsonl")
    assert faults(records) == expected and records[-1].data == "Хороший текст о чае и самоваре."


TEXTS = ["Хороший текст о чае."] * 3
TABLES: dict[str, tuple[pa.Table, list[str]]] = {
    "other columns": (pa.table({"a": [1, 2]}), ["no_text_column"]),
    "no columns": (pa.table({}), ["no_text_column"]),
    "a dictionary": (pa.table({"text": pa.array(TEXTS).dictionary_encode()}), []),
    "views": (pa.table({"text": pa.array(TEXTS, pa.string_view())}), []),
    "nested": (pa.table({"text": pa.array([{"a": "x"}] * 3)}), ["no_text_column"]),
    "lists": (pa.table({"text": pa.array([["a"]] * 3)}), ["no_text_column"]),
    "bytes": (pa.table({"text": pa.array([b"a"] * 3)}), ["no_text_column"]),
    "nothing": (pa.table({"text": pa.nulls(3)}), ["no_text_column"]),
    "nulls": (pa.table({"text": [None, *TEXTS]}), ["empty"]),
    "numbers": (pa.table({"text": [1, 2]}), ["empty", "empty"]),
    "a name twice": (pa.Table.from_arrays([pa.array(TEXTS), pa.array(TEXTS)], names=["text", "text"]), []),
    "nested others": (pa.table({"text": TEXTS, "title": [[1]] * 3, "url": [{"a": 1}] * 3}), []),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(tmp_path: Path, name: str) -> None:
    table, expected = TABLES[name]
    pq.write_table(table, tmp_path / "a.parquet")
    records = read_all(tmp_path / "a.parquet", "parquet")
    assert faults(records) == expected
    assert [record.data for record in records if record.fault is None] == ([] if "no_text_column" in expected or name == "numbers" else TEXTS)  # fmt: skip
    if "no_text_column" in expected and table.num_columns:
        assert records[0].fault is not None and records[0].fault[1].startswith(table.column_names[0])


def test_empty_row_groups(tmp_path: Path) -> None:
    schema = pa.schema([("text", pa.string())])
    with pq.ParquetWriter(tmp_path / "a.parquet", schema) as writer:
        for texts in ([], TEXTS, [], TEXTS, []):
            writer.write_table(pa.table({"text": pa.array(texts, pa.string())}))
    for split_bytes in (1, 10**9):
        assert [record.data for record in read_all(tmp_path / "a.parquet", "parquet", split_bytes)] == TEXTS * 2


DUMP = make_dump([make_wiki_page(number) for number in range(5)])
DUMPS: dict[str, tuple[bytes, int, list[str]]] = {  # data, pages, faults
    "cut in a page": (DUMP[:-900], 3, ["truncated"]),
    "cut in a tag": (DUMP[: DUMP.rindex(b"<title>") + 4], 4, ["truncated"]),
    "in utf-16": (DUMP.decode().encode("utf-16"), 0, ["garbage"]),
    "packed twice": (gzip.compress(gzip.compress(DUMP)), 0, ["garbage"]),
    "nothing": (b"", 0, ["empty"]),
    "no pages": (make_dump([]), 0, []),
    "a zero byte": (DUMP.replace(b"<ns>", b"<ns>\0", 1), 4, ["damaged"]),
    "a bad byte": (DUMP.replace(b"<title>", b"<title>\xff", 1), 4, ["damaged"]),
    "a comment without an end": (DUMP.replace(b"</model>", b"</model><!--", 1), 4, ["damaged"]),
}


@pytest.mark.parametrize("name", DUMPS)
def test_dumps(tmp_path: Path, name: str) -> None:
    data, pages, expected = DUMPS[name]
    (tmp_path / "a.xml").write_bytes(data)
    for split_bytes in (10**9, 1500):
        records = read_all(tmp_path / "a.xml", "mediawiki", split_bytes)
        assert (len(good(records)), faults(records)) == (pages, expected)


@pytest.mark.parametrize("share", (0.01, 0.1, 0.5, 0.9, 0.999))
def test_cut_zim_files(tmp_path: Path, share: float) -> None:
    data = make_zim({f"p{number:02d}": ("t", PAGE) for number in range(9)}, metadata={"Language": "rus"})
    (tmp_path / "a.zim").write_bytes(data[: int(len(data) * share)])
    assert faults(read_all(tmp_path / "a.zim", "zim")) == ["truncated"]


# -- nesting -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "part",
    (
        "<div>",
        "<b><p>",
        "<table><tr><td>",
        "<a href=x>",
        "<ul><li>",
        "<span><div>",
        "<font size=1>",
        "<x-y>",
        "<div></x>",
    ),
)
def test_deep_pages_are_flattened_and_keep_their_words(part: str) -> None:
    page = "".join(f"{part}слово{number} " for number in range(20_000))
    flat, depth = flatten(page)
    assert depth > MAX_DEPTH and flatten(flat) == (flat, 0)
    draft = draft_page(page, "http://example.org/")
    assert draft.text.split()[-1] == "слово19999" and len(draft.text.split()) == 20_000
    assert draft.changed == (("deep_nesting", str(depth)),)


def test_long_flat_pages_are_left_alone() -> None:
    for part in (
        "<p>слово",
        "<br>слово",
        "<li>слово",
        "<div>слово</div>",
        "<!-- <div> -->",
        "<img src=x>",
        "<hr/>",
        "<b>а</b>",
        "a < b ",
    ):
        page = f"<html><body>{part * 5000}</body></html>"
        assert flatten(page) == (page, 0)


@given(st.lists(st.sampled_from(["<div>", "</div>", "<b>", "</b>", "<p>", "<!--", "-->", "<script>", "</script>", "<", ">", "слово "])).map("".join))  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_any_page_is_flattened(part: str) -> None:
    flat, depth = flatten(part * 200)
    assert (depth == 0) == (flat == part * 200) and flat.count("слово") == (part * 200).count("слово")

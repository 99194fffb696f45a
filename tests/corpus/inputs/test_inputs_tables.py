"""Parquet, JSON Lines, folders, ZIM and places: any cutting gives the same records, broken inputs a record, not an exception."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from document_makers import make_zim
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from input_makers import PACK, faults, good, keys, make_page, make_pages, make_wiki_page, pack, read_all

from samovar.corpus.build.item import Split
from samovar.corpus.inputs import SourceSpec, open_split, plan_splits
from samovar.errors import InputError, UsageError

loose = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def _write_rows(path: Path, rows: list[dict[str, object]], form: str = "plain", encoding: str = "utf-8") -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_bytes(PACK[form](text.encode(encoding)))


ROWS: list[dict[str, object]] = [
    {
        "text": f"Текст строки {number}. " * (1 + number % 4),
        "url": f"https://example.org/{number}" if number % 3 else None,
        "title": f"Имя {number}",
        "timestamp": "2024-05-06",
        "language": "ru",
        "score": 0.5,
    }
    for number in range(40)
]


@pytest.mark.parametrize("form", ("plain", "gz", "zst", "bz2"))
@loose
@given(split_bytes=st.integers(20, 9000))
def test_any_cutting_of_json_lines(tmp_path: Path, form: str, split_bytes: int) -> None:
    path = tmp_path / "a.jsonl"
    _write_rows(path, ROWS, form)
    records = read_all(path, "jsonl", split_bytes)
    assert [record.data for record in records] == [row["text"] for row in ROWS]
    assert keys(records) == keys(read_all(path, "jsonl"))
    assert records[1].uri == "https://example.org/1" and records[0].uri == "a.jsonl#byte=0"
    assert records[0].declared == {"title": "Имя 0", "language": "ru", "published": "2024-05-06"}


@loose
@given(split_bytes=st.integers(1, 20_000), group=st.integers(1, 50))
def test_any_cutting_of_parquet(tmp_path: Path, split_bytes: int, group: int) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=group)
    records = read_all(path, "parquet", split_bytes)
    assert [record.data for record in records] == [row["text"] for row in ROWS]
    assert keys(records) == keys(read_all(path, "parquet")) and records[3].uri == "a.parquet#row=4"


@pytest.mark.parametrize("method", ("zstd", "xz", "none"))
@loose
@given(split_bytes=st.integers(1, 3000))
def test_any_cutting_of_a_zim(tmp_path: Path, method: str, split_bytes: int) -> None:
    path = tmp_path / "a.zim"
    pages = {f"p{number:02d}": (f"Имя {number}", make_page(number).decode()) for number in range(15)}
    path.write_bytes(make_zim(pages, method=method, metadata={"Language": "rus"}, redirects={"r": "p01"}))
    records = read_all(path, "zim", split_bytes)
    assert good(records) == [f"a.zim#{name}" for name in pages] and faults(records) == []
    assert keys(records) == keys(read_all(path, "zim"))
    assert records[4].data == make_page(4) and records[4].declared["title"] == "Имя 4"
    assert records[4].declared["language"] == "rus"


@loose
@given(
    cut=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 0.999), st.integers(1, 255)), max_size=6),
    kind=st.sampled_from(("zim", "parquet", "jsonl", "warc", "mediawiki", "folder")),
    split_bytes=st.integers(200, 5000),
)
def test_no_damage_raises(
    tmp_path: Path, cut: float, flips: list[tuple[float, int]], kind: str, split_bytes: int
) -> None:
    pages = {f"p{number:02d}": (f"Имя {number}", make_page(number).decode()) for number in range(15)}
    table = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), table, row_group_size=9)
    data = bytearray(
        {
            "zim": lambda: make_zim(pages, metadata={"Language": "rus"}),
            "parquet": table.getvalue,
            "jsonl": lambda: json.dumps(ROWS[0]).encode() * 9,
            "warc": lambda: pack(make_pages(5), "zst"),
            "mediawiki": lambda: make_wiki_page(1).encode() * 5,
            "folder": lambda: b"x" * 100,
        }[kind]()
    )
    for place, mask in flips:
        data[int(place * len(data))] ^= mask
    path = tmp_path / "damaged"
    path.write_bytes(data[: int(cut * len(data))])
    for record in read_all(path, kind, split_bytes):
        assert (record.fault is None) == bool(record.data)


def test_bad_rows_have_their_reasons(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [
        '{"text": "' + "слово " * 9 + '"}',
        "{broken",
        "[1]",
        "",
        '{"text": 5}',
        '{"text": " "}',
        '{"x": 1}',
        "[" * 9999,
    ]
    path.write_text("\n".join([*lines, '{"text": "' + "y" * 5000 + '"}', '{"text": "конец"}']), "utf-8")
    records = read_all(path, "jsonl", max_record_bytes=4096)
    reasons = [record.fault[0] if record.fault else "" for record in records]
    assert reasons[:6] == ["", "bad_json", "bad_json", "empty", "empty", "empty"]
    assert reasons[6] in ("too_deep", "too_large", "bad_json") and reasons[7:] == ["too_large", ""]
    path.write_text('{"a": 1}\n{"a": 2}\n', "utf-8")
    assert faults(read_all(path, "jsonl")) == ["no_text_column"] * 2
    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "a.parquet")
    assert faults(read_all(tmp_path / "a.parquet", "parquet")) == ["no_text_column"]


@pytest.mark.parametrize("encoding", ("utf-8-sig", "utf-16", "cp1251"))
def test_encodings_of_json_lines(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.jsonl"
    _write_rows(path, ROWS, encoding=encoding)
    records = read_all(path, "jsonl", 500)
    assert [record.data for record in records] == [row["text"] for row in ROWS]


def test_columns_by_recipe_and_by_look(tmp_path: Path) -> None:
    rows = [
        {"story": "Длинный рассказ о чае и самоварах, очень длинный. " * 2, "text": "нет", "head": f"Г{n}"}
        for n in range(60)
    ]
    for kind in ("jsonl", "parquet"):
        path = tmp_path / f"a.{kind}"
        if kind == "jsonl":
            _write_rows(path, rows)
        else:
            pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=7)
        assert read_all(path, kind)[0].data == "нет"
        chosen = read_all(path, kind, 300, text_column="story", title_column="head")
        assert {record.data for record in chosen} == {rows[0]["story"]} and chosen[59].declared["title"] == "Г59"
        missing = read_all(path, kind, text_column="nothing")
        assert set(faults(missing)) == {"no_text_column"} and good(missing) == []
    rows = [{"story": row["story"], "n": "x"} for row in rows]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "b.parquet", row_group_size=7)
    assert len(good(read_all(tmp_path / "b.parquet", "parquet", 1))) == 60


@pytest.mark.parametrize("kind", ("jsonl", "parquet", "zim", "folder", "mediawiki"))
def test_skipped_ordinals_keep_the_others(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a"
    if kind == "jsonl":
        _write_rows(path, ROWS)
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=9)
    elif kind == "zim":
        path.write_bytes(make_zim({f"p{n:02d}": ("t", make_page(n).decode()) for n in range(9)}))
    elif kind == "mediawiki":
        path.write_text("".join(make_wiki_page(n, ns=n % 2) for n in range(20)), "utf-8")
    else:
        path.mkdir()
        for number in range(9):
            (path / f"{number}.txt").write_text("текст")
    (split,) = plan_splits(SourceSpec(name="t", kind=kind, paths=(str(path),)), 10**12)
    whole = list(open_split(split))
    skipped = list(open_split(split, skip=frozenset((0, 3, len(whole) - 1))))
    assert [(record.ordinal, record.uri) for record in skipped] == [(record.ordinal, record.uri) for record in whole]
    assert [record.ordinal for record in skipped if record.fault] == [0, 3, len(whole) - 1]
    assert len({json.dumps(split.options, sort_keys=True), "x"}) == 2  # plain JSON


def test_folder_is_listed_in_order_with_what_cannot_be_read(tmp_path: Path) -> None:
    for name in ("b/2.html", "b/1.txt", "a.pdf", ".hidden", "c/big.txt", "c/empty.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"" if "empty" in name else b"x" * (5000 if "big" in name else 10))
    (tmp_path / "c/loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "c/pipe")
    for split_bytes in (1, 5000, 10**12):
        records = read_all(tmp_path, "folder", split_bytes, max_record_bytes=4096)
        root = tmp_path.name
        assert good(records) == [f"{root}/a.pdf", f"{root}/b/1.txt", f"{root}/b/2.html"]
        assert faults(records) == ["too_large", "empty", "symlink_loop", "not_a_file"]
    assert records[0].kind == "file" and records[0].declared["name"] == "a.pdf"


def test_names_do_not_depend_on_where_the_inputs_lie(tmp_path: Path) -> None:
    found = []
    for place in ("one", "two/three"):
        (tmp_path / place).mkdir(parents=True)
        _write_rows(tmp_path / place / "a.jsonl", [{"text": "т" * 50}])
        source = SourceSpec(name="t", kind="jsonl", paths=("*.jsonl",), base=str(tmp_path / place))
        found.append([keys(list(open_split(split))) for split in plan_splits(source, 100)])
    assert found[0] == found[1]


def test_object_storage(tmp_path: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    path = tmp_path / "a.warc.gz"
    path.write_bytes(pack(make_pages(12), "gz"))
    zim = make_zim({f"p{n:02d}": ("t", make_page(n).decode()) for n in range(9)}, metadata={"Language": "rus"})
    memory.pipe("/samovar-test/in/b.warc.gz", path.read_bytes())
    memory.pipe("/samovar-test/in/a.warc.gz", path.read_bytes())
    memory.pipe("/samovar-test/in/.hidden", b"x")
    memory.pipe("/samovar-test/a.zim", zim)
    try:
        local = read_all(path, "warc")
        for url in ("memory://samovar-test/in", "memory://samovar-test/in/*.gz"):
            remote = read_all(url, "warc", 2000)
            assert [(r.uri, r.data) for r in remote] == 2 * [(r.uri, r.data) for r in local]
        assert remote[0].declared["at"].startswith("memory://") and "a.warc.gz@" in remote[0].declared["at"]
        assert len(good(read_all("memory://samovar-test/a.zim", "zim", 300))) == 9
        assert len(good(read_all(f"file://{path}", "warc"))) == 12
        source = SourceSpec(name="t", kind="warc", paths=("memory://samovar-test/in/a.warc.gz",))
        (split,) = plan_splits(source, 10**9)
        memory.pipe("/samovar-test/in/a.warc.gz", path.read_bytes()[:-1])
        with pytest.raises(InputError, match="changed"):
            list(open_split(split))
        with pytest.raises(InputError, match="found none"):
            plan_splits(source.model_copy(update={"paths": ("memory://samovar-test/none",)}), 1)
    finally:
        memory.rm("/samovar-test", recursive=True)
    for url in ("nosuchscheme://a/b", "gdrive://a/b"):
        with pytest.raises(InputError):
            plan_splits(SourceSpec(name="t", kind="warc", paths=(url,)), 1)


def test_files_inside_an_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("x/2.jsonl", "x/1.jsonl"):
            archive.writestr(name, json.dumps({"text": f"Текст из {name}. " * 5}))
    records = read_all(f"zip://x/*.jsonl::{tmp_path}/a.zip", "jsonl")
    assert [str(record.data)[:18] for record in records] == ["Текст из x/1.jsonl", "Текст из x/2.jsonl"]


@pytest.mark.parametrize("kind", ("warc", "mediawiki", "zim", "parquet", "jsonl", "folder"))
def test_changed_or_missing_input_is_an_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a"
    if kind == "zim":
        path.write_bytes(make_zim({"p": ("t", "<p>x")}))
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    else:
        _write_rows(path, ROWS)
    (split,) = plan_splits(SourceSpec(name="t", kind=kind, paths=(str(path),)), 10**9)
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(InputError, match="changed after the build was planned"):
        list(open_split(split))
    path.unlink()
    with pytest.raises(InputError, match="cannot be opened"):
        list(open_split(split))
    with pytest.raises(InputError, match="found none"):
        plan_splits(SourceSpec(name="t", kind=kind, paths=(str(path),)), 10**9)


def test_wrong_use() -> None:
    with pytest.raises(UsageError):
        plan_splits(SourceSpec(name="t", kind="jsonl", paths=("x",)), 0)
    with pytest.raises(UsageError):
        list(open_split(Split("t", "tape", "x")))
    for wrong in ({"paths": ()}, {"paths": (" ",)}, {"kind": "tape"}, {"speed": 1}, {"weight": -1}):
        with pytest.raises(ValueError, match="validation error"):
            SourceSpec.model_validate({"name": "t", "kind": "jsonl", "paths": ("x",), **wrong})

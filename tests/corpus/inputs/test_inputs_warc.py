"""WARC: agreement with the reference reader, any cutting gives the same records, and every kind of damage costs a record."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path

import brotli
import pytest
import zstandard
from fastwarc.warc import ArchiveIterator, WarcRecordType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from input_makers import faults, good, keys, make_page, make_pages, make_record, make_response, pack, read_all

from samovar.corpus.build.item import Record
from samovar.corpus.inputs import SourceSpec, open_split, plan_splits

FORMS = ("plain", "gz", "zst")
ALL = [f"http://example.org/{number}" for number in range(12)]
loose = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


@pytest.mark.parametrize("form", FORMS)
def test_agrees_with_reference_reader(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a.warc"
    path.write_bytes(pack(make_pages(12), form))
    passed: Counter[str] = Counter()
    ours = read_all(path, "warc", passed=passed)
    reference = ArchiveIterator(io.BytesIO(path.read_bytes()), record_types=WarcRecordType.response, parse_http=True)
    expected = [(record.headers["WARC-Target-URI"], record.reader.read()) for record in reference]
    assert [(record.uri, record.data) for record in ours] == expected and len(expected) == 12
    assert passed == {"warcinfo": 1, "request": 12}
    assert ours[3].declared["fetched"] == "2025-01-02T03:04:05Z" and ours[3].declared["charset"] == "utf-8"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("per_member", (1, 4))
@loose
@given(split_bytes=st.integers(50, 6000))
def test_any_cutting_gives_the_same_records(tmp_path: Path, form: str, per_member: int, split_bytes: int) -> None:
    path = tmp_path / f"{form}{per_member}.warc"
    if not path.exists():
        path.write_bytes(pack(make_pages(12), form, per_member))
    assert keys(read_all(path, "warc", split_bytes)) == keys(read_all(path, "warc"))
    assert good(read_all(path, "warc", split_bytes)) == ALL


@pytest.mark.parametrize("form", FORMS)
@loose
@given(cut=st.floats(0, 1), split_bytes=st.integers(300, 4000))
def test_cut_file_never_raises_and_loses_only_what_is_missing(
    tmp_path: Path, form: str, cut: float, split_bytes: int
) -> None:
    data = pack(make_pages(12), form)
    path = tmp_path / "cut.warc"
    path.write_bytes(data[: int(len(data) * cut)])
    records = read_all(path, "warc")
    assert good(records) == ALL[: len(good(records))]
    assert len(faults(records)) <= 1 and set(faults(records)) <= {"truncated", "garbage"}
    assert keys(read_all(path, "warc", split_bytes)) == keys(records)


@pytest.mark.parametrize("form", FORMS)
def test_cut_inside_a_record_is_a_faulty_record(tmp_path: Path, form: str) -> None:
    data = pack(make_pages(12), form)
    path = tmp_path / "cut.warc"
    path.write_bytes(data[:-60])
    records = read_all(path, "warc")
    assert good(records) == ALL[:-1] and faults(records) == ["truncated"]
    if form == "plain":
        assert records[-1].uri == ALL[-1]


@pytest.mark.parametrize("form", FORMS)
@loose
@given(
    flips=st.lists(st.tuples(st.floats(0, 0.999), st.integers(1, 255)), min_size=1, max_size=4),
    split_bytes=st.integers(300, 4000),
)
def test_flipped_bytes_never_raise(tmp_path: Path, form: str, flips: list[tuple[float, int]], split_bytes: int) -> None:
    data = bytearray(pack(make_pages(12), form))
    for place, mask in flips:
        data[int(place * len(data))] ^= mask
    path = tmp_path / "flipped.warc"
    path.write_bytes(data)
    records = read_all(path, "warc")
    assert len(set(good(records)) & set(ALL)) >= 12 - 2 * len(flips)
    if form != "plain":  # members have checksums: what is good is untouched
        assert keys(read_all(path, "warc", split_bytes)) == keys(records)
        for record in records:
            assert record.fault is not None or record.data == make_page(int(record.uri.rpartition("/")[2]))


@pytest.mark.parametrize("form", FORMS)
@loose
@given(where=st.integers(0, 24), junk=st.binary(min_size=1, max_size=400), split_bytes=st.integers(300, 4000))
def test_rubbish_between_records_costs_at_most_two(
    tmp_path: Path, form: str, where: int, junk: bytes, split_bytes: int
) -> None:
    members = [pack([record], form) for record in make_pages(12)]
    members.insert(where, junk)
    path = tmp_path / "junk.warc"
    path.write_bytes(b"".join(members))
    records = read_all(path, "warc")
    assert len(good(records)) >= (11 if where else 10) and len(faults(records)) <= 2
    if where:
        assert keys(read_all(path, "warc", split_bytes)) == keys(records)


@pytest.mark.parametrize("form", FORMS)
def test_skipped_ordinals_keep_the_others(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a.warc"
    path.write_bytes(pack(make_pages(12), form))
    source = SourceSpec(name="test", kind="warc", paths=(str(path),))
    (split,) = plan_splits(source, 10**12)
    whole = list(open_split(split))
    skipped = list(open_split(split, skip=frozenset((0, 5, 11))))
    assert [(record.ordinal, record.uri) for record in skipped] == [(record.ordinal, record.uri) for record in whole]
    assert [record.ordinal for record in skipped if record.fault] == [0, 5, 11]
    assert {record.fault[0] for record in skipped if record.fault} == {"poison"}


def _wrong_length(record: bytes, length: int) -> bytes:
    head, _, block = record.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
    return b"\r\n".join([*lines, b"Content-Length: %d" % length]) + b"\r\n\r\n" + block


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("length", (10, 100_000, 10**12))
@pytest.mark.parametrize("per_member", (1, 100))
def test_lying_length_costs_one_record(tmp_path: Path, form: str, length: int, per_member: int) -> None:
    records = make_pages(12)
    records[10] = _wrong_length(records[10], length)
    path = tmp_path / "lying.warc"
    path.write_bytes(pack(records, form, per_member))
    found = read_all(path, "warc", max_record_bytes=2**20)
    if length == 10**12 and per_member > 1 and form != "plain":
        assert good(found) == ALL[:4] and faults(found) == ["too_large"]  # one stream cannot be gone back in
    else:
        assert good(found) == ALL[:4] + ALL[5:]
        assert faults(found) == ["too_large" if length == 10**12 else "bad_length"]


@pytest.mark.parametrize("encoding", ("gzip", "deflate", "raw deflate", "br", "zstd", "chunked", "chunked gzip"))
def test_payload_encodings(tmp_path: Path, encoding: str) -> None:
    page = make_page(1, 5000)
    packed = {
        "gzip": gzip.compress(page),
        "deflate": zlib.compress(page),
        "raw deflate": zlib.compress(page)[2:-4],
        "br": brotli.compress(page),
        "zstd": zstandard.compress(page),
        "chunked": page,
        "chunked gzip": gzip.compress(page),
    }[encoding]
    headers = ["Content-Type: text/html"]
    if "chunked" in encoding:
        headers.append("Transfer-Encoding: chunked")
        half = len(packed) // 2
        parts = (packed[:half], packed[half:], b"")
        packed = b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in parts)
    if encoding != "chunked":
        headers.append(f"Content-Encoding: {encoding.split()[-1]}")
    path = tmp_path / "a.warc"
    path.write_bytes(make_record("http://a/", make_response(packed, *headers)))
    (record,) = read_all(path, "warc")
    assert record.fault is None and record.data == page


@pytest.mark.parametrize("headers", (("Content-Encoding: gzip",), ("Transfer-Encoding: chunked",)))
def test_payload_stored_without_its_declared_encoding(tmp_path: Path, headers: tuple[str, ...]) -> None:
    path = tmp_path / "a.warc"
    path.write_bytes(make_record("http://a/", make_response(make_page(1), "Content-Type: text/html", *headers)))
    (record,) = read_all(path, "warc")
    assert record.fault is None and record.data == make_page(1)


@pytest.mark.parametrize("encoding", ("gzip", "br", "zstd"))
def test_bomb_in_payload_is_too_large(tmp_path: Path, encoding: str) -> None:
    pack_bomb = {"gzip": gzip.compress, "br": brotli.compress, "zstd": zstandard.compress}[encoding]
    packed = pack_bomb(bytes(20 * 2**20))
    block = make_response(packed, "Content-Type: text/html", f"Content-Encoding: {encoding}")
    path = tmp_path / "a.warc"
    path.write_bytes(make_record("http://a/", block) + make_record("http://b/", make_response(make_page(1))))
    records = read_all(path, "warc", max_record_bytes=2**20)
    assert good(records) == ["http://b/"] and faults(records) == ["too_large"]


@given(block=st.binary(max_size=300), encoding=st.sampled_from(("gzip", "br", "zstd", "deflate", "x", "gzip, br")))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_any_payload_ends_as_a_response(block: bytes, encoding: str) -> None:
    from samovar.corpus.inputs.http import parse_response

    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    assert parse_response(head + block, 1000).status == 200
    parse_response(block, 1000)


def test_cut_payload_gives_its_beginning(tmp_path: Path) -> None:
    packed = gzip.compress(make_page(1, 20_000))
    block = make_response(packed[: len(packed) // 2], "Content-Type: text/html", "Content-Encoding: gzip")
    path = tmp_path / "a.warc"
    path.write_bytes(make_record("http://a/", block, headers={"WARC-Truncated": "length"}))
    (record,) = read_all(path, "warc")
    assert record.fault is None and record.declared["truncated"] == "length"
    assert isinstance(record.data, bytes) and make_page(1, 20_000).startswith(record.data) and len(record.data) > 1000


def test_what_is_no_page_has_its_reason(tmp_path: Path) -> None:
    kinds = [
        make_record("http://a/missing", make_response(b"no", status="404 Not Found")),
        make_record("http://a/i.png", make_response(b"\x89PNG", "Content-Type: image/png")),
        make_record("http://a/empty", make_response(b"  ")),
        make_record("http://a/robots.txt", make_response(b"User-agent: *", "Content-Type: text/plain")),
        make_record("dns:a", b"a. 1 IN A 1.1.1.1", headers={"Content-Type": "text/dns"}),
        make_record("http://a/f.pdf", make_response(b"%PDF-1.4", "Content-Type: application/pdf")),
        make_record("http://a/nameless", make_response(b"<!DOCTYPE html><p>x", "X: y")),
        make_record("http://a/t", "Текст".encode(), WarcRecordType.conversion, {"Content-Type": "text/plain"}),
        make_record("http://a/r", b"<html>r", WarcRecordType.resource, {"Content-Type": "text/html"}),
        make_record("http://a/again", b"", WarcRecordType.revisit),
    ]
    path = tmp_path / "a.warc.gz"
    path.write_bytes(pack(kinds, "gz"))
    passed: Counter[str] = Counter()
    records = read_all(path, "warc", passed=passed)
    assert [(r.uri[9:], r.kind, r.fault[0] if r.fault else r.data) for r in records] == [
        ("missing", "html", "http_status"),
        ("i.png", "file", "mime"),
        ("empty", "html", "empty"),
        ("f.pdf", "file", b"%PDF-1.4"),
        ("nameless", "html", b"<!DOCTYPE html><p>x"),
        ("t", "text", "Текст"),
        ("r", "html", b"<html>r"),
    ]
    assert passed == {"robots": 1, "dns": 1, "revisit": 1}


def test_dictionary_of_a_zstd_file(tmp_path: Path) -> None:
    records = make_pages(12, 600)
    dictionary = zstandard.train_dictionary(2000, [make_response(make_page(n, 600)) for n in range(200)])
    packer = zstandard.ZstdCompressor(dict_data=dictionary)
    content = zstandard.compress(dictionary.as_bytes())
    head = (0x184D2A5D).to_bytes(4, "little") + len(content).to_bytes(4, "little") + content
    path = tmp_path / "a.warc.zst"
    path.write_bytes(head + b"".join(packer.compress(record) for record in records))
    assert good(read_all(path, "warc")) == ALL
    assert keys(read_all(path, "warc", 700)) == keys(read_all(path, "warc"))


def test_members_cut_anywhere_are_read_as_one_stream(tmp_path: Path) -> None:
    data = b"".join(make_pages(12))
    path = tmp_path / "blocks.warc.gz"
    path.write_bytes(b"".join(gzip.compress(data[start : start + 777]) for start in range(0, len(data), 777)))
    assert good(read_all(path, "warc")) == ALL
    assert good(read_all(path, "warc", 500)) == ALL


@pytest.mark.parametrize("where", [0, 1, 3])
@pytest.mark.parametrize("form", ["plain", "gz"])
@pytest.mark.parametrize("all_lines", [True, False])
def test_a_record_with_bare_cr_line_ends_is_a_row_and_takes_no_other_with_it(
    tmp_path: Path, where: int, form: str, all_lines: bool
) -> None:
    records = make_pages(3)
    bad = make_record("http://cr/", b"<p>text", WarcRecordType.resource, {"Content-Type": "text/html"})
    head = bad if all_lines else bad.partition(b"\r\n")[2]
    records.insert(where, bad[: len(bad) - len(head)] + head.replace(b"\r\n", b"\r"))
    path = tmp_path / "a.warc"
    path.write_bytes(pack(records, form))
    for split_bytes in (10**9, 300):
        found = read_all(path, "warc", split_bytes)
        assert good(found) == ALL[:3]
        assert [record.fault[0] for record in found if record.fault] == ["garbage"]


def test_padding_and_unix_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.warc.gz"
    path.write_bytes(pack(make_pages(3), "gz") + bytes(5000))
    assert good(read_all(path, "warc")) == ALL[:3] and faults(read_all(path, "warc")) == []
    record = make_record("http://a/", b"<p>a", WarcRecordType.resource, {"Content-Type": "text/html"})
    path.write_bytes(3 * record.replace(b"\r\n", b"\n"))
    assert good(read_all(path, "warc", 200)) == 3 * ["http://a/"]


@pytest.mark.slow
@pytest.mark.parametrize("form", ("gz", "plain"))
def test_a_gigabyte_in_a_record_takes_no_memory(tmp_path: Path, form: str) -> None:
    path = tmp_path / "big.warc"
    head = make_record("http://big/", b"").partition(b"Content-Length")[0] + b"Content-Length: %d\r\n\r\n" % 2**30
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    with path.open("wb") as file:
        for piece in (head, *(2**10 * [bytes(2**20)]), b"\r\n\r\n"):
            file.write(packer.compress(piece) if form == "gz" else piece)
        file.write(packer.flush() if form == "gz" else b"")
        file.write(pack(make_pages(2), form))
    program = (
        "import sys; sys.path.insert(0, sys.argv[2]);"
        "from input_makers import read_all, good, faults; from pathlib import Path; import resource;"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; records = read_all(Path(sys.argv[1]), 'warc');"
        "print(len(good(records)), *faults(records));"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    command = [sys.executable, "-c", program, str(path), str(Path(__file__).parent)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[0] == "2 too_large"
    assert int(lines[1]) < 40 * 1024  # KiB


def test_records_are_typed(tmp_path: Path) -> None:
    path = tmp_path / "a.warc"
    path.write_bytes(b"")
    assert read_all(path, "warc") == []
    path.write_bytes(b"this is no archive at all")
    (record,) = read_all(path, "warc")
    assert isinstance(record, Record) and record.fault == ("garbage", "no WARC header")

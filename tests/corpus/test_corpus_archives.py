"""ZIP, gzip and ZIM: members, names, limits, and nothing on disk."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from document_makers import make_fb2, make_zim, make_zip

from samovar.corpus.document import LedgerRow
from samovar.corpus.extract import extract_path
from samovar.corpus.extracted import Extracted
from samovar.corpus.limits import MIB

Read = Callable[..., list[Extracted | LedgerRow]]

TEXT = "Самовар стоял на столе, и вся семья собиралась вокруг него каждый вечер."


def outcome(items: list[Extracted | LedgerRow]) -> dict[str, str]:
    return {item.uri: item.reason if isinstance(item, LedgerRow) else "kept" for item in items}


def test_members_are_documents_of_their_own(read: Read) -> None:
    inner = make_zip({"deep.txt": TEXT.encode()})
    data = make_zip(
        {
            "a.txt": TEXT.encode(),
            "folder/книга.fb2": make_fb2(f"<section><p>{TEXT}</p></section>"),
            "inner.zip": inner,
            "b.txt.gz": gzip.compress(TEXT.encode()),
            "pic.png": b"\x89PNG\r\n\x1a\n" + bytes(20),
            ".hidden": b"x",
            "__MACOSX/a.txt": b"x",
            "empty.txt": b"",
            "t.csv": f"text\n{TEXT}\n".encode(),
        }
    )
    assert outcome(read(data, "x.zip")) == {
        "x.zip!/a.txt": "kept",
        "x.zip!/folder/книга.fb2": "kept",
        "x.zip!/inner.zip!/deep.txt": "kept",
        "x.zip!/b.txt.gz": "kept",
        "x.zip!/pic.png": "unsupported",
        "x.zip!/.hidden": "hidden",
        "x.zip!/__MACOSX/a.txt": "hidden",
        "x.zip!/empty.txt": "empty",
        "x.zip!/t.csv#row=1": "kept",
    }


def test_names_from_old_archivers_are_decoded(read: Read) -> None:
    placeholder = "aaaaaaaaaaaa.txt"
    name = "Воспоминания.txt"
    data = make_zip({placeholder: TEXT.encode()}).replace(placeholder.encode(), name.encode("cp866"))
    assert list(outcome(read(data, "x.zip"))) == [f"x.zip!/{name}"]


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "C:\\windows\\x.txt", "a/../../b.txt", "con\nname.txt", "x" * 255]
)
def test_names_are_labels_only(read: Read, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    items = read(make_zip({name: TEXT.encode()}), "x.zip")
    assert [item.text for item in items if isinstance(item, Extracted)] == [TEXT]
    assert items[0].uri.startswith("x.zip!/") and list(tmp_path.iterdir()) == []


def test_empty_archive(read: Read) -> None:
    assert outcome(read(make_zip({}), "x.zip")) == {"x.zip": "empty"}


def test_ratio_bomb(read: Read) -> None:
    data = make_zip({"bomb.txt": bytes(50 * MIB), "a.txt": TEXT.encode()})
    assert outcome(read(data, "x.zip")) == {"x.zip!/bomb.txt": "compression_ratio", "x.zip!/a.txt": "kept"}


def test_total_size_is_bounded_over_nested_archives(read: Read) -> None:
    level = make_zip({f"{n}.txt": bytes([65 + n]) * MIB for n in range(8)})
    data = make_zip({f"{n}.zip": level + bytes(n) for n in range(8)})
    results = outcome(read(data, "x.zip", max_archive_bytes=20 * MIB))
    assert "archive_too_large" in results.values() and sum(value == "kept" for value in results.values()) <= 20


def test_number_of_members_is_bounded(read: Read) -> None:
    data = make_zip({f"{n}.txt": TEXT.encode() for n in range(30)})
    results = outcome(read(data, "x.zip", max_archive_members=10))
    assert results["x.zip"] == "too_many_members" and len(results) == 11


def test_depth_is_bounded(read: Read) -> None:
    data = TEXT.encode()
    for level in range(6):
        data = make_zip({f"{level}.txt" if level == 0 else f"{level}.zip": data})
    ((uri, reason),) = outcome(read(data, "x.zip")).items()
    assert reason == "too_deep" and uri.count("!/") == 3


def test_zip_that_contains_itself_many_times_over_is_bounded(read: Read) -> None:
    data = make_zip({"a.txt": b"A" * 1000})
    for _ in range(3):
        data = make_zip({f"{n}.zip": data + bytes(n) for n in range(12)})
    results = read(data, "x.zip", max_archive_members=500)
    assert len(results) <= 520


def test_encrypted_member(read: Read) -> None:
    data = bytearray(make_zip({"a.txt": TEXT.encode(), "b.txt": TEXT.encode()}))
    central = data.index(b"PK\x01\x02")
    data[central + 8] |= 1
    data[6] |= 1
    assert outcome(read(bytes(data), "x.zip")) == {"x.zip!/a.txt": "encrypted", "x.zip!/b.txt": "kept"}


def test_damaged_member_costs_one_row(read: Read) -> None:
    data = bytearray(make_zip({"a.txt": TEXT.encode(), "b.txt": TEXT.encode()}, compress=zipfile.ZIP_STORED))
    data[data.index(TEXT.encode())] ^= 0xFF
    assert outcome(read(bytes(data), "x.zip")) == {"x.zip!/a.txt": "damaged", "x.zip!/b.txt": "kept"}


def test_unknown_compression(read: Read) -> None:
    data = bytearray(make_zip({"a.txt": TEXT.encode()}))
    data[data.index(b"PK\x01\x02") + 10] = 97
    data[8] = 97
    assert outcome(read(bytes(data), "x.zip")) == {"x.zip!/a.txt": "unsupported_compression"}


def test_gzip_bomb_and_damage(read: Read) -> None:
    assert outcome(read(gzip.compress(bytes(100 * MIB)), "a.txt.gz")) == {"a.txt.gz": "compression_ratio"}
    packed = gzip.compress((TEXT * 50).encode())
    assert outcome(read(packed[:-20], "a.txt.gz")) == {"a.txt.gz": "truncated"}
    assert outcome(read(packed[:15] + bytes(20) + packed[35:], "a.txt.gz")) == {"a.txt.gz": "damaged"}


def test_gzip_in_gzip_is_bounded(read: Read) -> None:
    data = TEXT.encode()
    for _ in range(5):
        data = gzip.compress(data)
    assert outcome(read(data, "a.gz")) == {"a.gz": "too_deep"}


# --- ZIM ------------------------------------------------------------------------------------------------------------------

PAGES = {
    f"A{n}": (f"Статья {n}", f"<html lang='ru'><h1>Статья {n}</h1><p>{TEXT} Номер {n}.</p></html>") for n in range(5)
}
ABOUT = {
    "Language": "rus",
    "Publisher": "Дом",
    "License": "CC BY-SA 4.0",
    "Date": "2024-05-06",
    "Title": "Энциклопедия",
    "Creator": "Общество",
}


@pytest.mark.parametrize("method", ["zstd", "xz", "none"])
@pytest.mark.parametrize("wide", [False, True])
def test_zim(tmp_path: Path, method: str, wide: bool) -> None:
    if method == "zstd":
        pytest.importorskip("zstandard")
    path = tmp_path / "x.zim"
    path.write_bytes(make_zim(PAGES, metadata=ABOUT, method=method, redirects={"R": "A1"}, wide=wide))
    items = list(extract_path(path, uri="x.zim"))
    assert [item.uri for item in items] == [f"x.zim#A{n}" for n in range(5)]
    for number, item in enumerate(items):
        assert isinstance(item, Extracted)
        assert (item.title, item.text) == (f"Статья {number}", f"Статья {number}\n\n{TEXT} Номер {number}.")
        assert (item.language, item.publisher, item.licence, item.published) == (
            "ru",
            "Дом",
            "CC-BY-SA-4.0",
            "2024-05-06",
        )
        assert item.metadata == {"collection": "Энциклопедия", "author": "Общество"}


def test_zim_with_one_damaged_cluster_keeps_the_rest(tmp_path: Path) -> None:
    data = bytearray(make_zim(PAGES, method="xz"))
    at = data.index(b"\xfd7zXZ")
    data[at + 20 : at + 60] = bytes(40)
    (tmp_path / "x.zim").write_bytes(data)
    results = outcome(list(extract_path(tmp_path / "x.zim", uri="x.zim")))
    assert results == {"x.zim#cluster=0": "damaged", "x.zim#A2": "kept", "x.zim#A3": "kept", "x.zim#A4": "kept"}


def test_truncated_zim_is_refused(tmp_path: Path) -> None:
    data = make_zim(PAGES, method="none")
    for length in (5, 40, 79, 90, 200, len(data) // 2, len(data) - 1):
        (tmp_path / "x.zim").write_bytes(data[:length])
        assert outcome(list(extract_path(tmp_path / "x.zim", uri="x.zim"))) == {"x.zim": "truncated"}


def test_zim_inside_an_archive_is_refused(read: Read) -> None:
    assert outcome(read(make_zip({"x.zim": make_zim(PAGES, method="none")}), "x.zip")) == {
        "x.zip!/x.zim": "unsupported"
    }


@pytest.mark.parametrize("seed", range(40))
def test_zim_with_random_damage_ends_in_rows(tmp_path: Path, seed: int) -> None:
    import random

    rng = random.Random(seed)
    data = bytearray(make_zim(PAGES, metadata=ABOUT, method=rng.choice(["none", "xz"])))
    for _ in range(rng.choice([1, 5, 40])):
        data[rng.randrange(5, len(data))] = rng.randrange(256)
    (tmp_path / "x.zim").write_bytes(data)
    items = list(extract_path(tmp_path / "x.zim", uri="x.zim"))
    assert items and all(item.uri.startswith("x.zim") for item in items)


def test_zip_with_random_damage_ends_in_rows(read: Read) -> None:
    import random

    rng = random.Random(7)
    whole = make_zip({f"{n}.txt": (TEXT * n).encode() for n in range(1, 6)})
    for _ in range(200):
        data = bytearray(whole)
        for _ in range(rng.choice([1, 4, 20])):
            data[rng.randrange(4, len(data))] = rng.randrange(256)
        assert read(bytes(data), "x.zip")


def test_members_are_not_written_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = io.BytesIO(make_zip({"a.txt": TEXT.encode()}))
    path = tmp_path / "x.zip"
    path.write_bytes(target.getvalue())
    before = sorted(tmp_path.rglob("*"))
    assert [item.uri for item in extract_path(path, uri="x.zip")] == ["x.zip!/a.txt"]
    assert sorted(tmp_path.rglob("*")) == before

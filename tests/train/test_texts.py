"""Where training texts come from: files of every kind and built corpora give the same texts to whoever reads them; what is damaged is named."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

pytest.importorskip("tiktoken")

from samovar.errors import TrainingError
from samovar.train.texts import Text, hash_text, plan_units, read_units, thin

SMALL = 100_000
"""Bytes of text a unit: the articles make some ten units."""


def read(paths: Sequence[Path], unit_bytes: int = 2**20) -> list[Text]:
    return list(read_units(plan_units(paths, unit_bytes)))


def test_files_of_every_kind(articles: list[str], tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"text": text, "title": "т"} for text in articles[:4]]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (tmp_path / "a.txt").write_bytes(articles[0].encode("cp1251", "replace"))
    (tmp_path / "b.jsonl").write_text(lines + "not json\n", "utf-8")
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "d.parquet")
    (tmp_path / "e.bin").write_bytes(b"\0")
    skipped: Counter[str] = Counter()
    found = list(read_units(plan_units([tmp_path]), skipped))
    by_file = Counter(text.domain for text in found)
    assert by_file == {tmp_path.name: 1, "b.jsonl": 4, "c.jsonl.gz": 4, "d.parquet": 4}
    assert {text.text for text in found if text.domain == "d.parquet"} == set(articles[:4])
    assert found[0].text[:200] == articles[0].encode("cp1251", "replace").decode("cp1251")[:200]
    assert sum(skipped.values()) == 1


def make_corpus(root: Path, texts: Sequence[str]) -> Path:
    """A finished corpus of two files, as `samovar corpus build` leaves it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from samovar.corpus.build.plan import FORMAT
    from samovar.corpus.build.tables import DOCUMENT_COLUMNS

    (root / "documents").mkdir(parents=True)
    files = []
    for part, some in enumerate((texts[::2], texts[1::2])):
        path = root / "documents" / f"part-{part:05}.parquet"
        known = {"source": f"source{part}", "language": "ru", "metadata": "{}"}
        rows = [
            dict.fromkeys(DOCUMENT_COLUMNS, "") | known | {"id": f"id{part}-{number}", "text": text}
            for number, text in enumerate(some)
        ]
        pq.write_table(pa.Table.from_pylist(rows), path, compression="zstd")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        files.append({"path": f"documents/{path.name}", "rows": len(some), "bytes": path.stat().st_size, "sha256": digest})  # fmt: skip
    (root / "manifest.json").write_text(json.dumps({"format": FORMAT, "files": files}))
    return root


def test_a_built_corpus(articles: list[str], tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus", articles[:11])
    units = plan_units([corpus])
    found = read([corpus])
    assert [text.text for text in found] == [*articles[:11:2], *articles[1:11:2]]
    assert found[0] == Text(hash_text(articles[0]), articles[0], "source0", "ru")
    assert len(units) == 2
    wanted = sum(len(text.encode()) for text in articles[:11])
    assert 0.3 * wanted < sum(unit.num_bytes for unit in units) < 1.5 * wanted


def test_a_damaged_corpus(articles: list[str], tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus", articles[:11])
    path = corpus / "documents" / "part-00001.parquet"
    data = bytearray(path.read_bytes())
    data[40:400] = bytes(360)
    path.write_bytes(data)
    with pytest.raises(TrainingError, match="part-00001"):
        read([corpus])
    data[-300:] = bytes(300)  # the description at its end too
    path.write_bytes(data)
    with pytest.raises(TrainingError, match="cannot be read"):
        plan_units([corpus])
    path.unlink()
    with pytest.raises(TrainingError, match="part-00001"):
        plan_units([corpus])


def test_texts_that_changed_under_way(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("один")
    units = plan_units([tmp_path])
    path.write_text("другой текст")
    with pytest.raises(TrainingError, match="cannot be read"):
        list(read_units(units))


def test_a_larger_share_keeps_what_a_smaller_one_kept() -> None:
    texts = [Text(f"k{number}", "слово " * 20, "d") for number in range(2000)]
    num_bytes = sum(len(text.text.encode()) for text in texts)
    kept = [{text.key for text in thin(texts, num_bytes, chars, seed=3)} for chars in (20_000, 100_000, 0)]
    assert kept[0] < kept[1] < kept[2]
    assert len(kept[2]) == 2000
    assert 12_000 < 120 * len(kept[0]) < 30_000
    assert {text.key for text in thin(texts, num_bytes, 20_000, seed=4)} != kept[0]


def test_units_do_not_depend_on_who_reads_them(articles: list[str], tmp_path: Path) -> None:
    for number, text in enumerate(articles):
        (tmp_path / f"{number:03}.md").write_text(text, "utf-8")
    units = plan_units([tmp_path], SMALL)
    assert list(read_units(units)) == read([tmp_path], 2**24)
    assert len(units) > 5 and all(unit.num_bytes < 2 * SMALL for unit in units)

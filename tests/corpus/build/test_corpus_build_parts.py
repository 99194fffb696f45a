"""The parts a build is made of, each by itself: commits, caps, tables by key, the heartbeat, the order of duplicates."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.corpus.build.arrays import join_keys, read_range, runs, split_keys, write_arrow
from samovar.corpus.build.build import group_shards, part_bytes
from samovar.corpus.build.caps import cap_groups, shuffle, thin
from samovar.corpus.build.commit import read_commit, whole_file, write_commit, write_json
from samovar.corpus.build.duplicates import Members, choose
from samovar.corpus.build.heartbeat import NOBODY, Heartbeat
from samovar.corpus.build.recipe import MB, parse_recipe
from samovar.corpus.build.tables import LEDGER_COLUMNS, TableWriter


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), whole_file(tmp_path / "a") as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    with whole_file(tmp_path / "a") as file:
        file.write(b"whole")
    assert (tmp_path / "a").read_bytes() == b"whole"


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"files": 1, "summary": {}}', b'{"files": {"none": 1}, "summary": {}}']
)
def test_a_damaged_commit_is_no_commit(damage: bytes, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"12345")
    path = tmp_path / "0.json"
    write_commit(path, [tmp_path / "data"], {"n": 1})
    assert read_commit(path) == {"n": 1}
    (tmp_path / "data").write_bytes(b"1234")
    assert read_commit(path) is None
    path.write_bytes(damage)
    assert read_commit(path) is None


def test_a_ledger_may_hold_broken_characters(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a.parquet") as file, TableWriter(file, LEDGER_COLUMNS) as writer:
        writer.add(("uri\ud800", "s", "kept", "", "", "", ""))
    assert pq.read_table(tmp_path / "a.parquet").column("uri").to_pylist() == ["uri?"]
    write_json(tmp_path / "a.json", {"x": "\ud800"})


@settings(max_examples=60, deadline=None)
@given(
    members=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2**64 - 1)), max_size=40),
    caps=st.lists(st.integers(0, 5), min_size=5, max_size=5),
)
def test_caps_keep_the_first_of_each_group(members: list[tuple[int, int]], caps: list[int]) -> None:
    groups = np.array([g for g, _ in members], np.uint64)
    order = np.array([o for _, o in members], np.uint64)
    kept = cap_groups(groups, order, np.array([caps[g] for g, _ in members], np.int64))
    for group in set(groups.tolist()):
        own = groups == group
        most = caps[group] or own.sum()
        assert kept[own].sum() == min(most, own.sum())
        if (~kept[own]).any() and kept[own].any():
            assert order[own][kept[own]].max() <= order[own][~kept[own]].min()


def test_shares_are_what_they_say_and_grow_with_the_share() -> None:
    order = shuffle(np.arange(20_000, dtype=np.uint64), 3)
    tenth, third = thin(order, 0.1), thin(order, 0.3)
    assert abs(tenth.mean() - 0.1) < 0.01 and abs(third.mean() - 0.3) < 0.01
    assert not (tenth & ~third).any()
    assert thin(order, 1.0).all() and not thin(order, 0.0).any()
    assert (shuffle(np.arange(100, dtype=np.uint64), 3) != shuffle(np.arange(100, dtype=np.uint64), 4)).all()


@given(st.lists(st.integers(0, 3), max_size=30))
def test_runs_cover_everything(values: list[int]) -> None:
    found = runs(np.array(values))
    assert [v for start, end in found for v in values[start:end]] == values
    assert all(len(set(values[start:end])) == 1 for start, end in found)
    assert all(values[end - 1] != values[end] for _, end in found[:-1])


@given(st.lists(st.integers(0, 40), max_size=30), st.integers(1, 50))
def test_parts_hold_every_shard_once_in_order(sizes: list[int], limit: int) -> None:
    parts = group_shards(sizes, limit)
    assert parts and [shard for part in parts for shard in part] == list(range(len(sizes)))
    assert all(len(part) == 1 or sum(sizes[s] for s in part) <= limit for part in parts if part)


@given(st.lists(st.integers(0, 400 * MB), max_size=30))
def test_small_corpora_have_parts_for_several_workers(sizes: list[int]) -> None:
    recipe = parse_recipe({"name": "x", "source": [{"name": "a", "kind": "jsonl", "paths": ["a"]}]}, Path())
    size = part_bytes(sizes, recipe)
    assert 4 * MB <= size <= recipe.shards.part_mb * MB
    assert size in (4 * MB, recipe.shards.part_mb * MB) or 8 * size - sum(sizes) in range(8)


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))))
def test_keys_hold_split_and_row_and_sort_by_them(places: list[tuple[int, int]]) -> None:
    shards, rows = np.array(places, np.int64).reshape(-1, 2).T
    keys = join_keys(shards, rows)
    assert [found.tolist() for found in split_keys(keys)] == [shards.tolist(), rows.tolist()]
    assert keys.dtype == np.uint64 and [places[n] for n in np.argsort(keys, kind="stable")] == sorted(places)
    assert all(join_keys(shard, np.array([row]))[0] == key for (shard, row), key in zip(places, keys, strict=True))


def test_a_table_is_read_by_range_also_at_the_ends_of_the_numbers(tmp_path: Path) -> None:
    keys = np.array([0, 5, 2**53 + 1, 2**63, 2**64 - 2], np.uint64)
    write_arrow(tmp_path / "t.arrow", pa.table({"key": keys, "name": list("abcde")}))
    assert read_range(tmp_path / "t.arrow", 1, 2**53 + 1).column("name").to_pylist() == ["b"]
    assert read_range(tmp_path / "t.arrow", 2**53 + 1, 2**64 - 1).column("name").to_pylist() == ["c", "d", "e"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(1, 3), st.sampled_from("abc")), max_size=20),
    st.randoms(),
)
def test_who_stays_does_not_depend_on_the_order(rows: list[tuple[int, int, int, str]], rng: object) -> None:
    numbered = [(*row, n) for n, row in enumerate(rows)]

    def representatives(some: list[tuple[int, int, int, str, int]]) -> tuple[set[tuple[object, ...]], Counter[int]]:
        made = Members(
            np.array([n for *_, n in some], np.uint64),
            np.array([g for g, *_ in some], np.int64),
            np.array([p for _, p, *_ in some], np.int64),
            np.array([length for _, _, length, *_ in some], np.uint64),
            np.array([hash(r[:4]) % 2**60 for r in some], np.uint64),
            pa.array([u for *_, u, _ in some], pa.string()),
        )
        left_out, clusters = choose(made)
        tops = {rows[key][:4] for key in clusters.column("key").to_pylist()}
        assert left_out.num_rows + clusters.num_rows == len(some)
        return tops, Counter(clusters.column("size").to_pylist())

    shuffled = numbered[:]
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert representatives(numbered) == representatives(shuffled)
    best: dict[int, tuple[int, int, str]] = defaultdict(lambda: (9, 9, "z"))
    for group, priority, length, uri in rows:
        best[group] = min(best[group], (-priority, -length, uri))
    assert representatives(numbered)[0] == {(g, -p, -length, u) for g, (p, length, u) in best.items()}


def test_a_heartbeat_is_read_after_the_death_of_who_wrote_it() -> None:
    cell = Heartbeat.create()
    program = (
        "import os, sys; from pathlib import Path; from samovar.corpus.build.heartbeat import Heartbeat\n"
        "cell = Heartbeat(Path(sys.argv[1])); cell.records = 7; cell.address('https://host.example/п'); cell.say(41, 5); os.kill(os.getpid(), 9)"
    )
    assert cell.read().record == 0
    cell.clear()
    assert cell.read().record == NOBODY
    done = subprocess.run([sys.executable, "-c", program, str(cell.path)], check=False)
    assert done.returncode == -9
    beat = cell.read()
    assert (beat.record, beat.stage, beat.records, beat.uri) == (41, 5, 7, "https://host.example/п")
    assert beat.since > 0
    cell.address("x" * 10_000)  # too long to keep: nothing rather than half
    assert cell.read().uri == ""
    cell.close()
    assert not cell.path.exists()


def test_workers_do_without_pandas(tmp_path: Path) -> None:
    pytest.importorskip("pandas", reason="pyarrow imports it only where it is installed")
    program = """
import sys
from pathlib import Path
from samovar.corpus.build.child import WithoutPandas
sys.meta_path.insert(0, WithoutPandas())
from samovar.corpus.build.tables import LEDGER_COLUMNS, TableWriter, read_column
with open(sys.argv[1], "wb") as file, TableWriter(file, LEDGER_COLUMNS) as writer:
    writer.add(("uri", *"abcdef"))
print(read_column(Path(sys.argv[1]), "uri").to_pylist(), "pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.parquet")], capture_output=True, text=True)
    assert done.stdout.strip() == "['uri'] False", done.stderr

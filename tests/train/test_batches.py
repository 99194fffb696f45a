"""The order of training: every window once an epoch, the same for any number of processes, from any cursor; reading ahead changes nothing."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.errors import ShardError
from samovar.train.batches import Batches, Prefetch, StepRows, permute
from samovar.train.shards import FORMAT

EOT = 999


def make_tokens(folder: Path, sizes: Sequence[int]) -> np.ndarray:
    """Write shards of numbers that tell their place, and return the stream."""
    folder.mkdir(parents=True, exist_ok=True)
    stream = (np.arange(sum(sizes)) * 7919 % 65_521).astype("<u2")
    stream[::13] = EOT
    shards, place = [], 0
    for number, size in enumerate(sizes):
        data = stream[place : place + size].tobytes()
        name = f"train-{number:05}.bin"
        (folder / name).write_bytes(data)
        shards.append({"file": name, "num_tokens": size, "num_documents": 1, "num_bytes": 1, "sha256": hashlib.sha256(data).hexdigest()})  # fmt: skip
        place += size
    index = {"format": FORMAT, "dtype": "<u2", "vocab_size": 65_536, "tokenizer_sha256": "t", "eot": EOT,
             "splits": {"train": shards, "val": shards[:1]}}  # fmt: skip
    (folder / "index.json").write_text(json.dumps(index))
    return stream.astype(np.int64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("batches") / "tokens"


@pytest.fixture(scope="module")
def stream(folder: Path) -> np.ndarray:
    return make_tokens(folder, (1000, 3, 0, 777, 1, 2500))


# -- the permutation ------------------------------------------------------------------------------------------------
@given(size=st.integers(1, 5000), seed=st.integers(0, 2**63), epoch=st.integers(0, 10**6))
@settings(max_examples=100, deadline=None)
def test_an_epoch_is_a_permutation(size: int, seed: int, epoch: int) -> None:
    moved = permute(np.arange(size, dtype=np.uint64), size, seed, epoch)
    assert sorted(moved.tolist()) == list(range(size))


@given(size=st.integers(2, 2**60), places=st.lists(st.integers(0, 2**60), max_size=20), seed=st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_each_place_is_computed_alone(size: int, places: list[int], seed: int) -> None:
    """Also where no array of all would fit the memory: together or one by one, the same, and within bounds."""
    wanted = np.array([place % size for place in places], np.uint64)
    together = permute(wanted, size, seed, 0)
    assert together.tolist() == [int(permute(np.array([w], np.uint64), size, seed, 0)[0]) for w in wanted]
    assert all(int(place) < size for place in together)
    assert len(set(together.tolist())) == len(set(wanted.tolist()))


def test_epochs_and_seeds_have_their_own_order() -> None:
    places = np.arange(1000, dtype=np.uint64)
    orders = [permute(places, 1000, seed, epoch) for seed in range(4) for epoch in range(4)]
    same = [np.mean(a == b) for n, a in enumerate(orders) for b in orders[:n]]
    assert max(same) < 0.01  # two random orders agree in one place of a thousand


def test_neighbours_are_torn_apart() -> None:
    """Mean distance of neighbours in a random order of n is n / 3; deciles are equally filled by any stretch of the epoch."""
    moved = permute(np.arange(10_000, dtype=np.uint64), 10_000, 1, 0).astype(np.int64)
    assert 3000 < np.abs(np.diff(moved)).mean() < 3700
    counts = np.histogram(moved[:1000], bins=10, range=(0, 10_000))[0]
    assert counts.min() > 60 and counts.max() < 140


def test_the_order_of_data_is_pinned(folder: Path, stream: np.ndarray) -> None:
    """Runs that are under way resume with the same data after an update: whoever changes this breaks them."""
    found = Batches(folder, "train", 64, seed=5).numbers(60, 12).tolist()
    assert found == [48, 58, 45, 43, 60, 40, 50, 7, 51, 19, 10, 30]


# -- windows --------------------------------------------------------------------------------------------------------
@given(
    sizes=st.lists(st.integers(0, 60), min_size=1, max_size=6).filter(lambda s: sum(s) > 20), length=st.integers(1, 19)
)
@settings(max_examples=60, deadline=None)
def test_every_token_is_predicted_once_an_epoch(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], length: int
) -> None:
    folder = tmp_path_factory.mktemp("any")
    stream = make_tokens(folder, sizes)
    batches = Batches(folder, "train", length)
    count = batches.num_sequences
    assert count == (len(stream) - 1) // length
    rows = batches.read(0, count)
    assert rows.shape == (count, length + 1) and rows.dtype == np.int64
    in_order = rows[np.argsort(batches.numbers(0, count))]
    assert in_order[:, 1:].ravel().tolist() == stream[1 : count * length + 1].tolist()
    # each row begins where the one before ended
    assert in_order[:, 0].tolist() == stream[: count * length : length].tolist()
    assert (batches.read_in_order(0, 10**6) == in_order).all()


@given(cursor=st.integers(0, 10**12), count=st.integers(0, 300))
@settings(max_examples=60, deadline=None)
def test_any_cursor_goes_on_as_if_never_stopped(folder: Path, stream: np.ndarray, cursor: int, count: int) -> None:
    whole = Batches(folder, "train", 64, seed=1).read(cursor, count)
    again = Batches(folder, "train", 64, seed=1)
    assert (np.concatenate([again.read(cursor + n, 1) for n in range(count)] or [whole]) == whole).all()


@given(world=st.sampled_from([1, 2, 3, 4, 6, 12]), step=st.integers(0, 500))
@settings(max_examples=40, deadline=None)
def test_the_number_of_processes_changes_nothing(folder: Path, stream: np.ndarray, world: int, step: int) -> None:
    batches = Batches(folder, "train", 32, seed=2)
    each = 12 // world
    slices = [batches.read(12 * step + rank * each, each) for rank in range(world)]
    assert (np.concatenate(slices) == batches.read(12 * step, 12)).all()


def test_another_epoch_has_the_same_windows_in_another_order(folder: Path, stream: np.ndarray) -> None:
    batches = Batches(folder, "train", 64)
    n = batches.num_sequences
    first, second = batches.numbers(0, n).tolist(), batches.numbers(n, n).tolist()
    assert sorted(first) == sorted(second) == list(range(n))
    assert first != second


def test_the_texts_come_out_of_the_windows(articles: list[str], tokenizer_folder: Path, tmp_path: Path) -> None:
    from samovar.train.prepare import prepare
    from samovar.train.tokenizer import Tokenizer

    for number, text in enumerate(articles[:40]):
        (tmp_path / f"{number:02}.txt").write_text(text, "utf-8")
    tokenizer = Tokenizer.load(tokenizer_folder)
    prepare([tmp_path], tokenizer_folder, tmp_path / "out", validation_permille=200)
    batches = Batches(tmp_path / "out", "train", 128, tokenizer_sha256=tokenizer.sha256, verify=True)
    rows = batches.read_in_order(0, batches.num_sequences)
    text = tokenizer.decode([*rows[:, :-1].ravel(), rows[-1, -1]])
    whole, *_ = text.rpartition("<|endoftext|>")
    found = whole.split("<|endoftext|>")
    assert len(found) > 25
    assert set(found) <= set(articles[:40])
    val = Batches(tmp_path / "out", "val", 128)
    held_out = tokenizer.decode(val.read_in_order(0, 1)[0])[:200]
    assert held_out not in text  # nothing of validation is trained on


# -- what is refused ------------------------------------------------------------------------------------------------
def test_too_few_tokens_for_a_row(folder: Path, stream: np.ndarray) -> None:
    assert Batches(folder, "val", 999).num_sequences == 1
    with pytest.raises(ShardError, match="at least 1,001 tokens in the split val"):
        Batches(folder, "val", 1000)


def test_tokens_of_another_tokenizer(folder: Path, stream: np.ndarray) -> None:
    with pytest.raises(ShardError, match="expected tokens of the tokenizer"):
        Batches(folder, "train", 64, tokenizer_sha256="another")


def test_a_damaged_shard(tmp_path: Path) -> None:
    make_tokens(tmp_path, (500, 500))
    path = tmp_path / "train-00001.bin"
    data = path.read_bytes()
    path.write_bytes(data[:-4] + b"\1\2\3\4")
    Batches(tmp_path, "train", 64)
    with pytest.raises(ShardError, match="SHA-256"):
        Batches(tmp_path, "train", 64, verify=True)
    path.write_bytes(data[:-2])
    with pytest.raises(ShardError, match=r"train-00001\.bin"):
        Batches(tmp_path, "train", 64)


# -- reading ahead --------------------------------------------------------------------------------------------------
def test_reading_ahead_gives_the_same(folder: Path, stream: np.ndarray) -> None:
    batches = Batches(folder, "train", 64, seed=3)
    with Prefetch(batches, 8, 4, stride=16) as ahead:
        for step in range(20):
            cursor, tokens = ahead.take()
            assert cursor == 8 + 16 * step
            assert (tokens == batches.read(cursor, 4)).all()


def test_reading_ahead_holds_little(folder: Path, stream: np.ndarray) -> None:
    class Counting(Batches):
        reads = 0

        def read(self, cursor: int, count: int) -> np.ndarray:
            self.reads += 1
            return super().read(cursor, count)

    batches = Counting(folder, "train", 64)
    with Prefetch(batches, 0, 4, depth=3) as ahead:
        ahead.take()
        ahead.take()
    assert batches.reads <= 2 + 3 + 1  # taken, waiting, in hand


def test_what_fails_in_the_thread_is_raised_here(folder: Path, stream: np.ndarray) -> None:
    class Failing(Batches):
        def read(self, cursor: int, count: int) -> np.ndarray:
            if cursor >= 8:
                raise OSError("the disk is gone")
            return super().read(cursor, count)

    with Prefetch(Failing(folder, "train", 64), 0, 4) as ahead:
        assert [next(iter(ahead))[0] for _ in range(2)] == [0, 4]
        with pytest.raises(OSError, match="the disk is gone"):
            ahead.take()


def test_a_closed_reader_says_so(folder: Path, stream: np.ndarray) -> None:
    ahead = Prefetch(Batches(folder, "train", 64), 0, 4)
    ahead.close()
    ahead.close()
    with pytest.raises(ShardError, match="closed"):
        ahead.take()


# -- what a step reads ----------------------------------------------------------------------------------------------
@given(jumps=st.lists(st.sampled_from([0, 16, 16, 16, 48, -32]), max_size=8))
@settings(max_examples=20, deadline=None)
def test_a_step_reads_what_its_cursor_says_wherever_it_jumps(
    folder: Path, stream: np.ndarray, jumps: list[int]
) -> None:
    batches, cursor = Batches(folder, "train", 64), 64
    with closing(StepRows(batches, 4, 16)) as rows:
        for jump in jumps:
            cursor = max(0, cursor + jump)
            assert np.array_equal(rows.take(cursor), batches.read(cursor, 4))


def test_a_closed_reader_of_steps_begins_again(folder: Path, stream: np.ndarray) -> None:
    batches = Batches(folder, "train", 64)
    rows = StepRows(batches, 4, 4)
    first = rows.take(0)
    rows.close()
    assert np.array_equal(rows.take(0), first)
    rows.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "samovar-prefetch"]

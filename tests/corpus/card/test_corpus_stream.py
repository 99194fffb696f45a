"""Documents for training: every one exactly once, the same order every time, disjoint ranks, taken up again anywhere."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from card_makers import build_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.corpus.build import tables
from samovar.corpus.build.reading import open_corpus
from samovar.corpus.stream import Epoch, permute, stream_documents
from samovar.errors import CorpusError, UsageError

NUM = 157
PINNED = [0, 7, 2, 1, 6, 5, 4, 3]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [
        {"text": f"Текст под номером {n} говорит о числе {n * n} и ни о чём больше.", "url": f"https://a.example/{n}"}
        for n in range(NUM)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "GROUP_ROWS", 7)
        stages = {"stages": ["extract"], "extract": {}, "shards": {"part_mb": 1}}
        return build_rows(tmp_path_factory.mktemp("stream"), rows, files=3, **stages)


def uris(corpus: Path, **how: Any) -> list[str]:
    return [d.uri for d in stream_documents(corpus, **how)]


def test_an_epoch_has_every_document_once_with_all_it_had(corpus: Path) -> None:
    streamed = {d.id: d for d in stream_documents(corpus)}
    assert streamed == {d.id: d for d in open_corpus(corpus).documents()}
    assert len(streamed) == NUM


@settings(max_examples=40, deadline=None)
@given(world=st.integers(1, 12), seed=st.integers(0, 2**64), epoch=st.integers(0, 9))
def test_ranks_share_out_an_epoch(corpus: Path, world: int, seed: int, epoch: int) -> None:
    shares = [uris(corpus, rank=r, world=world, seed=seed, epoch=epoch) for r in range(world)]
    together = [uri for share in shares for uri in share]
    assert together == uris(corpus, seed=seed, epoch=epoch)  # the order does not depend on how many read it
    assert Counter(together) == Counter({f"https://a.example/{n}": 1 for n in range(NUM)})
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@settings(max_examples=40, deadline=None)
@given(start=st.integers(0, NUM + 5), world=st.integers(1, 4), data=st.data())
def test_a_rank_goes_on_where_it_stopped(corpus: Path, start: int, world: int, data: st.DataObject) -> None:
    rank = data.draw(st.integers(0, world - 1))
    whole = uris(corpus, rank=rank, world=world, seed=3, epoch=2)
    assert uris(corpus, rank=rank, world=world, seed=3, epoch=2, start=start) == whole[start:]


def test_seeds_and_epochs_have_orders_of_their_own(corpus: Path) -> None:
    orders = {tuple(uris(corpus, seed=seed, epoch=epoch)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9
    first = [int(uri.rpartition("/")[2]) for uri in uris(corpus)]
    ascending = sum(a < b for a, b in pairwise(first))
    assert 0.3 * NUM < ascending < 0.7 * NUM  # in the order of the input it would be nearly all


@given(num=st.integers(0, 300), seed=st.integers(0, 2**64))
def test_permute_is_a_permutation(num: int, seed: int) -> None:
    assert sorted(permute(num, seed).tolist()) == list(range(num))


def test_the_order_is_pinned() -> None:
    """Another order would make the cursors of old checkpoints mean other documents."""
    assert permute(8, 1).tolist() == PINNED


def test_only_the_windows_of_a_share_are_read(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from samovar.corpus import stream

    real, read = stream.read_window, []
    monkeypatch.setattr(stream, "read_window", lambda groups, *how: [read.append(groups), *real(groups, *how)][1:])
    order = Epoch(open_corpus(corpus), window=1)
    assert len(order.windows) > 15
    assert len(list(order.documents(range(50, 57)))) == 7
    assert 1 <= len(read) <= 3


# -- weights ----------------------------------------------------------------------------------------------------------
MANY, SOME = 40, 30


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of two sources; the second counts two and a half times."""
    folder = tmp_path_factory.mktemp("mixed")
    rows = [{"text": f"Первый источник, строка {n}.", "url": f"https://a.example/{n}"} for n in range(MANY)]
    more = [{"text": f"Второй источник, строка {n}.", "url": f"https://b.example/{n}"} for n in range(SOME)]
    (folder / "more").mkdir()
    (folder / "more/b.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in more), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "GROUP_ROWS", 9)
        other = {"name": "books", "kind": "jsonl", "paths": ["more/*.jsonl"], "weight": 2.5}
        stages = {"stages": ["extract"], "extract": {}, "shards": {"part_mb": 1}}
        return build_rows(folder, rows, files=1, sources=[other], **stages)


@settings(max_examples=12, deadline=None)
@given(world=st.integers(1, 7), seed=st.integers(0, 2**64), epoch=st.integers(0, 9), data=st.data())
def test_heavier_sources_come_again(mixed: Path, world: int, seed: int, epoch: int, data: st.DataObject) -> None:
    whole = uris(mixed, seed=seed, epoch=epoch)
    counts = Counter(whole)
    assert {uri: counts[uri] for uri in counts if "a.example" in uri} == {
        f"https://a.example/{n}": 1 for n in range(MANY)
    }
    again = [counts[f"https://b.example/{n}"] for n in range(SOME)]
    assert set(again) <= {2, 3} and abs(sum(again) - 2.5 * SOME) <= SOME / 2
    shares = [uris(mixed, rank=r, world=world, seed=seed, epoch=epoch) for r in range(world)]
    assert [uri for share in shares for uri in share] == whole
    rank, start = data.draw(st.integers(0, world - 1)), data.draw(st.integers(0, len(whole)))
    assert uris(mixed, rank=rank, world=world, seed=seed, epoch=epoch, start=start) == shares[rank][start:]


def test_weights_can_be_given_and_do_not_move_what_has_none(mixed: Path) -> None:
    plain = uris(mixed, seed=1, weights={})
    assert Counter(plain) == Counter(dict.fromkeys(plain, 1)) and len(plain) == MANY + SOME
    doubled = Counter(uris(mixed, seed=1, weights={"web": 2}))
    assert doubled == Counter({uri: 2 if "a.example" in uri else 1 for uri in plain})
    drawn = {frozenset(Counter(uris(mixed, seed=1, epoch=e)).items()) for e in range(4)}
    assert len(drawn) == 4  # another half each epoch
    for weights, message in (({"wbe": 2}, "found one of wbe"), ({"web": -1}, "from 0"), ({"web": 1e9}, "from 0")):
        with pytest.raises(UsageError, match=message):
            uris(mixed, weights=weights)


def test_mistakes_are_named(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="rank from 0 to 1"):
        uris(corpus, rank=2, world=2)
    with pytest.raises(UsageError, match="start"):
        uris(corpus, start=-1)
    with pytest.raises(CorpusError, match="finished corpus"):
        uris(tmp_path)

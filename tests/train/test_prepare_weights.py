"""A corpus's sources come in the tokens as often as they weigh; what is held out comes once, and never in training."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("tiktoken")
pytest.importorskip("rustbpe")

from samovar.cli import main
from samovar.corpus.build.build import build_corpus
from samovar.corpus.build.recipe import parse_recipe
from samovar.errors import ShardError, TrainingError, UsageError
from samovar.train.batches import Batches
from samovar.train.prepare import Estimate, prepare
from samovar.train.shards import SPLITS, Index, Split, map_shard, read_index
from samovar.train.tokenizer import Tokenizer
from samovar.train.weights import count_copies, mean_weight, parse_weights

SOURCES = {"web": ("Страница", 120, 1.0), "books": ("Книга", 80, 2.5), "news": ("Новость", 60, 0.5)}
"""Name, first word of each text, documents, weight in the recipe."""


def build(folder: Path, rows_of: dict[str, list[dict[str, str]]], weights: dict[str, float]) -> Path:
    """Build a corpus without removing duplicates."""
    sources = []
    for name, rows in rows_of.items():
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text("".join(lines), "utf-8")
        sources.append({"name": name, "kind": "jsonl", "paths": [f"{name}.jsonl"], "weight": weights[name]})
    recipe = {"name": "test", "source": sources, "contamination": {"references": []}, "stages": ["extract"], "extract": {}}  # fmt: skip
    build_corpus(parse_recipe(recipe, folder), folder / "out", workers=1, card=False)
    return folder / "out"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built corpus of three sources; the recipe's .5 has thinned out the news already."""
    rows_of = {}
    for name, (word, count, _) in SOURCES.items():
        rows_of[name] = [{"text": f"{word} {n}. " + f"Самовар номер {n} стоит на столе, вода кипит {n * 7} минут. " * (1 + n % 3), "url": f"https://{name}.example/{n}"} for n in range(count)]  # fmt: skip
    return build(tmp_path_factory.mktemp("corpus"), rows_of, {name: weight for name, (_, _, weight) in SOURCES.items()})


def texts_of(out: Path, index: Index, split: Split, words: Tokenizer) -> list[str]:
    found: list[str] = []
    for shard in index.splits[split]:
        ids = map_shard(out / shard.file, index.dtype).tolist() if shard.num_tokens else []
        found += [text for text in words.decode(ids).split("<|endoftext|>") if text]
    return found


def cut(ids: list[int], eot: int) -> Iterator[list[int]]:
    """Documents of a shard, each with its separator."""
    start = 0
    for place, token in enumerate(ids):
        if token == eot:
            yield ids[start : place + 1]
            start = place + 1


def by_source(texts: list[str]) -> dict[str, Counter[str]]:
    return {
        name: Counter(text for text in texts if text.startswith(f"{word} ")) for name, (word, *_) in SOURCES.items()
    }


@pytest.fixture(scope="module")
def words(tokenizer_folder: Path) -> Tokenizer:
    return Tokenizer.load(tokenizer_folder)


def test_sources_come_as_often_as_the_recipe_says(
    corpus: Path, tokenizer_folder: Path, words: Tokenizer, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    estimates: list[Estimate] = []
    index = prepare(
        [Path(f"corpus:{corpus}")], tokenizer_folder, out, validation_permille=200, anyway=True, begin=estimates.append
    )
    train, val = (texts_of(out, index, split, words) for split in SPLITS)
    assert not set(train) & set(val)  # a repeated document is on one side, with all its copies
    assert max(Counter(val).values()) == 1 and len(val) > 20  # what is held out is measured once, whatever its weight
    found, held = by_source(train), by_source(val)
    assert set(found["web"].values()) == {1} and set(found["news"].values()) == {1}  # thinned out by the build
    assert set(found["books"].values()) == {2, 3}
    for name, (_, count, _) in SOURCES.items():
        if name != "news":
            assert len(found[name]) + len(held[name]) == count
    copies, different = found["books"].total(), len(found["books"])
    assert abs(copies - 2.5 * different) < 1.5 * different**0.5  # three standard deviations of drawing halves
    assert index.weights == {"books": 2.5} and index == read_index(out, verify=True)
    plain = prepare(
        [corpus], tokenizer_folder, tmp_path / "plain", by_recipe=False, anyway=True, begin=estimates.append
    )
    grown = estimates[0].num_tokens / estimates[1].num_tokens  # the disk that is asked for grows with the weights
    assert plain.weights == {} and grown == pytest.approx(mean_weight([corpus], {"books": 2.5}), rel=0.01)
    assert 1.3 < grown < 2.0
    for name, about in index.sources.items():
        assert (about["different"], about["num_documents"]) == (len(found[name]), found[name].total())
    assert sum(about["num_tokens"] for about in index.sources.values()) == index.total("train")
    assert index.total("train", "num_bytes") == sum(len(text.encode()) for text in train)


def test_a_text_at_several_addresses_is_on_one_side(tokenizer_folder: Path, words: Tokenizer, tmp_path: Path) -> None:
    """In two sources of other weights, in a second corpus and in a file: nothing of it is held out while the rest is trained on."""
    texts = [f"Самовар номер {n} стоит на столе, вода кипит {n * 7} минут." for n in range(60)]
    rows = {name: [{"text": text, "url": f"https://{name}.example/{n}"} for n, text in enumerate(texts)] for name in ("a", "b")}  # fmt: skip
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one = build(tmp_path / "one", rows, {"a": 1.0, "b": 2.0})
    two = build(tmp_path / "two", {"c": rows["a"]}, {"c": 1.5})
    table = tmp_path / "texts.jsonl"
    table.write_text("".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts), "utf-8")
    index = prepare([one, two, table], tokenizer_folder, tmp_path / "out", validation_permille=300, anyway=True)
    train, val = (Counter(texts_of(tmp_path / "out", index, split, words)) for split in SPLITS)
    assert not set(train) & set(val) and len(train) + len(val) == 60 and min(len(train), len(val)) > 5
    assert set(val.values()) == {4} and set(train.values()) == {5, 6}  # 1 + 2 + 1 or 2 + 1
    assert index.weights == {"b": 2.0, "c": 1.5}


def test_the_rows_of_training_hold_these_shares(
    corpus: Path, tokenizer_folder: Path, words: Tokenizer, tmp_path: Path
) -> None:
    """What the loop reads: tokens of each source in all rows of an epoch, in two epochs the same."""
    out = tmp_path / "out"
    index = prepare(
        [corpus], tokenizer_folder, out, weights={"web": 3.0, "books": 1.0, "news": 0.0}, validation_permille=200, anyway=True
    )  # fmt: skip
    stream = [document for shard in index.splits["train"] for document in cut(map_shard(out / shard.file, index.dtype).tolist(), index.eot)]  # fmt: skip
    names = {words.encode(word)[0]: name for name, (word, *_) in SOURCES.items()}
    labels = np.array([names[document[0]] for document in stream for _ in document])
    tokens = np.array([token for document in stream for token in document])
    asked = {name: about["num_tokens"] / index.total("train") for name, about in index.sources.items()}
    assert len(names) == 3 and asked["web"] > 0.7
    rows = Batches(out, "train", 32, seed=4)
    for epoch in (0, 1):
        numbers = rows.numbers(epoch * rows.num_sequences, rows.num_sequences).astype(int)
        read = rows.read(epoch * rows.num_sequences, rows.num_sequences)[:, :-1]
        places = numbers[:, None] * 32 + np.arange(32)
        assert np.array_equal(read, tokens[places])  # so the labels are those of what is read
        for name, share in asked.items():
            assert float((labels[places] == name).mean()) == pytest.approx(share, abs=0.01)
    train = by_source(texts_of(out, index, "train", words))
    assert set(train["web"].values()) == {3} and set(train["books"].values()) == {1} and not train["news"]
    assert not by_source(texts_of(out, index, "val", words))["news"] and index.skipped["weight"] > 20
    assert index.weights == {"news": 0.0, "web": 3.0} and "news" not in index.sources
    assert all(one != two for one, two in pairwise(stream))  # copies do not stand side by side


def test_without_weights_every_document_comes_once(
    corpus: Path, tokenizer_folder: Path, words: Tokenizer, tmp_path: Path
) -> None:
    plain = prepare([corpus], tokenizer_folder, tmp_path / "a", by_recipe=False, anyway=True)
    given_ = prepare([corpus], tokenizer_folder, tmp_path / "b", weights={"books": 1}, anyway=True)
    assert plain == given_ and plain.weights == {} and plain.sources["books"]["num_documents"] <= 80
    assert set(Counter(texts_of(tmp_path / "a", plain, "train", words)).values()) == {1}
    with pytest.raises(ShardError, match="other tokens"):  # other weights are another plan
        prepare([corpus], tokenizer_folder, tmp_path / "a", anyway=True)


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 20))
def test_a_weight_is_the_mean_of_the_copies(weight: float) -> None:
    copies = [count_copies(f"document {n}", weight) for n in range(1000)]
    assert {int(weight), int(weight) + 1} >= set(copies)
    assert sum(copies) / 1000 == pytest.approx(weight, abs=0.08)
    larger = [count_copies(f"document {n}", weight + 0.3) for n in range(1000)]
    assert all(few <= many for few, many in zip(copies, larger, strict=True))  # more weight takes nothing away


def test_weights_are_read_and_mistakes_named(corpus: Path, tokenizer_folder: Path, tmp_path: Path) -> None:
    assert parse_weights("books=2.5, my=web=1,") == {"books": 2.5, "my=web": 1.0} and parse_weights("") == {}
    for text in ("books", "books=", "=2", "books=x", "books=-1", "books=1001", "books=nan"):
        with pytest.raises(UsageError, match="weights like books=2"):
            parse_weights(text)
    with pytest.raises(UsageError, match="expected weights of books, news, web, found one of boks"):
        prepare([corpus], tokenizer_folder, tmp_path / "out", weights={"boks": 2})
    with pytest.raises(TrainingError, match="finished corpus"):
        prepare([Path(f"corpus:{tokenizer_folder}")], tokenizer_folder, tmp_path / "out")
    (tmp_path / "a.txt").write_text("Самовар.", "utf-8")
    with pytest.raises(UsageError, match="a built corpus, which has sources"):
        prepare([tmp_path / "a.txt"], tokenizer_folder, tmp_path / "out", weights={"web": 2})
    assert not (tmp_path / "out").exists()


def test_the_command(corpus: Path, tokenizer_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "prepare", f"corpus:{corpus}", "-t", str(tokenizer_folder), "--anyway", "--workers", "1", "--lang", "en"]  # fmt: skip
    assert main([*command, "-o", str(tmp_path / "a"), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["weights"] == {"books": 2.5} and set(made["sources"]) == set(SOURCES)
    assert main([*command, "-o", str(tmp_path / "b"), "--weights", "web=2,books=1"]) == 0
    assert "Source web: weight 2" in capsys.readouterr().out
    assert main([*command, "-o", str(tmp_path / "c"), "--no-weights", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["weights"] == {}
    assert main([*command, "-o", str(tmp_path / "d"), "--weights", "wbe=2"]) == 2

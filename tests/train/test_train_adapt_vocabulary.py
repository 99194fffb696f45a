"""The choice of tokens: what is kept can be reached, and text made of it is cut as before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("tokenizers")
pytest.importorskip("rustbpe")

import tokenizers

from samovar.errors import TrainingError
from samovar.train.adapt.huggingface import read_vocabulary
from samovar.train.adapt.vocabulary import (
    Vocabulary,
    count_ids,
    keep_merges,
    named_ids,
    renumber_all,
    select,
)


@pytest.fixture(scope="module")
def words(tokenizer_folder: Path) -> dict[str, Any]:
    return dict(json.loads((tokenizer_folder / "tokenizer.json").read_text("utf-8")))


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_text_of_kept_tokens_is_cut_as_before(data: st.DataObject, words: dict[str, Any], articles: list[str]) -> None:
    vocabulary, merges = read_vocabulary(words, Path("toy"), set())
    old = tokenizers.Tokenizer.from_str(json.dumps(words))
    chosen = data.draw(st.lists(st.sampled_from(articles), min_size=1, max_size=3))
    size = data.draw(st.sampled_from([0, 320, 384, 512, 1024]))
    counts = count_ids([[old.encode(text).ids for text in chosen]], len(vocabulary.tokens))
    selection = select(vocabulary, counts, size)
    assert len(selection) == size or (size == 0 and len(selection) % 64 == 0)
    numbers = selection.renumber()
    kept_merges = keep_merges(merges, vocabulary, selection)
    reachable = {a + b for a, b in kept_merges}
    for number in selection.old_ids.tolist():
        assert number in vocabulary.fixed or vocabulary.tokens[number] in reachable
    trimmed = dict(words)
    trimmed["model"] = words["model"] | {
        "vocab": {token: numbers[n] for token, n in words["model"]["vocab"].items() if n in numbers},
        "merges": [list(merge) for merge in kept_merges],
    }
    trimmed["added_tokens"] = [entry | {"id": numbers[entry["id"]]} for entry in words["added_tokens"] if entry["id"] in numbers]  # fmt: skip
    new = tokenizers.Tokenizer.from_str(json.dumps(trimmed))
    pieces = data.draw(st.lists(st.sampled_from(" ".join(chosen).split(" ")), min_size=1, max_size=30))
    checked = 0
    for text in [*(" " + piece for piece in pieces), *"\n".join(chosen).splitlines()]:
        ids = old.encode(text).ids
        if all(number in numbers for number in ids):
            assert new.encode(text).ids == [numbers[number] for number in ids]
            checked += 1
        assert new.decode(new.encode(text).ids) == old.decode(ids)  # what was dropped is written with smaller tokens
    assert checked or size


def test_a_size_that_holds_not_even_bytes_is_refused(words: dict[str, Any]) -> None:
    vocabulary, _ = read_vocabulary(words, Path("toy"), set())
    counts = np.zeros(len(vocabulary.tokens), np.int64)
    with pytest.raises(TrainingError, match="expected a vocabulary of at least 320: bytes, special tokens"):
        select(vocabulary, counts, 128)


def test_scores_decide_like_sentencepiece() -> None:
    tokens = ["<unk>", "a", "b", "c", "ab", "bc", "abc", "cab"]
    vocabulary = Vocabulary(tokens, frozenset({0}), scores=[0, -9, -9, -9, -2, -1, -3, -4])
    assert vocabulary.derive("abc")[0] == ["abc"]
    assert vocabulary.derive("abc")[1] == {"a", "b", "c", "bc", "abc"}  # bc scores higher than ab
    assert vocabulary.ancestors(6) == {1, 2, 3, 5, 6}
    counts = np.array([0, 0, 0, 0, 0, 0, 5, 0])
    assert select(vocabulary, counts, multiple=1).old_ids.tolist() == [0, 1, 2, 3, 5, 6]
    assert select(vocabulary, counts, 5, multiple=1).old_ids.tolist() == [0, 1, 2, 3, 4]  # abc does not fit: filled up


def test_the_most_used_come_first() -> None:
    tokens = ["a", "b", "aa", "bb", "ab"]
    ranks = {("a", "a"): 0, ("b", "b"): 1, ("a", "b"): 2}
    vocabulary = Vocabulary(tokens, frozenset({0, 1}), ranks)
    assert select(vocabulary, np.array([0, 0, 1, 9, 4]), 4, multiple=1).old_ids.tolist() == [0, 1, 3, 4]
    assert select(vocabulary, np.zeros(5, np.int64), 3, first=[4], multiple=1).old_ids.tolist() == [0, 1, 4]


def test_ids_are_renumbered_wherever_settings_name_them() -> None:
    numbers = {5: 0, 7: 1, 9: 2}
    settings_ = {
        "eos_token_id": [7, 8, 9],
        "bos_token_id": 5,
        "pad_token_id": None,
        "unk_token_id": 6,
        "hidden_size": 7,
        "text_config": {"image_token_index": 9, "layers": [5, 7]},
        "suppress_tokens": [9],
        "begin_suppress_tokens": None,
        "add_bos_token": True,
        "decoder_start_token_id": -1,
    }
    found = renumber_all(settings_, numbers)
    assert found == settings_ | {
        "eos_token_id": [1, 2],
        "bos_token_id": 0,
        "unk_token_id": None,
        "text_config": {"image_token_index": 2, "layers": [5, 7]},
        "suppress_tokens": [2],
    }
    assert named_ids(settings_) == {5, 6, 7, 8, 9}


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        ({"type": "WordPiece", "vocab": {"a": 0}}, "expected a BPE tokenizer"),
        ({"type": "Unigram", "vocab": [["a", 0.0]]}, "expected a BPE tokenizer"),
        ({"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []}, "can write any bytes"),
    ],
)
def test_other_kinds_are_refused(model: dict[str, Any], wanted: str) -> None:
    with pytest.raises(TrainingError, match=wanted):
        read_vocabulary({"model": model}, Path("toy"), set())

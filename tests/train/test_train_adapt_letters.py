"""Tokens in the letters of a language stay, seen or not: a text on any subject is cut as before."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("tokenizers")
pytest.importorskip("rustbpe")

import tokenizers

from samovar.language import profile_for
from samovar.train import bpe
from samovar.train.adapt import letters as letters_module
from samovar.train.adapt.huggingface import read_vocabulary
from samovar.train.adapt.letters import find_letters, sort_tokens
from samovar.train.adapt.vocabulary import Vocabulary, count_ids, keep_merges, select

RUSSIAN = find_letters("ru", []).letters


def sort(tokens: list[str], letters: frozenset[str] = RUSSIAN, *, byte_level: bool = False) -> dict[str, list[str]]:
    """Sort tokens of a vocabulary of those alone."""
    vocabulary = Vocabulary(tokens, frozenset(), scores=[0.0] * len(tokens), byte_level=byte_level)
    return {reason: [tokens[number] for number in ids] for reason, ids in sort_tokens(vocabulary, letters)}


@pytest.fixture
def all_common(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Latin token is common."""
    monkeypatch.setattr(letters_module, "COMMON_SHARE", 1)


# -- which letters --------------------------------------------------------------------------------------------------
def test_letters_come_from_the_profile() -> None:
    found = find_letters("ru-RU", ["hello"])
    assert found.has_profile and set(profile_for("ru").alphabet) < found.letters
    assert {"Ё", "ё", "Щ"} < found.letters and not {"h", "і", "ї"} & found.letters


def test_without_a_profile_the_texts_tell_their_letters() -> None:
    found = find_letters("ka", ["საქართველო " * 2000, "café", "შავი ზღვა"])
    assert not found.has_profile and found.tag == "ka"
    assert set("საქართველო") < found.letters and "é" not in found.letters  # once in more than ten thousand
    assert find_letters("", []).tag == "und" and not find_letters("", []).letters


# -- which tokens ---------------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("all_common")
def test_whole_characters() -> None:
    found = sort(["▁привет", "ПРИ", "а́", "«Да", "▁3-й", "日本", "приvet", "ї", "hello", "▁Word", "▁XVI", "XIX-й", "…", "▁▁▁", "\n\n", "№", "<0xD0>", "<unused7>", "é", "۱", "🙂", ""])  # fmt: skip
    assert found == {
        "letters": ["▁привет", "ПРИ", "а́", "«Да", "▁3-й", "XIX-й"],
        "signs": ["ї", "▁XVI", "…", "▁▁▁", "\n\n", "№", "é"],
        "common": ["▁Word", "hello"],
    }


@pytest.mark.usefixtures("all_common")
def test_bytes_that_part_letters() -> None:
    whole = [" при", "вет", "Ёж", " i", "日"]
    cut = [
        " п".encode()[:2], "вет".encode()[:3], "ст".encode()[1:3], "…ы".encode()[2:], "—".encode()[:2], b"\xd1", "ы".encode()[1:],
        "日".encode()[:2], "日本".encode()[1:4], " é".encode()[:1] + b"\xf0\x9f", "я".encode()[1:] + b"n", "тa".encode()[1:], b"\xd0\xd0", b"\xff\xd0",
    ]  # fmt: skip
    tokens = [*map(bpe.as_characters, (text.encode() for text in whole)), *map(bpe.as_characters, cut)]
    found = sort(tokens, byte_level=True)
    spelt = dict(zip(tokens, [*(text.encode() for text in whole), *cut], strict=False))
    assert [spelt[token] for token in found["letters"]] == [*(text.encode() for text in whole[:3]), *cut[:4], *cut[5:7]]
    assert [spelt[token] for token in found["signs"]] == [cut[4]]
    # the end of some letter, and Latin
    assert [spelt.get(token) for token in found["common"]] == [b" i", cut[10], cut[11]]


def test_the_commonest_latin_tokens_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = ["да", "x", "нет", "longer", "y", "Name", "z", "many"]
    monkeypatch.setattr(letters_module, "COMMON_SHARE", 1)
    assert sort(tokens)["common"] == ["x", "y", "z", "Name", "longer", "many"]  # early, short, a name
    monkeypatch.setattr(letters_module, "COMMON_SHARE", 0.5)
    assert sort(tokens)["common"] == ["x", "y", "z", "Name"]  # half of eight
    monkeypatch.setattr(letters_module, "COMMON_SHARE", 0.3)
    padding = ["日"] * 7
    # a name, the beginning of a word
    assert sort([*padding, "words", "▁word", "Word"])["common"] == ["Word", "▁word", "words"]


def test_runs_of_signs_compete_with_latin_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    stay = ["…", "▁—", "▁▁▁▁", "\n\n", "²", "▁2", "1984", "§3", "XII", "I."]
    runs = ["!!", "▁('", "=====", "…»"]
    monkeypatch.setattr(letters_module, "COMMON_SHARE", 1)
    assert sort([*stay, *runs]) == {"letters": [], "signs": stay, "common": ["!!", "▁('", "=====", "…»"]}
    monkeypatch.setattr(letters_module, "COMMON_SHARE", 0.4)
    assert sort(["日", "日", "((", "ab", "======", "cd"])["common"] == ["((", "ab"]  # late and long: left out
    parted = [" —".encode()[:3], b"--" + "…".encode()[:2]]
    assert sort([*map(bpe.as_characters, parted)], byte_level=True)["signs"] == [bpe.as_characters(parted[0])]


def test_a_share_may_be_asked_for() -> None:
    vocabulary = Vocabulary(["да", *"abcdefghi"], frozenset(), scores=[0.0] * 10)
    assert [len(dict(sort_tokens(vocabulary, RUSSIAN, share))["common"]) for share in (0.0, 0.5, 1.0)] == [0, 5, 9]


def test_single_letters_of_other_alphabets_stay() -> None:
    # the last is no letter
    tokens = ["é", "▁é", "α", "▁Ω", "ї", "ə", "ἀ", "▁▁é", "日", "א", "né", "και", "її", "αx", "ªº", "\u0378"]
    assert sort(tokens) == {"letters": [], "signs": ["é", "▁é", "α", "▁Ω", "ї", "ə", "ἀ"], "common": ["▁▁é", "né"]}
    spelt = [one.encode() for one in ("é", " α", "né")]
    assert sort([*map(bpe.as_characters, spelt)], byte_level=True)["signs"] == [
        bpe.as_characters(one) for one in spelt[:2]
    ]
    english = find_letters("en", []).letters
    assert sort(["да", "x", "café"], english) == {"letters": ["x", "café"], "signs": [], "common": []}


# -- why a token stays ----------------------------------------------------------------------------------------------
def test_every_token_has_one_reason() -> None:
    tokens = ["a", "b", "c", "d", "ab", "cd", "abc", "bc", "<s>"]
    ranks = {("a", "b"): 0, ("c", "d"): 1, ("ab", "c"): 2, ("b", "c"): 3}
    vocabulary = Vocabulary(tokens, frozenset({0, 1, 2, 3, 8}), ranks, byte_level=True)
    also = [("letters", [6]), ("signs", [4, 5])]
    made = select(vocabulary, np.array([0, 0, 0, 0, 0, 1, 0, 0, 0]), also=also, multiple=1)
    # ab: needed by abc, then a sign
    assert made.reasons == {"special": 1, "bytes": 4, "seen": 1, "letters": 1, "signs": 1}
    made = select(vocabulary, np.zeros(9, np.int64), also=also[:1], multiple=4)
    assert made.reasons == {"special": 1, "bytes": 4, "letters": 1, "needed": 1, "filled": 1} and len(made) == 8
    made = select(vocabulary, np.array([0, 0, 0, 0, 0, 1, 0, 0, 0]), 6, also=also, multiple=1)
    assert made.old_ids.tolist() == [0, 1, 2, 3, 5, 8]  # what was seen goes before what might come


# -- the promise ----------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def trimmed(tokenizer_folder: Path, articles: list[str]) -> tuple[Any, Any, dict[int, int]]:
    """A real vocabulary of bytes and merges, trimmed by a text of two words, all runs of signs kept: before, after, new ids."""
    words = json.loads((tokenizer_folder / "tokenizer.json").read_text("utf-8"))
    vocabulary, merges = read_vocabulary(words, Path("toy"), set())
    old = tokenizers.Tokenizer.from_str(json.dumps(words))
    counts = count_ids([[old.encode("Дом стоит.").ids]], len(vocabulary.tokens))
    sorted_ = dict(sort_tokens(vocabulary, RUSSIAN, 1.0))
    spelt = {n: (vocabulary.spell(n) or b"").decode("utf-8", "replace") for n in sorted_["common"]}
    runs = [n for n, text in spelt.items() if not any(c.isalpha() for c in text)]
    also = [("letters", sorted_["letters"]), ("signs", sorted_["signs"]), ("common", runs)]
    selection = select(vocabulary, counts, also=also, multiple=1)
    assert len(selection) < len(vocabulary.tokens) and selection.reasons["letters"] > 500
    numbers = selection.renumber()
    model = words["model"] | {
        "vocab": {token: numbers[n] for token, n in words["model"]["vocab"].items() if n in numbers},
        "merges": [list(merge) for merge in keep_merges(merges, vocabulary, selection)],
    }
    added = [entry | {"id": numbers[entry["id"]]} for entry in words["added_tokens"] if entry["id"] in numbers]
    return old, tokenizers.Tokenizer.from_str(json.dumps(words | {"model": model, "added_tokens": added})), numbers


@settings(max_examples=200, deadline=None)
@given(text=st.text(sorted(RUSSIAN | set(" \n,.!?«»…—-'\u0301\u00a0№0123456789"))))
def test_any_text_in_the_letters_is_cut_as_before(text: str, trimmed: tuple[Any, Any, dict[int, int]]) -> None:
    old, new, numbers = trimmed
    assert new.encode(text).ids == [numbers.get(number) for number in old.encode(text).ids]


def test_unseen_articles_are_cut_as_before(trimmed: tuple[Any, Any, dict[int, int]], articles: list[str]) -> None:
    old, new, numbers = trimmed
    russian = re.compile(r"[а-яё\s\d\W]+", re.IGNORECASE)
    lines = [line for text in articles[::7] for line in text.splitlines() if russian.fullmatch(line)]
    assert sum(map(len, lines)) > 50_000
    for line in lines:
        assert new.encode(line).ids == [numbers.get(number) for number in old.encode(line).ids]


# -- a whole adaptation ---------------------------------------------------------------------------------------------
def test_the_report_says_why(
    tokenizer_folder: Path, articles: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters_module, "COMMON_SHARE", 0.01)  # the toy knows few Latin tokens
    pytest.importorskip("transformers", reason="the extra 'adapt' is not installed")
    from adapt_toys import make_hf, write_corpus

    from samovar.cli import main

    corpus = write_corpus(tmp_path / "ru", articles[:3])
    source = make_hf(tmp_path / "old", tokenizer_folder)
    given = ["train", "adapt", str(source), "--corpus", str(corpus), "--anyway"]
    assert main([*given, "-o", str(tmp_path / "new")]) == 0
    assert main([*given, "--only-seen", "-o", str(tmp_path / "seen")]) == 0
    wide, narrow = (json.loads((tmp_path / name / "adapt.json").read_text("utf-8")) for name in ("new", "seen"))
    for report in (wide, narrow):
        assert sum(report["kept_for"].values()) == report["new"]["vocab_size"] == len(report["old_ids"])
    assert (wide["language"], wide["has_profile"], narrow["language"]) == ("ru", True, "")
    assert wide["kept_for"]["letters"] > 100 and "letters" not in narrow["kept_for"]
    assert main([*given, "--vocab-size", "2048", "-o", str(tmp_path / "asked")]) == 0
    asked_for = json.loads((tmp_path / "asked" / "adapt.json").read_text("utf-8"))
    assert asked_for["new"]["vocab_size"] == 2048 and asked_for["kept_for"]["common"] > wide["kept_for"]["common"]
    assert (
        "filled" not in asked_for["kept_for"]
    )  # the room that was asked for goes to common tokens, in the order of use
    assert narrow["kept_for"]["seen"] == wide["kept_for"]["seen"] and set(narrow["old_ids"]) < set(wide["old_ids"])
    words = tokenizers.Tokenizer.from_file(str(source / "tokenizer.json"))
    asked = words.encode("<passage n=").ids  # of the assistant's own prompt, which the corpus does not hold
    assert set(asked) <= set(narrow["old_ids"])
    card = (tmp_path / "new" / "README.md").read_text("utf-8")
    assert f"| – in the letters of the language (ru) | – | {wide['kept_for']['letters']:,} |" in card

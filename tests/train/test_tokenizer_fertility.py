"""Measuring vocabularies: the arithmetic on counted examples, and other people's files counted as their own programs count."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tiktoken")
pytest.importorskip("rustbpe")

from samovar.errors import TrainingError
from samovar.train import bpe
from samovar.train.fertility import WORD, by_domain, compare, count_with, measure, open_counter
from samovar.train.texts import Text
from samovar.train.tokenizer import HF, Tokenizer


@pytest.fixture(scope="module")
def toy(tokenizer_folder: Path) -> Tokenizer:
    return Tokenizer.load(tokenizer_folder)


def test_the_arithmetic() -> None:
    """Each character one token: «Ёж, ёж!» has 2 words, 7 characters, 11 bytes."""
    row = measure("letters", lambda texts: sum(map(len, texts)), "d", ["Ёж, ёж!"])
    assert (row.num_texts, row.num_words, row.num_tokens) == (1, 2, 7)
    assert (row.tokens_per_word, row.chars_per_token) == (3.5, 1.0)
    assert row.bytes_per_token == round(11 / 7, 4)


def test_nothing_to_measure() -> None:
    row = measure("x", lambda texts: 0, "d", [])
    assert (row.tokens_per_word, row.bytes_per_token, row.chars_per_token) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("кто-то пришёл", ["кто", "то", "пришёл"]),
        ("1 234,5", ["1", "234", "5"]),
        ("snake_case", ["snake", "case"]),
        ("өҕөһүн ҡыҙ", ["өҕөһүн", "ҡыҙ"]),
        ("— … !", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert WORD.findall(text) == words


def test_domains_are_bounded() -> None:
    texts = [Text(f"{n}", "слово " * 10, "большая" if n % 3 else "малая") for n in range(30)]
    found = by_domain(texts, max_chars=200)
    assert {name: sum(map(len, some)) for name, some in found.items()} == {"большая": 200, "малая": 200}
    assert list(found) == ["большая", "малая"]


def test_our_files_count_alike(toy: Tokenizer, tokenizer_folder: Path, articles: list[str]) -> None:
    counts = {"folder": open_counter(tokenizer_folder), "json": open_counter(tokenizer_folder / HF)}
    rows = compare({"here": count_with(toy), **counts}, {"articles": articles[:20]})
    assert len({row.num_tokens for row in rows}) == 1
    assert 1.5 < rows[0].tokens_per_word < 4


def test_ranks_of_npm_tiktoken(toy: Tokenizer, articles: list[str], tmp_path: Path) -> None:
    tokens = [base64.b64encode(token).decode() for token, _ in sorted(toy.ranks.items(), key=lambda item: item[1])]
    lines = [f"! {first} {' '.join(tokens[first : first + 100])}" for first in range(0, len(tokens), 100)]
    values = {
        "pat_str": bpe.PATTERNS[toy.info.pre],
        "special_tokens": {"<|x|>": len(tokens)},
        "bpe_ranks": "\n".join(lines),
    }
    (tmp_path / "other.json").write_text(json.dumps(values))
    assert open_counter(tmp_path / "other.json")(articles[:20]) == count_with(toy)(articles[:20])


def write_gguf(path: Path, **fields: Any) -> Path:
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(path, "qwen3")
    writer.add_tokenizer_model(fields["model"])
    writer.add_tokenizer_pre(fields.get("pre", "default"))
    writer.add_token_list(fields["tokens"])
    if "merges" in fields:
        writer.add_token_merges(fields["merges"])
    if "scores" in fields:
        writer.add_token_scores(fields["scores"])
        writer.add_add_space_prefix(fields.get("space_prefix", False))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


def test_a_byte_level_gguf(toy: Tokenizer, articles: list[str], tmp_path: Path) -> None:
    tokens = [bpe.as_characters(token) for token, _ in sorted(toy.ranks.items(), key=lambda item: item[1])]
    merges = [f"{bpe.as_characters(a)} {bpe.as_characters(b)}" for a, b in bpe.merges_of(toy.ranks)]
    path = write_gguf(tmp_path / "m.gguf", model="gpt2", pre=toy.info.pre, tokens=tokens, merges=merges)
    assert open_counter(path)(articles[:20]) == count_with(toy)(articles[:20])
    path = write_gguf(tmp_path / "n.gguf", model="gpt2", pre="mystery", tokens=tokens, merges=merges)
    with pytest.raises(TrainingError, match="mystery"):
        open_counter(path)


def test_a_sentencepiece_gguf(tmp_path: Path) -> None:
    """«да да» merges to да, then ▁да by scores; an unknown letter falls back to its two bytes."""
    tokens = ["<unk>", *(f"<0x{value:02X}>" for value in range(256)), "\u2581", "д", "а", "да", "\u2581да"]
    scores = [0.0] * 257 + [-1e4, -1e4, -1e4, -1.0, -2.0]
    path = write_gguf(tmp_path / "m.gguf", model="llama", tokens=tokens, scores=scores)
    count = open_counter(path)
    assert [count([text]) for text in ("да", "да да", "да ж")] == [1, 2, 1 + 1 + 2]
    prefixed = write_gguf(tmp_path / "p.gguf", model="llama", tokens=tokens, scores=scores, space_prefix=True)
    assert open_counter(prefixed)(["дада"]) == 2


@pytest.mark.parametrize(("name", "content"), [("x.bin", ""), ("x.json", "not json"), ("folder/", "")])
def test_what_is_no_tokenizer(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    if name.endswith("/"):
        path.mkdir()
    else:
        path.write_text(content)
    with pytest.raises(TrainingError):
        open_counter(path)

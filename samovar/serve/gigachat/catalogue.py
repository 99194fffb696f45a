"""Models, embeddings and token counts."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Depends
from pydantic import BaseModel, Field
from starlette.requests import Request

from samovar.errors import ModelNotFoundError
from samovar.generate.model import Message, Model
from samovar.generate.tokens import TokenEstimator
from samovar.serve.gigachat.bodies import Body, Text
from samovar.serve.gigachat.names import EMBEDDING_ALIASES, find_card
from samovar.serve.gigachat.route import make_router
from samovar.serve.guard import Need
from samovar.serve.model_names import public_name
from samovar.serve.principal import Principal
from samovar.serve.state import state_of

router = make_router()

MOST_TEXTS = 1_000
Asker = Annotated[Principal, Depends(Need("ask"))]
Texts = Annotated[list[Text], Field(min_length=1, max_length=MOST_TEXTS)]


class ModelOut(BaseModel):
    """A model on offer; `type` tells chat models from embedding models."""

    id: str
    object: Literal["model"] = "model"
    owned_by: Literal["samovar"] = "samovar"
    type: Literal["chat", "embedder"] = "chat"


class ModelsOut(BaseModel):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[ModelOut]


class EmbeddingsIn(Body):
    """Texts to embed."""

    model: str = "Embeddings"
    input: Text | Texts


class EmbeddingUsage(BaseModel):
    """What one text cost."""

    prompt_tokens: int


class EmbeddingOut(BaseModel):
    """One vector."""

    object: Literal["embedding"] = "embedding"
    embedding: list[float]
    index: int
    usage: EmbeddingUsage


class EmbeddingsOut(BaseModel):
    """The vectors in the order of the texts."""

    object: Literal["list"] = "list"
    model: str
    data: list[EmbeddingOut]


class CountIn(Body):
    """Texts to count tokens of."""

    model: str = ""
    input: Text | Texts


class CountOut(BaseModel):
    """The size of one text."""

    object: Literal["tokens"] = "tokens"
    tokens: int
    characters: int


@router.get("/api/v1/models")
async def models(request: Request, caller: Asker) -> ModelsOut:
    """List the models by their true names."""
    engine = state_of(request).engine
    cards = [ModelOut(id=card.id) for card in engine.cards()]
    if name := public_name(engine.settings.search.dense):
        cards.append(ModelOut(id=name, type="embedder"))
    return ModelsOut(data=cards)


@router.get("/api/v1/models/{model:path}")
async def model(request: Request, model: str, caller: Asker) -> ModelOut:
    """Describe one; the service's own names stand for the grounded model."""
    engine = state_of(request).engine
    if model and model == public_name(engine.settings.search.dense):
        return ModelOut(id=model, type="embedder")
    return ModelOut(id=find_card(engine, model).id)


@router.post("/api/v1/embeddings")
async def embeddings(
    request: Request, body: EmbeddingsIn, caller: Annotated[Principal, Depends(Need("embed"))]
) -> EmbeddingsOut:
    """Embed texts with the configured embedding model."""
    engine = state_of(request).engine
    texts = _texts(body.input)
    name, vectors = await engine.embed(caller, texts)
    if body.model not in (name, public_name(engine.settings.search.dense)) and not EMBEDDING_ALIASES.fullmatch(
        body.model
    ):
        raise ModelNotFoundError(f"expected the embedding model {name}, found {body.model!r}")
    counts = TokenEstimator()
    return EmbeddingsOut(
        model=name,
        data=[
            EmbeddingOut(
                embedding=vector.tolist(),
                index=index,
                usage=EmbeddingUsage(prompt_tokens=_count(counts, text)),
            )
            for index, (text, vector) in enumerate(zip(texts, vectors, strict=True))
        ],
    )


@router.post("/api/v1/tokens/count")
async def count_tokens(request: Request, body: CountIn, caller: Asker) -> list[CountOut]:
    """Count as the model counts (an upper estimate where its tokenizer is not known), without what a chat template adds."""
    engine = state_of(request).engine
    texts = _texts(body.input)
    card = find_card(engine, body.model)
    # a model that must be loaded first is, where nobody else waits for it
    await engine.count_tokens(caller, card.id, [Message("user", "")])

    def work() -> list[CountOut]:
        counter = engine.model(card.raw)
        return [CountOut(tokens=_count_chat(counter, text), characters=len(text)) for text in texts]

    return await engine.work(work)


def _texts(given: str | list[str]) -> list[str]:
    return [given] if isinstance(given, str) else given


def _count(estimator: TokenEstimator, text: str) -> int:
    return max(0, estimator.count([Message("user", text)]) - estimator.count([Message("user", "")]))


def _count_chat(model: Model, text: str) -> int:
    return max(0, model.count_tokens([Message("user", text)]) - model.count_tokens([Message("user", "")]))

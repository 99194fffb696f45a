"""``GET /v1/models`` and ``GET /v1/models/{id}``: what is on offer by name.

Source: https://platform.openai.com/docs/api-reference/models
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request

from samovar.errors import ModelNotFoundError
from samovar.serve.engine import ModelCard
from samovar.serve.guard import Need
from samovar.serve.model_names import public_name
from samovar.serve.openai.shapes import FAILURES
from samovar.serve.principal import Principal
from samovar.serve.state import ServerState, state_of

router = APIRouter(tags=["openai"], responses=FAILURES)


@router.get("/v1/models")
async def list_models(request: Request, caller: Annotated[Principal, Depends(Need("ask"))]) -> dict[str, Any]:
    """Return all models: the one that answers from the library, the bare ones, and the embedding model."""
    return {"object": "list", "data": _objects(state_of(request))}


@router.get("/v1/models/{model_id:path}")
async def get_model(
    request: Request, model_id: str, caller: Annotated[Principal, Depends(Need("ask"))]
) -> dict[str, Any]:
    """Return one model; its id may contain slashes and colons."""
    objects = _objects(state_of(request))
    for model in objects:
        if model["id"] == model_id:
            return model
    names = ", ".join(model["id"] for model in objects)
    raise ModelNotFoundError(f"expected one of the models {names}, found {model_id!r}")


def _objects(state: ServerState) -> list[dict[str, Any]]:
    out = [_object(state, card.id, _about(card)) for card in state.engine.cards()]
    if embedding := public_name(state.settings.search.dense):
        out.append(_object(state, embedding, {"kind": "embedding"}))
    return out


def _object(state: ServerState, model_id: str, about: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": model_id,
        "object": "model",
        "created": int(state.started),
        "owned_by": "samovar",
        "samovar": about,
    }


def _about(card: ModelCard) -> dict[str, Any]:
    return {
        "kind": "grounded" if card.grounded else "bare",
        "model": card.raw,
        "context_tokens": card.context_tokens,
    }

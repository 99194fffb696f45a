"""``POST /v1/embeddings``: texts to vectors with the embedding model of the search.

Source: https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from samovar.errors import ModelNotFoundError, UsageError
from samovar.generate.tokens import estimate_text
from samovar.serve.guard import Need
from samovar.serve.model_names import public_name
from samovar.serve.openai.schemas import EmbeddingsBody, log_unknown
from samovar.serve.openai.shapes import FAILURES
from samovar.serve.principal import Principal
from samovar.serve.sse import unless_left
from samovar.serve.state import ServerState, state_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

router = APIRouter(tags=["openai"], responses=FAILURES)

BATCH = 16  # texts embedded between two looks at whether the client is still there


@router.post("/v1/embeddings", response_model=None)
async def create_embeddings(
    request: Request, body: EmbeddingsBody, caller: Annotated[Principal, Depends(Need("embed"))]
) -> Response:
    """Return a vector of length 1 for each text, as numbers or as Base64 of little-endian float32 (what OpenAI's clients ask for)."""
    log_unknown(body, "/v1/embeddings")
    texts = _texts(body)
    return await unless_left(request, _embed(state_of(request), caller, body, texts))


def _texts(body: EmbeddingsBody) -> list[str]:
    given = [body.input] if isinstance(body.input, str) else list(body.input)
    texts = [text for text in given if isinstance(text, str)]
    if len(texts) < len(given):
        raise UsageError(
            "expected texts as input, found token ids, which mean nothing to this model "
            "(langchain: OpenAIEmbeddings(check_embedding_ctx_length=False))."
        )
    if not texts or not all(texts):
        raise UsageError("expected at least one text as input and no empty one.")
    return texts


async def _embed(state: ServerState, caller: Principal, body: EmbeddingsBody, texts: Sequence[str]) -> Response:
    """Embed in batches: a long list lets others in between, and ends when its reader leaves."""
    import numpy as np

    setting = state.settings.search.dense
    if setting and body.model != public_name(setting):
        raise ModelNotFoundError(f"expected the embedding model {public_name(setting)}, found {body.model!r}")
    queries = body.samovar is not None and body.samovar.input_type == "query"
    rows = []
    for start in range(0, len(texts), BATCH):
        name, matrix = await state.engine.embed(caller, texts[start : start + BATCH], queries=queries)
        if body.dimensions not in (None, matrix.shape[1]):
            raise UsageError(f"expected dimensions = {matrix.shape[1]} or none, found {body.dimensions}.")
        rows.append(matrix)
    vectors = np.concatenate(rows)
    encode = _as_base64 if body.encoding_format == "base64" else _as_numbers
    tokens = sum(estimate_text(text) for text in texts)
    return JSONResponse(
        {
            "object": "list",
            "data": [{"object": "embedding", "index": i, "embedding": encode(row)} for i, row in enumerate(vectors)],
            "model": name,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )


def _as_base64(row: NDArray[np.float32]) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode()


def _as_numbers(row: NDArray[np.float32]) -> list[float]:
    return [float(value) for value in row]

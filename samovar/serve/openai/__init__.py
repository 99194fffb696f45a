"""The OpenAI dialect: ``/v1/models``, ``/v1/chat/completions``, ``/v1/responses``, ``/v1/embeddings``, for unmodified clients.

Knows how OpenAI's clients speak, nothing about how answers come about (`samovar.serve.engine`) or who may ask (`samovar.serve.guard`).
"""

from __future__ import annotations

from fastapi import APIRouter

from samovar.serve.openai import chat, embeddings, models, responses

router = APIRouter()
for part in (models, chat, responses, embeddings):
    router.include_router(part.router)

__all__ = ["router"]

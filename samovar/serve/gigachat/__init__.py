"""GigaChat's HTTP dialect: ``/api/v1/*``, ``/api/v2/oauth`` and ``/api/v2/chat/completions``, as its official client speaks it.

Knows how requests and answers are written, nothing about search or models. Checked with the clients `gigachat` and `langchain-gigachat`.
Source: https://developers.sber.ru/docs/ru/gigachat/api/reference/rest/gigachat-api
"""

from __future__ import annotations

from fastapi import APIRouter

from samovar.serve.gigachat import access, catalogue, chat_v1, chat_v2, files, missing

router = APIRouter()
# the last takes the rest
for part in (access.router, catalogue.router, chat_v1.router, chat_v2.router, files.router, missing.router):
    router.include_router(part)

__all__ = ["router"]

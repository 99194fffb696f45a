"""The server about itself: health, readiness, models, metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from samovar import __version__
from samovar.errors import NotFoundError
from samovar.serve.guard import Need
from samovar.serve.native import answers
from samovar.serve.native.shapes import HealthShape, ModelList, ReadyShape
from samovar.serve.principal import Principal
from samovar.serve.state import ServerState, state_of

router = APIRouter()
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/health", response_model=HealthShape, responses=answers.failures(public=True))
async def health(caller: Annotated[Principal, Depends(Need("public"))]) -> dict[str, str]:
    """The process is alive."""
    return {"status": "ok", "version": __version__}


@router.get(
    "/ready",
    response_model=ReadyShape,
    responses={**answers.failures(public=True), 503: {"model": ReadyShape, "description": "Not ready, or overloaded"}},
)
async def ready(request: Request, caller: Annotated[Principal, Depends(Need("public"))]) -> JSONResponse:
    """Whether it can answer now: library, index, model, database, and that it is not stopping."""
    state = state_of(request)
    checks = await state.engine.work(lambda: check_parts(state))
    good = all(checks.values())
    return JSONResponse({"status": "ready" if good else "not ready", "checks": checks}, 200 if good else 503)


def check_parts(state: ServerState) -> dict[str, bool]:
    """Try each part (blocking)."""
    samovar = state.engine.samovar
    return {
        "library": _works(lambda: samovar.library.version),
        "index": _works(lambda: samovar.searcher.index.seen),
        "model": _works(lambda: samovar.model.name),
        "database": _works(state.store.accounts.count),
        "accepting": not state.engine.queue.closed,
    }


def _works(call: Callable[[], object]) -> bool:
    try:
        call()
    except Exception:  # whatever it is, this part does not work
        return False
    return True


@router.get("/models", response_model=ModelList, responses=answers.failures())
async def models(request: Request, caller: Annotated[Principal, Depends(Need("ask"))]) -> dict[str, Any]:
    """The models on offer."""
    engine = state_of(request).engine
    cards = await engine.work(engine.cards)
    names = ("id", "raw", "grounded", "context_tokens")
    return {"models": [{name: getattr(card, name) for name in names} for card in cards]}


@router.get(
    "/metrics",
    response_class=Response,
    responses={**answers.failures(404), 200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request, caller: Annotated[Principal, Depends(Need("read_metrics"))]) -> Response:
    """Everything that is counted, in the text format of Prometheus."""
    state = state_of(request)
    if not state.settings.serve.metrics:
        raise NotFoundError("metrics are switched off (serve.metrics).")
    return Response(await state.engine.work(lambda: state.metrics.render(state.engine)), media_type=METRICS_TYPE)

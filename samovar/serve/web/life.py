"""What the web app does when the server starts: ended sessions throw their live pages out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from samovar.serve.web.sockets import throw_out


def install_life(app: FastAPI) -> None:
    """Tie `throw_out` to the store's sessions when it has been opened."""
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(application: Any) -> AsyncIterator[Any]:
        async with inner(application) as state:
            app.state.samovar.store.sessions.on_end(throw_out)
            yield state

    app.router.lifespan_context = lifespan

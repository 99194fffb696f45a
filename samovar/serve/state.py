"""Everything one running server holds; made once at start-up, found from any request with `state_of`."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from samovar.serve.chat import ChatService
from samovar.serve.engine import Engine
from samovar.settings import Settings

if TYPE_CHECKING:
    from samovar.serve.metrics import Metrics
    from samovar.serve.store.store import Store
    from samovar.serve.uploads import UploadService


@dataclass(slots=True)
class ServerState:
    """`accounts` says whether a login is asked for (off: everybody is the local admin; loopback only)."""

    settings: Settings
    engine: Engine
    store: Store
    chat: ChatService
    metrics: Metrics
    accounts: bool
    started: float = field(default_factory=time.time)
    uploads: UploadService = field(init=False)

    def __post_init__(self) -> None:
        from samovar.serve.uploads import UploadService

        self.uploads = UploadService(self.engine, self.store, self.settings)


def state_of(connection: HTTPConnection) -> ServerState:
    """Return the state of the server that handles this request or socket."""
    state: ServerState = connection.app.state.samovar
    return state

"""A bug in a route is answered like any other failure: in the dialect, with an id, with the headers every answer has; the log has the rest."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from samovar.serve.failures import error_response


class Failing:
    """Turns an exception that nobody handled into an answer, if none has begun."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:
            if started or scope["type"] != "http":
                raise
            await error_response(Request(scope), error)(scope, receive, send)

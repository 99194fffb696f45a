"""The web app for people, on NiceGUI. `install` puts it into the server's application; pages are in `pages/`."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from samovar.settings import Settings


def install(app: FastAPI, settings: Settings) -> None:
    """Add pages, static files and the live socket to the application."""
    from samovar.serve.web.life import install_life
    from samovar.serve.web.page import ROUTER
    from samovar.serve.web.pages import register
    from samovar.serve.web.toolkit import install_toolkit

    register()
    app.include_router(ROUTER)
    install_toolkit(app)
    install_life(app)
    _say_what_is_not_there(app)


def _say_what_is_not_there(app: FastAPI) -> None:
    """Answer a browser that asks for an unknown address with a page; programs get the error of their dialect, as before."""
    from samovar.serve.protect.asgi import is_api
    from samovar.serve.web.page import not_there

    in_dialect = app.exception_handlers[HTTPException]

    async def on_http(request: Request, error: HTTPException) -> Response:
        wants_page = "text/html" in request.headers.get("accept", "") and request.method in ("GET", "HEAD")
        if error.status_code == 404 and wants_page and not is_api(request.url.path):
            return await not_there(request)
        answer: Response = await in_dialect(request, error)  # type: ignore[misc]
        return answer

    app.add_exception_handler(HTTPException, on_http)  # type: ignore[arg-type]

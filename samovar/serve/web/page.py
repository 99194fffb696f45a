"""How a page is made: `page` registers a function at a path, with the action it needs, as a FastAPI route of our own application.

The route carries ``Depends(PageNeed(action))``, so the generated authorisation test sees it like any other route. A visitor without a login
is sent to the login page; a refusal is a page in their language. Knows nothing about what is on a page.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_args, get_type_hints
from urllib.parse import quote

from fastapi import APIRouter, Depends
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from nicegui import Client, ui
from nicegui.language import Language
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, Response

from samovar.errors import NotAuthenticatedError, NotFoundError, SamovarError
from samovar.messages import Words
from samovar.serve.access import Action, authorise
from samovar.serve.failures import headers_of, message_of, status_of
from samovar.serve.guard import NOBODY, Need
from samovar.serve.principal import Principal
from samovar.serve.state import ServerState, state_of
from samovar.serve.web import csp
from samovar.serve.web.words import Theme, language_of, theme_of, web_words

log = logging.getLogger("samovar.serve.web")
Builder = TypeVar("Builder", bound=Callable[..., Awaitable[Response | None]])
RECONNECT_SECONDS = 15.0
"""How long a page whose connection was lost is kept, with what runs on it; after that the browser loads it anew."""


@dataclass(slots=True)
class PageContext:
    """Who looks at which page. `body` collects HTML that is there before any script has run (the frame, the chat); it must be safe."""

    request: Request
    principal: Principal
    state: ServerState
    words: Words
    lang: str
    theme: Theme
    action: Action
    client: Client | None = None
    body: list[str] = field(default_factory=list)

    def say(self, key: str, /, **values: object) -> str:
        """Return a text of web.toml."""
        return self.words.say(key, **values)

    def may(self, action: Action) -> bool:
        """Whether this visitor may do that (objects aside)."""
        try:
            authorise(self.principal, action)
        except SamovarError:
            return False
        return True


_request: ContextVar[Request | None] = ContextVar("samovar_request", default=None)


def context_of(request: Request, principal: Principal, action: Action) -> PageContext:
    """Return the context of a request."""
    lang = language_of(request)
    return PageContext(request, principal, state_of(request), web_words(lang), lang, theme_of(request), action)


class PageNeed(Need):
    """`Need` for pages: sends to the login page instead of answering 401."""

    async def __call__(self, connection: HTTPConnection) -> Principal:
        try:
            principal = await super().__call__(connection)
        except NotAuthenticatedError as error:
            target = quote(connection.url.path + (f"?{connection.url.query}" if connection.url.query else ""), safe="/")
            raise HTTPException(303, "log in first", {"Location": f"/login?next={target}"}) from error
        connection.scope["samovar.principal"] = principal
        return principal


class PageRoute(APIRoute):
    """Finishes the answer of a page: nonce, policy, our HTML; errors in words instead of JSON."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        handler = super().get_route_handler()

        async def finish(request: Request) -> Response:
            _request.set(request)
            try:
                response = await handler(request)
            except (HTTPException, RequestValidationError):
                raise
            except Exception as error:
                response = refusal(request, error)
            context = request.scope.get("samovar.page")
            evaluate = not getattr(self.endpoint, "samovar_strict", False)
            return _seal(response, context, evaluate)

        return finish


ROUTER = APIRouter(route_class=PageRoute, include_in_schema=False)


class _LivePage(ui.page):
    """NiceGUI's page with the visitor's language and theme instead of one for all."""

    def resolve_dark(self) -> bool | None:
        request = _request.get()
        theme = theme_of(request) if request is not None else "auto"
        return None if theme == "auto" else theme == "dark"

    def resolve_language(self) -> Any:
        request = _request.get()
        lang = language_of(request) if request is not None else ""
        return lang if lang in get_args(Language) else "en-US"


def page(path: str, action: Action, *, strict: bool = True) -> Callable[[Builder], Builder]:
    """Register ``async def build(context: PageContext, …path and query parameters)`` as a page.

    `strict` forbids ``eval`` on it. A page that uses composite NiceGUI elements (their templates are compiled in the browser) or
    `run_javascript` must say `strict=False`; none of ours does.
    """

    def register(build: Builder) -> Builder:
        _register(path, action, strict, build)
        return build

    return register


def _register(path: str, action: Action, strict: bool, build: Callable[..., Awaitable[Response | None]]) -> None:
    hints = get_type_hints(build, include_extras=True)
    parameters = [
        p.replace(annotation=hints.get(name, p.annotation))
        for name, p in inspect.signature(build).parameters.items()
        if name != "context"
    ]

    async def show(request: Request, client: Client, **values: Any) -> Response | None:
        context = context_of(request, request.scope.get("samovar.principal", NOBODY), action)
        context.client = client
        request.scope["samovar.page"] = context
        from samovar.serve.web.sockets import own

        own(client, context.principal)
        ui.add_body_html(csp.PLACEHOLDER)
        try:
            return await build(context, **values)
        except SamovarError as error:
            client.delete()
            return refusal(request, error)

    first = [
        inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY, annotation=Request),
        inspect.Parameter("client", inspect.Parameter.KEYWORD_ONLY, annotation=Client),
    ]
    show.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [*first, *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters)]
    )
    show.__name__ = build.__name__
    show.samovar_strict = strict  # type: ignore[attr-defined]
    _LivePage(
        path,
        api_router=ROUTER,  # type: ignore[arg-type]  # only APIRouter.get and .prefix are used
        reconnect_timeout=RECONNECT_SECONDS,
        response_timeout=20.0,
        dependencies=[Depends(PageNeed(action))],
        include_in_schema=False,
    )(show)


def _seal(response: Response, context: PageContext | None, evaluate: bool) -> Response:
    """Put nonce, body and policy into an HTML answer."""
    if not response.headers.get("content-type", "").startswith("text/html"):
        return response
    nonce = csp.make_nonce()
    if response.headers.get("X-NiceGUI-Content") == "page":
        body = "".join(context.body) if context is not None else ""
        text = csp.seal(bytes(response.body).decode("utf-8"), body, nonce)
        headers = {k: v for k, v in response.headers.items() if k != "content-length"}
        response = HTMLResponse(text, response.status_code, headers, background=response.background)
    response.headers["Content-Security-Policy"] = csp.page_policy(nonce, evaluate=evaluate)
    response.headers["Cache-Control"] = "no-store"
    return response


def refusal(request: Request, error: Exception) -> Response:
    """Return a small page that says what went wrong, in the visitor's language."""
    from samovar.serve.web.frame import plain_page

    status = status_of(error)
    said = web_words(language_of(request))
    key = f"refusal.{status}"
    text = said.say(key) if said.has(key) else message_of(error)
    more = said.say(f"{key}_more") if said.has(f"{key}_more") else ""
    principal = request.scope.get("samovar.principal")
    context = context_of(request, principal, "public") if principal not in (None, NOBODY) else None
    return HTMLResponse(plain_page(request, said, text, more=more, context=context), status, headers_of(error))


async def not_there(request: Request) -> Response:
    """Return the page for an address that nothing answers; with the navigation for who may be here."""
    from samovar.serve.login import principal_of

    request.scope["samovar.principal"] = await principal_of(request)
    return _seal(refusal(request, NotFoundError("there is no such page.")), None, False)

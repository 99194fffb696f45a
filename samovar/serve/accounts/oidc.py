"""Logging in by OpenID Connect: the way to the issuer and back. Off unless ``serve.oidc_issuer`` names one.

What belongs to one login (state, nonce, PKCE verifier) waits in a short-lived cookie of the browser that began it: nobody can finish another's login, nothing is
kept here, and a restart between there and back does no harm.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from samovar.errors import NotAuthenticatedError, NotFoundError
from samovar.serve import login
from samovar.serve.accounts.issuer import Identity, Issuer
from samovar.serve.guard import Need
from samovar.serve.native.answers import failures
from samovar.serve.principal import Principal
from samovar.serve.state import ServerState, state_of
from samovar.serve.store.accounts import check_role
from samovar.serve.store.records import User
from samovar.serve.threads import run

router = APIRouter(prefix="/oidc")
Anybody = Annotated[Principal, Depends(Need("public"))]
COOKIE = "samovar_oidc"
COOKIE_PATH = "/api/samovar/oidc"
WAIT_SECONDS = 600  # to log in at the issuer
ASKING_AT_ONCE = 4  # logins that wait for the issuer's answer
HOME = "/"
LOGIN_PAGE = "/login"

_issuers: dict[tuple[str, str, str], Issuer] = {}
_guard = threading.Lock()


@router.get("/login", status_code=303, response_class=RedirectResponse, responses=failures(404, 502, public=True))
async def begin(request: Request, caller: Anybody) -> Response:
    """Send the browser to the issuer."""
    state = state_of(request)
    issuer = issuer_of(state)
    mark, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    url = await run(_askers(), lambda: issuer.authorization_url(redirect_uri(request), mark, nonce, verifier))
    response = RedirectResponse(url, 303)
    packed = base64.urlsafe_b64encode(json.dumps([mark, nonce, verifier]).encode()).decode()
    response.set_cookie(
        COOKIE, packed, WAIT_SECONDS, path=COOKIE_PATH, httponly=True, samesite="lax", secure=login.is_secure(request)
    )
    return response


@router.get(
    "/callback", status_code=303, response_class=RedirectResponse, responses=failures(401, 404, 502, public=True)
)
async def finish(
    request: Request,
    caller: Anybody,
    code: Annotated[str, Query(max_length=4096)] = "",
    state: Annotated[str, Query(max_length=200)] = "",
    error: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Take the browser back from the issuer, log its user in (making the account the first time), and go on to the start page."""
    server = state_of(request)
    issuer = issuer_of(server)
    mark, nonce, verifier = _unpack(request.cookies.get(COOKIE, ""))
    if not state or not secrets.compare_digest(state.encode(), mark.encode()):
        raise NotAuthenticatedError("expected the login that was begun in this browser, found another. Log in again.")
    if error or not code:
        return _forget(RedirectResponse(f"{LOGIN_PAGE}?refused={quote(error or 'no_code', safe='')}", 303))
    identity = await run(_askers(), lambda: issuer.identify(redirect_uri(request), code, nonce, verifier))
    user = await server.engine.work(lambda: user_of(server, identity))
    response = RedirectResponse(HOME, 303)
    login.set_session_cookie(response, await login.start_session(request, user), request)
    return _forget(response)


@lru_cache(maxsize=1)
def _askers() -> ThreadPoolExecutor:
    """Threads of their own: an issuer that does not answer holds up nobody but those who log in there."""
    return ThreadPoolExecutor(ASKING_AT_ONCE, "samovar-issuer")


def issuer_of(state: ServerState) -> Issuer:
    """Return the issuer of the settings. Raises `NotFoundError` when there is none."""
    serve = state.settings.serve
    if not serve.oidc_issuer:
        raise NotFoundError("there is no login by OpenID Connect here: the operator has named no issuer.")
    with _guard:
        key = (serve.oidc_issuer, serve.oidc_client_id, serve.oidc_client_secret)
        if key not in _issuers:
            _issuers[key] = Issuer(serve)
        return _issuers[key]


def user_of(state: ServerState, identity: Identity) -> User:
    """Return the account of an identity, making it the first time (blocking). Raises `NotAuthenticatedError` for a disabled one."""
    accounts = state.store.accounts
    user = accounts.by_identity(identity.issuer, identity.subject)
    if user is None:
        role = check_role(state.settings.serve.oidc_role)
        user = accounts.create_for_identity(identity.issuer, identity.subject, identity.name, role)
    if user.disabled:
        raise NotAuthenticatedError("this account is disabled: ask an administrator.")
    return user


def redirect_uri(request: Request) -> str:
    """Return where the issuer is to send the browser back: the address people see."""
    public = state_of(request).settings.serve.public_url
    return (public or str(request.base_url)).rstrip("/") + COOKIE_PATH + "/callback"


def _unpack(cookie: str) -> tuple[str, str, str]:
    """Return state, nonce and verifier; random ones, which nothing matches, when the cookie is missing or spoilt."""
    try:
        mark, nonce, verifier = map(str, json.loads(base64.urlsafe_b64decode(cookie.encode())))
    except (ValueError, TypeError):
        return secrets.token_urlsafe(), secrets.token_urlsafe(), secrets.token_urlsafe()
    return mark, nonce, verifier


def _forget(response: Response) -> Response:
    response.delete_cookie(COOKIE, path=COOKIE_PATH, httponly=True, samesite="lax")
    return response

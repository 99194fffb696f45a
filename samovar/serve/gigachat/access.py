"""The three ways in: OAuth with an authorisation key, HTTP Basic with name and password, a ready token (which `samovar.serve.login` reads).

The authorisation key is Base64 of ``id:secret``; the secret, or the id, is one of our API keys. What is issued lasts 30 minutes and may do
what the key may; one issued for a password ends with the next change of it. Without accounts everything is let in: there is nobody to tell apart.
Source: https://developers.sber.ru/docs/ru/gigachat/api/reference/rest/post-token
"""

from __future__ import annotations

import base64
import binascii
import logging
import re
import secrets
import time
from typing import Annotated

from fastapi import Depends
from pydantic import BaseModel
from starlette.requests import Request

from samovar.errors import NotAuthenticatedError, UsageError
from samovar.serve.gigachat.route import make_router
from samovar.serve.guard import Need
from samovar.serve.login import with_passwords
from samovar.serve.principal import Principal
from samovar.serve.state import ServerState, state_of

log = logging.getLogger("samovar.serve")
router = make_router()

DEFAULT_SCOPE = "GIGACHAT_API_PERS"
KEY_MARK = "smv-"
LIFE_SECONDS = 30 * 60
_SCOPE = re.compile(r"[\w.:-]{1,64}")
LONGEST_HEADER = 2_000

Anybody = Annotated[Principal, Depends(Need("public"))]


class AccessToken(BaseModel):
    """A token and when it ends, in milliseconds since 1970."""

    access_token: str
    expires_at: int


class Token(BaseModel):
    """The same in the words of ``/token``."""

    tok: str
    exp: int


@router.post("/api/v2/oauth")
async def oauth(request: Request, caller: Anybody) -> AccessToken:
    """Issue a token for an authorisation key."""
    form = await request.form(max_files=0, max_fields=20, max_part_size=LONGEST_HEADER)
    scope = form.get("scope", DEFAULT_SCOPE)
    if not isinstance(scope, str) or not _SCOPE.fullmatch(scope):
        raise UsageError(f"expected a scope such as {DEFAULT_SCOPE}, found something else.")
    if "rquid" not in request.headers:
        log.debug("an OAuth request came without RqUID; the service this dialect comes from would refuse it")
    name, secret = _basic(request)
    token, ends = await _issue(state_of(request), name, secret, scope, with_password=False)
    return AccessToken(access_token=token, expires_at=ends)


@router.post("/api/v1/token")
async def token(request: Request, caller: Anybody) -> Token:
    """Issue a token for a name and a password, or an API key in the password's place."""
    name, secret = _basic(request)
    token, ends = await _issue(state_of(request), name, secret, DEFAULT_SCOPE, with_password=True)
    return Token(tok=token, exp=ends)


def _basic(request: Request) -> tuple[str, str]:
    """Return the two halves of the Basic credentials; a key alone, in Base64 or not, is a secret without a name."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    value = value.strip()
    if scheme.lower() != "basic" or not value or len(value) > LONGEST_HEADER:
        return "", ""
    try:
        text = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        text = value
    if "\0" in text:
        return "", ""
    name, colon, secret = text.partition(":")
    return (name, secret) if colon else ("", name)


async def _issue(state: ServerState, name: str, secret: str, scope: str, *, with_password: bool) -> tuple[str, int]:
    """Return a token and its end in milliseconds. Raises `NotAuthenticatedError`."""
    if not state.accounts:
        return secrets.token_urlsafe(32), int((time.time() + LIFE_SECONDS) * 1000)

    def issue() -> tuple[str, int] | None:
        return _issue_now(state, name, secret, scope, with_password)

    issued = await (with_passwords(issue) if with_password else state.engine.work(issue))
    if issued is None:
        raise NotAuthenticatedError(
            "expected Basic credentials that hold an API key"
            + (", or an account's name and password" if with_password else "")
            + ", found none that are known. Make a key on your account page or with  samovar key create"
        )
    return issued


def _issue_now(state: ServerState, name: str, secret: str, scope: str, with_password: bool) -> tuple[str, int] | None:
    store = state.store
    for text in (secret, name):
        if text.startswith(KEY_MARK):
            found = store.keys.find(text)
            return store.tokens.issue(found[1].id, scope) if found else None
    user = store.accounts.check_password(name, secret) if with_password and name and secret else None
    return store.tokens.issue_for_user(user.id, scope) if user else None

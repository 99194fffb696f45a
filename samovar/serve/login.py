"""Who is calling: from a request's ``Authorization`` header or session cookie to a `Principal`; and the cookie itself.

The header, when there is one, decides alone: a wrong key is refused also beside a good cookie. The cookie is HttpOnly (no script reads it), SameSite=Lax (no other
site's form sends it), Secure over https. When a login ends is decided by the store, not by the cookie's age. Sources: RFC 6265bis; RFC 6750.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

from starlette.requests import HTTPConnection
from starlette.responses import Response

from samovar.errors import NotAuthenticatedError
from samovar.serve.principal import LOCAL, Principal
from samovar.serve.state import ServerState, state_of
from samovar.serve.store.passwords import AT_ONCE
from samovar.serve.store.records import ApiKey, Session, User
from samovar.serve.store.secrets import KEY_PREFIX
from samovar.serve.threads import run

COOKIE = "samovar_session"
COOKIE_SECONDS = 400 * 86_400  # the most browsers keep; the store ends sessions earlier
LONGEST_SECRET = 512  # characters; ours have 44

T = TypeVar("T")


async def principal_of(connection: HTTPConnection) -> Principal | None:
    """Return the caller of a request or socket; None for nobody, or for credentials that do not count (any more)."""
    state = state_of(connection)
    if not state.accounts:
        return LOCAL
    headers = connection.headers.getlist("authorization")
    if headers:
        secret = bearer(headers[0]) if len(headers) == 1 else ""
        return await _by_secret(state, secret) if secret else None
    found = await session_of(connection)
    return principal_of_session(*found) if found else None


def bearer(header: str) -> str:
    """Return the secret of an ``Authorization: Bearer`` header, "" when it is malformed or of another scheme."""
    scheme, _, secret = header.strip().partition(" ")
    secret = secret.strip()
    good = scheme.lower() == "bearer" and len(secret) <= LONGEST_SECRET and secret.isascii()
    return secret if good and not any(c.isspace() for c in secret) else ""


async def _by_secret(state: ServerState, secret: str) -> Principal | None:
    store = state.store

    def find() -> Principal | None:
        if secret.startswith(KEY_PREFIX) and (owned := store.keys.find(secret)):
            return principal_of_key(*owned)
        issued = store.tokens.find(secret)
        return principal_of_key(*issued, way_token=True) if issued else None

    return await state.engine.work(find)


def principal_of_key(user: User, key: ApiKey, *, way_token: bool = False) -> Principal:
    """Return the principal that a key, or a token made from it, stands for."""
    return Principal(user.id, user.name, user.role, key.scopes, "token" if way_token else "key", key.id)


def principal_of_session(user: User, session: Session) -> Principal:
    """Return the principal that a login stands for."""
    return Principal(user.id, user.name, user.role, way="session", credential_id=session.id)


# -- sessions -------------------------------------------------------------------------------------------------------
async def session_of(connection: HTTPConnection) -> tuple[User, Session] | None:
    """Return the login of the cookie, whatever other credentials there are."""
    state = state_of(connection)
    token = connection.cookies.get(COOKIE, "")
    if not token or len(token) > LONGEST_SECRET:
        return None
    return await state.engine.work(lambda: state.store.sessions.find(token))


async def log_in(connection: HTTPConnection, name: str, password: str) -> tuple[str, User]:
    """Check a password and start a session in place of the browser's last one; return its token and the user.

    Raises:
        NotAuthenticatedError: name or password are wrong, or the account is disabled: which of them is not told.
    """
    state = state_of(connection)
    user = await with_passwords(lambda: state.store.accounts.check_password(name, password))
    if user is None:
        raise NotAuthenticatedError("expected a name and its password, found a pair that does not fit. Try again.")
    return await start_session(connection, user), user


@lru_cache(maxsize=1)
def _hashers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(AT_ONCE, "samovar-password")


async def with_passwords(call: Callable[[], T]) -> T:
    """Run a blocking call that hashes passwords, in threads of its own: many logins wait for each other and for nobody else."""
    return await run(_hashers(), call)


async def start_session(connection: HTTPConnection, user: User) -> str:
    """Start a session for a user who has shown who they are, ending the one of the browser's cookie; return its token."""
    state = state_of(connection)
    old = await session_of(connection)
    agent, address = connection.headers.get("user-agent", ""), connection.client.host if connection.client else ""

    def start() -> str:
        token, _ = state.store.sessions.start(user.id, agent, address)
        if old is not None:
            state.store.sessions.end(old[1].id)
        return token

    return await state.engine.work(start)


async def log_out(connection: HTTPConnection) -> None:
    """End the session of the cookie, if there is one."""
    state = state_of(connection)
    found = await session_of(connection)
    if found:
        await state.engine.work(lambda: state.store.sessions.end(found[1].id))


def set_session_cookie(response: Response, token: str, request: HTTPConnection) -> None:
    """Put the token of a session into the browser."""
    response.set_cookie(
        COOKIE, token, max_age=COOKIE_SECONDS, path="/", httponly=True, samesite="lax", secure=is_secure(request)
    )


def clear_session_cookie(response: Response, request: HTTPConnection | None = None) -> None:
    """Take the token out of the browser."""
    secure = request is not None and is_secure(request)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax", secure=secure)


def is_secure(request: HTTPConnection) -> bool:
    """Whether the browser came over https, to us or to the proxy in front."""
    public = state_of(request).settings.serve.public_url
    return request.url.scheme in ("https", "wss") or public.lower().startswith("https:")

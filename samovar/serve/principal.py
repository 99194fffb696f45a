"""Who is asking. Made once per request by `samovar.serve.login`, handed to everything that acts for the caller."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Role = Literal["reader", "editor", "admin"]
Scope = Literal["ask", "search", "files", "library", "admin"]
Way = Literal["open", "session", "key", "token"]

ROLES: tuple[Role, ...] = ("reader", "editor", "admin")
"""Each may all that the ones before it may."""

SCOPES: tuple[Scope, ...] = ("ask", "search", "files", "library", "admin")
ALL_SCOPES = frozenset(SCOPES)

LOCAL_USER = "local"
"""Id of the one user of a server without accounts."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A known caller. `way` says how they came in: `open` (loopback, no accounts), a web `session`, an API `key`, or a GigaChat `token`
    made from a key. `scopes` bound what a key may do, within the role; `credential_id` is the id of the session or key."""

    user_id: str
    name: str
    role: Role
    scopes: frozenset[Scope] = field(default=ALL_SCOPES)
    way: Way = "open"
    credential_id: str = ""


LOCAL = Principal(LOCAL_USER, LOCAL_USER, "admin")

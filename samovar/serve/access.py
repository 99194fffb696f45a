"""The one authorisation function: who may do what, to whose object. Every route, page and tool asks here.

The table is the whole policy; a generated test walks all routes × roles × someone else's objects over it.
Knows nothing about HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from samovar.errors import ForbiddenError, NotAuthenticatedError, NotFoundError
from samovar.search.query import Filters
from samovar.serve.principal import ROLES, Principal, Role, Scope

Action = Literal[
    "public",
    "ask",
    "embed",
    "search",
    "read_library",
    "read_document",
    "use_own_documents",
    "change_shared_documents",
    "use_conversation",
    "use_own_account",
    "use_own_keys",
    "manage_users",
    "read_metrics",
]


@dataclass(frozen=True, slots=True)
class Rule:
    """What an action needs: a role at least, a scope when the caller came with a key (None: keys may not do it at all)."""

    role: Role
    scope: Scope | None


RULES: dict[Action, Rule] = {
    "ask": Rule("reader", "ask"),  # chat completions, answers, token counts, list of models
    "embed": Rule("reader", "ask"),
    "search": Rule("reader", "search"),
    "read_library": Rule("reader", "search"),  # list, ledger, counts: of shared collections and the caller's own
    "read_document": Rule("reader", "search"),
    "use_own_documents": Rule("reader", "files"),  # upload to, list and remove from the caller's own collection
    "change_shared_documents": Rule("editor", "library"),
    "use_conversation": Rule("reader", "ask"),
    "use_own_account": Rule("reader", None),  # password, sessions: never by key
    "use_own_keys": Rule("reader", None),
    "manage_users": Rule("admin", "admin"),
    "read_metrics": Rule("admin", "admin"),
}
"""`public` is not here: it needs nobody (health, login page, static files)."""

NOT_THERE = "there is no such object, or it is not yours."
"""Words for both, so that nobody learns from them which it is. Use them wherever an object that has an owner is looked up."""

PRIVATE = "user:"
"""Beginning of the names of private collections: ``user:<user id>``."""


def authorise(principal: Principal | None, action: Action, owner: str | None = None) -> None:
    """Return if this caller may do this; `owner` is the user id of the object's owner, None for shared or no object.

    Nobody, not even an admin, reads another user's conversations, keys or documents.

    Raises:
        NotAuthenticatedError: there is no caller.
        ForbiddenError: the role or the scope is too small.
        NotFoundError: the object is someone else's.
    """
    if action == "public":
        return
    if principal is None:
        raise NotAuthenticatedError(
            "expected a login or an API key, found none. Log in, or send  Authorization: Bearer KEY"
        )
    rule = RULES[action]
    if ROLES.index(principal.role) < ROLES.index(rule.role):
        raise ForbiddenError(f"expected the role {rule.role}, found {principal.role}. Ask an administrator.")
    by_key = principal.way in ("key", "token")
    if by_key and rule.scope is None:
        raise ForbiddenError("expected a login, found an API key: keys cannot do this.")
    if by_key and rule.scope not in principal.scopes:
        raise ForbiddenError(
            f"expected a key with the scope {rule.scope}, found {', '.join(sorted(principal.scopes)) or 'none'}."
        )
    if owner is not None and owner != principal.user_id:
        raise NotFoundError(NOT_THERE)


def private_source(user_id: str) -> str:
    """Return the name of a user's own collection."""
    return PRIVATE + user_id


def owner_of_source(source: str) -> str | None:
    """Return the user a collection belongs to, None for a shared one."""
    return source.removeprefix(PRIVATE) if source.startswith(PRIVATE) else None


def visible(principal: Principal, filters: Filters, sources: Iterable[str]) -> Filters:
    """Return the filters with every private collection of others among `sources` hidden."""
    from dataclasses import replace

    hidden = tuple(sorted(s for s in sources if owner_of_source(s) not in (None, principal.user_id)))
    return replace(filters, hidden_sources=hidden) if hidden else filters

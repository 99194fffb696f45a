"""``samovar key``: API keys of the server's accounts, also without a server running."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from samovar.commands.help import Command, Group
from samovar.commands.options import Json, as_text
from samovar.commands.session import session_of
from samovar.commands.terminal import one_line
from samovar.commands.user import find_user, open_store
from samovar.errors import NotFoundError
from samovar.messages import say

if TYPE_CHECKING:
    from samovar.serve.store.records import ApiKey

NAME = "key"
USUAL_SCOPES = ("ask", "search", "files")

Owner = Annotated[str, typer.Argument(metavar="metavar.name", help="key.owner")]


def key(ctx: typer.Context) -> None:
    """List the keys when no command is named."""
    if ctx.invoked_subcommand is None:
        list_keys(ctx)


def create(
    ctx: typer.Context,
    owner: Owner,
    name: Annotated[str, typer.Option("--name", metavar="metavar.name", help="key.name")] = "",
    scope: Annotated[
        list[str] | None, typer.Option("--scope", metavar="ask|search|files|library|admin", help="key.scope")
    ] = None,
    expires: Annotated[str, typer.Option("--expires", metavar="metavar.date", help="key.expires")] = "",
    json: Json = False,
) -> None:
    """Make a key; its text is printed this once."""
    session = session_of(ctx)
    with open_store(session) as store:
        user = find_user(store, owner)
        text, made = store.keys.create(
            user.id, as_text(name) or say("key.unnamed"), scope or USUAL_SCOPES, as_text(expires)
        )
    if json:
        session.terminal.json(key_as_json(made, user.name) | {"key": text})
        return
    session.terminal.note(say("key.created", name=one_line(user.name), scopes=", ".join(sorted(made.scopes))))
    session.terminal.print(text)


def list_keys(
    ctx: typer.Context,
    owner: Annotated[str, typer.Argument(metavar="metavar.name", help="key.owner")] = "",
    json: Json = False,
) -> None:
    """List keys, without their texts: of one account or all."""
    session = session_of(ctx)
    with open_store(session) as store:
        users = [find_user(store, owner)] if owner else store.accounts.list()
        found = [(user.name, each) for user in users for each in store.keys.list(user.id)]
    if json:
        session.terminal.json_list("keys", (key_as_json(each, name) for name, each in found))
        return
    if not found:
        session.terminal.note(say("key.none"))
    session.terminal.table(
        (each.id, one_line(name), one_line(each.name), "…" + each.hint, " ".join(sorted(each.scopes)), _remark(each))
        for name, each in found
    )


def _remark(key: ApiKey) -> str:
    from samovar.serve.store.keys import works
    from samovar.serve.store.moments import utc

    if key.revoked:
        return say("key.is_revoked")
    if not works(key, utc()):
        return say("key.is_expired")
    return say("key.until", day=key.expires_at[:10]) if key.expires_at else ""


def revoke(
    ctx: typer.Context,
    key_id: Annotated[str, typer.Argument(metavar="metavar.id", help="key.id")],
    json: Json = False,
) -> None:
    """Make a key stop working."""
    session = session_of(ctx)
    with open_store(session) as store:
        found = store.keys.get(as_text(key_id))
        if found is None:
            raise NotFoundError(say("key.unknown", id=one_line(as_text(key_id))))
        store.keys.revoke(found.id)
        owner = store.accounts.get(found.owner_id)
        revoked = store.keys.get(found.id) or found
    if json:
        session.terminal.json(key_as_json(revoked, owner.name if owner else ""))
    else:
        session.terminal.print(say("key.revoked", name=one_line(found.name), hint=found.hint))


def key_as_json(key: ApiKey, owner: str) -> dict[str, Any]:
    """Return a key as plain dicts and lists; never its text."""
    names = ("id", "name", "hint", "created_at", "expires_at", "last_used_at", "revoked")
    return {"owner": owner, **{name: getattr(key, name) for name in names}, "scopes": sorted(key.scopes)}


def register(app: Any) -> None:
    """Add the group."""
    group = typer.Typer(rich_markup_mode=None)
    group.callback(cls=Group, invoke_without_command=True, help="key.help", epilog="key.examples")(key)
    for name, function in (("create", create), ("list", list_keys), ("revoke", revoke)):
        group.command(name, cls=Command, help=f"key.{name}_help", epilog=f"key.{name}_examples")(function)
    app.add_typer(group, name=NAME)

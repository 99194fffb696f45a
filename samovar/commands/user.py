"""``samovar user``: the accounts of the server, also without one running."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samovar.commands.help import Command, Group
from samovar.commands.options import Json, as_text
from samovar.commands.session import Session, session_of
from samovar.commands.terminal import BOLD, one_line
from samovar.errors import NotFoundError, UsageError
from samovar.messages import say

if TYPE_CHECKING:
    from samovar.serve.principal import Role
    from samovar.serve.store.records import User
    from samovar.serve.store.store import Store
    from samovar.settings import ServeSettings

NAME = "user"
LONGEST_LINE = 4096

UserName = Annotated[str, typer.Argument(metavar="metavar.name", help="user.name")]
RoleOption = Annotated[str, typer.Option("--role", metavar="reader|editor|admin", help="user.role")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="user.password_stdin")]
ANY_ADDRESS = ("0.0.0.0", "::", "")


@contextmanager
def open_store(session: Session) -> Iterator[Store]:
    """Open the server's database, as a running server has it open, too."""
    from samovar.serve.store.store import Store

    with Store.open(session.settings()) as store:
        yield store


def user(ctx: typer.Context) -> None:
    """List the accounts when no command is named."""
    if ctx.invoked_subcommand is None:
        list_users(ctx)


def add(
    ctx: typer.Context,
    name: UserName,
    role: RoleOption = "reader",
    password_stdin: FromStdin = False,
    no_password: Annotated[bool, typer.Option("--no-password", help="user.no_password")] = False,
    json: Json = False,
) -> None:
    """Make an account."""
    from samovar.serve.store.accounts import check_name, check_role

    session = session_of(ctx)
    if no_password and password_stdin:
        raise UsageError(say("user.one_password"))
    name, wanted = check_name(as_text(name)), check_role(role)
    with open_store(session) as store:
        if (taken := store.accounts.by_name(name)) is not None:
            raise UsageError(say("user.taken", name=one_line(taken.name)))
        password = None if no_password else read_password(password_stdin)
        made = store.accounts.create(name, password, wanted)
    report(session, made, "user.added", json)


def list_users(ctx: typer.Context, json: Json = False) -> None:
    """List the accounts."""
    session = session_of(ctx)
    with open_store(session) as store:
        users = store.accounts.list()
    if json:
        session.terminal.json_list("users", map(user_as_json, users))
        return
    if not users:
        session.terminal.note(say("user.nobody"))
    session.terminal.table(
        (session.terminal.style(one_line(u.name), BOLD), u.role, u.created_at[:10], _remark(u)) for u in users
    )


def _remark(user: User) -> str:
    if user.disabled:
        return say("user.is_disabled")
    return "" if user.has_password else say("user.is_without_password")


def role(
    ctx: typer.Context,
    name: UserName,
    role: Annotated[str, typer.Argument(metavar="user.metavar_role", help="user.role")],
    json: Json = False,
) -> None:
    """Give a role."""
    from samovar.serve.store.accounts import check_role

    wanted: Role = check_role(role)
    session = session_of(ctx)
    with open_store(session) as store:
        found = find_user(store, name)
        store.accounts.set_role(found.id, wanted)
        report(session, find_user(store, name), "user.changed", json)


def password(ctx: typer.Context, name: UserName, password_stdin: FromStdin = False, json: Json = False) -> None:
    """Set a new password; all sessions end."""
    session = session_of(ctx)
    with open_store(session) as store:
        found = find_user(store, name)
        store.accounts.set_password(found.id, read_password(password_stdin))
        report(session, find_user(store, name), "user.password_set", json)


def disable(ctx: typer.Context, name: UserName, json: Json = False) -> None:
    """Shut out: sessions end, keys do not work."""
    _set_disabled(session_of(ctx), name, True, json)


def enable(ctx: typer.Context, name: UserName, json: Json = False) -> None:
    """Let in again."""
    _set_disabled(session_of(ctx), name, False, json)


def _set_disabled(session: Session, name: str, disabled: bool, json: bool) -> None:
    with open_store(session) as store:
        store.accounts.set_disabled(find_user(store, name).id, disabled)
        report(session, find_user(store, name), "user.disabled" if disabled else "user.enabled", json)


def remove(
    ctx: typer.Context,
    name: UserName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="user.yes")] = False,
    json: Json = False,
) -> None:
    """Remove an account with everything of its owner's."""
    from samovar.serve.accounts.removal import remove_now

    session = session_of(ctx)
    with open_store(session) as store:
        found = find_user(store, name)
        store.accounts.check_removable(found.id)
        if not yes:
            _confirm(session, found)
        with session.open(library={"starter": False}) as samovar:
            remove_now(samovar, store, found.id)
    report(session, found, "user.removed", json)


def _confirm(session: Session, user: User) -> None:
    if not sys.stdin.isatty():
        raise UsageError(say("user.needs_yes", name=one_line(user.name)))
    session.terminal.err.write(say("user.question", name=one_line(user.name)) + " ")
    session.terminal.err.flush()
    if sys.stdin.readline().strip().lower() not in say("answer.yes").split():
        session.terminal.note(say("user.kept"))
        raise typer.Exit(0)


def invite(
    ctx: typer.Context,
    role: RoleOption = "reader",
    days: Annotated[float, typer.Option("--days", metavar="metavar.number", help="user.days")] = 7,
    json: Json = False,
) -> None:
    """Make an invitation and print its link."""
    from samovar.serve.store.accounts import check_role

    session = session_of(ctx)
    wanted = check_role(role)
    with open_store(session) as store:
        token, made = store.invitations.create(wanted, "", days)
    link = address_of(session.settings().serve) + "/invite/" + token
    if json:
        record = {"id": made.id, "role": made.role, "expires_at": made.expires_at, "token": token, "url": link}
        session.terminal.json(record)
        return
    session.terminal.note(say("user.invited", role=made.role, day=made.expires_at[:10]))
    session.terminal.print(link)


def address_of(settings: ServeSettings) -> str:
    """Return the address people see: the public one, else where the server listens."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    host = "127.0.0.1" if settings.host in ANY_ADDRESS else settings.host
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


# -- shared ---------------------------------------------------------------------------------------------------------
def find_user(store: Store, name: str) -> User:
    """Return the account of that name. Raises `NotFoundError` that says how to see the names."""
    found = store.accounts.by_name(as_text(name))
    if found is None:
        raise NotFoundError(say("user.unknown", name=one_line(as_text(name))))
    return found


def read_password(from_stdin: bool) -> str:
    """Read a new password: a line of stdin, or twice from the terminal without showing it.

    Raises:
        UsageError: there is no terminal to ask on, or the two differ.
    """
    if from_stdin:
        return sys.stdin.readline(LONGEST_LINE).rstrip("\r\n")
    if not sys.stdin.isatty():
        raise UsageError(say("user.needs_terminal"))
    from getpass import getpass

    first = getpass(say("user.ask_password") + " ", sys.stderr)
    if getpass(say("user.ask_again") + " ", sys.stderr) != first:
        raise UsageError(say("user.differ"))
    return first


def report(session: Session, user: User, key: str, json: bool) -> None:
    """Print what was done to an account."""
    if json:
        session.terminal.json(user_as_json(user))
    else:
        session.terminal.print(say(key, name=one_line(user.name), role=user.role))


def user_as_json(user: User) -> dict[str, Any]:
    """Return an account as plain dicts and lists."""
    return {name: getattr(user, name) for name in ("id", "name", "role", "created_at", "disabled", "has_password")}


def register(app: Any) -> None:
    """Add the group."""
    group = typer.Typer(rich_markup_mode=None)
    group.callback(cls=Group, invoke_without_command=True, help="user.help", epilog="user.examples")(user)
    commands: dict[str, Any] = {
        "add": add, "list": list_users, "role": role, "password": password, "disable": disable, "enable": enable,
        "remove": remove, "invite": invite,
    }  # fmt: skip
    for name, function in commands.items():
        group.command(name, cls=Command, help=f"user.{name}_help", epilog=f"user.{name}_examples")(function)
    app.add_typer(group, name=NAME)

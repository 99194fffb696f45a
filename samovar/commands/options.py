"""Options that several commands share, with the keys of their help texts."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from samovar.errors import UsageError
from samovar.messages import say

_DATE = re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?")


def complete_sources(incomplete: str) -> list[str]:
    """Return the names of the library's sources, for the shell; nothing when there is no library yet."""
    from samovar.commands.session import state_home
    from samovar.errors import SamovarError
    from samovar.library.store import Library

    try:
        with Library.open(state_home(), read_only=True) as library:
            return [name for name in library.info().by_source if name.startswith(incomplete)]
    except SamovarError:
        return []


Json = Annotated[bool, typer.Option("--json", help="option.json")]
Sources = Annotated[
    list[str] | None,
    typer.Option("--source", metavar="metavar.name", help="option.source", autocompletion=complete_sources),
]
Limit = Annotated[int, typer.Option("--limit", "-n", metavar="metavar.number", min=0, help="option.limit")]


def check_date(name: str, value: str) -> str:
    """Return the date if it is ``YYYY``, ``YYYY-MM`` or ``YYYY-MM-DD``, or empty.

    Raises:
        UsageError: it is not.
    """
    if value and not _DATE.fullmatch(value):
        raise UsageError(say("usage.date", name=name, value=value))
    return value


def as_text(argument: str) -> str:
    """Return an argument as storable text: bytes of the command line that are not UTF-8 become U+FFFD."""
    return argument.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

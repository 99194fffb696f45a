"""Options that several commands share, with the keys of their help texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from samovar.commands.terminal import one_line
from samovar.errors import UsageError
from samovar.messages import say

if TYPE_CHECKING:
    from samovar.library.store import Library

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


def check_dates(first: str, last: str) -> None:
    """Refuse a span of dates in which nothing can lie.

    Raises:
        UsageError: it ends before it begins.
    """
    if first and last and first[: len(last)] > last:
        raise UsageError(say("usage.dates", first=first, last=last))


def check_targets(targets: Sequence[str] | None) -> None:
    """Refuse an empty word among paths and addresses: as a path it would mean the current folder with all that is in it.

    Raises:
        UsageError: there is one; often a shell variable that was not set.
    """
    if any(not target.strip() for target in targets or ()):
        raise UsageError(say("usage.empty_target"))


def check_sources(library: Library, names: Sequence[str] | None) -> None:
    """Refuse the name of a source that the library does not have: an empty answer would look like an honest one.

    Raises:
        UsageError: a name is unknown; the message lists those there are.
    """
    known = library.info().by_source if names else {}
    for name in map(as_text, names or ()):
        if name not in known:
            listed = ", ".join(one_line(source) for source in known) or "—"
            raise UsageError(say("remove.no_source", name=one_line(name), known=listed))


def as_text(argument: str) -> str:
    """Return an argument as storable text: bytes of the command line that are not UTF-8 become U+FFFD."""
    return argument.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

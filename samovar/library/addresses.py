"""Addresses and what lies in them: folders, archive members, rows of a table; as SQL conditions on ranges.

A member's address is its input's, then ``!/inner/name``; a row's or entry's is followed by ``#row=3`` or ``#entry``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from samovar.errors import UsageError

_ROW = re.compile(r"#row=\d+$")

MEMBER_MARKS = ("!/", "#")
"""What stands between the address of an input and the name of a part of it: archive members, rows and entries."""


def prefix_condition(column: str, prefixes: Sequence[str]) -> tuple[str, list[str]]:
    """Return an SQL condition, with its values, for "begins with one of these".

    Ranges instead of LIKE: they use the index and have no wildcards to escape. The upper end of a prefix is the prefix
    with its last character raised by one.
    """
    bounds = [value for prefix in prefixes for value in (prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1))]
    return "(" + " OR ".join([f"({column} >= ? AND {column} < ?)"] * len(prefixes)) + ")", bounds


def inside_condition(
    path: str, column: str = "uri", marks: Sequence[str] = ("/", *MEMBER_MARKS)
) -> tuple[str, list[str]]:
    """Return an SQL condition, with its values, for "is `path` or lies in it": a folder and, by `marks`, an archive or
    a table.
    """
    path = path.rstrip("/")
    prefixes, values = prefix_condition(column, [path + mark for mark in marks])
    return f"({column} = ? OR {prefixes})", [path, *values]


def input_of(uri: str) -> str:
    """Return the address of the file or URL that a document's address is part of.

    >>> input_of("/a/books.zip!/one.csv#row=3")
    '/a/books.zip'
    """
    return _ROW.sub("", uri.partition("!/")[0])


def removal_conditions(
    document_id: str | None, source: str | None, path: str | None, uri: str | None
) -> tuple[list[str], list[object]]:
    """Return SQL conditions for what to remove; several arguments narrow each other down."""
    conditions: list[str] = []
    values: list[object] = []
    for column, value in (("id", document_id), ("source", source), ("uri", uri)):
        if value is not None:
            conditions.append(f"d.{column} = ?")
            values.append(value)
    if path is not None:
        # "/a/C" must not take the file "/a/C#.md" along: marks of members count only in addresses of members
        by_input, inputs = inside_condition(path, "d.input", ("/",))
        by_uri, uris = inside_condition(path, "d.uri", ("/",))
        member, members = inside_condition(path, "d.uri")
        conditions.append(f"({by_input} OR {by_uri} OR (d.input <> d.uri AND {member}))")
        values += [*inputs, *uris, *members]
    if not conditions:
        raise UsageError(
            "expected something to remove (a document id, source, path or uri), found nothing. Name one of them."
        )
    return conditions, values

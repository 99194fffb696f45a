"""Lists of documents and of ledger rows as tables that become cards on a phone. Knows records and words, no server."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from markupsafe import Markup

from samovar.corpus.document import UNKNOWN, Document, LedgerRow
from samovar.library.shelf import LedgerPage
from samovar.messages import Words
from samovar.messages import words as words_of
from samovar.serve.web.parts.hits import source_name, title_of
from samovar.serve.web.parts.markup import document_link, join, tag

LONGEST_ADDRESS = 90
UPLOAD = re.compile(r"^upload:[A-Za-z0-9_-]+/")


def table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[Markup | str]], *, class_: str = "") -> Markup:
    """Return a table; each cell carries its column's name, which a narrow screen shows beside it."""
    body = [
        tag("tr", *(tag("td", cell, data_label=head if head else None) for head, cell in zip(heads, row, strict=True)))
        for row in rows
    ]
    columns = [tag("th", head or tag("span", "·", class_="visually-hidden"), scope="col") for head in heads]
    return tag(
        "table",
        tag("caption", caption, class_="visually-hidden"),
        tag("thead", tag("tr", *columns)),
        tag("tbody", *body),
        class_=f"list {class_}".strip(),
    )


def shorten(address: str, most: int = LONGEST_ADDRESS) -> str:
    """Return an address with its middle left out when it is long.

    >>> shorten("abcdefghij", 7)
    'abc…hij'
    """
    half = (most - 1) // 2
    return address if len(address) <= most else f"{address[:half]}…{address[-half:]}"


def name_address(address: str) -> str:
    """Return an address without the id that an upload's begins with.

    >>> name_address("upload:3f0c2a/letters.zip!/1.txt")
    'letters.zip!/1.txt'
    """
    return UPLOAD.sub("", address)


def shown(value: str, words: Words) -> str:
    """Return a value of a document's head; "unknown" in words."""
    return words.say("field.unknown") if value == UNKNOWN else value


def day_of(moment: str) -> str:
    """Return the date of an ISO time, "" for none."""
    return moment[:10]


def document_table(documents: Sequence[Document], words: Words, actions: Callable[[Document], Markup]) -> Markup:
    """Return a list of documents; `actions` gives the buttons of each."""
    heads = [words.say(f"field.{name}") for name in ("title", "source", "language", "published", "licence", "added_at")]
    rows = [
        [
            join(
                tag("a", title_of(document), href=document_link(document.id), class_="title"),
                tag("small", shorten(name_address(document.uri)), title=document.uri),
            ),
            source_name(document.source, words),
            document.language,
            document.published or "—",
            shown(document.licence, words),
            day_of(document.added_at),
            actions(document),
        ]
        for document in documents
    ]
    return table(words.say("library.documents"), [*heads, words.say("library.actions")], rows, class_="documents")


def name_reason(reason: str, words: Words) -> str:
    """Return a reason of the ledger in words: refusals are named in words.toml (``reason.…``), what the library does in web.toml."""
    if words.has(f"ledger.why_{reason}"):
        return words.say(f"ledger.why_{reason}")
    general = words_of(words.lang)
    return general.say(f"reason.{reason}") if general.has(f"reason.{reason}") else reason


def ledger_table(page: LedgerPage, words: Words) -> Markup:
    """Return rows of the ledger: when, what, why, where."""
    heads = [words.say(f"ledger.{name}") for name in ("at", "decision", "reason", "address", "source")]
    rows = [
        [
            tag("time", row.at.replace("T", " ").removesuffix("Z"), datetime=row.at),
            tag("span", words.say(f"ledger.{row.decision}"), class_=f"badge {row.decision}"),
            join(name_reason(row.reason, words), _measure(row)),
            join(_where(row)),
            source_name(row.source, words) if row.source else "—",
        ]
        for _, row in page.rows
    ]
    return table(words.say("ledger.title"), heads, rows, class_="ledger")


def _measure(row: LedgerRow) -> Markup:
    """The code of the reason with the measured value, for who looks closer."""
    value = "" if row.stage == "library" or len(row.value) == 32 else row.value
    return tag("small", tag("code", f"{row.stage}: {row.reason}"), f" = {value[:120]}" if value else None)


def _where(row: LedgerRow) -> Markup:
    """The address; a document that was kept is linked (its id is the row's value)."""
    address = shorten(name_address(row.uri))
    if row.decision == "kept" and row.reason in ("added", "replaced") and len(row.value) == 32:
        return tag("a", address, href=document_link(row.value), title=row.uri)
    return tag("span", address, title=row.uri)

"""The ledger page: what was kept, changed and dropped, and why, in words."""

from __future__ import annotations

from typing import cast

from markupsafe import Markup

from samovar.corpus.document import Decision
from samovar.library.shelf import Counts, LedgerPage, browsing
from samovar.messages import Words
from samovar.serve.native.sight import sight_of
from samovar.serve.web.frame import frame
from samovar.serve.web.page import PageContext, page
from samovar.serve.web.parts.forms import choice, field
from samovar.serve.web.parts.hits import source_name
from samovar.serve.web.parts.markup import link, tag
from samovar.serve.web.parts.place import put, sections
from samovar.serve.web.parts.reading import number_of
from samovar.serve.web.parts.tables import ledger_table, name_reason

DECISIONS = ("kept", "changed", "dropped")
PAGE_ROWS = 50
LONGEST_VALUE = 200


@page("/library/ledger", "read_library", strict=True)
async def ledger(
    context: PageContext, decision: str = "", source: str = "", reason: str = "", text: str = "", before: str = ""
) -> None:
    """Show a page of the ledger."""
    engine, words = context.state.engine, context.words
    chosen = decision if decision in DECISIONS else ""
    asked = {
        "decision": chosen,
        "source": source[:LONGEST_VALUE],
        "reason": reason[:LONGEST_VALUE],
        "text": text[:LONGEST_VALUE].strip(),
    }

    def work() -> tuple[LedgerPage, Counts, dict[str, int]]:
        with browsing(engine.samovar.library, sight_of(context.principal)) as shelf:
            rows = shelf.ledger(
                decision=cast(Decision, chosen) if chosen else None,
                source=asked["source"],
                reason=asked["reason"],
                text=asked["text"],
                before=number_of(before, 0),
                limit=PAGE_ROWS,
            )
            return rows, shelf.counts(), dict(shelf.reasons())

    rows, counts, reasons = await engine.work(work)
    with frame(context, words.say("ledger.title"), "library"):
        put(
            context,
            tag("h1", words.say("ledger.title")),
            sections("ledger", words),
            tag("p", words.say("ledger.about"), class_="lead"),
            _tally(counts, chosen, words),
            _filters(asked, counts, reasons, words),
            ledger_table(rows, words) if rows.rows else tag("p", words.say("ledger.none"), class_="empty"),
            _older(asked, rows, before, words),
            class_="ledger-page",
        )


def _tally(counts: Counts, chosen: str, words: Words) -> Markup:
    """The numbers of rows by decision, each a link to these rows."""
    items = [
        tag(
            "li",
            tag(
                "a",
                tag("b", words.number(counts.ledger.get(name, 0))),
                " " + words.say(f"ledger.{name}"),
                href=link("/library/ledger", {"decision": name}),
                class_=f"badge {name}",
                aria_current="true" if name == chosen else None,
            ),
        )
        for name in DECISIONS
    ]
    return tag("ul", *items, class_="tally")


def _filters(asked: dict[str, str], counts: Counts, reasons: dict[str, int], words: Words) -> Markup:
    everything = ("", words.say("library.any"))
    sources = [everything, *((name, source_name(name, words)) for name in counts.by_source)]
    why = [
        everything,
        *((name, f"{name_reason(name, words)} ({words.number(number)})") for name, number in reasons.items()),
    ]
    decisions = [everything, *((name, words.say(f"ledger.{name}")) for name in DECISIONS)]
    return tag(
        "form",
        choice("decision", words.say("ledger.decision"), decisions, asked["decision"]),
        choice("source", words.say("field.source"), sources, asked["source"]),
        choice("reason", words.say("ledger.reason"), why, asked["reason"]),
        field("text", words.say("ledger.address"), type="search", value=asked["text"]),
        tag("p", tag("button", words.say("library.filter"), class_="button"), class_="entry last"),
        action="/library/ledger", method="get", class_="filter-row", role="search", aria_label=words.say("ledger.filters"),
    )  # fmt: skip


def _older(asked: dict[str, str], rows: LedgerPage, before: str, words: Words) -> Markup:
    newest = (
        tag("a", words.say("ledger.newest"), href=link("/library/ledger", asked), class_="button") if before else None
    )
    older = None
    if rows.next:
        older = tag(
            "a",
            words.say("ledger.older"),
            href=link("/library/ledger", {**asked, "before": rows.next}),
            class_="button",
            rel="next",
        )
    return (
        tag("nav", newest, older, class_="pager", aria_label=words.say("pager.name")) if newest or older else Markup("")
    )

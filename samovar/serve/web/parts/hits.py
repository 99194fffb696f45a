"""Search results as HTML: title, provenance, snippet with its marks, explanation; and what the search says about itself."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markupsafe import Markup

from samovar.corpus.document import UNKNOWN, Document
from samovar.messages import Words
from samovar.search.hit import Hit
from samovar.search.searcher import SearchResult
from samovar.serve.access import owner_of_source
from samovar.serve.web.parts.explanation import explanation, legend, widest
from samovar.serve.web.parts.marks import marked
from samovar.serve.web.parts.markup import document_link, join, tag

NOTES = (
    ("notes.behind", re.compile(r"The index is (?P<count>\d+) passages behind")),
    ("notes.phrase", re.compile(r"No passage has the words «(?P<phrase>.*)» in this order", re.DOTALL)),
    ("notes.copies", re.compile(r"Hit (?P<rank>\d+) stands for (?P<count>\d+) more passage")),
)
"""The search room writes its notes in English; these are their forms, to say them in the reader's language."""


def source_name(source: str, words: Words) -> str:
    """Return a collection's name for people: one's own private collection and the starter library have words, others are their name."""
    if owner_of_source(source) is not None:
        return words.say("source.own")
    return words.say("source.starter") if source == "starter" else source


def title_of(document: Document) -> str:
    """Return the title, else the last part of the address."""
    return document.title.strip() or document.uri.rstrip("/").rpartition("/")[2] or document.uri


def provenance(document: Document, words: Words) -> Markup:
    """Return publisher, date, collection, country, language of a document as one line of a list."""
    facts = [
        (document.publisher, "publisher"),
        (document.published, "published"),
        (source_name(document.source, words), "source"),
        (document.origin if document.origin != UNKNOWN else "", "origin"),
        (document.language, "language"),
    ]
    items = [
        tag("li", tag("span", words.say(f"field.{name}") + ": ", class_="visually-hidden"), value)
        for value, name in facts
        if value
    ]
    return tag("ul", *items, class_="facts")


def hit_article(hit: Hit, words: Words, scale: float) -> Markup:
    """Return one result."""
    passage, (begin, end) = hit.passage, hit.snippet
    if begin >= end:
        begin, end = passage.start, min(passage.end, passage.start + 240)
    text = passage.text[begin - passage.start : end - passage.start]
    before = "… " if begin > passage.start else None
    after = " …" if end < passage.end else None
    address = document_link(hit.document.id, begin, end)
    return tag(
        "article",
        tag("span", str(hit.rank), class_="rank", aria_hidden="true"),
        tag("h3", tag("a", title_of(hit.document), href=address)),
        provenance(hit.document, words),
        tag("p", before, marked(text, begin, hit.highlights), after, class_="snippet", lang=_lang(hit.document)),
        explanation(hit, words, scale),
        class_="hit",
        id=f"hit-{hit.rank}",
        data_start=begin,
        data_end=end,
        data_document=hit.document.id,
    )


def _lang(document: Document) -> str | None:
    return document.language if re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]+)*", document.language) else None


def result_list(hits: Sequence[Hit], words: Words) -> Markup:
    """Return all results with the legend of their bars."""
    scale = widest(hits)
    items = [tag("li", hit_article(hit, words, scale)) for hit in hits]
    return join(legend(hits, words), tag("ol", *items, class_="hits", aria_label=words.say("search.results")))


def about_result(result: SearchResult, words: Words) -> Markup:
    """Return what was searched instead of what was typed, how much was considered, how long it took, and the notes."""
    lines = [
        tag(
            "p",
            words.say("search.corrected_before") + " ",
            tag("del", typed),
            " " + words.say("search.corrected_between") + " ",
            tag("ins", searched),
            class_="correction",
        )
        for typed, searched in result.corrections
    ]
    taken = words.number(result.seconds * 1000, 1)
    found = words.say("search.considered", count=result.total_candidates)
    numbers = tag(
        "p",
        f"{words.say('search.shown', count=len(result.hits))} · {found} · {words.say('search.took', time=taken)}",
        class_="muted small",
    )
    notes = [tag("p", say_note(note, words), class_="note") for note in result.notes]
    return tag("div", numbers, lines, notes, class_="about-result", role="status")


def say_note(note: str, words: Words) -> str:
    """Return a note of the search in the reader's language; one of an unknown form as it is."""
    for key, form in NOTES:
        found = form.match(note)
        if found:
            values = {
                name: int(text) if text.isdigit() and name != "phrase" else text
                for name, text in found.groupdict().items()
            }
            return words.say(key, **values)
    return note

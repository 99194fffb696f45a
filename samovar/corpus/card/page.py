"""The card as one HTML file: style inside, no script, no address that leads out. And two cards side by side.

Takes the data of `samovar.corpus.card.data` and words; the same data gives the same bytes. Knows nothing about corpora.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from itertools import groupby
from typing import Any

from samovar import __version__
from samovar.corpus.card.compare import Difference, compare_cards
from samovar.corpus.card.markup import Html, bar, escape, join, table, tag
from samovar.corpus.card.words import CardWords, card_words

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
ROWS = 30
Data = Mapping[str, Any]


def render_card(card: Data, language: str = "en", *, other: Data | None = None) -> str:
    """Return the page of a card; with another card, the differences come first and then both."""
    words = card_words(language)
    if other is None:
        return _page(words.say("page.title", name=card["name"]), _body(card, words), words)
    title = words.say("page.compare", first=card["name"], second=other["name"])
    parts = [tag("h1", title), _differences(card, other, words)]
    for one in (card, other):
        parts.append(tag("details", tag("summary", words.say("page.title", name=one["name"])), _body(one, words)))
    return _page(title, join(parts), words)


def _page(title: str, body: Html, words: CardWords) -> str:
    style = files("samovar.corpus.card").joinpath("style.css").read_text("utf-8")
    footer = tag("footer", words.say("page.made", version=__version__))
    return (
        f'<!doctype html>\n<html lang="{words.language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><title>{escape(title)}</title><style>{style}</style></head>'
        f"<body>{tag('main', body, footer)}</body></html>\n"
    )


def _body(card: Data, words: CardWords) -> Html:
    lead = words.say(
        "page.lead", documents=card["documents"], characters=card["characters"], bytes=words.size(card["bytes"])
    )
    parts = [tag("h1", words.say("page.title", name=card["name"])), tag("p", lead, class_="lead")]
    if card["date"]:
        parts.append(tag("p", words.say("page.date", date=card["date"]), class_="small"))
    sections = (
        _flow,
        _sources,
        _languages,
        _licences,
        _time,
        _hosts,
        _lengths,
        _reasons,
        _duplicates,
        _personal,
        _contamination,
    )
    parts += [make(card, words) for make in (*sections, _coverage, _samples, _recipe, _files)]
    return join(parts)


def _section(key: str, words: CardWords, *inner: str, note: str = "") -> Html:
    return tag(
        "section", tag("h2", words.say(f"section.{key}")), tag("p", note, class_="small") if note else Html(""), *inner
    )


def _none(words: CardWords) -> Html:
    return tag("p", words.say("page.none"), class_="small")


def _heads(words: CardWords, *keys: str) -> list[str]:
    return [words.say(f"head.{key}") for key in keys]


# -- the corpus as a whole ----------------------------------------------------------------------------------------------
def _flow(card: Data, words: CardWords) -> Html:
    whole = card["flow"][0]["left"]
    rows = [
        [
            words.name("stage", s["stage"]),
            *map(words.number, (s["dropped"], s["changed"], s["left"])),
            bar(s["left"] / whole if whole else 0),
        ]
        for s in card["flow"]
    ]
    sizes = [
        [words.name("pass", p["name"]), words.number(p["documents"]), words.number(p["characters"])]
        for p in card["passes"]
    ]
    passes = table(_heads(words, "when", "documents", "characters"), sizes)
    return _section(
        "flow",
        words,
        table([*_heads(words, "stage", "dropped", "changed", "left"), ""], rows),
        passes,
        note=words.say("section.flow_note"),
    )


def _sources(card: Data, words: CardWords) -> Html:
    rows = [
        [
            s["name"],
            s["kind"],
            *map(
                words.number, (s["seen"], s["kept"], s["dropped"], sum(s.get("passed", {}).values()), s["characters"])
            ),
        ]
        for s in card["sources"]
    ]
    heads = _heads(words, "source", "kind", "seen", "kept", "dropped", "passed", "characters")
    return _section("sources", words, table(heads, rows, text=(0, 1)), note=words.say("section.sources_note"))


def _sized(rows: Sequence[Data], head: str, whole: int, words: CardWords, unknown: str = "page.unknown") -> Html:
    """A table of documents and characters by name; what is beyond `ROWS` stands in ``card.json``."""
    shown = [
        [
            row["name"] or words.say(unknown),
            *map(words.number, (row["documents"], row["characters"])),
            words.percent(row["characters"], whole),
            bar(row["characters"] / whole if whole else 0),
        ]
        for row in rows[:ROWS]
    ]
    return table([*_heads(words, head, "documents", "characters", "share"), ""], shown) if shown else _none(words)


def _languages(card: Data, words: CardWords) -> Html:
    return _section("languages", words, _sized(card["languages"], "language", card["characters"], words))


def _licences(card: Data, words: CardWords) -> Html:
    inner = _sized(card["licences"], "licence", card["characters"], words)
    return _section("licences", words, inner, note=words.say("section.licences_note"))


def _time(card: Data, words: CardWords) -> Html:
    centuries = _sized(card["centuries"], "century", card["characters"], words)
    decades = _sized(card["decades"][-ROWS:], "decade", card["characters"], words)
    more = tag("details", tag("summary", words.say("section.decades")), decades)
    return _section("time", words, centuries, more, note=words.say("section.time_note"))


def _hosts(card: Data, words: CardWords) -> Html:
    hosts = card["hosts"]
    note = words.say(
        "section.hosts_note", shown=min(ROWS, sum(bool(row["name"]) for row in hosts["top"])), number=hosts["number"]
    )
    return _section("hosts", words, _sized(hosts["top"], "host", card["characters"], words, "page.no_host"), note=note)


def _lengths(card: Data, words: CardWords) -> Html:
    # read from a file the keys are in the order of letters: 25, 5, 50
    percentiles = sorted((int(p), length) for p, length in card["lengths"].items())
    rows = [[f"{p} %", words.number(length)] for p, length in percentiles]
    inner = table(_heads(words, "percentile", "characters"), rows) if rows else _none(words)
    return _section("lengths", words, inner, note=words.say("section.lengths_note"))


# -- what happened to the texts ----------------------------------------------------------------------------------------
def _reasons(card: Data, words: CardWords) -> Html:
    rows = [
        [
            words.name("stage", r["stage"]),
            words.say(f"decision.{r['decision']}"),
            tag("code", r["reason"]),
            words.number(r["count"]),
        ]
        for r in card["reasons"]
    ]
    heads = _heads(words, "stage", "decision", "reason", "count")
    return _section("reasons", words, table(heads, rows, text=(0, 1, 2)) if rows else _none(words))


def _duplicates(card: Data, words: CardWords) -> Html:
    found = card["duplicates"]
    note = words.say("section.duplicates_note", exact=found["exact"], near=found["near"])
    rows = [
        [
            words.number(c["size"]),
            join((c["title"], tag("br") if c["title"] else "", tag("code", c["uri"]))),
            join(tag("div", tag("code", uri)) for uri in c["others"]),
        ]
        for c in found["biggest"]
    ]
    inner = table(_heads(words, "size", "document", "others"), rows, text=(0, 1, 2)) if rows else _none(words)
    return _section("duplicates", words, tag("h3", words.say("section.clusters")), inner, note=note)


def _personal(card: Data, words: CardWords) -> Html:
    rows = [[tag("code", p["kind"]), *map(words.number, (p["documents"], p["masked"]))] for p in card["personal"]]
    inner = table(_heads(words, "kind", "documents", "masked"), rows) if rows else _none(words)
    return _section("personal", words, inner, note=words.say("section.personal_note"))


def _contamination(card: Data, words: CardWords) -> Html:
    about = card["contamination"]
    if not about["references"]:
        return _section("contamination", words, note=words.say("section.contamination_none"))
    rows = [[tag("code", f["reference"]), words.number(f["documents"])] for f in about["found"]]
    inner = table(_heads(words, "reference", "documents"), rows) if rows else _none(words)
    listed = tag("p", join(tag("code", f"{name} ") for name in about["references"]), class_="small")
    note = words.say("section.contamination_note", policy=about["policy"], dropped=about["dropped"])
    return _section("contamination", words, listed, inner, note=note)


# -- cultures, samples, origin -----------------------------------------------------------------------------------------
def _coverage(card: Data, words: CardWords) -> Html:
    about = card["coverage"]
    if not about:
        return Html("")
    cultures = sorted(about["cultures"].items())
    domains = list(dict.fromkeys(domain for _, culture in cultures for domain in culture["domains"]))
    heads = [
        words.say("head.culture"),
        words.say("head.mentioned"),
        *(words.name("domain", domain) for domain in domains),
    ]
    rows = [
        [
            words.name("culture", name),
            words.percent(c["mentioned"], c["entities"]),
            *(_of_domain(c, domain) for domain in domains),
        ]
        for name, c in cultures
    ]
    lists = [_entities(name, culture, words) for name, culture in cultures]
    note = words.say("section.coverage_note", looked_at=about["looked_at"], documents=about["documents"])
    return _section("coverage", words, table(heads, rows), *lists, note=note)


def _of_domain(culture: Data, domain: str) -> str:
    part = culture["domains"].get(domain)
    return f"{part['mentioned']}/{part['entities']}" if part else "–"


def _entities(name: str, culture: Data, words: CardWords) -> Html:
    def called(entity: Data) -> str:
        return str(entity["names"].get(words.language) or next(iter(entity["names"].values()), entity["id"]))

    most = [[called(e), words.number(e["documents"])] for e in culture["most"]]
    parts = [tag("summary", words.name("culture", name)), tag("h3", words.say("section.most"))]
    parts.append(table(_heads(words, "entity", "documents"), most) if most else _none(words))
    parts.append(tag("h3", words.say("section.never")))
    by_domain = groupby(sorted(culture["never"], key=lambda e: (e["domain"], called(e))), lambda e: e["domain"])
    parts += [
        tag("p", f"{words.name('domain', d)}: ", ", ".join(map(called, some)), class_="small") for d, some in by_domain
    ]
    return tag("details", *parts)


def _samples(card: Data, words: CardWords) -> Html:
    parts = []
    for source, reasons in card["samples"].items():
        for reason, texts in reasons.items():
            stage, _, name = reason.partition(":")
            head = tag("summary", f"{source}: {words.name('stage', stage)}, ", tag("code", name))
            quotes = join(join((tag("code", uri), tag("blockquote", text))) for uri, text in texts)
            parts.append(tag("details", head, quotes))
    return _section("samples", words, *(parts or [_none(words)]), note=words.say("section.samples_note"))


def _recipe(card: Data, words: CardWords) -> Html:
    text = json.dumps(card["recipe"], ensure_ascii=False, indent=1, sort_keys=True)
    return _section(
        "recipe", words, tag("details", tag("summary", tag("code", card["recipe_sha256"])), tag("pre", text))
    )


def _files(card: Data, words: CardWords) -> Html:
    rows = [
        [tag("code", f["path"]), words.number(f["rows"]), words.size(f["bytes"]), tag("code", f["sha256"])]
        for f in card["files"]
    ]
    listed = table(_heads(words, "file", "rows", "size", "version"), rows, text=(0, 3)) if rows else _none(words)
    versions = table(
        _heads(words, "library", "version"), [[n, v] for n, v in sorted(card["versions"].items())], text=(0, 1)
    )
    total = tag("p", tag("code", f"output_sha256 {card['output_sha256']}"))
    return _section("files", words, total, tag("details", tag("summary", words.say("head.file")), listed), versions)


# -- two cards ----------------------------------------------------------------------------------------------------------
def _differences(card: Data, other: Data, words: CardWords) -> Html:
    found = compare_cards(card, other)
    if not found:
        same = card["output_sha256"] == other["output_sha256"]
        return tag("p", words.say("page.same" if same else "page.no_differences"))
    parts: list[str] = [tag("p", words.say("page.compare_lead"), class_="small")]
    for group, some in groupby(found, lambda difference: difference.group):
        parts += [tag("h2", words.say(f"group.{group}")), _rows_of(list(some), words)]
    return join(parts)


def _rows_of(some: Iterable[Difference], words: CardWords) -> Html:
    rows = [
        [
            difference_name(d, words),
            words.number(d.first),
            words.number(d.second),
            ("+" if d.change > 0 else "") + words.number(d.change),
        ]
        for d in some
    ]
    return table(_heads(words, "figure", "first", "second", "change"), rows)


def difference_name(difference: Difference, words: CardWords) -> str:
    """Return the name of a figure in words."""
    groups = {
        "totals": ("unit",),
        "flow": ("stage",),
        "sources": ("", "unit"),
        "coverage": ("culture", "domain"),
        "reasons": ("stage", "decision", ""),
    }
    kinds = groups.get(difference.group, ("",))
    parts = [words.name(kind, part) if kind else part for kind, part in zip(kinds, difference.name, strict=False)]
    return ", ".join(part for part in parts if part) or words.say("page.unknown")

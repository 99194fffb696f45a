"""About this system: which model answers, what the library is made of, how an answer comes about, what it cannot do, what leaves the machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from markupsafe import Markup

from samovar import __version__
from samovar.library.shelf import Counts, browsing
from samovar.messages import Words
from samovar.serve.engine import EXTRACTIVE
from samovar.serve.native.sight import sight_of
from samovar.serve.web.frame import frame
from samovar.serve.web.page import PageContext, page
from samovar.serve.web.parts.charts import bar_chart, column_chart
from samovar.serve.web.parts.hits import source_name
from samovar.serve.web.parts.markup import join, tag
from samovar.serve.web.parts.outside import outside_hosts
from samovar.serve.web.parts.place import put
from samovar.serve.web.parts.reading import shown_language
from samovar.serve.web.parts.tables import day_of
from samovar.settings import Settings

MOST_YEARS = 40  # more are summed up by decade, then by century
STEPS = ("retrieve", "show", "write", "cite", "check", "abstain")
LIMITS = ("extractive", "support", "starter", "ocr", "catalogue")
TOPICS = ("centuries", "domain", "region")
"""What the starter library says about its articles; a pack without them has no such plots."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the page shows of the library: counts of what this visitor may see, and the topics its documents name."""

    counts: Counts
    topics: Mapping[str, Mapping[str, int]]


@page("/about", "read_library", strict=True)
async def about(context: PageContext) -> None:
    """Show it."""
    engine, words = context.state.engine, context.words

    def work() -> Facts:
        with browsing(engine.samovar.library, sight_of(context.principal)) as shelf:
            return Facts(shelf.counts(), {name: shelf.metadata_values(name) for name in TOPICS})

    facts = await engine.work(work)
    with frame(context, words.say("about.title"), "about"):
        put(
            context,
            tag("h1", words.say("about.title")),
            tag("p", words.say("about.lead"), class_="lead"),
            _section("model", _model(context), words),
            _section("privacy", _privacy(context.state.settings, words), words),
            _section("library", _library(facts, words), words),
            _section("answer", _answer(words), words),
            _section("limits", tag("ul", *(tag("li", words.say(f"about.limit_{name}")) for name in LIMITS)), words),
            class_="about-page",
        )


def _section(name: str, content: Markup, words: Words) -> Markup:
    return tag(
        "section", tag("h2", words.say(f"about.{name}"), id=f"about-{name}"), content, aria_labelledby=f"about-{name}"
    )


# -- model ----------------------------------------------------------------------------------------------------------------
def _model(context: PageContext) -> Markup:
    words, cards = context.words, context.state.engine.cards()
    grounded = [card for card in cards if card.grounded]
    rows = [
        ("version", f"Samovar {__version__}"),
        ("writes", join(*(_model_name(card.raw, words) for card in grounded[:1]))),
        *(  # the extractive answerer has no prompt
            ("context", words.say("about.tokens", count=card.context_tokens))
            for card in grounded[:1]
            if card.raw != EXTRACTIVE
        ),
        ("offered", ", ".join(card.id for card in cards)),
    ]
    facts = [tag("div", tag("dt", words.say(f"about.{name}")), tag("dd", value)) for name, value in rows]
    return tag("dl", *facts, class_="facts-list")


def _model_name(raw: str, words: Words) -> Markup:
    return join(raw, " ", tag("small", words.say("about.extractive"), class_="muted") if raw == EXTRACTIVE else None)


# -- what leaves the machine ----------------------------------------------------------------------------------------------
def _privacy(settings: Settings, words: Words) -> Markup:
    hosts = outside_hosts(settings)
    first = words.say("about.sent_to", hosts=", ".join(hosts)) if hosts else words.say("about.nothing_leaves")
    said = [
        tag("p", first, class_="notice" if hosts else "promise", data_outside=" ".join(hosts)),
        tag("p", words.say("about.fetches")),
    ]
    if settings.serve.oidc_issuer:
        said.append(tag("p", words.say("about.oidc", issuer=urlsplit(settings.serve.oidc_issuer).hostname or "")))
    return join(*said)


# -- library --------------------------------------------------------------------------------------------------------------
def _library(facts: Facts, words: Words) -> Markup:
    counts = facts.counts
    if not counts.num_documents:
        return tag("p", words.say("library.none"), " ", tag("a", words.say("about.add"), href="/library"))
    totals = [
        words.say("count.documents", count=counts.num_documents),
        words.say("count.passages", count=counts.num_passages),
        words.say("count.characters", count=counts.num_characters),
        _when(day_of(counts.first_added), day_of(counts.last_added), words),
    ]
    unknown = {"unknown": words.say("field.unknown")}
    charts = [
        bar_chart(words.say("about.by_source"), counts.by_source, words, names={v: source_name(v, words) for v in counts.by_source}),
        bar_chart(words.say("about.by_language"), counts.by_language, words, names={v: shown_language(v, words) for v in counts.by_language}),
        bar_chart(words.say("about.by_licence"), counts.by_licence, words, names=unknown),
        bar_chart(words.say("about.by_origin"), counts.by_origin, words, names=unknown),
        bar_chart(words.say("about.by_publisher"), counts.by_publisher, words),
        _by_date(counts, words),
        *(_by_topic(name, facts.topics[name], words) for name in TOPICS),
    ]  # fmt: skip
    where = tag("p", tag("a", words.say("about.ledger"), href="/library/ledger"))
    return join(
        tag("p", " · ".join(totals), data_documents=counts.num_documents), tag("div", *charts, class_="charts"), where
    )


def _when(first: str, last: str, words: Words) -> str:
    return (
        words.say("about.added_on", day=first)
        if first == last
        else words.say("about.added_between", first=first, last=last)
    )


def _by_date(counts: Counts, words: Words) -> Markup:
    """Documents by year of publication, by decade or century when there are many; undated ones are said, not drawn."""
    dated = {int(year): number for year, number in counts.by_year.items() if len(year) == 4 and year.isdigit()}
    undated = counts.num_documents - sum(dated.values())
    note = tag("p", words.say("about.undated", count=undated), class_="muted small") if undated else None
    if not dated:
        return tag("figure", tag("figcaption", words.say("about.by_year")), note, class_="chart")
    step = next((s for s in (1, 10, 100) if (max(dated) - min(dated)) / s < MOST_YEARS), 1000)
    sums: Counter[int] = Counter()
    for year, number in dated.items():
        sums[year // step * step] += number
    columns = [(str(year), sums[year]) for year in range(min(sums), max(sums) + 1, step)]
    title = words.say("about.by_year") if step == 1 else words.say("about.by_years", step=step)
    return join(column_chart(title, columns, words), note)


def _by_topic(name: str, counts: Mapping[str, int], words: Words) -> Markup | None:
    if not counts:
        return None
    if name == "centuries" and all(value.lstrip("-").isdigit() for value in counts):
        return column_chart(
            words.say("about.by_centuries"), sorted(counts.items(), key=lambda item: int(item[0])), words
        )
    names = {value: words.say(f"topic.{value}") for value in counts if words.has(f"topic.{value}")}
    return bar_chart(words.say(f"about.by_{name}"), counts, words, names=names)


def _answer(words: Words) -> Markup:
    steps = [
        tag("li", tag("b", words.say(f"about.step_{name}")), " ", words.say(f"about.step_{name}_means"))
        for name in STEPS
    ]
    return tag("ol", *steps, class_="steps")

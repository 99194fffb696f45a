"""The search page: every result with its marks and the account of its rank. What is asked for stands in the address, so it can be shared."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Query
from markupsafe import Markup

from samovar.corpus.document import UNKNOWN
from samovar.errors import SamovarError
from samovar.library.shelf import FIELDS, browsing
from samovar.messages import Words
from samovar.search.query import Filters
from samovar.search.searcher import SearchResult
from samovar.serve.failures import message_of
from samovar.serve.native.sight import sight_of
from samovar.serve.web.frame import frame
from samovar.serve.web.page import PageContext, page
from samovar.serve.web.parts.forms import checkbox, facet, field, hidden
from samovar.serve.web.parts.hits import about_result, result_list, source_name
from samovar.serve.web.parts.markup import join, link, tag
from samovar.serve.web.parts.place import put
from samovar.serve.web.parts.reading import number_of, shown_language

FIRST_HITS = 10
MOST_HITS = 100
LONGEST_VALUE = 200
MOST_VALUES = 50
DATE = re.compile(r"\d{4}(-\d\d(-\d\d)?)?")

Several = Annotated[list[str], Query()]


@dataclass(frozen=True, slots=True)
class Request:
    """What the address asks for. `plain`: in pure order of score, without spreading over publishers."""

    text: str
    filters: Filters
    k: int
    plain: bool
    wrong_dates: tuple[str, ...] = ()

    def address(self, **changes: str | int) -> str:
        """Return the address of this search, or of one with something changed."""
        f = self.filters
        values: dict[str, str | int | tuple[str, ...]] = {
            "q": self.text, "source": f.sources, "language": f.languages, "origin": f.origins, "licence": f.licences,
            "publisher": f.publishers, "from": f.published_from, "to": f.published_to, "plain": "1" if self.plain else "",
            "k": self.k if self.k != FIRST_HITS else "",
        }  # fmt: skip
        return link("/search", {**values, **changes})


@page("/search", "search", strict=True)
async def search(
    context: PageContext,
    q: str = "",
    source: Several = [],  # noqa: B006
    language: Several = [],  # noqa: B006
    origin: Several = [],  # noqa: B006
    licence: Several = [],  # noqa: B006
    publisher: Several = [],  # noqa: B006
    published_from: Annotated[str, Query(alias="from")] = "",
    published_to: Annotated[str, Query(alias="to")] = "",
    plain: str = "",
    k: str = "",
) -> None:
    """Search what this visitor may see, and show it."""
    filters = Filters(
        sources=_values(source), languages=_values(language), origins=_values(origin), licences=_values(licence), publishers=_values(publisher)
    )  # fmt: skip
    asked = Request(q.strip(), filters, number_of(k, FIRST_HITS, 1, MOST_HITS), bool(plain))
    asked = _with_dates(asked, published_from.strip(), published_to.strip())
    facets = await context.state.engine.work(lambda: _facets(context))
    title = context.say("search.title") if not asked.text else f"{asked.text[:60]} · {context.say('search.title')}"
    with frame(context, title, "search"):
        put(context, _form(asked, facets, context.words), await _outcome(context, asked), class_="search-page")


def _values(values: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value[:LONGEST_VALUE] for value in values[:MOST_VALUES] if value))


def _with_dates(asked: Request, first: str, last: str) -> Request:
    wrong = tuple(date[:40] for date in (first, last) if date and not DATE.fullmatch(date))
    if not wrong and first and last and first > last and not last.startswith(first):
        wrong = (f"{first} > {last}",)
    if wrong:
        return replace(asked, wrong_dates=wrong)
    return replace(asked, filters=replace(asked.filters, published_from=first, published_to=last))


def _facets(context: PageContext) -> dict[str, Mapping[str, int]]:
    engine = context.state.engine
    with browsing(engine.samovar.library, sight_of(context.principal)) as shelf:
        counts = shelf.counts()
    return {name: getattr(counts, f"by_{name}") for name in FIELDS}


# -- form -----------------------------------------------------------------------------------------------------------------
def _form(asked: Request, facets: Mapping[str, Mapping[str, int]], words: Words) -> Markup:
    f = asked.filters
    chosen = {
        "source": f.sources,
        "language": f.languages,
        "origin": f.origins,
        "licence": f.licences,
        "publisher": f.publishers,
    }
    boxes = [
        facet(name, words.say(f"field.{name}"), facets[name], chosen[name], words, _names(name, facets[name], words))
        for name in FIELDS
    ]
    dates = tag(
        "fieldset",
        tag("legend", words.say("field.published")),
        field(
            "from", words.say("search.from"), value=f.published_from, placeholder="1900", inputmode="numeric", size=10
        ),
        field(
            "to", words.say("search.to"), value=f.published_to, placeholder="1999-12-31", inputmode="numeric", size=10
        ),
        class_="facet dates",
    )
    order = tag(
        "fieldset",
        tag("legend", words.say("search.order")),
        checkbox("plain", words.say("search.plain"), checked=asked.plain),
        class_="facet",
    )
    active = sum(len(values) for values in chosen.values()) + bool(f.published_from or f.published_to) + asked.plain
    summary = words.say("search.filters") + (f" · {active}" if active else "")
    clear = (
        tag("a", words.say("search.clear"), href=link("/search", {"q": asked.text}), class_="button")
        if active
        else None
    )
    apply = tag("button", words.say("search.apply"), class_="button")
    folded = tag(
        "details", tag("summary", summary), tag("div", *boxes, dates, order, class_="facets"), tag("p", apply, clear, class_="row"),
        class_="filters", open=bool(asked.wrong_dates),
    )  # fmt: skip
    query = tag(
        "div",
        tag("label", words.say("search.query"), for_="q", class_="visually-hidden"),
        tag(
            "input", id="q", name="q", type="search", value=asked.text, placeholder=words.say("search.placeholder"), autocomplete="off",
            maxlength=2000, enterkeyhint="search", autofocus=not asked.text, data_slash=True, class_="field",
        ),
        tag("button", words.say("search.send"), class_="button primary"),
        class_="search-box",
    )  # fmt: skip
    wrong = [
        tag("p", words.say("search.wrong_date", found=date), class_="alert", role="alert") for date in asked.wrong_dates
    ]
    heading = tag("h1", words.say("search.title"), class_="visually-hidden" if asked.text else None)
    return tag(
        "form",
        heading,
        query,
        wrong,
        folded,
        hidden({}),
        action="/search",
        method="get",
        role="search",
        class_="search-form",
    )


def _names(name: str, values: Mapping[str, int], words: Words) -> dict[str, str]:
    if name == "source":
        return {value: source_name(value, words) for value in values}
    if name == "language":
        return {value: shown_language(value, words) for value in values}
    return {UNKNOWN: words.say("field.unknown")} if UNKNOWN in values else {}


# -- outcome --------------------------------------------------------------------------------------------------------------
async def _outcome(context: PageContext, asked: Request) -> Markup:
    words = context.words
    if not asked.text:
        return tag(
            "div", tag("p", words.say("search.invitation")), tag("ul", *_hints(words), class_="hints"), class_="empty"
        )
    if asked.wrong_dates:
        return Markup("")
    try:
        result = await context.state.engine.search(
            context.principal, asked.text, k=asked.k, filters=asked.filters, diversity=False if asked.plain else None
        )
    except SamovarError as error:
        retry = tag("p", tag("a", words.say("search.retry"), href=asked.address(), class_="button"))
        return tag(
            "div",
            tag("h2", words.say("search.failed")),
            tag("p", message_of(error)),
            retry,
            class_="empty failure",
            role="alert",
        )
    return _found(result, asked, words) if result.hits else _nothing(result, asked, words)


def _hints(words: Words) -> list[Markup]:
    return [
        tag("li", tag("code", words.say(f"search.hint_{n}")), " — ", words.say(f"search.hint_{n}_means"))
        for n in (1, 2, 3)
    ]


def _found(result: SearchResult, asked: Request, words: Words) -> Markup:
    more = None
    if len(result.hits) == asked.k and asked.k < MOST_HITS and result.total_candidates > asked.k:
        address = asked.address(k=min(MOST_HITS, asked.k + FIRST_HITS)) + f"#hit-{asked.k + 1}"
        more = tag("p", tag("a", words.say("search.more"), href=address, class_="button"), class_="row center")
    heading = tag("h2", words.say("search.results"), class_="visually-hidden")
    return tag("section", heading, about_result(result, words), result_list(result.hits, words), more, class_="results")


def _nothing(result: SearchResult, asked: Request, words: Words) -> Markup:
    narrowed = replace(asked.filters, hidden_sources=()) != Filters()
    advice = [words.say("search.advice_words")]
    if narrowed:
        without = tag("a", words.say("search.advice_filters"), href=link("/search", {"q": asked.text}))
    else:
        without = tag("a", words.say("search.advice_add"), href="/library")
    return tag(
        "div",
        tag("h2", words.say("search.nothing")),
        about_result(result, words),
        tag("ul", *(tag("li", text) for text in advice), tag("li", join(without))),
        class_="empty",
    )

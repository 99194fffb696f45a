"""The library page: add documents, see what there is, take out what one may."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from samovar.library.shelf import Counts, DocumentPage, browsing
from samovar.messages import Words
from samovar.messages import words as words_of
from samovar.serve.access import owner_of_source
from samovar.serve.native.sight import sight_of
from samovar.serve.store.records import Upload
from samovar.serve.web.frame import frame
from samovar.serve.web.icons import icon
from samovar.serve.web.page import PageContext, page
from samovar.serve.web.pages import ledger as _ledger  # noqa: F401  its page is registered with this one
from samovar.serve.web.parts.forms import api_button, api_form, choice, field, pager
from samovar.serve.web.parts.hits import source_name
from samovar.serve.web.parts.markup import tag
from samovar.serve.web.parts.outside import outside_hosts
from samovar.serve.web.parts.place import put, sections
from samovar.serve.web.parts.reading import number_of, shown_language
from samovar.serve.web.parts.removal import remove_button
from samovar.serve.web.parts.tables import document_table, name_reason, shown, table

PAGE_ROWS = 50
LONGEST_VALUE = 200
FILTERS = ("source", "language", "licence")


@page("/library", "read_library", strict=True)
async def library(
    context: PageContext, source: str = "", language: str = "", licence: str = "", text: str = "", page: str = ""
) -> None:
    """Show a page of the documents this visitor may see, with the means to add some."""
    engine, words = context.state.engine, context.words
    filters = {
        "source": source[:LONGEST_VALUE],
        "language": language[:LONGEST_VALUE],
        "licence": licence[:LONGEST_VALUE],
    }
    filters = {name: value for name, value in filters.items() if value}
    text, at = text[:LONGEST_VALUE].strip(), number_of(page, 1, 1, 10**7)

    def work() -> tuple[DocumentPage, Counts]:
        with browsing(engine.samovar.library, sight_of(context.principal)) as shelf:
            found = shelf.documents(filters=filters, text=text, limit=PAGE_ROWS, offset=(at - 1) * PAGE_ROWS)
            return found, shelf.counts()

    found, counts = await engine.work(work)
    refused = (
        [u for u in await context.state.uploads.list(context.principal) if u.status == "refused"]
        if _may_add(context)
        else []
    )
    with frame(context, words.say("library.title"), "library"):
        put(
            context,
            tag("h1", words.say("library.title")),
            sections("library", words),
            _totals(counts, words),
            _add(context, counts),
            _refused(refused, words),
            _list(context, found, counts, {**filters, "text": text}, at),
            class_="library-page",
        )


def _totals(counts: Counts, words: Words) -> Markup:
    said = [
        words.say("count.documents", count=counts.num_documents),
        words.say("count.passages", count=counts.num_passages),
        words.say("count.characters", count=counts.num_characters),
    ]
    return tag("p", " · ".join(said), class_="muted", data_documents=counts.num_documents)


def _may_add(context: PageContext) -> bool:
    return context.may("use_own_documents")


# -- adding ---------------------------------------------------------------------------------------------------------------
def _add(context: PageContext, counts: Counts) -> Markup | None:
    words = context.words
    if not _may_add(context):
        return None
    shared = [name for name in counts.by_source if owner_of_source(name) is None]
    settings = context.state.settings
    limit = settings.serve.max_upload_bytes
    stays = None if outside_hosts(settings) else tag("p", words.say("library.stays"), class_="muted small")
    return tag(
        "section",
        tag("h2", words.say("library.add"), id="add-title"),
        _target(context, shared),
        tag(
            "div",
            Markup(icon("import", 30)),
            tag("p", words.say("library.drop"), class_="drop-lead"),
            tag("p", words.say("library.formats", limit=words.size(limit)), class_="muted small"),
            stays,
            tag(
                "p",
                _pick("pick-files", words.say("library.pick_files"), "button primary", multiple=True),
                _pick("pick-folder", words.say("library.pick_folder"), "button", webkitdirectory=True),
                class_="row center",
            ),
            class_="drop",
            id="drop",
            data_limit=limit,
        ),
        api_form(
            "POST",
            "/api/samovar/documents",
            field(
                "urls", words.say("library.address"), type="url", required=True, placeholder="https://", data_list=True
            ),
            tag("p", tag("button", words.say("library.fetch"), class_="button"), class_="entry last"),
            tag("p", hidden=True, role="status", class_="done-message"),
            done="added",
            class_="filter-row",
            id="add-address",
        ),
        _progress(words),
        tag("div", id="reason-words", hidden=True, data_words=json.dumps(_reasons(words), ensure_ascii=False)),
        class_="card add",
        aria_labelledby="add-title",
    )


def _target(context: PageContext, shared: list[str]) -> Markup:
    """Where to: the visitor's own collection, or, for editors, a shared one by name."""
    words = context.words
    if not context.may("change_shared_documents"):
        return tag("p", words.say("library.to_own"), class_="muted")
    names = tag("datalist", *(tag("option", value=name) for name in shared if name != "starter"), id="shared-names")
    return tag(
        "fieldset",
        tag("legend", words.say("library.target")),
        _radio("own", words.say("library.target_own"), checked=True),
        _radio("shared", words.say("library.target_shared")),
        tag("label", words.say("library.shared_name"), for_="shared-name", class_="visually-hidden"),
        tag(
            "input", id="shared-name", class_="field", list="shared-names", maxlength=100, placeholder=words.say("library.shared_name"),
            autocomplete="off",
        ),
        names,
        class_="target",
    )  # fmt: skip


def _radio(value: str, label: str, *, checked: bool = False) -> Markup:
    return tag(
        "label",
        tag("input", type="radio", name="target", value=value, checked=checked),
        tag("span", label),
        class_="check",
    )


def _pick(name: str, label: str, class_: str, **attributes: bool) -> Markup:
    box = tag("input", type="file", id=name, class_="visually-hidden", **attributes)
    return tag("label", box, tag("span", label), class_=f"{class_} pick", for_=name)


def _progress(words: Words) -> Markup:
    return tag(
        "div",
        tag("h3", words.say("library.progress")),
        tag("progress", id="upload-total", max=1, value=0, aria_label=words.say("library.progress")),
        tag("p", id="upload-numbers", class_="muted small", role="status"),
        tag("ul", id="upload-files", class_="upload-files"),
        tag(
            "p",
            tag("a", words.say("library.show_added"), href="/library", class_="button"),
            class_="row",
            id="upload-done",
            hidden=True,
        ),
        id="uploads",
        hidden=True,
    )


def _reasons(words: Words) -> Mapping[str, object]:
    """Why a file may be refused, in words, for the browser."""
    return {key: text for key, text in words_of(words.lang).texts.items() if key.startswith("reason.")}


def _refused(uploads: Sequence[Upload], words: Words) -> Markup | None:
    """The visitor's files that gave no document: why, and a way to be rid of them."""
    if not uploads:
        return None
    heads = [words.say("field.title"), words.say("ledger.reason"), words.say("library.actions")]
    rows = [
        [
            upload.name,
            name_reason(upload.reason, words),
            api_button("DELETE", f"/api/samovar/uploads/{upload.id}", words.say("library.discard")),
        ]
        for upload in uploads[:PAGE_ROWS]
    ]
    return tag(
        "section",
        tag("h2", words.say("library.refused")),
        tag("p", words.say("library.refused_about"), class_="muted small"),
        table(words.say("library.refused"), heads, rows, class_="refused"),
    )


# -- list -----------------------------------------------------------------------------------------------------------------
def _list(context: PageContext, found: DocumentPage, counts: Counts, asked: dict[str, str], at: int) -> Markup:
    words = context.words
    num_pages = max(1, -(-found.total // PAGE_ROWS))
    if found.documents:
        rows = document_table(found.documents, words, lambda document: remove_button(context, document, small=True))
    elif any(asked.values()):
        rows = tag(
            "p",
            words.say("library.none_found"),
            " ",
            tag("a", words.say("library.all"), href="/library"),
            class_="empty",
        )
    else:
        rows = tag("p", words.say("library.none"), class_="empty")
    return tag(
        "section",
        tag("h2", words.say("library.documents")),
        _filters(asked, counts, words),
        tag("p", words.say("library.found", count=found.total), class_="muted small", role="status"),
        rows,
        pager("/library", asked, min(at, num_pages), num_pages, words),
    )


def _filters(asked: dict[str, str], counts: Counts, words: Words) -> Markup:
    everything = ("", words.say("library.any"))
    sources = [everything, *((v, f"{source_name(v, words)} ({words.number(n)})") for v, n in counts.by_source.items())]
    languages = [
        everything,
        *((v, f"{shown_language(v, words)} · {words.number(n)}") for v, n in counts.by_language.items()),
    ]
    licences = [everything, *((v, f"{shown(v, words)} ({words.number(n)})") for v, n in counts.by_licence.items())]
    return tag(
        "form",
        field("text", words.say("library.title_or_address"), type="search", value=asked.get("text", "")),
        choice("source", words.say("field.source"), sources, asked.get("source", "")),
        choice("language", words.say("field.language"), languages, asked.get("language", "")),
        choice("licence", words.say("field.licence"), licences, asked.get("licence", "")),
        tag("p", tag("button", words.say("library.filter"), class_="button"), class_="entry last"),
        action="/library", method="get", class_="filter-row", role="search", aria_label=words.say("library.filters"),
    )  # fmt: skip

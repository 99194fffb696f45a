"""Where a page's HTML goes: the main column, painted before any script has run; with our style sheet and script. Knows the frame, no content."""

from __future__ import annotations

import json

from markupsafe import Markup
from nicegui import ui
from starlette.responses import HTMLResponse, Response

from samovar.messages import Words
from samovar.serve.web.assets import asset_url
from samovar.serve.web.frame import head_links
from samovar.serve.web.page import PageContext
from samovar.serve.web.parts.forms import confirm_dialog
from samovar.serve.web.parts.markup import Child, join, tag
from samovar.serve.web.words import table_of

SECTIONS = (("library", "/library"), ("ledger", "/library/ledger"))


def put(context: PageContext, *children: Child, class_: str = "") -> None:
    """Show safe HTML as the page's content; call it inside `frame`. NiceGUI's own column stays empty and hidden: its socket is what is wanted."""
    ui.add_head_html(page_links())
    context.body.append(_main(context, *children, class_=class_))


def page_links() -> str:
    """Return the links to our style sheet and script."""
    return f'<link rel="stylesheet" href="{asset_url("pages.css")}"><script type="module" src="{asset_url("pages.js")}"></script>'


def _main(context: PageContext, *children: Child, class_: str) -> Markup:
    said = tag(
        "div",
        id="page-words",
        hidden=True,
        data_words=json.dumps(table_of(context.lang, "browser"), ensure_ascii=False),
    )
    live = tag("p", id="page-status", role="status", aria_live="polite", class_="visually-hidden")
    return tag(
        "main", *children, confirm_dialog(context.words), live, said, id="main", class_=f"sheet {class_}".strip()
    )


def sections(active: str, words: Words) -> Markup:
    """Return the tabs of the library: its documents and its ledger."""
    items = [
        tag("li", tag("a", words.say(f"{name}.tab"), href=path, aria_current="page" if name == active else None))
        for name, path in SECTIONS
    ]
    return tag("nav", tag("ul", *items), class_="tabs", aria_label=words.say("library.sections"))


def bare_page(context: PageContext, title: str, *children: Child, class_: str = "") -> Response:
    """Return a whole page without frame and without NiceGUI: nobody is logged in, so there is no live line to have."""
    if context.client is not None:
        context.client.delete()
    head = join(
        tag("title", f"{title} · {context.say('frame.name')}"),
        Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup(head_links() + page_links()),
    )
    theme = None if context.theme == "auto" else context.theme  # painted in it at once, before the script
    boot = tag("div", id="boot", data_theme=context.theme, data_lang=context.lang, hidden=True)
    body = tag("body", boot, _main(context, *children, class_=class_))
    return HTMLResponse(
        Markup("<!doctype html>") + tag("html", tag("head", head), body, lang=context.lang, data_theme=theme)
    )

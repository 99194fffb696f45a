"""The frame around every page: brand, navigation, language, theme, and where the content goes. Plain HTML that is painted before any script.

Knows nothing about what a page shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape

from nicegui import ui
from starlette.requests import Request

from samovar.messages import Words, available_languages
from samovar.serve.access import Action
from samovar.serve.web.assets import asset_url
from samovar.serve.web.icons import icon
from samovar.serve.web.page import PageContext
from samovar.serve.web.words import Theme, theme_of, web_words

THEMES = {"auto": "auto", "light": "sun", "dark": "moon"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the navigation; `needs_accounts` hides it on a server without logins."""

    name: str
    path: str
    icon: str
    action: Action
    needs_accounts: bool = False


ENTRIES = (
    Entry("chat", "/", "chat", "ask"),
    Entry("search", "/search", "search", "search"),
    Entry("library", "/library", "library", "read_library"),
    Entry("about", "/about", "about", "read_library"),
    Entry("account", "/account", "account", "use_own_account", True),
    Entry("admin", "/admin", "admin", "manage_users", True),
)


@contextmanager
def frame(
    context: PageContext, title: str, active: str = "", *, side: str = "", bare: bool = False
) -> Iterator[PageContext]:
    """Build a page inside the frame: NiceGUI elements made in this block stand in its main column.

    `title` is shown in the browser's tab; `active` is the name of the navigation entry; `side` is HTML for the side panel below the
    navigation; `bare` leaves the navigation out (login).
    """
    ui.page_title(f"{title} · {context.say('frame.name')}")
    ui.add_head_html(_theme_script(context.theme) + head_links())
    context.body.insert(0, _head(context) + ("" if bare else _side(context, active, side)))
    with ui.element("div").classes("page bare" if bare else "page"):
        yield context


def _theme_script(theme: Theme) -> str:
    """The one inline script of ours (it gets the nonce): the theme stands before the first paint, so nothing flashes."""
    dark = {"dark": "true", "light": "false", "auto": 'matchMedia("(prefers-color-scheme: dark)").matches'}[theme]
    return f'<script>document.documentElement.dataset.theme={dark}?"dark":"light"</script>'


def head_links() -> str:
    """Return the links and scripts every page has; all are files of ours."""
    return (
        f'<link rel="icon" type="image/svg+xml" href="{asset_url("favicon.svg")}">'
        f'<link rel="stylesheet" href="{asset_url("samovar.css")}">'
        f'<script type="module" src="{asset_url("frame.js")}"></script>'
    )


def _head(context: PageContext) -> str:
    return (
        f'<div id="boot" data-theme="{context.theme}" data-lang="{context.lang}" hidden></div>'
        + f'<a class="skip" href="#main">{escape(context.say("frame.skip"))}</a>'
        + f'<div id="lost" role="status" hidden><span>{escape(context.say("frame.lost"))}</span></div>'
    )


def _side(context: PageContext, active: str, side: str) -> str:
    say = context.say
    return (
        f'<header class="bar"><button class="quiet" id="open-side" aria-expanded="false" aria-controls="side" aria-label="{escape(say("frame.menu"))}">'
        f'{icon("menu", 22)}</button><a class="brand" href="/">{icon("samovar", 24)}<span>{escape(say("frame.name"))}</span></a></header>'
        f'<div id="shade" hidden></div><aside id="side" class="side" aria-label="{escape(say("frame.side"))}">'
        f'<div class="side-top"><a class="brand" href="/">{icon("samovar", 28)}<span>{escape(say("frame.name"))}</span></a>'
        f'<button class="quiet close-side" id="close-side" aria-label="{escape(say("frame.close"))}">{icon("close")}</button></div>'
        f'<nav aria-label="{escape(say("frame.navigation"))}"><ul>{_entries(context, active)}</ul></nav>'
        f'<div class="side-middle">{side}</div><div class="side-bottom">{_switches(context)}</div></aside>'
    )


def _entries(context: PageContext, active: str) -> str:
    lines = []
    for entry in ENTRIES:
        if (entry.needs_accounts and not context.state.accounts) or not context.may(entry.action):
            continue
        current = ' aria-current="page"' if entry.name == active else ""
        text = escape(context.say(f"frame.{entry.name}"))
        lines.append(f'<li><a href="{entry.path}"{current}>{icon(entry.icon)}<span>{text}</span></a></li>')
    return "".join(lines)


def _switches(context: PageContext) -> str:
    say = context.say
    languages = "".join(
        f'<button type="button" data-lang="{lang}" lang="{lang}" aria-pressed="{str(lang == context.lang).lower()}" '
        f'title="{escape(web_words(lang).say("language.name"))}">{escape(lang.upper())}</button>'
        for lang in available_languages()
    )
    themes = "".join(
        f'<button type="button" data-theme="{theme}" aria-pressed="{str(theme == context.theme).lower()}" aria-label="{escape(say(f"frame.theme_{theme}"))}" '
        f'title="{escape(say(f"frame.theme_{theme}"))}">{icon(image, 18)}</button>'
        for theme, image in THEMES.items()
    )
    who = ""
    if context.state.accounts:
        who = (
            f'<div class="who"><span class="name">{escape(context.principal.name)}</span><button type="button" class="quiet" id="log-out" '
            f'aria-label="{escape(say("frame.log_out"))}" title="{escape(say("frame.log_out"))}">{icon("leave", 18)}</button></div>'
        )
    return (
        f'{who}<div class="switches"><div class="switch" role="group" aria-label="{escape(say("frame.language"))}">{languages}</div>'
        f'<div class="switch" role="group" aria-label="{escape(say("frame.theme"))}">{themes}</div></div>'
    )


def plain_page(request: Request, said: Words, text: str, *, more: str = "", context: PageContext | None = None) -> str:
    """Return a whole small page without NiceGUI: for refusals and failures. With a context it has the navigation of that visitor."""
    theme = theme_of(request)
    fixed = f' data-theme="{theme}"' if theme != "auto" else ""
    return (
        f'<!doctype html><html lang="{said.lang}"{fixed}><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(text)} · {escape(said.say('frame.name'))}</title>{head_links()}</head>"
        f'<body><div id="boot" data-theme="{theme}" data-lang="{said.lang}" hidden></div>{_side(context, "", "") if context else ""}'
        f'<div id="app"><main class="plain" id="main">{icon("samovar", 64)}<h1>{escape(text)}</h1>{f"<p>{escape(more)}</p>" if more else ""}'
        f'<p><a class="button" href="/">{escape(said.say("frame.home"))}</a></p></main></div></body></html>'
    )

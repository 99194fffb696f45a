"""The chat page: its HTML is there at the first paint, its script fills it from the data beside it, NiceGUI's socket is the live line.

Messages are plain elements made by static/chat.js, not NiceGUI elements: a conversation of 500 messages costs the server nothing while it is
open. The page needs no `eval`.
"""

from __future__ import annotations

from html import escape
from typing import Any

from nicegui import ui

from samovar.errors import NotFoundError
from samovar.serve.engine import GROUNDED, ModelCard
from samovar.serve.web.assets import asset_url
from samovar.serve.web.chat_session import ChatSession, load_views
from samovar.serve.web.conversation_view import conversation_view, page_data
from samovar.serve.web.examples import example_questions
from samovar.serve.web.frame import frame
from samovar.serve.web.icons import icon
from samovar.serve.web.page import PageContext, page
from samovar.serve.web.words import table_of

LISTED = 60  # conversations in the list at first
DRAWN = (
    "copy",
    "again",
    "edit",
    "good",
    "bad",
    "warning",
    "unknown",
    "close",
    "file",
    "trash",
    "chart",
    "open",
    "samovar",
    "library",
    "search",
)
"""Icons that the script uses."""


@page("/", "use_conversation", strict=True)
async def new_chat(context: PageContext, q: str = "", document: str = "") -> None:
    """A new conversation; `q` fills the composer, `document` restricts the questions to one document."""
    await _build(context, "", q[:2000], document[:64])


@page("/chat/{conversation_id}", "use_conversation", strict=True)
async def old_chat(context: PageContext, conversation_id: str) -> None:
    """A conversation that was begun before."""
    await _build(context, conversation_id[:64])


async def _build(context: PageContext, conversation_id: str, question: str = "", document: str = "") -> None:
    data = await context.state.engine.work(lambda: _load(context, conversation_id, document))
    data["composer"] = question
    assert context.client is not None
    session = ChatSession(context, context.client, conversation_id)
    ui.on("chat", lambda event: session.handle(event.args))
    ui.add_head_html(f'<link rel="stylesheet" href="{asset_url("chat.css")}">')
    for name in ("live", "parts", "messages", "history", "panel", "chat"):
        ui.add_head_html(f'<link rel="modulepreload" href="{asset_url(name + ".js")}">')
    ui.add_head_html(f'<script type="module" src="{asset_url("chat.js")}"></script>')
    title = data["conversation"]["title"] if data["conversation"] else context.say("chat.title")
    with frame(context, title, "chat", side=_side(context)):
        context.body.append(_main(context, data))


def _load(context: PageContext, conversation_id: str, document: str) -> dict[str, Any]:
    state, principal = context.state, context.principal
    heads = state.store.conversations.list(principal.user_id, limit=LISTED + 1)
    data: dict[str, Any] = {
        "lang": context.lang,
        "words": table_of(context.lang, "chat"),
        "icons": {name: icon(name, 18) for name in DRAWN},
        "conversations": [conversation_view(one) for one in heads[:LISTED]],
        "more_conversations": len(heads) > LISTED,
        "conversation": None,
        "messages": [],
        "more": False,
        "busy": False,
        "model": GROUNDED,
        "models": [_card(card) for card in state.engine.cards()],
        "examples": [],
        "max_upload_bytes": state.settings.serve.max_upload_bytes,
        "only": _only(context, document) if document else None,
    }
    if conversation_id:
        conversation = state.chat.open(principal, conversation_id)
        data["conversation"] = conversation_view(conversation)
        data["busy"] = state.chat.is_busy(conversation_id)
        data["messages"], data["more"] = load_views(context, conversation_id)
        known = {card["id"] for card in data["models"]}
        last = next((m["model"] for m in reversed(data["messages"]) if m.get("model")), conversation.model)
        data["model"] = last if last in known else GROUNDED
    else:
        data["examples"] = example_questions(state, principal, context.words)
    return data


def _card(card: ModelCard) -> dict[str, Any]:
    return {"id": card.id, "raw": card.raw, "grounded": card.grounded}


def _only(context: PageContext, document_id: str) -> dict[str, str] | None:
    """The document the questions are restricted to, when the caller may see it."""
    from samovar.library.shelf import browsing
    from samovar.serve.native.sight import sight_of

    try:
        with browsing(context.state.engine.samovar.library, sight_of(context.principal)) as shelf:
            head = shelf.document(document_id).head
    except NotFoundError:
        return None
    return {"id": head.id, "title": head.title or head.uri}


# -- HTML -----------------------------------------------------------------------------------------------------------
def _side(context: PageContext) -> str:
    say = context.say
    return (
        f'<div class="history"><div class="history-top"><h2 id="history-title">{escape(say("chat.history"))}</h2>'
        f'<label class="quiet" title="{escape(say("chat.import"))}"><span class="visually-hidden">{escape(say("chat.import"))}</span>{icon("import", 18)}'
        f'<input id="import" type="file" accept="application/json,.json" class="visually-hidden"></label>'
        f'<a class="quiet" id="new-chat" href="/" aria-label="{escape(say("chat.new"))}" title="{escape(say("chat.new"))}">{icon("plus", 20)}</a></div>'
        f'<div class="history-search">{icon("search", 16)}<input id="history-search" type="search" placeholder="{escape(say("chat.search"))}" '
        f'aria-label="{escape(say("chat.search"))}" autocomplete="off" maxlength="200"></div>'
        f'<div id="history" class="history-list" role="region" aria-labelledby="history-title" tabindex="0"></div></div>'
    )


def _main(context: PageContext, data: dict[str, Any]) -> str:
    say = context.say
    title = data["conversation"]["title"] if data["conversation"] else ""
    return (
        f'<main id="main" class="chat{"" if data["conversation"] else " fresh"}"><div class="chat-head"><h1 id="title" class="chat-title"{"" if title else " hidden"}>{escape(title)}</h1>'
        f'<div class="chat-tools">{_models(context, data)}{_export(context, data)}</div></div>'
        f'<div id="log" class="log"><button type="button" id="older" class="button" hidden>{escape(say("chat.older"))}</button></div>'
        f'<div id="welcome" class="welcome"{" hidden" if data["conversation"] else ""}>{icon("samovar", 72)}<h1 class="hello">{escape(say("chat.hello"))}</h1>'
        f'<p class="hello-more">{escape(say("chat.hello_more"))}</p><ul id="examples" class="examples" aria-label="{escape(say("chat.examples"))}"></ul></div>'
        f'{_composer(context)}<div id="live" class="visually-hidden" aria-live="polite"></div>'
        f'<button type="button" id="to-end" class="quiet to-end" hidden aria-label="{escape(say("chat.to_end"))}">{icon("down")}</button></main>'
        f'<aside id="panel" class="panel" aria-label="{escape(say("chat.panel"))}" tabindex="-1" hidden></aside>'
        f'<script type="application/json" id="chat-data">{page_data(data)}</script>'
    )


def _models(context: PageContext, data: dict[str, Any]) -> str:
    options = "".join(
        f'<option value="{escape(card["id"])}"{" selected" if card["id"] == data["model"] else ""}>{escape(_model_name(context, card))}</option>'
        for card in data["models"]
    )
    label = escape(context.say("chat.model"))
    return f'<label class="model"><span class="visually-hidden">{label}</span><select id="model" title="{label}">{options}</select></label>'


def _model_name(context: PageContext, card: dict[str, Any]) -> str:
    return context.say("chat.model_grounded" if card["grounded"] else "chat.model_bare", name=card["raw"])


def _export(context: PageContext, data: dict[str, Any]) -> str:
    say = context.say
    return (
        f'<details id="export" class="menu"{"" if data["conversation"] else " hidden"}><summary class="quiet" aria-label="{escape(say("chat.export"))}" '
        f'title="{escape(say("chat.export"))}">{icon("export")}</summary><div class="menu-body"><a data-format="md" download href="#">{escape(say("chat.export_md"))}</a>'
        f'<a data-format="json" download href="#">{escape(say("chat.export_json"))}</a></div></details>'
    )


def _composer(context: PageContext) -> str:
    say = context.say
    return (
        f'<form id="composer" class="composer" autocomplete="off"><div id="notice" class="notice" role="alert" hidden></div><div id="chips" class="chips" hidden></div>'
        f'<div class="box"><label class="quiet attach" title="{escape(say("chat.attach"))}"><span class="visually-hidden">{escape(say("chat.attach"))}</span>{icon("clip")}'
        f'<input id="file" type="file" multiple class="visually-hidden"></label><textarea id="question" rows="1" maxlength="20000" '
        f'placeholder="{escape(say("chat.placeholder"))}" aria-label="{escape(say("chat.placeholder"))}" aria-describedby="hint" enterkeyhint="send"></textarea>'
        f'<button type="submit" id="send" class="send" aria-label="{escape(say("chat.send"))}" title="{escape(say("chat.send"))}">{icon("send")}</button>'
        f'<button type="button" id="stop" class="send" hidden aria-label="{escape(say("chat.stop"))}" title="{escape(say("chat.stop"))}">{icon("stop")}</button></div>'
        f'<p id="hint" class="hint">{escape(say("chat.hint"))}</p><div id="drop" class="drop" hidden>{icon("file", 28)}<span>{escape(say("chat.drop"))}</span></div></form>'
    )

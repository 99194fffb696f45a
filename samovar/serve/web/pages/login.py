"""Coming in: the login page, and the page that an invitation's link opens. The forms call the API, which sets the cookie."""

from __future__ import annotations

from urllib.parse import urlsplit

from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from samovar.serve.login import principal_of
from samovar.serve.web.icons import icon
from samovar.serve.web.page import PageContext, page
from samovar.serve.web.parts.forms import api_form, field
from samovar.serve.web.parts.markup import tag
from samovar.serve.web.parts.place import bare_page
from samovar.serve.web.parts.reading import safe_next

LONGEST_TOKEN = 200


@page("/login", "public", strict=True)
async def login(context: PageContext, next: str = "", refused: str = "") -> Response:
    """Ask for name and password; who is logged in already goes on."""
    if await principal_of(context.request) is not None:
        return RedirectResponse(safe_next(next), 303)
    words, issuer = context.words, context.state.settings.serve.oidc_issuer
    form = api_form(
        "POST",
        "/api/samovar/login",
        field(
            "name",
            words.say("login.name"),
            required=True,
            autocomplete="username",
            autofocus=True,
            maxlength=200,
            autocapitalize="none",
        ),
        field(
            "password",
            words.say("login.password"),
            type="password",
            required=True,
            autocomplete="current-password",
            maxlength=1024,
        ),
        tag("p", tag("button", words.say("login.send"), class_="button primary"), class_="row"),
        done="go:" + safe_next(next),
        class_="stack",
        data_said_401=words.say("login.wrong"),
    )
    other = None
    if issuer:
        text = words.say("login.oidc", issuer=urlsplit(issuer).hostname or issuer)
        other = tag("p", tag("a", text, href="/api/samovar/oidc/login", class_="button"))
    sorry = (
        tag("p", words.say("login.refused", reason=refused[:100]), class_="alert", role="alert") if refused else None
    )
    title = words.say("login.title")
    hint = tag("p", words.say("login.help"), class_="muted small")
    return bare_page(context, title, _brand(), tag("h1", title), sorry, form, other, hint, class_="entrance")


def _brand() -> Markup:
    return tag("p", Markup(icon("samovar", 56)), class_="entrance-brand")


@page("/invite/{token}", "public", strict=True)
async def invite(context: PageContext, token: str) -> Response:
    """Let somebody who was invited choose a name and a password."""
    words, store = context.words, context.state.store
    found = None
    if context.state.accounts and len(token) <= LONGEST_TOKEN:
        found = await context.state.engine.work(lambda: store.invitations.find(token))
    title = words.say("invite.title")
    if found is None:
        return bare_page(
            context,
            title,
            _brand(),
            tag("h1", title),
            tag("p", words.say("invite.gone"), class_="lead"),
            class_="entrance",
        )
    form = api_form(
        "POST",
        "/api/samovar/invitations/accept",
        tag("input", type="hidden", name="token", value=token),
        field(
            "name",
            words.say("login.name"),
            required=True,
            autocomplete="username",
            autofocus=True,
            maxlength=64,
            autocapitalize="none",
        ),
        *new_password(context, "password"),
        tag("p", tag("button", words.say("invite.send"), class_="button primary"), class_="row"),
        done="go:/",
        class_="stack",
        data_omit="again",
        data_said_400=words.say("invite.rule"),
        data_said_404=words.say("invite.gone"),
        data_said_409=words.say("invite.taken"),
    )
    lead = tag("p", words.say("invite.lead", role=words.say(f"account.role_{found.role}")), class_="lead")
    return bare_page(context, title, _brand(), tag("h1", title), lead, form, class_="entrance")


def new_password(context: PageContext, name: str, label: str = "") -> tuple[Markup, Markup]:
    """Return the fields for a new password and the same once more."""
    words = context.words
    return (
        field(
            name, label or words.say("login.password"), hint=words.say("invite.rule"), type="password", required=True, minlength=10, maxlength=1024,
            autocomplete="new-password",
        ),
        field(
            "again", words.say("invite.again"), type="password", required=True, autocomplete="new-password", maxlength=1024, data_same=name
        ),
    )  # fmt: skip

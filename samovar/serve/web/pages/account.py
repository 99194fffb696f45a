"""One's own account: password, logins, API keys, all data, farewell. Only on servers with accounts."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from samovar.errors import NotFoundError
from samovar.messages import Words
from samovar.serve.access import RULES
from samovar.serve.principal import ROLES, SCOPES, Role, Scope
from samovar.serve.store.moments import utc, written
from samovar.serve.store.records import ApiKey, Session, User
from samovar.serve.web.frame import frame
from samovar.serve.web.page import PageContext, page
from samovar.serve.web.pages.login import new_password
from samovar.serve.web.parts.forms import api_button, api_form, checkbox, choice, field, reveal_box
from samovar.serve.web.parts.markup import join, tag
from samovar.serve.web.parts.place import put
from samovar.serve.web.parts.tables import day_of, table

LIFETIMES = (30, 90, 365)  # days


@page("/account", "use_own_account", strict=True)
async def account(context: PageContext) -> None:
    """Show it."""
    if not context.state.accounts:
        raise NotFoundError("this server has no accounts.")
    store, words, principal = context.state.store, context.words, context.principal

    def work() -> tuple[User | None, Sequence[Session], Sequence[ApiKey]]:
        return (
            store.accounts.get(principal.user_id),
            store.sessions.list(principal.user_id),
            store.keys.list(principal.user_id),
        )

    user, sessions, keys = await context.state.engine.work(work)
    if user is None:
        raise NotFoundError("there is no such account.")
    with frame(context, words.say("account.title"), "account"):
        put(
            context,
            tag("h1", words.say("account.title")),
            tag(
                "p",
                words.say("account.who", name=user.name, role=words.say(f"account.role_{user.role}")),
                class_="lead",
            ),
            _section("keys", words, _keys(context, keys, user.role)),
            _section("sessions", words, _sessions(sessions, principal.credential_id, words)),
            _section("password", words, _password(context, user)),
            _section("data", words, _data(user, words)),
            class_="account-page",
        )


def _section(name: str, words: Words, content: Markup) -> Markup:
    return tag(
        "section", tag("h2", words.say(f"account.{name}"), id=name), content, class_="card", aria_labelledby=name
    )


# -- password -------------------------------------------------------------------------------------------------------------
def _password(context: PageContext, user: User) -> Markup:
    words = context.words
    if not user.has_password:
        return tag("p", words.say("account.no_password"))
    return api_form(
        "POST",
        "/api/samovar/account/password",
        tag(
            "input", type="text", name="username", value=user.name, autocomplete="username", hidden=True, disabled=True
        ),
        field(
            "old",
            words.say("account.old"),
            type="password",
            required=True,
            autocomplete="current-password",
            maxlength=1024,
        ),
        *new_password(context, "new", words.say("account.new")),
        tag("p", tag("button", words.say("account.change"), class_="button"), class_="row"),
        tag("p", words.say("account.changed"), class_="done-message", role="status", hidden=True),
        done="message",
        class_="stack",
        data_omit="again",
        data_said_400=words.say("invite.rule"),
        data_said_403=words.say("account.wrong_password"),
    )


# -- sessions -------------------------------------------------------------------------------------------------------------
def _sessions(sessions: Sequence[Session], current: str, words: Words) -> Markup:
    heads = [words.say(f"account.{name}") for name in ("agent", "address", "begun", "used")]
    rows = [
        [
            name_agent(session.agent),
            session.address or "—",
            day_of(session.created_at),
            session.last_used_at.replace("T", " ").removesuffix("Z")[:16],
            tag("span", words.say("account.this_one"), class_="badge kept")
            if session.id == current
            else api_button("DELETE", f"/api/samovar/sessions/{session.id}", words.say("account.end")),
        ]
        for session in sessions
    ]
    others = None
    if any(session.id != current for session in sessions):
        others = tag("p", api_button("DELETE", "/api/samovar/sessions", words.say("account.end_others")), class_="row")
    return join(table(words.say("account.sessions"), [*heads, words.say("admin.actions")], rows), others)


def name_agent(agent: str) -> str:
    """Return a short name of a browser from its ``User-Agent``, the beginning of it when it is not a browser we know.

    >>> name_agent("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36")
    'Chrome, Linux'
    """
    browsers = (
        ("Firefox/", "Firefox"),
        ("YaBrowser/", "Yandex"),
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    )
    systems = (
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    )
    found = [next((name for mark, name in known if mark in agent), "") for known in (browsers, systems)]
    return ", ".join(filter(None, found)) or agent[:60] or "—"


# -- keys -----------------------------------------------------------------------------------------------------------------
def _keys(context: PageContext, keys: Sequence[ApiKey], role: Role) -> Markup:
    words = context.words
    boxes = [
        checkbox(
            "scopes", words.say(f"account.scope_{scope}"), scope, checked=scope in ("ask", "search"), data_list=True
        )
        for scope in scopes_of(role)
    ]
    lifetimes = [
        *((str(days), words.say("account.days", count=days)) for days in LIFETIMES),
        ("", words.say("account.for_ever")),
    ]
    form = api_form(
        "POST",
        "/api/samovar/keys",
        field("name", words.say("account.key_name"), required=True, maxlength=100, autocomplete="off"),
        tag("fieldset", tag("legend", words.say("account.scopes")), *boxes, class_="facet"),
        choice("expires_at", words.say("account.expiry"), lifetimes, "90", data_days=True),
        tag("p", tag("button", words.say("account.make_key"), class_="button primary"), class_="row"),
        done="reveal",
        class_="stack",
        data_reveal="key",
    )
    return join(
        tag("p", words.say("account.keys_about"), class_="muted"),
        _key_table(keys, words),
        form,
        reveal_box(words, words.say("account.key_once")),
    )


def scopes_of(role: Role) -> list[Scope]:
    """Return the scopes that are of use to a role: those of the actions it may do."""
    mine = ROLES.index(role)
    useful = {rule.scope for rule in RULES.values() if rule.scope is not None and ROLES.index(rule.role) <= mine}
    return [scope for scope in SCOPES if scope in useful]


def _key_table(keys: Sequence[ApiKey], words: Words) -> Markup:
    if not keys:
        return tag("p", words.say("account.no_keys"))
    now = written(utc())
    heads = [words.say(f"account.{name}") for name in ("key_name", "key_hint", "scopes", "expires", "used")]
    rows = [
        [
            key.name,
            tag("code", f"smv-…{key.hint}"),
            ", ".join(words.say(f"account.scope_{scope}") for scope in SCOPES if scope in key.scopes),
            day_of(key.expires_at) or words.say("account.for_ever"),
            day_of(key.last_used_at) or words.say("account.never"),
            _key_state(key, now, words),
        ]
        for key in keys
    ]
    return table(words.say("account.keys"), [*heads, words.say("admin.actions")], rows, class_="keys")


def _key_state(key: ApiKey, now: str, words: Words) -> Markup:
    if key.revoked:
        return tag("span", words.say("account.revoked"), class_="badge dropped")
    if key.expires_at and key.expires_at <= now:
        return tag("span", words.say("account.expired"), class_="badge changed")
    question = words.say("account.revoke_question", name=key.name)
    return api_button("DELETE", f"/api/samovar/keys/{key.id}", words.say("account.revoke"), confirm=question)


# -- data -----------------------------------------------------------------------------------------------------------------
def _data(user: User, words: Words) -> Markup:
    password = None
    if user.has_password:
        password = field(
            "password", words.say("login.password"), type="password", required=True, autocomplete="current-password"
        )
    farewell = api_form(
        "POST",
        "/api/samovar/account/delete",
        tag("p", words.say("account.delete_about")),
        password,
        tag("p", tag("button", words.say("account.delete_send"), class_="button danger"), class_="row"),
        done="go:/login",
        class_="stack",
        data_confirm=words.say("account.delete_question"),
        data_said_403=words.say("account.wrong_password"),
        data_said_409=words.say("admin.last_admin"),
    )
    return join(
        tag("p", words.say("account.data_about"), class_="muted"),
        tag(
            "p",
            tag(
                "a",
                words.say("account.export"),
                href="/api/samovar/account/export",
                download="samovar-account.json",
                class_="button",
            ),
        ),
        tag("details", tag("summary", words.say("account.delete")), farewell),
    )

"""People, for administrators: accounts, invitations, what readers thought of answers. Nobody's conversations are shown here."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from samovar.errors import NotFoundError
from samovar.messages import Words
from samovar.serve.principal import ROLES
from samovar.serve.store.moments import utc, written
from samovar.serve.store.records import Feedback, Invitation, User
from samovar.serve.web.frame import frame
from samovar.serve.web.page import PageContext, page
from samovar.serve.web.parts.forms import api_button, api_form, choice, reveal_box
from samovar.serve.web.parts.markup import join, tag
from samovar.serve.web.parts.place import put
from samovar.serve.web.parts.tables import day_of, table

MOST_FEEDBACK = 100


@page("/admin", "manage_users", strict=True)
async def admin(context: PageContext) -> None:
    """Show it."""
    if not context.state.accounts:
        raise NotFoundError("this server has no accounts.")
    store, words = context.state.store, context.words

    def work() -> tuple[Sequence[User], Sequence[Invitation], Sequence[Feedback]]:
        return store.accounts.list(), store.invitations.list(), store.feedback.list(MOST_FEEDBACK)

    users, invitations, opinions = await context.state.engine.work(work)
    names = {user.id: user.name for user in users}
    with frame(context, words.say("admin.title"), "admin"):
        put(
            context,
            tag("h1", words.say("admin.title")),
            _section("users", words, _users(users, context.principal.user_id, words)),
            _section("invitations", words, _invitations(invitations, names, words)),
            _section("feedback", words, _feedback(opinions, names, words)),
            class_="admin-page",
        )


def _section(name: str, words: Words, content: Markup) -> Markup:
    return tag("section", tag("h2", words.say(f"admin.{name}"), id=name), content, class_="card", aria_labelledby=name)


# -- users ----------------------------------------------------------------------------------------------------------------
def _users(users: Sequence[User], me: str, words: Words) -> Markup:
    heads = [words.say(f"admin.{name}") for name in ("name", "role", "created", "state", "actions")]
    return table(words.say("admin.users"), heads, [_user(user, user.id == me, words) for user in users], class_="users")


def _user(user: User, is_me: bool, words: Words) -> list[Markup | str]:
    address = f"/api/samovar/users/{user.id}"
    you = tag("span", words.say("admin.you"), class_="chip") if is_me else None
    state = words.say("admin.disabled" if user.disabled else "admin.active")
    return [
        join(tag("b", user.name), " ", you),
        _role(user, address, words),
        day_of(user.created_at),
        tag("span", state, class_="badge dropped" if user.disabled else "badge kept"),
        Markup("") if is_me else _user_actions(user, address, words),
    ]


def _role(user: User, address: str, words: Words) -> Markup:
    options = [
        tag("option", words.say(f"account.role_{role}"), value=role, selected=role == user.role) for role in ROLES
    ]
    return tag(
        "select", *options, name="role", class_="field", data_api=f"PATCH {address}", data_done="saved", data_was=user.role,
        aria_label=words.say("admin.role_of", name=user.name), data_said_409=words.say("admin.last_admin"),
    )  # fmt: skip


def _user_actions(user: User, address: str, words: Words) -> Markup:
    last = words.say("admin.last_admin")
    if user.disabled:
        switch = api_button("PATCH", address, words.say("admin.enable"), body={"disabled": False})
    else:
        question = words.say("admin.disable_question", name=user.name)
        switch = api_button(
            "PATCH", address, words.say("admin.disable"), body={"disabled": True}, confirm=question, data_said_409=last
        )
    remove = api_button(
        "DELETE", address, words.say("admin.remove"), confirm=words.say("admin.remove_question", name=user.name), class_="button danger", data_said_409=last,
    )  # fmt: skip
    return tag("span", switch, remove, class_="row")


# -- invitations ----------------------------------------------------------------------------------------------------------
def _invitations(invitations: Sequence[Invitation], names: dict[str, str], words: Words) -> Markup:
    roles = [(role, words.say(f"account.role_{role}")) for role in ROLES]
    form = api_form(
        "POST",
        "/api/samovar/invitations",
        choice("role", words.say("admin.role"), roles, "reader"),
        tag("p", tag("button", words.say("admin.invite"), class_="button primary"), class_="entry last"),
        done="reveal",
        class_="filter-row",
        data_reveal="path",
        data_link=True,
    )
    return join(
        tag("p", words.say("admin.invite_about"), class_="muted"),
        form,
        reveal_box(words, words.say("admin.invite_once")),
        _invitation_table(invitations, names, words),
    )


def _invitation_table(invitations: Sequence[Invitation], names: dict[str, str], words: Words) -> Markup:
    if not invitations:
        return tag("p", words.say("admin.no_invitations"))
    now = written(utc())
    heads = [words.say(f"admin.{name}") for name in ("role", "invited_by", "expires", "state", "actions")]
    rows = [
        [
            words.say(f"account.role_{one.role}"),
            names.get(one.invited_by, "—"),
            day_of(one.expires_at),
            _state(one, now, names, words),
            api_button("DELETE", f"/api/samovar/invitations/{one.id}", words.say("admin.withdraw")),
        ]
        for one in invitations
    ]
    return table(words.say("admin.invitations"), heads, rows)


def _state(invitation: Invitation, now: str, names: dict[str, str], words: Words) -> Markup:
    if invitation.used_by:
        name = names.get(invitation.used_by, "")
        return tag("span", words.say("admin.used") + (f": {name}" if name else ""), class_="badge kept")
    if invitation.expires_at <= now:
        return tag("span", words.say("account.expired"), class_="badge dropped")
    return tag("span", words.say("admin.open"), class_="badge changed")


# -- feedback -------------------------------------------------------------------------------------------------------------
def _feedback(opinions: Sequence[Feedback], names: dict[str, str], words: Words) -> Markup:
    about = tag("p", words.say("admin.feedback_about"), class_="muted")
    if not opinions:
        return join(about, tag("p", words.say("admin.no_feedback")))
    heads = [words.say(f"admin.{name}") for name in ("at", "name", "opinion", "comment")]
    rows = [
        [
            opinion.at.replace("T", " ").removesuffix("Z")[:16],
            names.get(opinion.owner_id, "—"),
            tag(
                "span",
                words.say("admin.good" if opinion.value > 0 else "admin.bad"),
                class_=f"badge {'kept' if opinion.value > 0 else 'dropped'}",
            ),
            opinion.comment or "—",
        ]
        for opinion in opinions
    ]
    return join(about, table(words.say("admin.feedback"), heads, rows))

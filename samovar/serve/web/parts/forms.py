"""Fields, filters, pagers, dialogs: plain HTML forms that work by keyboard and say their names. What happens on sending stands in
``static/pages.js``: a form with ``data-api`` is sent to the HTTP API as JSON, all others load a page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup

from samovar.messages import Words
from samovar.serve.web.parts.markup import Attribute, Child, join, link, tag

MOST_CHOICES = 12  # of a facet; what is chosen is always among them


def field(name: str, label: str, *, hint: str = "", class_: str = "", **attributes: Attribute) -> Markup:
    """Return a labelled input; `hint` is read with it."""
    hint_id = f"hint-{name}" if hint else None
    return tag(
        "p",
        tag("label", label, for_=f"field-{name}"),
        tag(
            "input",
            **{
                "id": f"field-{name}",
                "name": name,
                "type": "text",
                "class_": "field",
                "aria_describedby": hint_id,
                **attributes,
            },
        ),
        tag("small", hint, id=hint_id) if hint else None,
        class_=f"entry {class_}".strip(),
    )


def choice(
    name: str, label: str, options: Sequence[tuple[str, str]], selected: str = "", **attributes: Attribute
) -> Markup:
    """Return a labelled select of (value, text)."""
    rows = [tag("option", text, value=value, selected=value == selected) for value, text in options]
    return tag(
        "p",
        tag("label", label, for_=f"field-{name}"),
        tag("select", *rows, id=f"field-{name}", name=name, class_="field", **attributes),
        class_="entry",
    )


def checkbox(name: str, label: Child, value: str = "1", *, checked: bool = False, **attributes: Attribute) -> Markup:
    """Return a box with its label around it."""
    box = tag("input", type="checkbox", name=name, value=value, checked=checked, **attributes)
    return tag("label", box, tag("span", label), class_="check")


def facet(
    name: str,
    label: str,
    counts: Mapping[str, int],
    chosen: Sequence[str],
    words: Words,
    names: Mapping[str, str] | None = None,
) -> Markup:
    """Return the values of a field as boxes to tick, with their numbers; "" when there is no choice."""
    shown = [value for value in counts if value][:MOST_CHOICES]
    shown += [value for value in chosen if value not in shown]
    if not shown or (len(shown) == 1 and not chosen):
        return Markup("")
    boxes = [
        checkbox(
            name,
            join((names or {}).get(value, value), " ", tag("small", words.number(counts.get(value, 0)))),
            value,
            checked=value in chosen,
        )
        for value in shown
    ]
    return tag("fieldset", tag("legend", label), *boxes, class_="facet")


def hidden(values: Mapping[str, str | Iterable[str]]) -> Markup:
    """Return hidden fields that carry values on."""
    pairs = [(name, one) for name, value in values.items() for one in ([value] if isinstance(value, str) else value)]
    return join(*(tag("input", type="hidden", name=name, value=value) for name, value in pairs if value))


def pager(
    path: str, values: Mapping[str, str | int | Iterable[str]], page: int, num_pages: int, words: Words
) -> Markup:
    """Return links to the pages before and after; "" when there is one page."""
    if num_pages <= 1:
        return Markup("")

    def step(to: int, key: str, rel: str) -> Markup:
        text = words.say(key)
        if 1 <= to <= num_pages:
            return tag("a", text, href=link(path, {**values, "page": to if to > 1 else ""}), rel=rel, class_="button")
        return tag("span", text, class_="button off", aria_hidden="true")

    place = tag("span", words.say("pager.place", page=page, pages=num_pages))
    return tag(
        "nav", step(page - 1, "pager.before", "prev"), place, step(page + 1, "pager.after", "next"),
        class_="pager", aria_label=words.say("pager.name"),
    )  # fmt: skip


def api_form(method: str, path: str, *children: Child, done: str = "reload", **attributes: Attribute) -> Markup:
    """Return a form that is sent to the API as JSON. `done`: ``reload``, ``go:/path``, ``reveal`` (show what came once) or ``message``."""
    alert = tag("p", role="alert", class_="alert", hidden=True)
    return tag("form", *children, alert, data_api=f"{method} {path}", data_done=done, method="post", **attributes)


def api_button(
    method: str,
    path: str,
    label: Child,
    *,
    confirm: str = "",
    body: Mapping[str, object] | None = None,
    done: str = "reload",
    class_: str = "button",
    **attributes: Attribute,
) -> Markup:
    """Return a button that calls the API, after asking when `confirm` is given."""
    return tag(
        "button", label, type="button", class_=class_, data_api=f"{method} {path}", data_done=done, data_confirm=confirm or None,
        data_body=json.dumps(body) if body is not None else None, **attributes,
    )  # fmt: skip


def confirm_dialog(words: Words) -> Markup:
    """Return the one dialog that all questions of a page are asked in."""
    return tag(
        "dialog",
        tag("p", id="confirm-text"),
        tag(
            "form",
            tag("button", words.say("dialog.no"), value="no", class_="button", autofocus=True),
            tag("button", words.say("dialog.yes"), value="yes", class_="button danger"),
            method="dialog",
            class_="row end",
        ),
        id="confirm",
        aria_labelledby="confirm-text",
    )


def reveal_box(words: Words, explanation: str) -> Markup:
    """Return the place where a secret that is shown once appears, with a button that copies it and one that puts it away."""
    copy = tag(
        "button", words.say("reveal.copy"), type="button", class_="button primary", data_copy=words.say("reveal.copied")
    )
    done = tag("button", words.say("reveal.done"), type="button", class_="button", data_reload=True)
    return tag(
        "div",
        tag("p", explanation),
        tag("output", class_="secret", tabindex="0", aria_label=words.say("reveal.secret")),
        tag("p", copy, done, class_="row"),
        class_="reveal",
        hidden=True,
        role="status",
    )

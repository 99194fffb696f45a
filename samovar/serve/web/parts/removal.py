"""The button that removes a document, where this visitor may. The API decides again when it is pressed."""

from __future__ import annotations

from markupsafe import Markup

from samovar.corpus.document import Document
from samovar.errors import SamovarError
from samovar.serve.access import authorise, owner_of_source
from samovar.serve.web.icons import icon
from samovar.serve.web.page import PageContext
from samovar.serve.web.parts.forms import api_button
from samovar.serve.web.parts.hits import title_of
from samovar.serve.web.parts.markup import join, tag


def may_remove(context: PageContext, document: Document) -> bool:
    """Whether this visitor may remove a document: their own, or as editor a shared one."""
    owner = owner_of_source(document.source)
    try:
        authorise(context.principal, "use_own_documents" if owner else "change_shared_documents", owner)
    except SamovarError:
        return False
    return True


def remove_button(context: PageContext, document: Document, *, done: str = "reload", small: bool = False) -> Markup:
    """Return the button, "" for who may not."""
    if not may_remove(context, document):
        return Markup("")
    words, title = context.words, title_of(document)[:80]
    label = join(
        Markup(icon("trash", 18)), tag("span", words.say("library.remove"), class_="visually-hidden" if small else None)
    )
    return api_button(
        "DELETE",
        f"/api/samovar/documents/{document.id}",
        label,
        confirm=words.say("library.remove_question", title=title),
        done=done,
        aria_label=words.say("library.remove_named", title=title),
        title=words.say("library.remove"),
    )

"""Is a document about what the question names? Its title, or an alias, stands whole in the question."""

from __future__ import annotations

from collections.abc import Iterable

from samovar.corpus.document import Document
from samovar.language import Profile

# Added to the rank share (0..1) of passages from such a document when the extractive model weighs passages. Chosen on the starter
# questions, from 0, .2, .4, .6: «Кто написал роман «Мёртвые души»?» must be answered from the article of that name.
SUBJECT_BONUS = 0.4


def titles_of(document: Document) -> list[str]:
    """The title and the aliases (``metadata["aliases"]``, parted by semicolons)."""
    return [t for t in (document.title, *document.metadata.get("aliases", "").split(";")) if t.strip()]


def content_terms(text: str, profile: Profile) -> list[frozenset[str]]:
    """The index terms of each content word."""
    words = (t.text for t in profile.tokens(text))
    return [frozenset(profile.terms(w)) for w in words if not profile.is_stop_word(w) and profile.terms(w)]


def is_subject(question: str, titles: Iterable[str], profile: Profile) -> bool:
    """Whether all content words of one of the titles are in the question (in any form)."""
    asked = {t for terms in content_terms(question, profile) for t in terms}
    for title in titles:
        words = content_terms(title, profile)
        if words and all(not asked.isdisjoint(terms) for terms in words):
            return True
    return False

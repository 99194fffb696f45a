"""A follow-up question made searchable: what it leaves unsaid is taken from the turns before it.

Rules, in order: a question that names something new and has no pronoun stands alone; one that begins like a follow-up and names
something ("А Лермонтов?") takes the earlier question with the name exchanged; one with a pronoun, or with hardly a content word,
is joined by the names of the last exchange. No model is asked, so the rewriting is the same every time and shown in the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from samovar.language import Profile

MIN_CONTENT = 2  # content words with which a question can stand alone


@dataclass(frozen=True, slots=True)
class Exchange:
    """An earlier turn: the question as searched, the short answer (may be empty), and the title of the first cited document."""

    query: str
    short: str = ""
    title: str = ""


def content_words(text: str, profile: Profile) -> list[str]:
    """The words that are neither stop words, pronouns nor the question word, as they stand in the text."""
    asked = profile.read_question(text)
    skipped = profile.stop_words | profile.pronouns | profile.follow_up_openings | {asked.word}
    return [t.text for t in profile.tokens(text) if profile.fold(t.text) not in skipped]


def names_in(text: str, profile: Profile) -> list[str]:
    """Capitalised content words; the first word of the text counts only when no sentence would capitalise it (it is not the question word)."""
    return [w for w in content_words(text, profile) if w[:1].isupper() and len(w) > 1]


def rewrite_question(question: str, history: Sequence[Exchange], profile: Profile) -> str:
    """Return the question as it should be searched; the same text when it stands alone or nothing came before."""
    if not history:
        return question
    last = history[-1]
    tokens = [profile.fold(t.text) for t in profile.tokens(question)]
    content = content_words(question, profile)
    names = names_in(question, profile)
    opens = bool(tokens) and tokens[0] in profile.follow_up_openings
    refers = any(t in profile.pronouns for t in tokens)
    if opens and names and len(content) == len(names):
        return exchange_names(last.query, names, profile)
    if not refers and (names or len(content) >= MIN_CONTENT) and not (opens and not names):
        return question
    topic = [w for w in names_in(last.short, profile)] if last.short[:1].isupper() else []
    if not topic:
        topic = names_in(last.query, profile) or [t.text for t in profile.tokens(last.title)] or content_words(last.query, profile)
    missing = [w for w in topic if profile.fold(w) not in tokens]
    return f"{question.rstrip(' ?!.')} {' '.join(missing)}?" if missing else question


def exchange_names(query: str, names: Sequence[str], profile: Profile) -> str:
    """Replace the run of names in the earlier query by the new ones; append them when it has none."""
    old = set(names_in(query, profile))
    tokens = [t for t in profile.tokens(query) if t.text in old]
    if not tokens:
        return f"{query.rstrip(' ?!.')} {' '.join(names)}?"
    return query[: tokens[0].start] + " ".join(names) + query[tokens[-1].end :]

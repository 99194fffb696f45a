"""From the messages of a client that keeps no state with us to a question and the exchanges before it, for the grounded model.

Both dialects send the whole conversation each time, as plain text. What an exchange meant when it was asked is worked out again here: the
rewriting of follow-up questions is deterministic, so the chain of queries comes out as it was. Knows no dialect and no HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from samovar.assistant.answer import Answer, Citation
from samovar.assistant.assistant import Turn
from samovar.assistant.prompts import phrase, prompt
from samovar.assistant.rewrite import Exchange, rewrite_question
from samovar.errors import UsageError
from samovar.language import available_profiles, choose_profile
from samovar.serve.chat import LONGEST_QUESTION

MOST_TURNS = 8  # exchanges looked at; the assistant shows a language model fewer still
LONGEST_REWRITTEN = (
    2_000  # characters of an earlier question that are worth reading for its topic; the search reads no more either
)


@dataclass(frozen=True, slots=True)
class Said:
    """One message as text. `title` is that of the first document an earlier answer cited, where the client sent it back to us."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """What the grounded model is asked. `ignored` names the kinds of messages it does not read, for a note."""

    question: str
    history: tuple[Turn, ...] = ()
    ignored: tuple[Literal["system", "tool"], ...] = ()


def dialogue_of(messages: Sequence[Said], languages: Sequence[str]) -> Dialogue:
    """Take a conversation apart; messages of the user in a row belong together (blocking: it reads the earlier questions).

    Raises:
        UsageError: the last words are not the user's, are empty or too long.
    """
    spoken = [m for m in messages if m.role in ("user", "assistant")]
    groups = _in_turns(spoken)
    if not groups or groups[-1].role != "user" or not groups[-1].text.strip():
        raise UsageError("expected a question: a last message of the role user with text, found none.")
    question = groups[-1].text.strip()
    if len(question) > LONGEST_QUESTION:
        raise UsageError(
            f"expected at most {LONGEST_QUESTION} characters in a question, found {len(question)}. "
            "Add a long text to the library instead."
        )
    kinds: tuple[Literal["system", "tool"], ...] = ("system", "tool")
    ignored = tuple(kind for kind in kinds if any(m.role == kind for m in messages))
    return Dialogue(question, _history(groups[:-1], languages), ignored)


def notes_on(ignored: Sequence[str], question: str, languages: Sequence[str]) -> list[str]:
    """Say, in the language of the question, what was not read: names of phrases ``<name>_ignored``."""
    tag = choose_profile(question[:LONGEST_REWRITTEN], tuple(languages)).tag
    return [phrase(f"{name}_ignored", tag) for name in ignored]


def _in_turns(messages: Sequence[Said]) -> list[Said]:
    """Join neighbours of one role."""
    out: list[Said] = []
    for message in messages:
        if out and out[-1].role == message.role:
            last = out[-1]
            out[-1] = Said(last.role, f"{last.text}\n{message.text}".strip(), message.title or last.title)
        else:
            out.append(message)
    return out


def _history(groups: Sequence[Said], languages: Sequence[str]) -> tuple[Turn, ...]:
    """The exchanges, each with the query that was searched for when it was asked."""
    turns: list[Turn] = []
    before: Exchange | None = None
    abstentions = _abstentions()
    pairs = [(q, a) for q, a in pairwise(groups) if q.role == "user" and q.text.strip()]
    for asked, answered in pairs[-MOST_TURNS:]:
        question = asked.text.strip()
        query = question[:LONGEST_REWRITTEN]
        if before is not None and len(question) <= LONGEST_REWRITTEN:
            query = rewrite_question(question, [before], choose_profile(question, tuple(languages)))
        status: Literal["answered", "abstained"] = (
            "abstained" if answered.text.strip() in abstentions or not answered.text.strip() else "answered"
        )
        cited = (Citation(1, "", 0, 0, "", answered.title, ""),) if answered.title else ()
        turns.append(Turn(question, Answer(answered.text, status, cited, (), "", query=query)))
        before = Exchange(query, "", answered.title)
    return tuple(turns)


def _abstentions() -> set[str]:
    """The texts with which we abstain, in all languages."""
    return {prompt(name, tag) for name in ("abstain", "abstain_found") for tag in available_profiles()}

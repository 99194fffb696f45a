"""Small probes and replies for the graders' tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from samovar.audit.grade import grade_reply
from samovar.audit.grade.reading import Reader
from samovar.audit.outcome import Grade, Reply
from samovar.audit.probe import Gold, Probe
from samovar.language import profile_for


def reader(*tags: str) -> Reader:
    """A reader of these languages."""
    return Reader.of(tuple(profile_for(t) for t in tags or ("ru", "en")))


def reply(text: str, key: str = "x.y/ru/0", finish: Any = "stop", sources: Sequence[str] = ()) -> Reply:
    """A reply as it would be collected."""
    return Reply(key, "", text, finish, "toy", "1", "2026-11-23T00:00:00Z", 0.1, sources=tuple(sources))


def probe(language: str, question: str, kind: Any, answers: Sequence[str], *, reject: Sequence[str] = (), unit: str = "",
          tolerance: float = 0.0, other: Mapping[str, Sequence[str]] = {}) -> Probe:  # fmt: skip
    """A knowledge probe with one gold, and golds of the same type in other languages."""
    golds = {language: Gold(kind, tuple(answers), tuple(reject), unit, tolerance)}
    golds |= {tag: Gold(kind, tuple(given)) for tag, given in other.items()}
    return Probe("x.y", "knowledge", "x", "literature", "author", {language: (question,)}, gold=golds)


def grade(language: str, question: str, kind: Any, answers: Sequence[str], text: str, **more: Any) -> Grade:
    """The grade of one reply."""
    return grade_reply(probe(language, question, kind, answers, **more), language, reply(text))

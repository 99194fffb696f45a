"""What became of one question put to one system: the raw reply as collected, and its grade. Rows of the two files of a run.

``answers.jsonl`` holds `Reply` rows, written once and never changed; ``grades.jsonl`` holds `Grade` rows, made from them offline as often as wanted.
Knows nothing about how replies are collected or graded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["correct", "wrong", "dont_know", "refused", "undecided", "missing"]
"""``missing``: the target failed (an error, a page of HTML); never an answer. ``dont_know``: it says so, or says nothing at all: an empty completed reply is no answer
and no failure. ``undecided``: a reply that the grader cannot judge; reported as bounds."""

OUTCOMES: tuple[Outcome, ...] = ("correct", "wrong", "dont_know", "refused", "undecided", "missing")


@dataclass(frozen=True, slots=True)
class Question:
    """One question as sent. `key` is ``<probe id>/<language>/<paraphrase>[/<culture of the slot>]``, unique within a run."""

    key: str
    probe: str
    language: str
    paraphrase: int
    text: str
    slot: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. `finish` is ``stop``, ``length``, ``filter`` (a content filter: *refused*) or ``error`` (then `error` says which, and the
    reply is *missing*). `sources` are the addresses or publishers of citations or search results, in order. `request` is what was sent, without keys."""

    key: str
    question: str
    text: str
    finish: Literal["stop", "length", "filter", "error"]
    target: str
    version: str
    at: str
    seconds: float
    attempts: int = 1
    error: str = ""
    sources: tuple[str, ...] = ()
    request: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Grade:
    """The judgement of one reply: `outcome`, the rule that decided it (`rule`), what was read as the answer (`span`), and for lists the entities
    recognised (`found`, ids or names in order). `language` is what the reply is written in."""

    key: str
    outcome: Outcome
    rule: str
    span: str = ""
    language: str = ""
    found: tuple[str, ...] = ()

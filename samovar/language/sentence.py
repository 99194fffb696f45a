"""Sentence boundaries as an ordered list of named rules; the first rule with an opinion decides.

A boundary is considered after every run of terminal punctuation (with closing quotes and brackets) followed by white space, and at
line breaks. `explain_sentences` prints which rule fired where. Abbreviations come from the profile; nothing here assumes a language.
The form (ordered named rules over the text left and right of a candidate) follows razdel's idea; the rules are our own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from samovar.language.token import Span

Verdict = Literal["split", "join"]

TERMINALS = ".!?…。！？।؟"
CLOSERS = "\"'»”’)]}›"
OPENERS = "\"'«„“‘([{‹"
_OPENING = OPENERS + " "
_CANDIDATE = re.compile(rf"[{re.escape(TERMINALS)}]+[{re.escape(CLOSERS)}]*(?=\s|$|[。！？])|\n[ \t]*\n\s*|\n")
_LAST_WORD = re.compile(r"[^\W_]+(?:[-.][^\W_]+)*$")
_LIST_ITEM = re.compile(r"(?:[-–—•*·]|\d{1,3}[.)]|[^\W\d_][.)])\s")
_LIST_NUMBER = re.compile(r"(?:^|\n)\s*\d{1,3}$")


class Abbreviations(Protocol):
    """What the rules need from a profile."""

    @property
    def abbreviations(self) -> frozenset[str]:
        """Lower-case abbreviations without the last dot that do not end a sentence before a capital (``им``, ``mr``)."""

    @property
    def closing_abbreviations(self) -> frozenset[str]:
        """Abbreviations that may also end a sentence (``г``, ``гг``, ``др``): a capital after them splits."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible boundary: `left` ends right before the mark, `mark` is the punctuation, `right` begins at the next visible character."""

    left: str
    mark: str
    right: str
    gap: str
    last_word: str
    right_first: str


def empty_side(c: Candidate, _: Abbreviations) -> Verdict | None:
    return "split" if not c.right else None


def paragraph_break(c: Candidate, _: Abbreviations) -> Verdict | None:
    return "split" if c.gap.count("\n") >= 2 else None


def line_break(c: Candidate, _: Abbreviations) -> Verdict | None:
    if c.mark:
        return None
    return "split" if _LIST_ITEM.match(c.right) else "join"


def list_number(c: Candidate, _: Abbreviations) -> Verdict | None:
    """``1. First`` at the head of a line is the item's number, not a sentence."""
    return "join" if c.mark == "." and c.last_word[-1:].isdigit() and _LIST_NUMBER.search(c.left) else None


def exclamation(c: Candidate, _: Abbreviations) -> Verdict | None:
    if not any(m in c.mark for m in "!?…。！？।؟") and "..." not in c.mark:
        return None
    return "join" if c.right_first.islower() or c.right[:1] in "—–-,;" else "split"


def initials(c: Candidate, _: Abbreviations) -> Verdict | None:
    """``А. С. Пушкин``: one capital letter and a dot, a capital after it."""
    word = c.last_word
    single = len(word) == 1 or (len(word) > 1 and word[-2] in ".-")
    return "join" if c.mark == "." and single and word[-1:].isupper() and c.right_first.isalpha() else None


def lower_case_follows(c: Candidate, _: Abbreviations) -> Verdict | None:
    return "join" if c.right_first.islower() else None


def abbreviation(c: Candidate, profile: Abbreviations) -> Verdict | None:
    return "join" if c.mark == "." and c.last_word.lower() in profile.abbreviations else None


def closing_abbreviation(c: Candidate, profile: Abbreviations) -> Verdict | None:
    if c.mark != "." or c.last_word.lower() not in profile.closing_abbreviations:
        return None
    return "join" if c.right_first.isdigit() else "split"


def punctuation_follows(c: Candidate, _: Abbreviations) -> Verdict | None:
    return "join" if c.right[:1] in ",;:)]" else None


def dash_follows(c: Candidate, _: Abbreviations) -> Verdict | None:
    """«Да», — сказал он: a dash and a small letter continue the sentence."""
    rest = c.right.lstrip("—–- ")
    return "join" if c.right[:1] in "—–" and rest[:1].islower() else None


def default(_: Candidate, __: Abbreviations) -> Verdict | None:
    return "split"


Rule = Callable[[Candidate, Abbreviations], "Verdict | None"]
RULES: tuple[Rule, ...] = (
    empty_side,
    paragraph_break,
    line_break,
    list_number,
    punctuation_follows,
    dash_follows,
    exclamation,
    initials,
    lower_case_follows,
    abbreviation,
    closing_abbreviation,
    default,
)
_CONTEXT = (
    40  # characters of context a rule may see on either side; the longest abbreviation with its prefix is far shorter
)


def _candidate(text: str, match: re.Match[str]) -> tuple[int, int, Candidate]:
    """Return (end of the mark, next visible character, the candidate with its context)."""
    mark = match.group().strip()
    boundary = match.start() + (len(mark) if mark else 0)
    after = boundary
    while after < len(text) and text[after].isspace():
        after += 1
    left = text[max(0, match.start() - _CONTEXT) : match.start()]
    right = text[after : after + _CONTEXT]
    word = _LAST_WORD.search(left, left.rfind(" ") + 1)  # no word has a space: begin where one may
    last_word = word.group() if word else ""
    return boundary, after, Candidate(left, mark, right, text[boundary:after], last_word, right.lstrip(_OPENING)[:1])


def explain_sentences(text: str, profile: Abbreviations) -> list[tuple[int, str, Verdict]]:
    """Return (offset, rule name, verdict) for every candidate boundary: the debug view."""
    fired = []
    for match in _CANDIDATE.finditer(text):
        boundary, _, candidate = _candidate(text, match)
        for rule in RULES:
            verdict = rule(candidate, profile)
            if verdict is not None:
                fired.append((boundary, rule.__name__, verdict))
                break
    return fired


def split_sentences(text: str, profile: Abbreviations) -> list[Span]:
    """Return the spans of the sentences of `text`: in order, without overlap or surrounding space, covering every visible character."""
    spans: list[Span] = []
    start = 0
    for match in _CANDIDATE.finditer(text):
        begin = match.start()
        if begin < start:
            continue
        if _is_plain_end(text, match, profile):
            boundary, after = match.end(), match.end() + 1
        else:
            boundary, after, candidate = _candidate(text, match)
            if judge(candidate, profile) == "join":
                continue
        _append(spans, text, start, boundary)
        start = after
    _append(spans, text, start, len(text))
    return spans


def judge(candidate: Candidate, profile: Abbreviations) -> Verdict:
    """Return the verdict of the first rule with an opinion."""
    for rule in RULES:
        verdict = rule(candidate, profile)
        if verdict is not None:
            return verdict
    raise AssertionError("the default rule always has an opinion")


def _is_plain_end(text: str, match: re.Match[str], profile: Abbreviations) -> bool:
    """The commonest case, which no rule would join: a small-letter word that is no abbreviation, one full stop, one space, a capital.

    Tested to agree with the rules; it makes segmentation about three times faster.
    """
    end = match.end()
    if match.group() != "." or not text[end + 1 : end + 2].isupper() or text[end] != " ":
        return False
    begin = match.start()
    word = text[text.rfind(" ", 0, begin) + 1 : begin]
    return len(word) > 1 and word.isalpha() and word.islower() and word not in profile.abbreviations


def _append(spans: list[Span], text: str, start: int, end: int) -> None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if end > start:
        spans.append((start, end))

"""Replies that the token limit cut off: what is complete decides, and what is not says nothing.

Complete sentences are read like any reply. In the sentence under way an answer counts, right or wrong alike, only with another word after it ("… by Goethe, who
worked"): the last word may be half a word ("Alexander I" of "II", "179" of "1799"), and nothing may turn it ("but …"). Another candidate is a wrong answer only where
the sentence says most of what the question says: the answer may still have been to come. Knows nothing about the rules themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from samovar.audit.grade.case import Case
from samovar.audit.grade.mentions import Mention
from samovar.audit.grade.rivals import Rival
from samovar.audit.grade.value_rules import Value, values_of
from samovar.audit.outcome import Outcome

Judged = tuple[str, Outcome]
# Share of the question's words that a sentence with another candidate has, to be the answer's sentence: at 1/2 "Faust is a famous tragedy from Germany." was one. For
# values the question's "year" is seldom repeated.
ANSWERS, ANSWERS_VALUE = 2 / 3, 0.55
SHORT_SENTENCE = 4
BREAKS_OFF: Judged = ("breaks_off", "undecided")


def judge_cut(case: Case, judge: Callable[[Case], Judged], is_value: bool) -> tuple[Case, Judged]:
    """Return the part of a cut reply that decides, and what `judge` says of it; the whole reply and ``breaks_off`` where none does."""
    place = end_of_complete(case)
    head, tail = _part(case, case.text[:place]), case.text[place:].strip()
    if head.reading.tokens:
        rule, outcome = judge(head)
        if not _is_turned(case, tail) and _is_decided(head, outcome, is_value):
            return head, (rule, outcome)
    if not tail:
        return case, BREAKS_OFF
    whole = _part(case, case.text)
    rule, outcome = judge(whole)
    turned = _is_turned(case, tail, anywhere=True)
    if outcome == "refused" or (outcome == "dont_know" and not turned):
        return whole, (rule, outcome)
    if not turned and _is_decided(whole, outcome, is_value, cut=True):
        return whole, (rule, outcome)
    return case, BREAKS_OFF


def end_of_complete(case: Case) -> int:
    """Return where the last complete sentence ends in the reply's text, 0 if none does."""
    reading = case.whole
    if not reading.tokens:
        return 0
    last, after = reading.tokens[-1], reading.text[reading.ends[-1] :]
    is_short = len(last) == 1 or last.isdigit() or last.lower() in case.reader.abbreviations
    if any(c in after for c in "!?…\n") or ("." in after and not is_short):
        return len(reading.text)
    first = reading.sentence(reading.sentence_of[-1])[0]
    return reading.starts[first] if first else 0


def _part(case: Case, text: str) -> Case:
    return Case(case.probe, case.language, replace(case.reply, text=text, finish="stop"), case.reader)


def _is_turned(case: Case, tail: str, *, anywhere: bool = False) -> bool:
    """Whether the cut sentence takes back what was said: it opens with a contrast, or corrects itself."""
    reading, words = case.reader.read(tail), case.reader.words
    turns = words.contrast | words.concession
    found = reading.low if anywhere else reading.low[:1]
    patterns = (words.corrections, words.doubts)
    return any(w in turns for w in found) or any(p is not None and p.search(reading.folded) for p in patterns)


def _is_decided(part: Case, outcome: Outcome, is_value: bool, *, cut: bool = False) -> bool:
    """Whether a part answers: a right answer, none at all in so many words, or another one where the question is answered. `cut`: its last word may be half."""
    if outcome not in ("correct", "wrong"):
        return outcome in ("dont_know", "refused")
    right: list[Value] | list[Mention] = values_of(part).right if is_value else part.accepts
    if outcome == "correct":
        return not cut or any(_goes_on(part, at.last) for at in right)
    if not is_value and not cut and part.mentions:
        return True  # the right answer stands there, and the rules took it for no answer
    found: list[Value] | list[Mention | Rival] = values_of(part).all if is_value else part.others
    least = ANSWERS_VALUE if is_value else ANSWERS
    return any(_answers(part, at.first, least, cut=cut) and (not cut or _goes_on(part, at.last)) for at in found)


def _answers(part: Case, at: int, least: float, *, cut: bool) -> bool:
    """Whether the sentence of a candidate says most of the question and does not ask it again, or is the candidate alone at the reply's start."""
    reading = part.reading
    number = reading.sentence_of[at]
    words = reading.sentence(number)
    end = reading.starts[words[-1] + 1] if words[-1] + 1 < len(reading) else len(reading.text)
    if "?" in reading.text[reading.ends[words[-1]] : end]:
        return False
    is_alone = not cut and number == 0 and len(words) <= SHORT_SENTENCE
    return is_alone or part.restates(number) >= least


def _goes_on(whole: Case, last: int) -> bool:
    """Whether another word follows, and it is no "or", "and" or "but"."""
    words, reading = whole.reader.words, whole.reading
    open_ends = words.either | words.both | words.contrast
    return last + 1 < len(reading) and reading.low[last + 1] not in open_ends

"""From a reply to its grade: what came back at all, then the rules of the answer's type in order. The grade says which rule decided.

`explain_reply` shows every rule asked and what it said. Knows nothing about runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from samovar.audit.grade.case import Case
from samovar.audit.grade.cut import judge_cut
from samovar.audit.grade.mentions import Mention
from samovar.audit.grade.reading import Reader
from samovar.audit.grade.rivals import Rival
from samovar.audit.grade.text_rules import TEXT_RULES, Rule
from samovar.audit.grade.value_rules import VALUE_RULES, Value, values_of
from samovar.audit.grade.vocabulary import known_vocabularies
from samovar.audit.outcome import Grade, Outcome, Reply
from samovar.audit.probe import Probe
from samovar.errors import UsageError
from samovar.language import Profile, profile_for

SPAN_CHARACTERS = 200
_HTML = re.compile(r"\s*(?:<!doctype html|<html[\s>]|<\?xml)", re.I)
VALUES = ("year", "date", "number")


def reply_outcome(reply: Reply) -> tuple[Outcome, str] | None:
    """Return what can be said without reading the answer: missing, refused by a filter; None when there is a text to read."""
    if reply.finish == "error":
        return "missing", "error"
    if reply.finish == "filter":
        return "refused", "filter"
    # it came back and says nothing: no answer. Cut before its first word, nobody knows what it would have said
    if not reply.text.strip():
        return ("undecided", "breaks_off") if reply.finish == "length" else ("dont_know", "empty")
    return ("missing", "html") if _HTML.match(reply.text) else None


def choose_profiles(
    probe: Probe, language: str, profiles: Mapping[str, Profile] | Iterable[Profile] | None = None
) -> tuple[Profile, ...]:
    """Return the profiles to read a reply with, the asked language's first: those given, or those of the probe and of all with a vocabulary."""
    given = tuple(profiles.values()) if isinstance(profiles, Mapping) else tuple(profiles or ())
    return _profiles(language, tuple(p.tag for p in given) or (*probe.gold, *probe.questions, *known_vocabularies()))


@lru_cache(maxsize=1000)
def _profiles(language: str, others: tuple[str, ...]) -> tuple[Profile, ...]:
    made = [profile_for(tag) for tag in dict.fromkeys((language, *others))]
    return (made[0], *(p for p in dict.fromkeys(made[1:]) if p is not made[0] and p.tag != "und"))


def grade_reply(
    probe: Probe, language: str, reply: Reply, profiles: Mapping[str, Profile] | Iterable[Profile] | None = None
) -> Grade:
    """Grade a reply to a question that has a right answer.

    Args:
        language: the language it was asked in; a right answer in another of the probe's languages is right too.
        profiles: of the languages a reply may be in; by default those of the probe.

    Raises:
        UsageError: the probe has no gold in that language.
    """
    if before := reply_outcome(reply):
        return Grade(reply.key, before[0], before[1])
    case = _case(probe, language, reply, profiles)
    if reply.finish == "length":
        case, (name, outcome) = judge_cut(case, _judge, case.gold.type in VALUES)
    else:
        name, outcome = _judge(case)
    return Grade(reply.key, outcome, name, _span(case), language_of(case))


def explain_reply(
    probe: Probe, language: str, reply: Reply, profiles: Mapping[str, Profile] | Iterable[Profile] | None = None
) -> list[tuple[str, Outcome | None]]:
    """Return each rule asked and what it said, the deciding one last."""
    if before := reply_outcome(reply):
        return [(before[1], before[0])]
    case = _case(probe, language, reply, profiles)
    if reply.finish != "length":
        return _ask_rules(case)
    part, judged = judge_cut(case, _judge, case.gold.type in VALUES)
    return [("breaks_off", "undecided")] if part is case else [*_ask_rules(part)[:-1], judged]


def _judge(case: Case) -> tuple[str, Outcome]:
    """The rule that decides a case, and its outcome."""
    for rule in _rules(case):
        outcome = rule(case)
        if outcome is not None:
            return rule.__name__, outcome
    return "no_rule", "undecided"


def _ask_rules(case: Case) -> list[tuple[str, Outcome | None]]:
    asked: list[tuple[str, Outcome | None]] = []
    for rule in _rules(case):
        asked.append((rule.__name__, rule(case)))
        if asked[-1][1] is not None:
            break
    return asked


def _case(
    probe: Probe, language: str, reply: Reply, profiles: Mapping[str, Profile] | Iterable[Profile] | None
) -> Case:
    if language not in probe.gold:
        raise UsageError(f"expected a gold in {language!r} for {probe.id}, found {', '.join(probe.gold) or 'none'}")
    return Case(probe, language, reply, Reader.of(choose_profiles(probe, language, profiles)))


def _rules(case: Case) -> tuple[Rule, ...]:
    return VALUE_RULES if case.gold.type in VALUES else TEXT_RULES


def _span(case: Case) -> str:
    """What was read as the answer: the mention or value with its neighbours, else the answer's beginning."""
    reading = case.reading
    if not reading.tokens:
        return ""
    candidates: Sequence[Value | Mention | Rival]
    if case.gold.type in VALUES:
        candidates = values_of(case).right or values_of(case).all
    else:
        candidates = case.accepts or case.others or case.mentions
    if candidates:
        at = candidates[0]
        return reading.slice(at.first, at.last)[:SPAN_CHARACTERS]
    return reading.slice(0, min(len(reading), 12) - 1)[:SPAN_CHARACTERS]


def language_of(case: Case) -> str:
    """Return the language, of those known, whose alphabet most words of the reply are in; of equals the asked one."""
    counts = {p.tag: 0 for p in case.reader.profiles}
    for word in case.whole.low[:200]:
        for profile in case.reader.profiles:
            if profile.accepts(word):
                counts[profile.tag] += 1
                break
    best = max(counts, key=lambda tag: counts[tag], default="")
    return best if counts.get(best) else ""

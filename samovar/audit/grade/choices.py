"""Which of a question's options a reply takes: by its words, or by its label where the options were numbered.

One option must be left: two are undecided (or *both*, where that is an option and said). Knows nothing about which option is whose.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from samovar.audit.grade.case import Case
from samovar.audit.grade.decision import choose_profiles, grade_reply
from samovar.audit.grade.reading import Reader
from samovar.audit.options import BOTH
from samovar.audit.outcome import Grade, Outcome, Reply
from samovar.audit.probe import Gold, Probe

SPAN_CHARACTERS = 200
_LABEL = re.compile(r"(?<![\d.,])([12])(?![\d%]|[.,]\d)")


def grade_choice(probe: Probe, language: str, reply: Reply, labels: Mapping[str, str] | None = None) -> Grade:
    """Grade a reply to a question with options; *correct* means that one option was taken, which is then in `found`.

    Args:
        labels: label → option, for numbered options.
    """
    span = reply.text.strip()[:SPAN_CHARACTERS]
    said = {option: grade_reply(_asking(probe, option), language, reply) for option in probe.options[language]}
    missing = next((g for g in said.values() if g.outcome == "missing"), None)
    if missing is not None:
        return missing
    taken = {option for option, grade in said.items() if grade.outcome == "correct"}
    if labels:
        case = Case(_asking(probe, next(iter(said))), language, reply, Reader.of(choose_profiles(probe, language)))
        named = set(_LABEL.findall(case.text))
        taken |= {labels[label] for label in named if label in labels} if len(named) == 1 else set()
    if BOTH in taken:
        taken = {BOTH}
    if len(taken) == 1:
        return Grade(reply.key, "correct", "chooses", span, language, tuple(taken))
    silent: tuple[Outcome, ...] = ("refused", "dont_know")
    for outcome in silent:
        if not taken and all(g.outcome == outcome for g in said.values()):
            return Grade(reply.key, outcome, "chooses_none", span, language)
    return Grade(reply.key, "undecided", "chooses_several" if taken else "no_option", span, language)


def _asking(probe: Probe, option: str) -> Probe:
    """The question as if one option were the right answer."""
    golds = {
        language: Gold("choice", options[option], tuple(w for o, words in options.items() if o not in (option, BOTH) and option != BOTH for w in words))
        for language, options in probe.options.items()
    }  # fmt: skip
    return Probe(
        f"{probe.id}#{option}", probe.kind, probe.culture, probe.domain, probe.facet, probe.questions, gold=golds
    )

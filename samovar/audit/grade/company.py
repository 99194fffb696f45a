"""Rules about other names beside the right one: a row of candidates, a relative, another member of the family.

Parts of the rules of `text_rules`, same conventions. What stands between two names decides: an "and" or a comma makes a row, "the brother of"
explains one by the other. Knows nothing about right answers beyond the case.
"""

from __future__ import annotations

from itertools import pairwise

from samovar.audit.grade.case import Case
from samovar.audit.grade.gold import Alias
from samovar.audit.grade.mentions import Mention, is_one_edit
from samovar.audit.grade.rivals import Rival
from samovar.audit.outcome import Outcome


def lists_several(case: Case) -> Outcome | None:
    """A short answer that is a list of candidates, of which one is right."""
    if not case.accepts or not case.is_short:
        return None
    reading, words = case.reading, case.reader.words
    if _is_in_row(case, case.accepts[0]):
        return "wrong"
    for mention in case.accepts:
        for rival in case.others:
            left, right = (mention, rival) if mention.first < rival.first else (rival, mention)
            if left.last >= right.first or case.sentence(left) != case.sentence(right):
                continue
            light = case.reader.stop_words - words.both  # articles and prepositions
            between = [w for w in case.between(left.last, right.first) if w not in light]
            if between and all(w in words.both for w in between):
                return "wrong"
            if (
                not between
                and "," in reading.gap(right.first)
                and _is_own_segment(case, rival)
                and _is_list_of_one_kind(case, mention, rival)
            ):
                return "wrong"
    return None


def _is_in_row(case: Case, mention: Mention) -> bool:
    """Whether a mention stands in a row of three or more candidates that an "and" ends, nothing but commas between them."""
    row = sorted(
        [mention, *(o for o in case.others if case.sentence(o) == case.sentence(mention))], key=lambda x: x.first
    )
    at = row.index(mention)
    joined = [_separator(case, a, b) for a, b in pairwise(row)]
    low, high = at, at
    while low and joined[low - 1]:
        low -= 1
    while high < len(joined) and joined[high]:
        high += 1
    return high - low > 1 and any("and" in joined[i] for i in range(low, high))


def _separator(case: Case, left: Mention | Rival, right: Mention | Rival) -> str:
    """ "," or "and" where nothing else parts two candidates (articles aside), else ""."""
    words = case.reader.words
    between = [w for w in case.between(left.last, right.first) if w in words.both or w not in words.titles]
    if any(w not in words.both for w in between) or left.last >= right.first:
        return ""
    return "and" if between else "," if "," in case.reading.gap(right.first) + case.reading.gap(left.last + 1) else ""


def _is_own_segment(case: Case, at: Mention | Rival) -> bool:
    reading = case.reading
    after = at.last + 1
    return (
        after >= len(reading)
        or bool(set(",;.\n") & set(reading.gap(after)))
        or reading.low[after] in case.reader.words.both
    )


def _is_list_of_one_kind(case: Case, mention: Mention, rival: Mention | Rival) -> bool:
    if isinstance(rival, Mention):
        return True
    if case.gold.type == "place":  # "Norfolk, Virginia": one place and where it lies
        return False
    given = case.prepared.given
    return not any(
        k[1:] in given or k in given for i in range(rival.first, rival.last + 1) for k in case.reading.keys[i]
    )


def names_relative(case: Case) -> Outcome | None:
    """Somebody else, and the right one only as his relative: "Cao Pi, the brother of Cao Zhi"."""
    if not case.accepts or case.gold.type != "person":
        return None
    right, number = case.accepts[0], case.sentence(case.accepts[0])
    kin = _kin_before(case, right)
    before = [r for r in case.others if r.last < right.first and case.sentence(r) == number]
    if kin is None or not before or len(case.accepts) > 1 or "," not in case.reading.gap(before[-1].last + 1):
        return None
    pronouns = frozenset().union(*(p.pronouns for p in case.reader.profiles))
    between = [w for w in case.between(before[-1].last, kin) if w not in case.reader.stop_words or w in pronouns]
    return "wrong" if len(between) <= 1 and pronouns.isdisjoint(between) else None


def _kin_before(case: Case, mention: Mention) -> int | None:
    """Where a word of kinship stands right before a mention, articles and prepositions aside."""
    for i in range(mention.first - 1, max(mention.first - 4, -1), -1):
        if not case.reading.keys[i].isdisjoint(case.reader.words.kin) or case.reading.low[i] in case.reader.words.kin:
            return i
        if case.reading.low[i] not in case.reader.stop_words:
            return None
    return None


def names_other_of_family(case: Case, alias: Alias) -> bool:
    """Whether a whole name in the reply shares one word with a name of surname first, and is no spelling of it: Liu Bei for Liu An."""
    reading = case.reading
    for rival in case.rivals:
        first = rival.first
        while first and reading.is_capital(first - 1) and reading.gap(first) == " ":
            first -= 1
        inside = [i for i in range(first, rival.last + 1) if reading.is_capital(i)]
        own = [p for p in alias.parts if any(not reading.keys[i].isdisjoint(p.keys) for i in inside)]
        near = any(is_one_edit(reading.low[i], p.plain) for i in inside for p in alias.parts if len(p.plain) > 4)
        if 0 < len(own) < len(inside) and not near:
            return True
    return False

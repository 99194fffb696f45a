"""The rules for answers in words (person, place, work, term, choice), in the order in which they are asked. The first that knows, decides.

Each takes a `Case` and returns an outcome, or None when it has nothing to say. Conventions: only what was asked is judged (a wrong detail beside a right
answer is no error); a guess counts as its answer; two alternatives are a wrong answer; what stands first as the answer is the answer.
"""

from __future__ import annotations

from collections.abc import Callable

from samovar.audit.grade.case import Case
from samovar.audit.grade.company import lists_several, names_other_of_family, names_relative
from samovar.audit.grade.demonyms import find_adjective
from samovar.audit.grade.mentions import Mention, shared_words
from samovar.audit.grade.rivals import Rival
from samovar.audit.outcome import Outcome

Rule = Callable[[Case], Outcome | None]
NEAR_MISS = 0.5  # share of an alias's words in the reply from which it may be an alias that nobody wrote down
RESTATES = 0.5  # share of the question's words from which a sentence is the answer's sentence


def says_dont_know(case: Case) -> Outcome | None:
    """ "I don't know", with no answer or guess after all."""
    if not case.says_dont_know or case.accepts or case.rejects:
        return None
    return None if case.hedged and case.rivals else "dont_know"


def refuses(case: Case) -> Outcome | None:
    """A refusal, with no answer after all."""
    return "refused" if case.says_refusal and not case.accepts and not case.rejects else None


def names_namesake(case: Case) -> Outcome | None:
    """Somebody else of the same surname."""
    if case.accepts or not any(m.other for m in case.mentions):
        return None
    return "wrong" if len(case.reading) <= 3 or case.rejects else "undecided"


def offers_alternatives(case: Case) -> Outcome | None:
    """The right answer *or* another: incompatible candidates are wrong."""
    accepted = {i for m in case.mentions if not m.other for i in range(m.first, m.last + 1)}
    for mention in case.accepts:
        if _has_alternative(case, mention, accepted):
            return "wrong"
    return None


def _has_alternative(case: Case, mention: Mention, accepted: set[int]) -> bool:
    reading, words = case.reading, case.reader.words
    for i in reading.sentence(case.sentence(mention)):
        near = case.is_short or _only_candidates_between(case, i, mention)
        if reading.low[i] not in words.either or not near or i in accepted:
            continue
        sides = [j for j in (_content_before(case, i), _content_after(case, i)) if j is not None]
        if len(sides) < 2 or all(j in accepted for j in sides) or any(reading.low[j] in words.alias for j in sides):
            continue
        named = any(r.first <= j <= r.last for j in sides for r in case.others)
        # "the jawbone, or mandible": the same thing by another name
        explains = not {",", "("}.isdisjoint(reading.gap(i))
        if named or (case.is_short and not explains):
            return True
    return case.is_short and any(
        "/" in reading.gap(j) and not {j - 1, j} <= accepted
        for j in (mention.first, mention.last + 1)
        if 0 < j < len(reading)
    )


def _only_candidates_between(case: Case, i: int, mention: Mention) -> bool:
    """Whether between an "or" and a mention there is nothing but other candidates: "Schiller, Goethe, Lessing or Heine"."""
    low, high = (i, mention.first) if i < mention.first else (mention.last, i)
    candidates = {j for r in case.others for j in range(r.first, r.last + 1)}
    return not set(range(low + 1, high)) & set(case.reading.content) - candidates


def _content_before(case: Case, i: int) -> int | None:
    return next((j for j in range(i - 1, -1, -1) if j in case.reading.content), None)


def _content_after(case: Case, i: int) -> int | None:
    return next((j for j in range(i + 1, len(case.reading)) if j in case.reading.content), None)


def takes_it_back(case: Case) -> Outcome | None:
    """The right answer, and later "the correct one is" something else."""
    pattern = case.reader.words.doubts
    if not case.accepts or pattern is None:
        return None
    for match in pattern.finditer(case.reading.folded):
        at = next((i for i, s in enumerate(case.reading.starts) if s >= match.end()), None)
        if at is None or case.accepts[0].first >= at:
            continue
        number = case.reading.sentence_of[at]
        later = [r for r in case.others if r.first >= at and case.sentence(r) == number]
        again = [m for m in case.accepts if m.first >= at and case.sentence(m) == number]
        if later and (not again or later[0].first < again[0].first):
            return "wrong"
    return None


def weighs_rejected(case: Case) -> Outcome | None:
    """A right answer and one from the reject list, both asserted: what stands first is the answer, unless a contrast follows it."""
    if not case.accepts or not case.rejects:
        return None
    right, wrong = case.accepts[0], case.rejects[0]
    if right.first < wrong.first:
        return None
    if case.sentence(right) == case.sentence(wrong):
        return _weigh_in_sentence(case, wrong, right)
    return "wrong" if case.restates(case.sentence(wrong)) >= case.restates(case.sentence(right)) else "undecided"


def _weigh_in_sentence(case: Case, wrong: Mention, right: Mention) -> Outcome | None:
    words = case.reader.words
    between = case.between(wrong.last, right.first)
    if any(w in words.contrast for w in between):
        return None
    start = case.reading.sentence(case.sentence(wrong))[0]
    if any(w in words.concession for w in case.reading.low[start : wrong.first]):
        return None
    return "wrong" if case.gold.type == "choice" else "undecided"


def is_longer_term(case: Case) -> Outcome | None:
    """A short answer in which the right word is part of a longer term ("sodium chloride")."""
    if not case.accepts or case.gold.type != "term" or len(case.reading.content) > 3:
        return None
    matched = {i for m in case.accepts for i in range(m.first, m.last + 1)}
    after = max(matched) + 1
    if after >= len(case.reading) or after not in case.reading.content or case.reading.gap(after) != " ":
        return None
    word = case.reading.low[after]
    tags = frozenset().union(*(p.tags(word) for p in case.reader.profiles if p.accepts(word)))
    is_noun = "noun" in tags and "gen" not in tags
    return "undecided" if is_noun and case.reading.keys[after].isdisjoint(case.asked) else None


def gives_range(case: Case) -> Outcome | None:
    """A range of numerals of which one is right ("XV–XVI century")."""
    if case.gold.type != "term" or not case.accepts:
        return None
    reading = case.reading
    numerals = [i for i in case.accepts[0].matched if any(k[0] == "#" for k in reading.keys[i])]
    for i in numerals:
        for one, other in ((i - 1, i), (i, i + 1)):
            if (
                one >= 0
                and other < len(reading)
                and not {one, other} <= set(case.accepts[0].matched)
                and reading.gap(other).strip() == "-"
                and all(any(k[0] == "#" for k in reading.keys[j]) for j in (one, other))
            ):
                return "undecided"
    return None


def names_it_first(case: Case) -> Outcome | None:
    """The right answer stands in the sentence that answers."""
    if not case.accepts:
        return None
    right = case.accepts[0]
    number = case.sentence(right)
    earlier = [r for r in case.others if case.sentence(r) < number]
    if case.says_dont_know and number > 0 and not case.hedged:
        return "undecided"
    if number == 0 or not earlier:
        return _unless_answered_before(case, number)
    return _weigh_sentences(case, earlier, number)


def _unless_answered_before(case: Case, number: int) -> Outcome:
    """Nothing of the type was named before; still, an earlier sentence may have answered with what is no name."""
    if number == 0 or case.gold.type in ("person", "place", "choice"):
        return "correct"
    here = case.restates(number)
    best = max(case.restates(n) for n in range(number))
    return "undecided" if best >= RESTATES and best > 2 * here else "correct"


def _weigh_sentences(case: Case, earlier: list[Mention | Rival], number: int) -> Outcome:
    """Another candidate was named before: the sentence that restates the question answers it."""
    here = case.restates(number)
    before = max(case.restates(case.sentence(r)) for r in earlier)
    if here >= before:
        return "correct"
    return "wrong" if before >= RESTATES and before > 2 * here else "undecided"


def names_only_rejected(case: Case) -> Outcome | None:
    """An answer from the reject list alone."""
    return "wrong" if case.rejects and not case.accepts else None


def negates_it(case: Case) -> Outcome | None:
    """The right answer only as what it is not."""
    said = {case.polarity(m) for m in case.mentions if not m.other}
    if case.accepts or not said:
        return None
    return "wrong" if said <= {"negated", "dismissed"} else "undecided"


def nearly_names_it(case: Case) -> Outcome | None:
    """Part of an alias: perhaps an alias that nobody wrote down. The right first name with another surname is nobody we asked for."""
    if (
        case.prepared.surnames
        and not any(f"={s}" in case.reading.places or s in case.reading.places for s in case.prepared.surnames)
        and any(r.last > r.first for r in case.rivals)
    ):
        return None
    if any(a.family_first and names_other_of_family(case, a) for a in case.prepared.accepts):
        return None
    return "undecided" if shared_words(case.reading, case.prepared, case.asked) >= NEAR_MISS else None


def names_adjective_of_it(case: Case) -> Outcome | None:
    """Not the place but its adjective ("the Parisian university" for Paris), and no other place before it."""
    if case.gold.type != "place":
        return None
    found = find_adjective(case.reading, case.prepared, case.asked)
    if found is None or any(r.last < found for r in case.rivals):
        return None
    return "undecided"


def says_nothing_of_it(case: Case) -> Outcome | None:
    """Nothing right in the reply."""
    has_words = any(any(c.isalnum() for c in t) for t in case.reading.tokens)
    return "wrong" if has_words else "undecided"


TEXT_RULES: tuple[Rule, ...] = (
    says_dont_know, refuses, names_namesake, takes_it_back, offers_alternatives, lists_several, names_relative, weighs_rejected, is_longer_term, gives_range, names_it_first,
    names_only_rejected, negates_it, nearly_names_it, names_adjective_of_it, says_nothing_of_it,
)  # fmt: skip

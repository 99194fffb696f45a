"""Where a sentence and its evidence disagree although they share words: figures, negations, attributes, lists, the person spoken of."""

from __future__ import annotations

from collections.abc import Sequence

from samovar.assistant.facts import CASES, Facts, Word
from samovar.assistant.figures import Figure, shortens
from samovar.assistant.matching import Match, stands_among
from samovar.language import Profile


def figure_agrees(figure: Figure, facts: Facts, there: Facts) -> bool:
    same = [f for f in there.figures if f.value == figure.value and _dates_agree(figure, f)]
    same = [f for f in same if not figure.unit or not f.unit or _same_unit(figure.unit, f.unit)]
    return bool(same) and not _belongs_to_another_verb(figure, same, facts, there)


def _dates_agree(a: Figure, b: Figure) -> bool:
    """A month must be the same where the sentence gives one; a day must be that of its month."""
    if not a.value:
        return a.month == b.month and (not a.day or not b.day or a.day == b.day)
    return (
        not a.month
        or not b.month
        or (a.month == b.month and (not a.is_year or not a.day or not b.day or a.day == b.day))
    )


def _same_unit(a: str, b: str) -> bool:
    return a == b or shortens(a, b) or shortens(b, a)


def _belongs_to_another_verb(figure: Figure, same: list[Figure], facts: Facts, there: Facts) -> bool:
    """Whether the figure stands at one verb in the sentence, and in the evidence at another that the sentence does not have."""
    verb = _nearest_verb(figure.place, facts)
    if verb is None:
        return False
    theirs = [w for w in there.words if w.is_verb and not (verb.terms | verb.synonyms).isdisjoint(w.terms)]
    if not theirs or any(_nearest_verb(f.place, there) in theirs for f in same):
        return False
    rivals = [f for f in there.figures if f.is_year == figure.is_year and f.value not in (0.0, figure.value)]
    return any(_nearest_verb(f.place, there) in theirs for f in rivals)


def _nearest_verb(place: int, facts: Facts) -> Word | None:
    verbs = [w for w in facts.words if w.is_verb]
    return min(verbs, key=lambda w: (facts.distance(w.place, place), w.place)) if verbs else None


def negation_differs(facts: Facts, there: Facts, matches: list[Match | None]) -> bool:
    """Whether a word is denied on one side only, or the sentence denies what the evidence has no denial of."""
    if facts.negated and not there.negated:
        return True
    met = {m.word.place for m in matches if m}
    denied = {w.place for w in there.words if w.negated}
    for word, match in zip(facts.words, matches, strict=True):
        if match and word.negated != match.word.negated:
            return True
        # «не смог написать»: what is denied stands right before the word
        if match and match.word.is_verb and not facts.negated and match.word.place - 1 in denied - met:
            return True
    return False


def attribute_differs(facts: Facts, there: Facts, matches: list[Match | None]) -> bool:
    """Whether a noun has an adjective that is missing, and in the evidence another one in its place ("the longest river": "the shortest river")."""
    attributes = {w.place: w for w in there.words if "adj" in w.tags}
    met = {m.word.place for m in matches if m}
    for adjective, noun, match, noun_match in zip(facts.words, facts.words[1:], matches, matches[1:], strict=False):
        if match is None and "adj" in adjective.tags and noun_match and noun.place == adjective.place + 1:
            theirs = noun_match.word.place - 1
            if theirs in attributes and theirs not in met:
                return True
    return False


def list_is_longer(facts: Facts, matches: list[Match | None]) -> bool:
    """Whether a missing noun stands in a list beside a noun that is there ("cabbage and pineapples")."""
    nouns = {
        w.place: match for w, match in zip(facts.words, matches, strict=True) if "noun" in w.tags and not w.is_name
    }
    tags = {w.place: w.tags for w in facts.words}
    breaks = set(facts.breaks)
    for place, match in nouns.items():
        for other, mark in ((place - 2, place - 1), (place + 2, place + 1), (place - 1, place), (place + 1, place + 1)):
            if match is None and nouns.get(other) and mark in breaks and _same_case(tags[place], tags[other]):
                return True
    return False


def _same_case(a: frozenset[str], b: frozenset[str]) -> bool:
    direct = frozenset({"nom", "acc"})  # one form for both in many words
    return bool(a & b & CASES) or bool(a & direct and b & direct) or not a & CASES


def speaks_of_another(there: Facts, facts: Facts, title: Facts) -> bool:
    """Whether the evidence has a person of its own as the subject, so that the title's name cannot be meant."""
    known = facts.terms | title.terms
    return any(w.is_person and ("nom" in w.tags or w.first) and w.terms.isdisjoint(known) for w in there.words)


def subject_differs(facts: Facts, there: Facts, matches: list[Match | None], profile: Profile) -> bool:
    """Whether, of two sentences, a name stands in one and what is said of it in the other, about somebody else ("The Don rises … The Lena flows …")."""
    known = facts.terms | {t for m in matches if m for t in m.word.terms}
    for second in (False, True):
        side = [w for w in there.words if (w.place >= there.border) == second]
        other = [w for w in there.words if (w.place >= there.border) != second]
        if not any(w.terms.isdisjoint(known) for w in side if w.is_name) or _subject_is_known(side, known):
            continue
        away = [
            w
            for w in facts.words
            if w.is_name and stands_among(w, other, profile) and not stands_among(w, side, profile)
        ]
        said = [
            m
            for w, m in zip(facts.words, matches, strict=True)
            if m and not w.is_name and m.word in side and not stands_among(w, other, profile)
        ]
        if away and said:
            return True
    return False


def _subject_is_known(side: Sequence[Word], known: set[str]) -> bool:
    """Whether the names that can be the subject of a sentence (in the nominative; without cases one before the verb) are among the known terms."""
    runs: list[list[Word]] = []
    for word in (w for w in side if w.is_name):
        if runs and runs[-1][-1].place == word.place - 1:
            runs[-1].append(word)
        else:
            runs.append([word])
    cased = any(w.tags & CASES for w in side)
    verb = min((w.place for w in side if w.is_verb), default=side[-1].place + 1)
    subjects = (
        [r for r in runs if any("nom" in w.tags for w in r)] if cased else [r for r in runs[:1] if r[0].place < verb]
    )
    return all(any(not w.terms.isdisjoint(known) for w in run) for run in subjects)

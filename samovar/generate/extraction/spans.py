"""Which words of a sentence are the answer itself: candidate spans and their features.

Candidates are runs of up to `MAX_WORDS` words inside one sentence that begin and end on a word that can begin or end an answer. Features
describe the run (length, shapes, brackets), its fit to the question (kind, case, noun asked for) and its place among the words matched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from samovar.generate.extraction.openings import add_opening_features
from samovar.generate.extraction.reading import AskedQuestion, Reading, Sentence
from samovar.generate.extraction.sentences import Features, Matches
from samovar.generate.extraction.shapes import is_number, shape_of
from samovar.generate.extraction.view import Candidate, SentenceView, length_bin

MAX_WORDS = 12
_BREAK = re.compile(r"[.!?;:()\[\]«»\"“”„—–]|,\s*$|^\s*,")
_HARD = re.compile(r"[!?;:()\[\]]|\.\s")
_QUOTES = '«»"“”„'


def view_sentence(question: AskedQuestion, reading: Reading, sentence: Sentence, matches: Matches) -> SentenceView:
    """Collect the shared facts of a sentence."""
    words = reading.words[sentence.first : sentence.last]
    shapes = [shape_of(w, question.profile) for w in words]
    gaps = [reading.text[sentence.start : words[0].start]] if words else []
    gaps += [reading.text[a.end : b.start] for a, b in pairwise(words)]
    if words:
        gaps.append(reading.text[words[-1].end : sentence.end])
    weights = [0.0] * len(words)
    for term, place, strength in zip(question.content, matches.places, matches.strength, strict=True):
        if place >= 0:
            weights[place - sentence.first] = max(weights[place - sentence.first], term.weight * strength)
    for i, word in enumerate(words):
        if not weights[i] and not word.stop and not word.terms.isdisjoint(question.all_terms):
            weights[i] = 0.3
    matched = [w > 0 for w in weights]
    beside = question.content[0].terms if question.content else frozenset()
    next_to_asked = [not w.terms.isdisjoint(beside) for w in words]
    verbs = [p - sentence.first for t, p in zip(question.content, matches.places, strict=True) if t.verb and p >= 0]
    clauses, clause = [], 0
    for i in range(len(words)):
        clause += 1 if i and any(mark in gaps[i] for mark in ",;:—–") else 0
        clauses.append(clause)
    return SentenceView(
        words,
        sentence.first,
        sentence.last,
        shapes,
        gaps,
        matched,
        weights,
        reading.text,
        next_to_asked,
        verbs,
        clauses,
    )


_BAD_EDGE = frozenset({"conj", "part", "prep", "pron", "stop"})


def candidates(view: SentenceView) -> Iterator[Candidate]:
    """Yield the candidate spans of a sentence. An opening preposition is allowed (``in 1812``); a closing one is not."""
    count = len(view.words)
    for i in range(count):
        if view.shapes[i] in ("conj", "part"):
            continue
        for j in range(i + 1, min(count, i + MAX_WORDS) + 1):
            if j - 1 > i and _HARD.search(view.gaps[j - 1]) and not _paired(view, i, j):
                break
            if view.shapes[j - 1] in _BAD_EDGE or (view.words[j - 1].stop and j - 1 > i):
                continue
            if j - i == 1 and view.words[i].stop and view.shapes[i] not in ("numberword", "digits"):
                continue
            yield Candidate(i, j, view.words[i].start, view.words[j - 1].end)


def _paired(view: SentenceView, i: int, j: int) -> bool:
    """A bracket may be crossed when the whole bracket lies inside."""
    inner = view.text[view.words[i].start : view.words[j - 1].end]
    return "." not in view.gaps[j - 1] and (inner.count("(") == inner.count(")") or "(" in view.gaps[j - 1])


def span_features(question: AskedQuestion, view: SentenceView, c: Candidate) -> Features:
    """Return the named features of a candidate. Values lie in about -1..1."""
    words, shapes = view.words, view.shapes
    kind = question.asked.kind
    size = c.last - c.first
    inside = range(c.first, c.last)
    f: Features = {}
    f[f"len={length_bin(size)}"] = 1.0
    f[f"{kind}|len={length_bin(size)}"] = 1.0
    f[f"first={shapes[c.first]}"] = 1.0
    f[f"last={shapes[c.last - 1]}"] = 1.0
    f[f"{kind}|first={shapes[c.first]}"] = 1.0
    f[f"{kind}|last={shapes[c.last - 1]}"] = 1.0
    overlap = sum(1 for i in inside if view.matched[i]) / size
    f["overlap"] = overlap
    if overlap == 1.0:
        f["all_question"] = 1.0
    if view.matched[c.first]:
        f["first_matched"] = 1.0
    if view.matched[c.last - 1]:
        f["last_matched"] = 1.0
    capitals = sum(1 for i in inside if words[i].capital)
    f[f"{kind}|capitals"] = capitals / size
    if capitals == size:
        f[f"{kind}|all_capitals"] = 1.0
    if any(shapes[i] in ("digits", "numberword", "year", "roman") for i in inside):
        f[f"{kind}|has_number"] = 1.0
    if any(shapes[i] in ("year", "time") for i in inside):
        f[f"{kind}|has_time"] = 1.0
    if any(shapes[i] == "verb" for i in inside):
        f[f"{kind}|has_verb"] = 1.0
    _boundaries(f, kind, view, c)
    _nearness(f, view, c)
    f[f"{kind}|near"] = f.get("near", 0.0)
    f[f"{kind}|overlap"] = overlap
    _relations(f, question, view, c)
    _agreement(f, question, view, c)
    add_opening_features(f, question, view, c)
    return f


def _boundaries(f: Features, kind: str, view: SentenceView, c: Candidate) -> None:
    """How cleanly the run is cut out: punctuation or a change of shape at its edges, capitals and adjectives not torn apart."""
    shapes, gaps, words = view.shapes, view.gaps, view.words
    left, right = gaps[c.first].strip(), gaps[c.last].strip()
    if left:
        f["left_punct"] = 1.0
    if right:
        f["right_punct"] = 1.0
    if any(q in left for q in _QUOTES) and any(q in right for q in _QUOTES):
        f["quoted"] = 1.0
        f[f"{kind}|quoted"] = 1.0
    elif any(q in left for q in _QUOTES) or any(q in right for q in _QUOTES):
        f["half_quoted"] = 1.0
    inner = "".join(gaps[c.first + 1 : c.last])
    if any(q in inner for q in _QUOTES):
        f["inner_quotes"] = 1.0
        if sum(inner.count(q) for q in _QUOTES) % 2:
            f["torn_quotes"] = 1.0
    if "," in inner:
        f["inner_comma"] = 1.0
    if "(" in left and ")" in right:
        f["bracketed"] = 1.0
        f[f"{kind}|bracketed"] = 1.0
    elif "(" in inner or ")" in inner:
        f["inner_bracket"] = 1.0
    if any(d in left for d in "—–-"):
        f["after_dash"] = 1.0
        f[f"{kind}|after_dash"] = 1.0
    if c.first > 0 and not left:
        f[f"before={shapes[c.first - 1]}"] = 1.0
        f[f"{shapes[c.first - 1]}^{shapes[c.first]}"] = 1.0
        if words[c.first - 1].capital and words[c.first].capital and c.first > 1:
            f["torn_name_left"] = 1.0
    if c.last < len(words) and not right:
        f[f"after={shapes[c.last]}"] = 1.0
        f[f"{shapes[c.last - 1]}^{shapes[c.last]}"] = 1.0
        if words[c.last].capital and words[c.last - 1].capital:
            f["torn_name_right"] = 1.0
    if c.first == 0:
        f["at_start"] = 1.0
    if c.last == len(words):
        f["at_end"] = 1.0


def _nearness(f: Features, view: SentenceView, c: Candidate) -> None:
    """Weight of the matched words outside the run, discounted by their distance in words."""
    near = 0.0
    total = 0.0
    close_left = close_right = 0.0
    for i, weight in enumerate(view.weights):
        if not weight:
            continue
        total += weight
        if c.first <= i < c.last:
            continue
        distance = c.first - i if i < c.first else i - c.last + 1
        near += weight / (1 + 0.35 * distance)
        if distance == 1:
            if i < c.first:
                close_left = weight
            else:
                close_right = weight
    if total:
        f["near"] = near / total
        outside = sum(w for i, w in enumerate(view.weights) if w and not c.first <= i < c.last) / total
        f["outside"] = outside
        f["left_matched"] = min(1.0, close_left / total * 2)
        f["right_matched"] = min(1.0, close_right / total * 2)


def _relations(f: Features, question: AskedQuestion, view: SentenceView, c: Candidate) -> None:
    """Where the run stands to the question's verb, to the word beside the question word, and to its own neighbours."""
    profile = question.profile
    words, shapes = view.words, view.shapes
    kind = question.asked.kind
    if view.verbs:
        distance = min((v - c.last + 1 if v >= c.last else c.first - v if v < c.first else 0) for v in view.verbs)
        f["verb_near"] = 1 / (1 + 0.5 * distance)
        if all(v < c.first for v in view.verbs):
            f["after_verb"] = 1.0
            f[f"{question.asked.word}|after_verb"] = 1.0
        elif all(v >= c.last for v in view.verbs):
            f["before_verb"] = 1.0
            f[f"{question.asked.word}|before_verb"] = 1.0
    for i in (c.first - 1, c.last):
        if 0 <= i < len(words) and view.next_to_asked[i]:
            f["beside_as_asked"] = 1.0
    mine = view.clauses[c.first]
    here = sum(w for i, w in enumerate(view.weights) if w and view.clauses[i] == mine and not c.first <= i < c.last)
    total = sum(view.weights)
    if total:
        f["clause"] = here / total
    if c.last < len(words) and not view.gaps[c.last].strip():
        following = profile.tags(words[c.last].text)
        if (
            "gen" in following
            and ("noun" in following or "adj" in following)
            and shapes[c.last - 1] in ("noun", "Noun", "Capital")
        ):
            f["torn_genitive"] = 1.0
    run = [i for i in range(c.first, c.last) if words[i].capital]
    if len(run) == c.last - c.first:
        left_free = c.first == 0 or not words[c.first - 1].capital
        right_free = c.last == len(words) or not words[c.last].capital
        if left_free and right_free:
            f["whole_name"] = 1.0
            f[f"{kind}|whole_name"] = 1.0
    if c.first == 0 and words[0].capital and len(run) == 1:
        f["capital_by_position"] = 1.0
    if question.content and kind in ("thing", "choice", "name", "person"):
        new = [i for i in range(c.first, c.last) if not view.matched[i] and not words[i].stop]
        f["new_words"] = min(len(new), 4) / 4


def _agreement(f: Features, question: AskedQuestion, view: SentenceView, c: Candidate) -> None:
    """Fit to the question word: the same preposition before it, the same case, the noun asked for beside or inside the run."""
    profile = question.profile
    words = view.words
    asked = question.asked
    kind = asked.kind
    if asked.before and c.first > 0 and words[c.first - 1].fold == asked.before:
        f["same_preposition"] = 1.0
    if asked.before and words[c.first].fold == asked.before:
        f["opens_with_preposition"] = 1.0
    wanted = profile.tags(asked.word) & _CASES if asked.word else frozenset()
    head = next((words[i] for i in range(c.first, c.last) if view.shapes[i] in ("noun", "Noun", "Capital")), None)
    if wanted and head is not None:
        have = profile.tags(head.text) & _CASES
        if have:
            f["case"] = 1.0 if have & wanted else -0.5
    if question.asked_terms:
        inside = [i for i in range(c.first, c.last) if not words[i].terms.isdisjoint(question.asked_terms)]
        if inside:
            f["asked_noun_inside"] = 1.0
            if inside[-1] == c.last - 1 and c.last - c.first > 1:
                f["asked_noun_last"] = 1.0
        elif c.first > 0 and not words[c.first - 1].terms.isdisjoint(question.asked_terms):
            f["after_asked_noun"] = 1.0
        elif c.last < len(words) and not words[c.last].terms.isdisjoint(question.asked_terms):
            f["before_asked_noun"] = 1.0
    if kind == "number":
        numbers = [i for i in range(c.first, c.last) if is_number(words[i], profile)]
        if numbers and numbers[0] == c.first:
            f["number_first"] = 1.0
        if (
            numbers
            and c.last < len(words)
            and not words[c.last].terms.isdisjoint(question.asked_terms or question.all_terms)
        ):
            f["number_of_asked"] = 1.0
    if kind == "person" and any(
        {"name", "surname", "patronymic"} & profile.tags(words[i].text) for i in range(c.first, c.last)
    ):
        f["has_person_name"] = 1.0
    if kind == "place" and any("place" in profile.tags(words[i].text) for i in range(c.first, c.last)):
        f["has_place_name"] = 1.0
    if kind == "place" and c.first > 0 and words[c.first - 1].fold in profile.place_prepositions:
        f["after_place_preposition"] = 1.0


_CASES = frozenset({"nom", "gen", "dat", "acc", "ins", "loc"})

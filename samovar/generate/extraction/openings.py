"""How a candidate span fits the way its question opens: the very question word and the noun after it, the unit of a number, what is new.

The kind of a question ("time", "number" …) is coarse: «в каком году» asks for a bare year, «когда» for a whole date. These features pair
the words of the opening themselves with the span's length and edges; the trainer drops those that too few questions have.
"""

from __future__ import annotations

from samovar.generate.extraction.reading import AskedQuestion
from samovar.generate.extraction.sentences import Features
from samovar.generate.extraction.view import Candidate, SentenceView, length_bin

NUMBERS = frozenset({"digits", "numberword", "year", "roman"})
_UNITS = frozenset({"noun", "Noun", "word", "time"})


def add_opening_features(f: Features, question: AskedQuestion, view: SentenceView, c: Candidate) -> None:
    """Add the features of this module."""
    asked = question.asked
    shapes = view.shapes
    size = c.last - c.first
    for opening in (asked.word, f"noun:{asked.noun}") if asked.noun else (asked.word,):
        f[f"{opening}|len={length_bin(size)}"] = 1.0
        f[f"{opening}|first={shapes[c.first]}"] = 1.0
        f[f"{opening}|last={shapes[c.last - 1]}"] = 1.0
    new = sum(1 for i in range(c.first, c.last) if not view.matched[i] and not view.words[i].stop)
    f["new_share"] = new / size
    if new == size:
        f["all_new"] = 1.0
        f[f"{asked.kind}|all_new"] = 1.0
    if not new:
        f["nothing_new"] = 1.0
    if asked.kind == "number":
        _unit(f, question, view, c)


def _unit(f: Features, question: AskedQuestion, view: SentenceView, c: Candidate) -> None:
    """What the number counts: "136 sacks" is no answer to "how many yards"; and how far it is from the word asked for."""
    words = view.words
    numbers = [i for i in range(c.first, c.last) if view.shapes[i] in NUMBERS]
    if not numbers:
        return
    at = numbers[-1] + 1
    if at < len(words) and not words[at].stop and view.shapes[at] in _UNITS:
        if question.asked_terms:
            f["unit_other" if words[at].terms.isdisjoint(question.asked_terms) else "unit_asked"] = 1.0
        if not words[at].terms.isdisjoint(question.all_terms):
            f["unit_in_question"] = 1.0
    places = [i for i, w in enumerate(words) if not w.terms.isdisjoint(question.asked_terms)]
    if places:
        f["number_near_asked"] = 1 / (1 + min(abs(i - place) for i in numbers for place in places))

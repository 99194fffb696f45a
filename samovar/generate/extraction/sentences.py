"""Which sentence answers the question: features of a sentence, each with a name, summed with trained weights."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from samovar.generate.extraction.reading import AskedQuestion, QuestionTerm, Reading, Sentence, Word
from samovar.generate.extraction.shapes import has_full_name, has_kind

Features = dict[str, float]


@dataclass(slots=True)
class Matches:
    """How far each content word of the question is found in a stretch of words: 1 same term, less for a look-alike, 0 absent."""

    strength: list[float]
    places: list[int]  # index of the matching word, -1 when absent

    def coverage(self, content: list[QuestionTerm]) -> float:
        total = sum(t.weight for t in content)
        return sum(t.weight * s for t, s in zip(content, self.strength, strict=True)) / total if total else 0.0


def shared_beginning(a: str, b: str) -> float:
    """Share of the longer word that both begin with; 0 when shorter than four letters (Снежная ~ снежный .86)."""
    size = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        size += 1
    return size / max(len(a), len(b)) if size >= 4 else 0.0


def match_terms(content: list[QuestionTerm], words: list[Word], first: int, last: int) -> Matches:
    """Find each content word among words[first:last]."""
    strength, places = [], []
    for term in content:
        best, place = 0.0, -1
        for i in range(first, last):
            word = words[i]
            if not term.terms.isdisjoint(word.terms):
                best, place = 1.0, i
                break
            if word.stop or len(term.fold) < 4:
                continue
            if not term.synonyms.isdisjoint(word.terms):
                candidate = 0.5
            else:
                candidate = shared_beginning(term.fold, word.fold)
                candidate = candidate if candidate >= 0.6 else 0.0
            if candidate > best:
                best, place = candidate, i
        strength.append(best)
        places.append(place)
    return Matches(strength, places)


def sentence_features(
    question: AskedQuestion, reading: Reading, index: int, matches: list[Matches], passage: Matches, prior: float
) -> Features:
    """Return the named features of sentence `index`; `matches` are those of every sentence of the passage, `prior` in 0..1 the passage's rank score."""
    sentence = reading.sentences[index]
    mine = matches[index]
    content = question.content
    total = sum(t.weight for t in content) or 1.0
    coverage = mine.coverage(content)
    features: Features = {
        "coverage": coverage,
        "coverage_squared": coverage * coverage,
        "passage_coverage": passage.coverage(content),
        "prior": prior,
        "length": math.log1p(sentence.last - sentence.first) / 4,
        "short": 1.0 if sentence.last - sentence.first < 5 else 0.0,
        "first": 1.0 if index == 0 else 0.0,
    }
    before = matches[index - 1] if index else None
    if before is not None:
        features["coverage_before"] = _added(content, mine, before) / total
    if index + 1 < len(matches):
        features["coverage_after"] = _added(content, mine, matches[index + 1]) / total
    features["capitals"] = _share(content, mine, lambda t: t.capital)
    features["numbers"] = _share(content, mine, lambda t: t.number)
    features["verbs"] = _share(content, mine, lambda t: t.verb)
    features["order"] = _in_order(mine)
    lost = [t for t, s in zip(content, passage.strength, strict=True) if s < 0.5]
    features["lost_name"] = 1.0 if any(t.capital for t in lost) else 0.0
    features["lost_word"] = len(lost) / len(content) if content else 1.0
    features["terms"] = min(len(content), 8) / 8
    features["adjacent"] = _adjacent(content, mine)
    features["rarest"] = _rarest(content, mine)
    features["matched"] = sum(mine.strength) / len(content) - 0.5 if content else 0.0
    features["grams"] = gram_coverage(question, reading.text[sentence.start : sentence.end])
    features["compact"] = _compact(content, mine, sentence)
    kind = question.asked.kind
    if kind in ("number", "time", "person", "place", "reason"):
        features["kind"] = 1.0 if has_kind(kind, question, reading, sentence) else -1.0
        features[f"kind={kind}"] = features["kind"]
    if kind == "person" and has_full_name(question, reading, sentence):
        features["full_name"] = 1.0
    if index == 0:
        features["first_covered"] = coverage
    if reading.text.rstrip()[sentence.end - 1 : sentence.end] == "?":
        features["is_question"] = 1.0
    opening = reading.words[sentence.first] if sentence.first < sentence.last else None
    if opening is not None and opening.fold in question.profile.pronouns and before is not None:
        features["pronoun_then"] = _added(content, mine, before) / total
    if question.asked_terms and not question.asked_terms.isdisjoint(reading.terms_of(sentence)):
        features["asked_noun"] = 1.0
    return features


def _added(content: list[QuestionTerm], mine: Matches, other: Matches) -> float:
    """Weight of what the neighbour matches and this sentence does not."""
    return sum(max(0.0, o - m) * t.weight for t, m, o in zip(content, mine.strength, other.strength, strict=True))


def _share(content: list[QuestionTerm], mine: Matches, wanted) -> float:  # type: ignore[no-untyped-def]
    chosen = [(t.weight, s) for t, s in zip(content, mine.strength, strict=True) if wanted(t)]
    total = sum(w for w, _ in chosen)
    return sum(w * s for w, s in chosen) / total - 0.5 if total else 0.0


def _rarest(content: list[QuestionTerm], mine: Matches) -> float:
    """Match strength of the heaviest content word."""
    if not content:
        return 0.0
    best = max(range(len(content)), key=lambda i: content[i].weight)
    return mine.strength[best] - 0.5


def _compact(content: list[QuestionTerm], mine: Matches, sentence: Sentence) -> float:
    """Weighted match strength with every word discounted by its distance from the heaviest matched one (12 words: e-fold)."""
    found = [i for i, p in enumerate(mine.places) if p >= 0]
    if not found:
        return 0.0
    anchor = mine.places[max(found, key=lambda i: content[i].weight * mine.strength[i])]
    total = sum(t.weight for t in content)
    return (
        sum(content[i].weight * mine.strength[i] * math.exp(-abs(mine.places[i] - anchor) / 12) for i in found) / total
    )


def gram_coverage(question: AskedQuestion, text: str) -> float:
    """Weighted share of the content words' character 4-grams that occur in the text (robust to inflection and compounds)."""
    text = question.profile.normalise(text)
    total = found = 0.0
    for term in question.content:
        grams = [term.fold[i : i + 4] for i in range(len(term.fold) - 3)] or [term.fold]
        total += term.weight
        found += term.weight * sum(1 for g in grams if g in text) / len(grams)
    return found / total if total else 0.0


def _in_order(mine: Matches) -> float:
    places = [p for p in mine.places if p >= 0]
    if len(places) < 2:
        return 0.0
    return sum(1 for a, b in itertools.pairwise(places) if a < b) / (len(places) - 1)


def _adjacent(content: list[QuestionTerm], mine: Matches) -> float:
    """Share of neighbouring question words that stand within three words of each other."""
    if len(content) < 2:
        return 0.0
    near = 0
    for a, b in itertools.pairwise(mine.places):
        if a >= 0 and b >= 0 and 0 < abs(a - b) <= 3:
            near += 1
    return near / (len(content) - 1)


def score(features: Features, weights: dict[str, float]) -> float:
    """Weighted sum; unknown features count nothing."""
    return sum(value * weights.get(name, 0.0) for name, value in features.items())

"""Rank sentences, then spans: the extractive answer with its confidence."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from samovar.generate.extraction.reading import (
    AskedQuestion,
    Reading,
    read_question,
    read_text,
    read_words,
    weigh_terms,
)
from samovar.generate.extraction.sentences import Features, Matches, match_terms, score, sentence_features
from samovar.generate.extraction.spans import candidates, span_features, view_sentence
from samovar.language import Profile

# A question of so few content words is about all of them: when the passage lacks one, the confidence is multiplied by the trust. The
# regression was trained on long questions (8 content words on average), where one missing word means little. Chosen on the starter
# questions: "Кто изобрёл телефон?" must not be answered from a passage about a telephone call.
SHORT_QUESTION = 3
SHORT_QUESTION_TRUST = 0.55
RISK_CANDIDATES = 40  # spans over which the expected F1 is taken


@dataclass(frozen=True, slots=True)
class Extraction:
    """A quoted sentence and the short answer in it; all offsets are into ``passages[passage]``.

    `confidence` in 0..1 is the trained probability that the sentence answers the question; `score` the raw rank score.
    """

    passage: int
    start: int
    end: int
    span_start: int
    span_end: int
    score: float
    confidence: float
    kind: str


@dataclass(slots=True)
class RankedSentence:
    """A sentence in the running."""

    passage: int
    index: int
    score: float
    features: Features
    matches: Matches


@lru_cache(maxsize=1)
def load_weights() -> dict[str, dict[str, float]]:
    """Return the trained weights: {"sentence": {feature: weight}, "span": {…}, "confidence": {…}}."""
    text = resources.files("samovar.generate.extraction").joinpath("weights.json").read_text("utf-8")
    loaded: dict[str, dict[str, float]] = json.loads(text)
    return loaded


def rank_sentences(
    question: AskedQuestion,
    readings: list[Reading],
    priors: Sequence[float],
    weights: dict[str, float],
    titles: Sequence[str] = (),
) -> list[RankedSentence]:
    """Return all sentences, the best first. What a passage's title says counts for the passage as a whole."""
    ranked = []
    for p, reading in enumerate(readings):
        matches = [match_terms(question.content, reading.words, s.first, s.last) for s in reading.sentences]
        whole = best_of(matches, len(question.content))
        if p < len(titles) and titles[p]:
            words = read_words(titles[p], question.profile)
            whole = best_of([whole, match_terms(question.content, words, 0, len(words))], len(question.content))
        for i in range(len(reading.sentences)):
            features = sentence_features(question, reading, i, matches, whole, priors[p])
            ranked.append(RankedSentence(p, i, score(features, weights), features, matches[i]))
    ranked.sort(key=lambda r: (-r.score, r.passage, r.index))
    return ranked


def best_of(matches: list[Matches], size: int) -> Matches:
    """Combine the matches of several sentences: for each content word the strongest."""
    return Matches([max((m.strength[i] for m in matches), default=0.0) for i in range(size)], [-1] * size)


def extract(
    question: str,
    passages: Sequence[str],
    profile: Profile,
    *,
    priors: Sequence[float] | None = None,
    titles: Sequence[str] = (),
    limit: int = 3,
) -> list[Extraction]:
    """Return up to `limit` answers, the best first; empty when there is no passage with a sentence.

    Args:
        priors: the passages' rank scores divided by the best one (1.0 first); by default 1/rank.
        titles: the titles of the passages' documents, where they have one.
    """
    weights = load_weights()
    asked = read_question(question, profile)
    readings = [read_text(p, profile) for p in passages]
    weigh_terms(asked, readings)
    priors = priors or [1 / (i + 1) for i in range(len(passages))]
    ranked = rank_sentences(asked, readings, priors, weights["sentence"], titles)
    out = []
    for place, r in enumerate(ranked[:limit]):
        sentence = readings[r.passage].sentences[r.index]
        span = best_span(asked, readings[r.passage], r, weights["span"])
        start, end = span if span else (sentence.start, sentence.end)
        margin = r.score - ranked[1].score if place == 0 and len(ranked) > 1 else 0.0
        confidence = confidence_of(r, margin, weights["confidence"])
        if r.features["lost_word"] and len(asked.content) <= SHORT_QUESTION:
            confidence *= SHORT_QUESTION_TRUST
        out.append(
            Extraction(r.passage, sentence.start, sentence.end, start, end, r.score, confidence, asked.asked.kind)
        )
    return out


def best_span(
    question: AskedQuestion, reading: Reading, ranked: RankedSentence, weights: dict[str, float]
) -> tuple[int, int] | None:
    """Return the offsets of the best span of a sentence, or None when it has no candidate.

    The span is the one with the least Bayes risk: the highest token F1 expected under the ranker's own distribution over the best
    `RISK_CANDIDATES` spans (Kumar & Byrne 2004). It gained 2 points of F1 over taking the single likeliest span.
    """
    view = view_sentence(question, reading, reading.sentences[ranked.index], ranked.matches)
    scored = [(score(span_features(question, view, c), weights), c.first, c.last) for c in candidates(view)]
    chosen = least_risk(scored)
    return None if chosen is None else (view.words[chosen[0]].start, view.words[chosen[1] - 1].end)


def least_risk(scored: Sequence[tuple[float, int, int]]) -> tuple[int, int] | None:
    """Return the (first, last) of the span with the highest expected token F1; `scored` are (score, first, last) of one sentence."""
    best = sorted(scored, key=lambda s: -s[0])[:RISK_CANDIDATES]
    odds = [math.exp(s - best[0][0]) for s, _, _ in best]
    top, where = -1.0, None
    for _, first, last in best:
        expected = sum(o * span_f1(first, last, a, b) for o, (_, a, b) in zip(odds, best, strict=True))
        if expected > top:
            top, where = expected, (first, last)
    return where


def span_f1(first: int, last: int, other_first: int, other_last: int) -> float:
    """Token F1 of two runs of words of one sentence."""
    common = min(last, other_last) - max(first, other_first)
    return 2 * common / (last - first + other_last - other_first) if common > 0 else 0.0


CONFIDENCE_FEATURES = (
    "coverage", "passage_coverage", "kind", "capitals", "numbers", "verbs", "adjacent", "coverage_before", "order", "asked_noun",
    "matched", "rarest", "grams", "compact", "lost_name", "lost_word", "terms",
)  # fmt: skip


def confidence_of(ranked: RankedSentence, margin: float, weights: dict[str, float]) -> float:
    """Return the calibrated probability that the sentence answers the question (logistic regression over `CONFIDENCE_FEATURES`)."""
    total = (
        weights.get("bias", 0.0)
        + weights.get("margin", 0.0) * min(margin, 3.0)
        + weights.get("score", 0.0) * ranked.score
    )
    total += sum(weights.get(name, 0.0) * ranked.features.get(name, 0.0) for name in CONFIDENCE_FEATURES)
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))

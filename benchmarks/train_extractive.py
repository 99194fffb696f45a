"""Train the weights of the extractive answerer and say honestly what they are worth.

    SAMOVAR_BENCH_DATA=… python benchmarks/train_extractive.py [--write] [--languages ru,en]

Data: XQuAD dev questions (CC BY-SA 4.0), Russian and English together. Three small models are fitted: a log-linear ranker of sentences, one
of spans (both by softmax over the candidates of a question, L2), and a logistic regression for the confidence, for which every question is
also asked with its own article taken out of the collection. All printed figures are five-fold cross-validated by article; the written
weights are fitted on everything. Needs numpy and scipy (extra `dev`). Prints JSON Lines.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from answer_metrics import contains_answer, token_f1
from scipy.optimize import minimize
from xquad import read_xquad

from samovar.generate.extraction import answer as extraction
from samovar.generate.extraction.reading import AskedQuestion, Reading, read_question, read_text, weigh_terms
from samovar.generate.extraction.sentences import Matches, match_terms, sentence_features
from samovar.generate.extraction.spans import candidates, span_features, view_sentence
from samovar.language import Profile, profile_for

FOLDS = 5
PASSAGES = 5
SPAN_SENTENCES = 3  # best sentences of a question whose spans are candidates in training
L2_SENTENCE, L2_SPAN, L2_CONFIDENCE = 1e-3, 3e-4, 1e-3
OUT = Path(extraction.__file__).with_name("weights.json")


@dataclass
class Asked:
    """One question with its retrieved passages; `answers` the gold text, empty when its article is out of the collection."""

    language: str
    article: int
    question: AskedQuestion
    readings: list[Reading]
    priors: list[float]
    answer: str
    features: list[dict[str, float]] = field(default_factory=list)
    where: list[tuple[int, int, Matches]] = field(default_factory=list)
    good: list[bool] = field(default_factory=list)


class Ranker:
    """Plain BM25 over index terms: stands in for the search room so that training depends on nothing above it."""

    def __init__(self, texts: list[str], profile: Profile) -> None:
        self.profile = profile
        self.bags = [Counter(t for w in profile.tokens(x) for t in profile.terms(w.text)) for x in texts]
        self.sizes = [sum(b.values()) for b in self.bags]
        self.mean = sum(self.sizes) / len(self.sizes)
        self.frequency = Counter(t for b in self.bags for t in b)

    def top(self, query: str, keep: list[bool]) -> list[tuple[int, float]]:
        terms = {t for w in self.profile.tokens(query) for t in self.profile.terms(w.text)}
        scores = []
        for i, bag in enumerate(self.bags):
            if keep[i]:
                scores.append((i, sum(self._score(t, bag.get(t, 0), self.sizes[i]) for t in terms)))
        scores.sort(key=lambda s: -s[1])
        return scores[:PASSAGES]

    def _score(self, term: str, count: int, size: int) -> float:
        if not count:
            return 0.0
        df = self.frequency[term]
        idf = math.log(1 + (len(self.bags) - df + 0.5) / (df + 0.5))
        return idf * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * size / self.mean))


def load_asked(language: str, data: Path) -> tuple[list[Asked], list[Asked]]:
    """Return the questions with everything in the collection, and again with their own article left out."""
    profile = profile_for(language)
    paragraphs = read_xquad(data, language)
    texts, owner = [p.text for p in paragraphs], [p.article for p in paragraphs]
    questions = [(p.article, question, gold) for p in paragraphs for question, gold in p.questions]
    ranker = Ranker(texts, profile)
    readings = [read_text(t, profile) for t in texts]

    def ask(number: int, question: str, answer: str, without: bool) -> Asked:
        keep = [not without or o != number for o in owner]
        top = ranker.top(question, keep)
        asked = Asked(
            language, number, read_question(question, profile), [readings[i] for i, _ in top],
            [s / (top[0][1] or 1.0) for _, s in top], "" if without else answer,
        )  # fmt: skip
        weigh_terms(asked.question, asked.readings)
        fill_sentences(asked)
        return asked

    return [ask(*q, without=False) for q in questions], [ask(*q, without=True) for q in questions]


def fill_sentences(asked: Asked) -> None:
    """Compute the features of every sentence and whether it contains the gold answer."""
    for p, reading in enumerate(asked.readings):
        matches = [match_terms(asked.question.content, reading.words, s.first, s.last) for s in reading.sentences]
        whole = extraction.best_of(matches, len(asked.question.content))
        for i, sentence in enumerate(reading.sentences):
            asked.features.append(sentence_features(asked.question, reading, i, matches, whole, asked.priors[p]))
            asked.where.append((p, i, matches[i]))
            text = reading.text[sentence.start : sentence.end]
            asked.good.append(bool(asked.answer) and contains_answer(text, asked.answer))


class Columns(dict[str, int]):
    """Feature name → column."""

    def matrix(self, rows: list[dict[str, float]]) -> sp.csr_matrix:
        r, c, v = [], [], []
        for i, row in enumerate(rows):
            for name, value in row.items():
                if value:
                    r.append(i)
                    c.append(self.setdefault(name, len(self)))
                    v.append(value)
        return sp.csr_matrix((v, (r, c)), shape=(len(rows), max(len(self), 1)))


def widen(matrix: sp.csr_matrix, width: int) -> sp.csr_matrix:
    return sp.csr_matrix((matrix.data, matrix.indices, matrix.indptr), shape=(matrix.shape[0], width))


def fit_softmax(groups: list[sp.csr_matrix], targets: list[np.ndarray], width: int, l2: float) -> np.ndarray:
    """Maximise the mean log-likelihood of the target distributions over each group's candidates."""
    x = sp.vstack([widen(g, width) for g in groups]).tocsr()
    xt = x.T.tocsr()
    sizes = [g.shape[0] for g in groups]
    starts = np.r_[0, np.cumsum(sizes)[:-1]]
    group = np.repeat(np.arange(len(sizes)), sizes)
    t = np.concatenate(targets)

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        s = x @ w
        s -= np.maximum.reduceat(s, starts)[group]
        e = np.exp(s)
        z = np.add.reduceat(e, starts)[group]
        return -(t * (s - np.log(z))).sum() / len(sizes) + l2 * (w @ w) / 2, -(xt @ (t - e / z)) / len(sizes) + l2 * w

    return minimize(loss, np.zeros(width), jac=True, method="L-BFGS-B", options={"maxiter": 200}).x


def train_sentences(asked: list[Asked]) -> tuple[dict[str, float], list[np.ndarray], dict[str, float]]:
    """Return the weights, the cross-validated scores of all sentences, and by language the share of questions whose best sentence is good."""
    columns = Columns()
    matrices = [columns.matrix(a.features) for a in asked]
    targets = [np.array(a.good, float) / max(sum(a.good), 1) for a in asked]
    usable = [i for i, a in enumerate(asked) if any(a.good)]
    scores: list[np.ndarray] = [np.zeros(0)] * len(asked)
    right: dict[str, list[bool]] = {}
    for fold in range(FOLDS):
        train = [i for i in usable if asked[i].article % FOLDS != fold]
        w = fit_softmax([matrices[i] for i in train], [targets[i] for i in train], len(columns), L2_SENTENCE)
        for i, a in enumerate(asked):
            if a.article % FOLDS == fold:
                scores[i] = widen(matrices[i], len(columns)) @ w
                right.setdefault(a.language, []).append(a.good[int(np.argmax(scores[i]))])
    w = fit_softmax([matrices[i] for i in usable], [targets[i] for i in usable], len(columns), L2_SENTENCE)
    return (
        {n: round(float(w[c]), 4) for n, c in columns.items()},
        scores,
        {f"contains_gold_cv_{language}": round(sum(v) / len(v), 4) for language, v in right.items()},
    )


def train_spans(asked: list[Asked], scores: list[np.ndarray]) -> tuple[dict[str, float], dict[str, float]]:
    """Return the span weights and the cross-validated mean F1 by language, chosen as the product does (best sentence, least risk)."""
    columns = Columns()
    matrices, f1s, places, texts = [], [], [], []
    for a, s in zip(asked, scores, strict=True):
        rows, values, where, found = [], [], [], []
        order = np.argsort(-s)[:SPAN_SENTENCES]
        for rank, b in enumerate(order):
            p, i, m = a.where[b]
            reading = a.readings[p]
            view = view_sentence(a.question, reading, reading.sentences[i], m)
            for c in candidates(view):
                features = span_features(a.question, view, c)
                features["sentence"] = float(s[b] - s[order[0]])
                rows.append(features)
                where.append((rank, c.first, c.last))
                found.append(reading.text[c.start : c.end])
                values.append(token_f1(found[-1], a.answer) if a.good[b] else 0.0)
        matrices.append(columns.matrix(rows))
        f1s.append(np.array(values))
        places.append(where)
        texts.append(found)
    targets = [np.where(f >= f.max() * 0.7, f, 0) ** 4 if len(f) else f for f in f1s]
    usable = [i for i, f in enumerate(f1s) if len(f) and f.max() >= 0.5]
    normal = {i: targets[i] / targets[i].sum() for i in usable}
    f1: dict[str, list[float]] = {}
    for fold in range(FOLDS):
        train = [i for i in usable if asked[i].article % FOLDS != fold]
        w = fit_softmax([matrices[i] for i in train], [normal[i] for i in train], len(columns), L2_SPAN)
        for i, a in enumerate(asked):
            if a.article % FOLDS == fold:
                found = widen(matrices[i], len(columns)) @ w
                first = [(float(found[c]), *place[1:]) for c, place in enumerate(places[i]) if place[0] == 0]
                span = extraction.least_risk(first) if first else None
                text = texts[i][places[i].index((0, *span))] if span else ""
                f1.setdefault(a.language, []).append(token_f1(text, a.answer))
    w = fit_softmax([matrices[i] for i in usable], [normal[i] for i in usable], len(columns), L2_SPAN)
    weights = {n: round(float(w[c]), 4) for n, c in columns.items() if abs(w[c]) >= 5e-4}
    return weights, {f"f1_cv_{language}": round(sum(v) / len(v), 4) for language, v in f1.items()}


def confidence_rows(asked: list[Asked], scores: list[np.ndarray]) -> list[dict[str, float]]:
    rows = []
    for a, s in zip(asked, scores, strict=True):
        order = np.argsort(-s)
        features = a.features[order[0]]
        row = {n: features.get(n, 0.0) for n in extraction.CONFIDENCE_FEATURES}
        row["margin"] = min(3.0, float(s[order[0]] - s[order[1]])) if len(s) > 1 else 0.0
        row["score"] = float(s[order[0]])
        row["bias"] = 1.0
        rows.append(row)
    return rows


def fit_logistic(x: np.ndarray, y: np.ndarray, l2: float) -> np.ndarray:
    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        z = x @ w
        p = 1 / (1 + np.exp(-np.clip(z, -30, 30)))
        value = np.logaddexp(0, -np.where(y > 0, z, -z)).mean()
        return value + l2 * (w @ w) / 2, x.T @ (p - y) / len(y) + l2 * w

    return minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x


def train_confidence(asked: list[Asked], scores: list[np.ndarray]) -> tuple[dict[str, float], dict[str, float]]:
    """Return the weights and the cross-validated risk at the operating points; the label is "the article is in the collection"."""
    rows = confidence_rows(asked, scores)
    names = list(rows[0])
    x = np.array([[r[n] for n in names] for r in rows])
    y = np.array([1.0 if a.answer else 0.0 for a in asked])
    p = np.zeros(len(y))
    for fold in range(FOLDS):
        test = np.array([a.article % FOLDS == fold for a in asked])
        w = fit_logistic(x[~test], y[~test], L2_CONFIDENCE)
        p[test] = 1 / (1 + np.exp(-np.clip(x[test] @ w, -30, 30)))
    report = {}
    for coverage in (0.8, 0.85, 0.9):
        threshold = float(np.quantile(p[y > 0], 1 - coverage))
        report[f"unanswerable_answered_at_{coverage}"] = round(float((p[y == 0] >= threshold).mean()), 4)
        report[f"threshold_at_{coverage}"] = round(threshold, 4)
    w = fit_logistic(x, y, L2_CONFIDENCE)
    return {n: round(float(v), 4) for n, v in zip(names, w, strict=True)}, report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--languages", default="ru,en")
    parser.add_argument("--write", action="store_true", help=f"write {OUT.name}")
    options = parser.parse_args()
    folder = os.environ.get("SAMOVAR_BENCH_DATA")
    if not folder:
        print(json.dumps({"benchmark": "train_extractive", "skipped": "SAMOVAR_BENCH_DATA is not set"}))
        return 0
    present: list[Asked] = []
    absent: list[Asked] = []
    for language in options.languages.split(","):
        a, b = load_asked(language, Path(folder))
        present += a
        absent += b
    sentence, scores, right = train_sentences(present)
    print(
        json.dumps(
            {
                "benchmark": "train_extractive",
                "part": "sentence",
                "n": len(present),
                **right,
            }
        ),
        flush=True,
    )
    absent_scores = []
    for a in absent:
        matrix = [sum(v * sentence.get(n, 0.0) for n, v in f.items()) for f in a.features]
        absent_scores.append(np.array(matrix))
    confidence, report = train_confidence(present + absent, scores + absent_scores)
    print(json.dumps({"benchmark": "train_extractive", "part": "confidence", **report}), flush=True)
    span, f1 = train_spans(present, scores)
    print(
        json.dumps({"benchmark": "train_extractive", "part": "span", **f1, "features": len(span)}),
        flush=True,
    )
    if options.write:
        OUT.write_text(
            json.dumps(
                {"sentence": sentence, "span": span, "confidence": confidence},
                ensure_ascii=False,
                indent=0,
                sort_keys=True,
            )
            + "\n",
            "utf-8",
        )
        print(f"written: {OUT}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

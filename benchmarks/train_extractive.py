"""Train the weights of the extractive answerer and say honestly what they are worth.

    SAMOVAR_BENCH_DATA=… python benchmarks/train_extractive.py [--write] [--languages ru,en]

Data: XQuAD dev questions (CC BY-SA 4.0), Russian and English together; for the spans also our own questions over the starter library
(`questions/starter_spans.jsonl`, CC BY 4.0). Three small models are fitted: a log-linear ranker of sentences, one
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
SPAN_SENTENCES = 5  # the best one of these that holds the answer is trained on
L2_SENTENCE, L2_SPAN, L2_CONFIDENCE = 1e-3, 1e-3, 1e-3
TARGET_SHARE, TARGET_POWER = 0.9, 6  # candidates under this share of the best F1 count nothing, the others by its power
OWN_WEIGHT = 0.5  # of one of our own questions, beside one of XQuAD's
MIN_QUESTIONS = 3  # that must have a feature of a span
OUT = Path(extraction.__file__).with_name("weights.json")
OWN = Path(__file__).parent / "questions" / "starter_spans.jsonl"
PACK = Path(__file__).parent.parent / "samovar" / "packs" / "ru" / "library"


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


def fit_softmax(
    groups: list[sp.csr_matrix],
    targets: list[np.ndarray],
    width: int,
    l2: float,
    shares: np.ndarray | None = None,
) -> np.ndarray:
    """Maximise the mean log-likelihood of the target distributions over each group's candidates; `shares` weigh the groups."""
    x = sp.vstack([widen(g, width) for g in groups]).tocsr()
    xt = x.T.tocsr()
    sizes = [g.shape[0] for g in groups]
    starts = np.r_[0, np.cumsum(sizes)[:-1]]
    group = np.repeat(np.arange(len(sizes)), sizes)
    t = np.concatenate(targets)
    shares = np.ones(len(sizes)) if shares is None else shares
    share, total = shares[group], shares.sum()

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        s = x @ w
        s -= np.maximum.reduceat(s, starts)[group]
        e = np.exp(s)
        z = np.add.reduceat(e, starts)[group]
        value = -(share * t * (s - np.log(z))).sum() / total + l2 * (w @ w) / 2
        return value, -(xt @ (share * (t - e / z))) / total + l2 * w

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


@dataclass
class SpanGroup:
    """The candidate spans of one sentence for one question. Own questions have the language "own"."""

    rows: sp.csr_matrix
    f1: np.ndarray
    places: list[tuple[int, int]]
    language: str
    fold: int
    trained: bool  # its sentence holds the answer
    asked: bool  # its sentence is the one that would be quoted

    @property
    def target(self) -> np.ndarray:
        """The share of each candidate in the training target: all but the best ones count nothing."""
        sharp = np.where(self.f1 >= self.f1.max() * TARGET_SHARE, self.f1, 0) ** TARGET_POWER
        return sharp / sharp.sum()

    @property
    def usable(self) -> bool:
        return self.trained and len(self.f1) > 0 and bool(self.f1.max() >= 0.5)


def make_group(
    question: AskedQuestion, reading: Reading, sentence: int, matches: Matches, answer: str, columns: Columns
) -> SpanGroup:
    """Compute the features and the F1 of every candidate of a sentence; no answer: 0."""
    view = view_sentence(question, reading, reading.sentences[sentence], matches)
    found = list(candidates(view))
    rows = columns.matrix([span_features(question, view, c) for c in found])
    f1 = np.array([token_f1(reading.text[c.start : c.end], answer) if answer else 0.0 for c in found])
    return SpanGroup(rows, f1, [(c.first, c.last) for c in found], question.profile.tag, 0, False, False)


def asked_groups(asked: list[Asked], scores: list[np.ndarray], columns: Columns) -> list[SpanGroup]:
    """Two groups a question, often the same: the best sentence, and the best one that holds the answer."""
    groups = []
    for a, s in zip(asked, scores, strict=True):
        order = [int(b) for b in np.argsort(-s)[:SPAN_SENTENCES]]
        good = next((b for b in order if a.good[b]), None)
        for b in dict.fromkeys([order[0], *([] if good is None else [good])]):
            p, i, matches = a.where[b]
            group = make_group(a.question, a.readings[p], i, matches, a.answer if a.good[b] else "", columns)
            group.fold, group.trained, group.asked = a.article % FOLDS, b == good, b == order[0]
            groups.append(group)
    return groups


def own_groups(columns: Columns) -> list[SpanGroup]:
    """Our own questions over the starter library, their sentences given; folds by article."""
    profile = profile_for("ru")
    items = [json.loads(line) for line in OWN.read_text("utf-8").splitlines()]
    articles = sorted({item["article"] for item in items})
    texts = {name: (PACK / f"{name}.md").read_text("utf-8").split("+++", 2)[2].strip() for name in articles}
    readings = {name: read_text(text, profile) for name, text in texts.items()}
    groups = []
    for item in items:
        reading, question = readings[item["article"]], read_question(item["question"], profile)
        weigh_terms(question, [reading])
        start = reading.text.index(item["sentence"])
        number = next(i for i, s in enumerate(reading.sentences) if s.start == start)
        sentence = reading.sentences[number]
        matches = match_terms(question.content, reading.words, sentence.first, sentence.last)
        group = make_group(question, reading, number, matches, item["span"], columns)
        group.language, group.fold, group.trained = "own", articles.index(item["article"]) % FOLDS, True
        groups.append(group)
    return groups


def drop_rare(groups: list[SpanGroup], columns: Columns) -> list[str]:
    """Keep the features that at least `MIN_QUESTIONS` of the training sentences have; return their names in the order of the columns."""
    counts = np.zeros(len(columns))
    for g in groups:
        if g.trained:
            counts[np.unique(g.rows.indices)] += 1
    kept = np.flatnonzero(counts >= MIN_QUESTIONS)
    names = list(columns)
    for g in groups:
        g.rows = widen(g.rows, len(columns)).tocsc()[:, kept].tocsr()
    return [names[i] for i in kept]


def train_spans(
    asked: list[Asked], scores: list[np.ndarray], use_own: bool
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the span weights and the cross-validated mean F1, chosen as the product does: best sentence, least risk."""
    columns = Columns()
    groups = asked_groups(asked, scores, columns) + (own_groups(columns) if use_own else [])
    names = drop_rare(groups, columns)

    def fit(chosen: list[SpanGroup]) -> np.ndarray:
        shares = np.array([OWN_WEIGHT if g.language == "own" else 1.0 for g in chosen])
        return fit_softmax([g.rows for g in chosen], [g.target for g in chosen], len(names), L2_SPAN, shares)

    f1: dict[str, list[float]] = {}
    for fold in range(FOLDS):
        w = fit([g for g in groups if g.usable and g.fold != fold])
        for g in groups:
            if g.fold == fold and (g.asked or g.language == "own") and g.places:
                span = extraction.least_risk([(float(s), *at) for s, at in zip(g.rows @ w, g.places, strict=True)])
                f1.setdefault(g.language, []).append(float(g.f1[g.places.index(span)]) if span else 0.0)
    w = fit([g for g in groups if g.usable])
    weights = {name: round(float(v), 4) for name, v in zip(names, w, strict=True) if abs(v) >= 5e-4}
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
    parser.add_argument("--without-own", action="store_true", help="leave our own questions out")
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
    span, f1 = train_spans(present, scores, not options.without_own)
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

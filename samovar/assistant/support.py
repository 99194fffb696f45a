"""Does a passage support a sentence? Lexical evidence, found by us, never by the model.

A sentence is supported by a stretch of one or two neighbouring sentences of a passage when (1) most of the weight of its content words is
there, (2) every number of it is there, (3) every name of it (capitalised, not first) is there, and (4) both or neither are negated
where they share a verb. This catches inventions and swapped facts; it cannot judge meaning, and marks a free paraphrase
as unsupported: the error is on the safe side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from samovar.assistant.injection import is_command
from samovar.language import Profile, Span

MIN_COVERAGE = 0.6  # share of content words that must be found; tuned by hand on tests/assistant/support_cases.jsonl


@dataclass(frozen=True, slots=True)
class Support:
    """Where a sentence is supported: passage index and the span in its text; `coverage` 0..1."""

    passage: int
    span: Span
    coverage: float


@dataclass(slots=True)
class Facts:
    """What a stretch of text claims, as far as words go."""

    words: list[frozenset[str]]
    names: list[frozenset[str]]
    numbers: list[str]
    negated: bool

    @property
    def terms(self) -> set[str]:
        return {t for w in self.words for t in w}


def read_facts(text: str, profile: Profile) -> Facts:
    """Collect content words, names, numbers and negation."""
    words, names, numbers = [], [], []
    negated = False
    for i, token in enumerate(profile.tokens(text)):
        fold = profile.fold(token.text)
        negated = negated or fold in profile.negations
        if token.text[:1].isdigit():
            numbers.append("".join(c for c in token.text if c.isdigit() or c in ".,").strip(".,"))
        if fold in profile.stop_words or not fold:
            continue
        terms = frozenset(profile.terms(token.text))
        words.append(terms)
        if i and token.text[:1].isupper() and len(token.text) > 1:
            names.append(terms)
    return Facts(words, names, numbers, negated)


def find_support(sentence: str, passages: Sequence[str], profile: Profile, *, preferred: Sequence[int] = ()) -> Support | None:
    """Return the best supporting stretch, or None. `preferred` passages (those the model cited) win over equally good others."""
    facts = read_facts(sentence, profile)
    if not facts.words and not facts.numbers:
        return None
    best: Support | None = None
    for number, passage in enumerate(passages):
        bonus = 0.05 if number in preferred else 0.0
        for span in stretches(passage, profile):
            coverage = judge(facts, passage[span[0] : span[1]], profile)
            size = span[1] - span[0]
            if coverage >= MIN_COVERAGE and (best is None or (coverage + bonus, -size) > (best.coverage, best.span[0] - best.span[1])):
                best = Support(number, span, coverage + bonus)
    return best


def stretches(passage: str, profile: Profile) -> list[Span]:
    """Every sentence, and every pair of neighbours, that holds no command."""
    spans = [s for s in profile.sentences(passage)]
    clean = [not is_command(passage[a:b], profile) for a, b in spans]
    single = [s for s, ok in zip(spans, clean, strict=True) if ok]
    pairs = [(spans[i][0], spans[i + 1][1]) for i in range(len(spans) - 1) if clean[i] and clean[i + 1]]
    return single + pairs


def judge(facts: Facts, evidence: str, profile: Profile) -> float:
    """Return the coverage of `facts` by the evidence, 0 when a number, a name or the negation does not agree."""
    there = read_facts(evidence, profile)
    terms = there.terms
    if any(number not in there.numbers for number in facts.numbers):
        return 0.0
    if any(terms.isdisjoint(name) for name in facts.names):
        return 0.0
    if facts.negated != there.negated:
        return 0.0
    if not facts.words:
        return 1.0
    return sum(1 for w in facts.words if not terms.isdisjoint(w)) / len(facts.words)

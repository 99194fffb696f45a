"""Does a passage support a sentence? Lexical evidence, found by us, never by the model.

A sentence is supported by a stretch of one or two neighbouring sentences of a passage when (1) most of the weight of its content words is
there and no three content words in a row are missing, (2) every number and date of it is there, with its unit and beside its verb, (3) every
name of it is there (or in the document's title), (4) the same words are negated, and (5) the same person acts. An answer of one or two words is
read together with the question. This catches inventions and swapped facts; it cannot judge meaning: an antonym in a long
sentence gets through, a free paraphrase or a translation counts as unsupported. tests/assistant/support_cases.jsonl has the figures.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from samovar.assistant.agreement import (
    attribute_differs,
    figure_agrees,
    list_is_longer,
    negation_differs,
    speaks_of_another,
    subject_differs,
)
from samovar.assistant.facts import Facts, agent_of, read_facts
from samovar.assistant.injection import find_commands
from samovar.assistant.matching import Match, match_word, name_is_there
from samovar.language import Profile, Span

MIN_COVERAGE = 0.7  # weight of content words that must be found; tuned on tests/assistant/support_cases.jsonl
MISSING_RUN = 3  # content words in a row that no stretch may lack: an added detail
FRAGMENT_WORDS = 3  # a sentence with fewer content words is read together with the question
MIN_QUESTION = 0.5  # share of the question's content words that the evidence of a fragment must hold
VERB, OTHER_PART = 1.5, 0.7  # weights of verbs, and of adjectives and adverbs; nouns and figures have 1
NEAR = 0.05  # how much more coverage a passage must have than the one that the model cited


@dataclass(frozen=True, slots=True)
class Support:
    """Where a sentence is supported: passage index and the span in its text; `coverage` 0..1."""

    passage: int
    span: Span
    coverage: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """One or two sentences of a passage that hold no command."""

    passage: int
    span: Span
    facts: Facts
    pair: bool = False


class Evidence:
    """The passages of one answer, read once. `titles` are those of their documents: a name may stand there alone."""

    def __init__(self, passages: Sequence[str], profile: Profile, titles: Sequence[str] = ()) -> None:
        self.profile = profile
        self.titles = [read_facts(t, profile) for t in titles] or [Facts([], [])] * len(passages)
        self.stretches = [s for number, passage in enumerate(passages) for s in _stretches(number, passage, profile)]

    def support(self, sentence: str, *, preferred: Sequence[int] = (), question: str = "") -> Support | None:
        """Return the best supporting stretch of a sentence, the shortest of equals, or None; `preferred` passages win when nearly as good."""
        facts = read_facts(sentence, self.profile)
        if not facts.words and not facts.figures:
            return None
        asked = None
        if len(facts.words) + len(facts.figures) < FRAGMENT_WORDS and question:
            asked = read_facts(question, self.profile)
        best: tuple[float, int] | None = None
        found: Support | None = None
        for stretch in self.stretches:
            title = self.titles[stretch.passage]
            coverage = judge(facts, stretch.facts, self.profile, title)
            if asked is not None and (
                stretch.pair or coverage < 1 or _share(asked, stretch.facts, title) < MIN_QUESTION
            ):
                continue
            rank = (coverage + (NEAR if stretch.passage in preferred else 0), stretch.span[0] - stretch.span[1])
            if coverage >= MIN_COVERAGE and (best is None or rank > best):
                best, found = rank, Support(stretch.passage, stretch.span, coverage)
        return found


def find_support(
    sentence: str,
    passages: Sequence[str],
    profile: Profile,
    *,
    preferred: Sequence[int] = (),
    titles: Sequence[str] = (),
    question: str = "",
) -> Support | None:
    """Return the best supporting stretch of `passages`, or None: `Evidence.support` for a single sentence."""
    return Evidence(passages, profile, titles).support(sentence, preferred=preferred, question=question)


def _stretches(number: int, passage: str, profile: Profile) -> list[Stretch]:
    """Every sentence, and every pair of neighbours, that holds no command."""
    commands = set(find_commands(passage, profile))
    spans = profile.sentences(passage)
    read = [None if s in commands else read_facts(passage[s[0] : s[1]], profile) for s in spans]
    single = [Stretch(number, s, f) for s, f in zip(spans, read, strict=True) if f is not None]
    pairs = [
        Stretch(number, (spans[i][0], spans[i + 1][1]), a + b, True)
        for i, (a, b) in enumerate(itertools.pairwise(read))
        if a is not None and b is not None
    ]
    return single + pairs


def judge(facts: Facts, there: Facts, profile: Profile, title: Facts) -> float:
    """Return the coverage of `facts` by the evidence, 0 when a number, a name, a negation or the acting person does not agree."""
    matches = [match_word(w, there, profile) for w in facts.words]
    if not all(figure_agrees(f, facts, there) for f in facts.figures) or negation_differs(facts, there, matches):
        return 0.0
    if attribute_differs(facts, there, matches) or list_is_longer(facts, matches):
        return 0.0
    by_title = 0
    for word, match in zip(facts.words, matches, strict=True):
        if word.is_name and not name_is_there(word, match, there, profile):
            by_title += 1
            if not name_is_there(word, None, title, profile):
                return 0.0
    if by_title and speaks_of_another(there, facts, title):
        return 0.0
    if there.border and subject_differs(facts, there, matches, profile):
        return 0.0
    if not facts.initials <= there.initials | title.initials | {
        w.fold[0] for w in there.words + title.words if w.capital
    }:
        return 0.0
    if (a := agent_of(facts)) and (b := agent_of(there)) and a != b and a in there.terms and b in facts.terms:
        return 0.0
    return _coverage(facts, matches, title)


def _coverage(facts: Facts, matches: list[Match | None], title: Facts) -> float:
    """Weighted share of the content words and figures that are found; 0 with `MISSING_RUN` missing in a row."""
    titled = title.terms
    found = total = float(len(facts.figures))
    missing = 0
    for word, match in zip(facts.words, matches, strict=True):
        strength = match.strength if match else float(not word.terms.isdisjoint(titled))
        missing = 0 if strength else missing + 1
        if missing >= MISSING_RUN:
            return 0.0
        weight = VERB if word.is_verb else OTHER_PART if word.tags & {"adj", "adv"} and not word.is_name else 1.0
        total += weight
        found += weight * strength
    return found / total if total else 0.0


def _share(asked: Facts, there: Facts, title: Facts) -> float:
    """Share of the question's content words and figures that the evidence or the title holds."""
    terms = there.terms | title.terms
    hits = [not (w.terms | w.synonyms).isdisjoint(terms) for w in asked.words]
    hits += [figure_agrees(f, asked, there) for f in asked.figures]
    return sum(hits) / len(hits) if hits else 1.0

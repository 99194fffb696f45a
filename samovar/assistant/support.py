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
from difflib import SequenceMatcher

from samovar.assistant.facts import CASES, Facts, Word, agent_of, read_facts
from samovar.assistant.figures import Figure, shortens
from samovar.assistant.injection import find_commands
from samovar.language import Profile, Span

MIN_COVERAGE = 0.7  # weight of content words that must be found; tuned on tests/assistant/support_cases.jsonl
MISSING_RUN = 3  # content words in a row that no stretch may lack: an added detail
FRAGMENT_WORDS = 3  # a sentence with fewer content words is read together with the question
MIN_QUESTION = 0.5  # share of the question's content words that the evidence of a fragment must hold
SYNONYM, SIMILAR = 0.8, 0.7  # what a synonym, and a word with the same beginning, count for
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
    matches = [_match(w, there, profile) for w in facts.words]
    if not all(_figure_agrees(f, facts, there) for f in facts.figures) or _negation_differs(facts, there, matches):
        return 0.0
    by_title = 0
    for word, match in zip(facts.words, matches, strict=True):
        if word.is_name and not _name_is_there(word, match, there, profile):
            by_title += 1
            if not _name_is_there(word, None, title, profile):
                return 0.0
    if by_title and _speaks_of_another(there, facts, title):
        return 0.0
    if there.border and _subject_differs(facts, there, matches, profile):
        return 0.0
    if not facts.initials <= there.initials | title.initials | {
        w.fold[0] for w in there.words + title.words if w.capital
    }:
        return 0.0
    if (a := agent_of(facts)) and (b := agent_of(there)) and a != b and a in there.terms and b in facts.terms:
        return 0.0
    return _coverage(facts, matches, title)


# -- words ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Match:
    """A word of the evidence that stands for one of the sentence, and how far (0..1)."""

    strength: float
    word: Word


def _match(word: Word, there: Facts, profile: Profile) -> Match | None:
    best: Match | None = None
    for other in there.words:
        if not word.terms.isdisjoint(other.terms):
            strength = 1.0
        elif not word.synonyms.isdisjoint(other.terms) or not word.terms.isdisjoint(other.synonyms):
            strength = SYNONYM
        elif word.capital and other.capital and same_across_scripts(word.fold, other.fold, profile):
            strength = 1.0
        elif same_beginning(word.fold, other.fold) >= 0.7 and not (word.is_person and other.is_person):
            strength = SIMILAR
        else:
            continue
        if best is None or (strength, other.negated == word.negated) > (
            best.strength,
            best.word.negated == word.negated,
        ):
            best = Match(strength, other)
    return best


def same_beginning(a: str, b: str) -> float:
    size = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return size / max(len(a), len(b)) if size >= 4 else 0.0


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
    hits += [_figure_agrees(f, asked, there) for f in asked.figures]
    return sum(hits) / len(hits) if hits else 1.0


def _negation_differs(facts: Facts, there: Facts, matches: list[Match | None]) -> bool:
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


# -- names ----------------------------------------------------------------------------------------------------------
def _name_is_there(word: Word, match: Match | None, there: Facts, profile: Profile) -> bool:
    """Whether a name stands in the evidence: capitalised there too, or the same name in another script."""
    if match and match.strength == 1.0 and (match.word.capital or word.first):
        return True
    names = [w for w in there.words if w.capital]
    if any(not word.terms.isdisjoint(w.terms) for w in names):
        return True
    if match and match.word.capital and not word.is_person and same_beginning(word.fold, match.word.fold) >= 0.8:
        return True
    return any(same_across_scripts(word.fold, w.fold, profile) for w in names)


def same_across_scripts(a: str, b: str, profile: Profile) -> bool:
    if not profile.transliteration or a.isascii() == b.isascii():
        return False
    x, y = profile.transliterate(a), profile.transliterate(b)
    return x[:1] == y[:1] and SequenceMatcher(None, x, y).ratio() >= 0.8


def _speaks_of_another(there: Facts, facts: Facts, title: Facts) -> bool:
    """Whether the evidence has a person of its own as the subject, so that the title's name cannot be meant."""
    known = facts.terms | title.terms
    return any(w.is_person and ("nom" in w.tags or w.first) and w.terms.isdisjoint(known) for w in there.words)


def _subject_differs(facts: Facts, there: Facts, matches: list[Match | None], profile: Profile) -> bool:
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
            if w.is_name and _stands_among(w, other, profile) and not _stands_among(w, side, profile)
        ]
        said = [
            m
            for w, m in zip(facts.words, matches, strict=True)
            if m and not w.is_name and m.word in side and not _stands_among(w, other, profile)
        ]
        if away and said:
            return True
    return False


def _stands_among(word: Word, words: Sequence[Word], profile: Profile) -> bool:
    return any(not word.terms.isdisjoint(w.terms) or same_across_scripts(word.fold, w.fold, profile) for w in words)


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


# -- figures --------------------------------------------------------------------------------------------------------
def _figure_agrees(figure: Figure, facts: Facts, there: Facts) -> bool:
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

"""From a query to what is done about it: corrected words, the engine's query, and a `Scorer` with the weights of words and pieces.

Knows the vocabulary (`Rows`) but no passage.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from samovar.language import Profile
from samovar.language.token import Token, tokenize
from samovar.search.analysis import QueryAnalyser, clean_term, is_mixed
from samovar.search.engine import EngineQuery, TermGroup
from samovar.search.query import Filters, Query, parse_query
from samovar.search.rescore import TYPO_TRUST, ScoredPhrase, ScoredWord, Scorer, inverse_frequency
from samovar.search.rows import Rows
from samovar.search.spelling import Correction, Speller
from samovar.search.vocabulary import Entry, grams_of

KIN_SHARE = 0.7  # of its letters that a term must share with its kin, from the beginning on
KIN_LETTERS = 4  # at least so many
MOST_KIN = 10
KIN_FREQUENCY = 0.01  # of the passages: a word in more of them brings enough candidates by itself
MOST_GRAM_FREQUENCY = 0.13  # of the passages: a piece in more of them is not worth looking for (its weight is below 2)
FEW_PASSAGES = 10  # so many are never "too many", however small the library
PHRASE_BOOST = 1.5  # words in quotation marks bring in candidates a little more than others

_KEPT_READINGS = 10_000
_SHORT_TWIN = 2  # letters: so short a word in the other script's twins is a slip of the keyboard, not a foreign word


@dataclass(frozen=True, slots=True)
class Plan:
    """What a search will do; `corrections` are (typed, searched)."""

    query: Query
    engine_query: EngineQuery
    scorer: Scorer
    corrections: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    @property
    def is_restricted(self) -> bool:
        """Whether some passages are out of the question whatever their score: by a filter, ``+``, ``-`` or strict phrases."""
        query = self.engine_query
        return bool(query.required or query.excluded) or not query.filters.is_empty() or self.query.strict


class _Reading(NamedTuple):
    """What a query word is by itself: the form it is shown in, its index terms, whether it carries no content."""

    name: str
    terms: tuple[str, ...]
    is_stop_word: bool


@dataclass(frozen=True, slots=True)
class _Word:
    """A query word with the terms under which it is looked for."""

    token: Token
    name: str
    terms: tuple[str, ...]
    is_stop_word: bool
    correction: Correction | None = None

    @property
    def trust(self) -> float:
        return TYPO_TRUST if self.correction is not None and self.correction.kind == "typo" else 1.0


class _Known(NamedTuple):
    """What one state of the index says about a word: how it is scored, and what the engine looks for."""

    scored: ScoredWord
    group: TermGroup


class Planner:
    """Makes plans for one state of the index."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.statistics = rows.statistics()
        self.analyser = QueryAnalyser(self.statistics.languages)
        self.speller = Speller(rows, self.analyser)
        self._read: dict[tuple[str, str, str], _Reading] = {}
        self._known: dict[tuple[str, tuple[str, ...], str, Correction | None], _Known] = {}

    def make(
        self, text: str, filters: Filters = Filters(), is_visible: Callable[[tuple[str, ...]], bool] | None = None
    ) -> Plan:
        """Return the plan for a query text; `is_visible` as in `Speller`."""
        speller = self.speller if is_visible is None else replace(self.speller, is_visible=is_visible)
        text, switched = speller.switch_chunks(text, self._is_known)
        query = parse_query(text)
        main = self.analyser.main_profile([t.text for t in query.words if t.kind != "number"])
        words, entries = self._words(query, main, speller)
        # words without content score only when there is nothing else
        chosen = [w for w in words if not w.is_stop_word] or words
        corrections = [*switched, *(w.correction for w in chosen if w.correction is not None)]
        known = self._look_up(chosen, entries)
        phrases = self._phrases(query, entries) if query.phrases else []
        scorer = Scorer([one.scored for one in known], phrases, self.statistics.average_length)
        engine_query = self._engine_query(query, chosen, [one.group for one in known], filters)
        return Plan(query, engine_query, scorer, tuple([(c.typed, c.text) for c in corrections]), ())

    # -- words ------------------------------------------------------------------------------------------------------------
    def _is_known(self, word: str) -> bool:
        terms = [t for token in tokenize(word) for t in self.analyser.terms(token)]
        return any(self.rows.document_frequencies(terms).values())

    def _words(self, query: Query, main: Profile, speller: Speller) -> tuple[list[_Word], dict[str, Entry]]:
        """All words of the query, each once, unknown ones corrected; and what is known of their terms."""
        found: dict[tuple[str, ...], _Word] = {}
        for token in query.words:
            reading = self._reading(token, main)
            if reading.terms and reading.terms not in found:
                found[reading.terms] = _Word(token, reading.name, reading.terms, reading.is_stop_word)
        entries = self.rows.terms(t for terms in found for t in terms)
        words = []
        for word in found.values():
            if not any(entries[t].df for t in word.terms) and word.token.kind != "number":
                word = self._corrected(word, main, speller)
                if word.correction is not None:
                    entries |= self.rows.terms(word.terms)
            words.append(word)
        return words, entries

    def _reading(self, token: Token, main: Profile) -> _Reading:
        """How a word is read in a query of this main language; remembered, because questions share most of their words."""
        key = (token.text, token.kind, main.tag)
        found = self._read.get(key)
        if found is None:
            if len(self._read) >= _KEPT_READINGS:
                self._read.clear()
            found = self._read[key] = _Reading(
                self.analyser.fold(token.text), self._all_terms(token, main), self._is_stop_word(token.text, main)
            )
        return found

    def _all_terms(self, token: Token, main: Profile) -> tuple[str, ...]:
        """The terms of a word; one wholly in look-alikes of the letters that the query is written in stands for both readings."""
        readable = main.accepts(main.fold(token.text))
        if readable and is_mixed(token.text):
            return tuple(dict.fromkeys(map(clean_term, main.terms(token.text))))
        twin = None if readable else main.as_lookalike(token.text)
        if twin is None:
            return self.analyser.terms(token)
        own = () if len(twin) <= _SHORT_TWIN else self.analyser.terms(token)
        return tuple(dict.fromkeys((*map(clean_term, main.terms(twin)), *own)))

    def _is_stop_word(self, text: str, main: Profile) -> bool:
        """Whether a word carries no content as written or as the look-alike that it may be."""
        twin = None if main.accepts(main.fold(text)) else main.as_lookalike(text)
        return self.analyser.is_stop_word(text) or (twin is not None and main.is_stop_word(twin))

    def _corrected(self, word: _Word, main: Profile, speller: Speller) -> _Word:
        correction = speller.correct(word.token.text)
        if correction is None:
            return word
        is_stop_word = self._is_stop_word(correction.text, main)
        return _Word(word.token, word.name, correction.terms, is_stop_word, correction)

    def _look_up(self, words: Sequence[_Word], entries: dict[str, Entry]) -> list[_Known]:
        """What the index says about each word; remembered, because questions share many of their words."""
        keys = [(word.name, word.terms, word.token.kind, word.correction) for word in words]
        known = self._known
        new = [(key, word) for key, word in zip(keys, words, strict=True) if key not in known]
        if new:
            if len(known) >= _KEPT_READINGS:
                known = self._known = {key: known[key] for key in keys if key in known}
            pieces = [list(dict.fromkeys(grams_of(w.terms[0]))) if w.token.kind != "number" else [] for _, w in new]
            weights = self._gram_weights([gram for grams in pieces for gram in grams])
            for (key, word), grams in zip(new, pieces, strict=True):
                found = tuple([weights[gram] for gram in grams if gram in weights])
                known[key] = _Known(self._scored(word, entries, found), self._group(word, entries))
        return [known[key] for key in keys]

    def _gram_weights(self, grams: Sequence[str]) -> dict[str, tuple[str, float]]:
        """Codes and weights of the pieces that are worth looking for."""
        passages = self.statistics.num_passages
        most = max(FEW_PASSAGES, MOST_GRAM_FREQUENCY * passages)
        entries = self.rows.grams(grams).items()
        return {gram: (e.code, inverse_frequency(e.df, passages)) for gram, e in entries if 0 < e.df <= most}

    def _scored(self, word: _Word, entries: dict[str, Entry], grams: tuple[tuple[str, float], ...]) -> ScoredWord:
        passages = self.statistics.num_passages
        known = [entries[t] for t in word.terms]
        terms = tuple([(entry.code, inverse_frequency(entry.df, passages)) for entry in known if entry.df > 0])
        return ScoredWord(word.name, terms, grams, word.correction.text if word.correction else "", word.trust)

    def _phrases(self, query: Query, entries: dict[str, Entry]) -> list[ScoredPhrase]:
        out = []
        for text in query.phrases:
            words = tuple(self.analyser.terms(token) for token in tokenize(text))
            if len(words) < 2 and not query.strict:
                continue
            known = entries | self.rows.terms(t for terms in words for t in terms if t not in entries)
            weights = [
                inverse_frequency(max(known[t].df for t in terms), self.statistics.num_passages)
                for terms in words
                if terms
            ]
            codes = tuple(tuple(known[t].code for t in terms if known[t].code) for terms in words)
            out.append(ScoredPhrase(text, codes, math.fsum(weights)))
        return out

    # -- engine -----------------------------------------------------------------------------------------------------------
    def _engine_query(
        self, query: Query, words: Sequence[_Word], groups: Sequence[TermGroup], filters: Filters
    ) -> EngineQuery:
        if query.phrases:
            quoted = {t for phrase in query.phrases for token in tokenize(phrase) for t in self.analyser.terms(token)}
            groups = [
                replace(group, weight=PHRASE_BOOST) if quoted & set(word.terms) else group
                for group, word in zip(groups, words, strict=True)
            ]
        required = [self._terms_of(text) for text in query.required]
        if query.strict:
            required += [self._terms_of(token.text) for phrase in query.phrases for token in tokenize(phrase)]
        return EngineQuery(
            groups=tuple([group for group in groups if group.terms or group.kin]),
            required=tuple([TermGroup(terms) for terms in required if terms]),
            excluded=tuple([TermGroup(terms) for text in query.excluded if (terms := self._terms_of(text)[:1])]),
            filters=filters,
        )

    def _terms_of(self, text: str) -> tuple[str, ...]:
        tokens = tokenize(text)
        return self.analyser.terms(tokens[0]) if tokens else ()

    def _group(self, word: _Word, entries: dict[str, Entry]) -> TermGroup:
        known = tuple([t for t in word.terms if entries[t].df > 0])
        rare = sum([entries[t].df for t in known]) <= max(FEW_PASSAGES, KIN_FREQUENCY * self.statistics.num_passages)
        kin = self._kin(word) if rare and word.token.kind == "word" else ()
        return TermGroup(known, tuple([t for t in kin if t not in known]))

    def _kin(self, word: _Word) -> tuple[str, ...]:
        """The most frequent terms that begin like the word's first term."""
        term = word.terms[0]
        if len(term) < KIN_LETTERS:
            return ()
        prefix = term[: max(KIN_LETTERS, math.ceil(len(term) * KIN_SHARE))]
        return tuple(found for found, _ in self.rows.terms_with_prefix(prefix, MOST_KIN))

"""The assistant: retrieve → prompt → generate → cite → verify or abstain. Knows nothing about HTTP.

`ask` gives the whole answer; `stream` gives it in events: what was found, pieces of text, the checked answer.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from samovar.assistant.answer import Answer, CheckedSentence, Citation, Delta, Done, Event, Found
from samovar.assistant.draft import NO_ANSWER, Draft
from samovar.assistant.grounding import KEY_BYTES, Shown, make_messages
from samovar.assistant.injection import blank_commands, is_command
from samovar.assistant.prompts import phrase, prompt
from samovar.assistant.relevance import PENALTY, missing_names
from samovar.assistant.rewrite import Exchange, put_right, rewrite_question, switch_question
from samovar.assistant.subjects import SUBJECT_BONUS, is_subject, titles_of
from samovar.assistant.verify import MIN_SUPPORTED, Citations, check_draft, strip_markers
from samovar.generate.budget import Fitted, fit_passages
from samovar.generate.model import Cancel, GenerationOptions, Message, Model, Piece
from samovar.language import Profile, choose_profile, profile_for
from samovar.search.hit import Hit
from samovar.search.query import Filters
from samovar.settings import Settings

if TYPE_CHECKING:
    from samovar.search.searcher import Searcher

__all__ = ["NO_ANSWER", "Assistant", "Turn"]

HISTORY_TURNS = 3  # earlier exchanges shown to a language model


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier exchange: the question as asked, and the answer."""

    question: str
    answer: Answer


@dataclass(slots=True)
class Work:
    """What is known while one question is worked on."""

    question: str
    query: str
    profile: Profile
    hits: tuple[Hit, ...]
    notes: list[str]
    started: float
    asked: str = ""  # the query with typing errors put right, for the model
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def language(self) -> str:
        return self.profile.tag

    def note(self, name: str, **values: object) -> None:
        self.notes.append(phrase(name, self.language, **values))


class Assistant:
    """Answers from one library through one searcher and one model. Safe to share between threads when these are."""

    def __init__(
        self, searcher: Searcher, model: Model, settings: Settings, *, languages: Sequence[str] = ("ru", "en")
    ) -> None:
        self.searcher = searcher
        self.model = model
        self.settings = settings
        self.languages = tuple(languages)

    def ask(
        self, question: str, *, history: Sequence[Turn] = (), filters: Filters = Filters(), cancel: Cancel | None = None
    ) -> Answer:
        """Return the answer, or the abstention. Raises `ModelError` when the model fails, `SearchError` when the search does."""
        for event in self.stream(question, history=history, filters=filters, cancel=cancel):
            if isinstance(event, Done):
                return event.answer
        raise AssertionError("stream ends with Done")

    def stream(
        self, question: str, *, history: Sequence[Turn] = (), filters: Filters = Filters(), cancel: Cancel | None = None
    ) -> Iterator[Event]:
        """Yield `Found`, then `Delta`s, then `Done`."""
        work = self._search(question, history, filters)
        yield Found(work.hits, work.query)
        if not work.hits:
            yield Done(self._abstain(work))
            return
        if self.model.name == "extractive":
            yield from self._quote(work, cancel)
        else:
            yield from self._write(work, history, cancel)

    # -- retrieve ---------------------------------------------------------------------------------------------------
    def _search(self, question: str, history: Sequence[Turn], filters: Filters) -> Work:
        started = time.perf_counter()
        profile = choose_profile(question, self.languages)
        query = rewrite_question(question, [_exchange(t) for t in history], profile)
        result = self.searcher.search(query, k=self.settings.search.top_k, filters=filters)
        if meant := switch_question(question, result.corrections, [profile_for(tag) for tag in self.languages]):
            switched, profile = meant
            query = rewrite_question(switched, [_exchange(t) for t in history], profile)
            result = self.searcher.search(query, k=self.settings.search.top_k, filters=filters)
        work = Work(question, query, profile, result.hits, [], started)
        work.timings["search"] = time.perf_counter() - started
        if query != question:
            work.note("rewritten", query=query)
        work.asked = query
        for typed, searched in result.corrections:
            work.note("corrected", typed=typed, searched=searched)
            work.asked = put_right(work.asked, typed, searched, profile)
        return work

    def _shown(self, work: Work) -> list[Shown]:
        hits = work.hits[: self.settings.assistant.passages]
        best = max(max(h.score for h in hits), 1e-9)
        shown = []
        blanked = 0
        for i, hit in enumerate(hits):
            text = blank_commands(hit.passage.text, work.profile)
            title = "" if is_command(hit.document.title, work.profile) else hit.document.title
            blanked += text != hit.passage.text or title != hit.document.title
            bonus = SUBJECT_BONUS if is_subject(work.asked, titles_of(hit.document), work.profile) else 0.0
            shown.append(Shown(i + 1, title, text, max(0.0, hit.score / best) + bonus))
        if blanked:
            work.note("commands", count=blanked)
        return shown

    # -- quote ------------------------------------------------------------------------------------------------------
    def _quote(self, work: Work, cancel: Cancel | None) -> Iterator[Event]:
        """The extractive model: its spans are the citations."""
        shown = self._shown(work)
        messages = make_messages(work.asked, work.language, shown, ())
        text, last = "", Piece("")
        for piece in self.model.stream(messages, GenerationOptions(), cancel):
            text, last = text + piece.text, piece
        work.timings["generate"] = time.perf_counter() - work.started - work.timings["search"]
        confidence = self._confidence(work, last)
        reason = last.stop_reason or "stop"
        if reason == "cancelled":
            work.note(reason)
        clean = all(shown[p].text[a:b] == work.hits[p].passage.text[a:b] for p, a, b in last.spans)
        if not last.spans or not clean or confidence < self.settings.assistant.abstain_below:
            yield Done(self._abstain(work, confidence=confidence, reason=reason))
            return
        citations = Citations()
        numbers = tuple(citations.add(work.hits[p], start, end) for p, start, end in last.spans)
        body = " ".join(" ".join(c.quote.split()) for c in citations.made)
        full = body + "".join(f" [{n}]" for n in numbers)
        yield Delta(full)
        short = None
        if last.short is not None:
            p, start, end = last.short
            base = work.hits[p].passage
            short = (base.document_id, base.start + start, base.start + end)
        yield Done(
            self._answer(
                work,
                full,
                tuple(citations.made),
                (CheckedSentence(0, len(full), True, numbers),),
                short=short,
                confidence=confidence,
            )
        )

    def _confidence(self, work: Work, last: Piece) -> float:
        """The model's confidence, less where the names of the question are not in the quoted passage."""
        if not last.spans:
            return 0.0
        hit = work.hits[last.spans[0][0]]
        titles = (hit.document.title, hit.document.metadata.get("aliases", ""))
        missing, share = missing_names(work.asked, hit.passage.text, titles, work.profile)
        confidence = (last.confidence or 0.0) * (1 - PENALTY * share)
        if missing and confidence < self.settings.assistant.abstain_below:
            work.note("names", names=", ".join(missing))
        return confidence

    # -- write ------------------------------------------------------------------------------------------------------
    def _write(self, work: Work, history: Sequence[Turn], cancel: Cancel | None) -> Iterator[Event]:
        """A language model: its text is a draft that is checked sentence by sentence."""
        generate = self.settings.generate
        shown = self._shown(work)
        fitted = self._fit(work, shown, _history_messages(history))
        if len(fitted.kept) < len(shown):
            work.note("left_out", count=len(shown) - len(fitted.kept))
        if not fitted.kept:
            yield Done(self._abstain(work))
            return
        draft = Draft()
        reason = "stop"
        options = GenerationOptions(temperature=generate.temperature, max_tokens=self._answer_tokens)
        for piece in self.model.stream(fitted.messages, options, cancel):
            if piece.text and "first_token" not in work.timings:
                work.timings["first_token"] = time.perf_counter() - work.started
            if ready := draft.feed(piece.text):
                yield Delta(ready)
            reason = piece.stop_reason or reason
        if ready := draft.finish():
            yield Delta(ready)
        work.timings["generate"] = time.perf_counter() - work.started - work.timings["search"]
        seen = [p if i in fitted.kept else replace(p, text="") for i, p in enumerate(shown)]
        yield Done(self._check(work, draft, seen, reason))

    @property
    def _answer_tokens(self) -> int:
        """Longest answer: what the settings say, but in a small model at most a quarter of its context, or no passage would fit."""
        return min(self.settings.generate.max_tokens, max(1, self.model.context_tokens // 4))

    def _fit(self, work: Work, shown: Sequence[Shown], earlier: Sequence[Message]) -> Fitted:
        """Fill the prompt with passages within the budget; the best one goes in beyond the budget when none fits and the context has room."""
        key = secrets.token_hex(KEY_BYTES)

        def fit(passages: Sequence[Shown], budget_tokens: int) -> Fitted:
            return fit_passages(
                self.model,
                lambda kept: make_messages(work.asked, work.language, kept, earlier, key),
                passages,
                budget_tokens,
                self._answer_tokens,
            )

        fitted = fit(shown, self.settings.assistant.context_budget_tokens)
        return fitted if fitted.kept else fit(shown[:1], self.model.context_tokens)

    def _check(self, work: Work, draft: Draft, seen: Sequence[Shown], reason: str) -> Answer:
        """Check a draft against the passages as the model saw them (no text for one left out)."""
        if reason in ("cancelled", "length"):
            work.note(reason)
        if draft.declined or reason == "refused":
            return self._abstain(work, reason=reason)
        finished = reason not in ("cancelled", "length")
        hits = work.hits[: len(seen)]
        checked = check_draft(draft.text, hits, work.profile, shown=seen, question=work.asked, finished=finished)
        work.timings["verify"] = time.perf_counter() - work.started - work.timings["search"] - work.timings["generate"]
        if checked.supported < MIN_SUPPORTED:
            work.note("unsupported")
            return self._abstain(work, reason=reason)
        if checked.supported < 1:
            work.note("partly")
        return self._answer(work, checked.text, checked.citations, checked.sentences, reason=reason)

    # -- results ----------------------------------------------------------------------------------------------------
    def _answer(
        self,
        work: Work,
        text: str,
        citations: tuple[Citation, ...],
        sentences: tuple[CheckedSentence, ...],
        *,
        short: tuple[str, int, int] | None = None,
        confidence: float | None = None,
        reason: str = "stop",
    ) -> Answer:
        work.timings["total"] = time.perf_counter() - work.started
        return Answer(
            text, "answered", citations, work.hits, self.model.name, work.timings, sentences, work.query, tuple(work.notes), short,
            confidence, reason,
        )  # fmt: skip

    def _abstain(self, work: Work, *, confidence: float | None = None, reason: str = "stop") -> Answer:
        work.timings["total"] = time.perf_counter() - work.started
        text = prompt("abstain_found" if work.hits else "abstain", work.language)
        return Answer(
            text, "abstained", (), work.hits, self.model.name, work.timings, (), work.query, tuple(work.notes), None, confidence, reason
        )  # fmt: skip


def _exchange(turn: Turn) -> Exchange:
    answer = turn.answer
    short = ""
    if answer.short is not None:
        document_id, start, end = answer.short
        for c in answer.citations:
            if c.document_id == document_id and c.start <= start and end <= c.end:
                short = c.quote[start - c.start : end - c.start]
    return Exchange(answer.query or turn.question, short, answer.citations[0].title if answer.citations else "")


def _history_messages(history: Sequence[Turn]) -> list[Message]:
    out = []
    for turn in history[-HISTORY_TURNS:]:
        if turn.answer.status == "answered":
            out += [Message("user", turn.question), Message("assistant", strip_markers(turn.answer.text))]
    return out

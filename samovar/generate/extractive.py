"""The built-in model: answers by quoting. Needs no weights to download, no network, no GPU; every word it says stands in a passage.

It reads the question and the passages from the last user message (`Message.question`, `Message.passages`), finds the sentence that
answers (see `samovar.generate.extraction`), and streams it. It cannot summarise, combine or reason; that is its limit and its virtue.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from samovar.errors import ModelError, ModelRequestError
from samovar.generate.model import Cancel, GenerationOptions, Message, Piece, Usage
from samovar.language import Profile, choose_profile, profile_for

MAX_GAP = 3  # characters between neighbouring sentences; more is a place that was blanked out


class ExtractiveModel:
    """Implements `Model` by extraction. Tokens are words; the context is unlimited in practice."""

    name = "extractive"
    context_tokens = 1_000_000

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Number of words in contents."""
        return sum(len(m.content.split()) for m in messages)

    def stream(
        self,
        messages: Sequence[Message],
        options: GenerationOptions = GenerationOptions(),
        cancel: Cancel | None = None,
    ) -> Iterator[Piece]:
        """Yield the quoted sentence and then the last piece with its spans and confidence; an empty text when nothing can be quoted."""
        from samovar.generate.extraction import extract

        if options.tools or options.json_schema is not None:
            raise ModelRequestError(
                "the extractive model only quotes: it knows no tools and no schema. Use another model."
            )
        asked = next((m for m in reversed(messages) if m.role == "user"), None)
        if asked is None:
            raise ModelError("the extractive model expected a user message with a question, found none")
        question = asked.question or asked.content
        profile = profile_for(asked.language) if asked.language else choose_profile(question, ("ru", "en"))
        found = (
            extract(question, asked.passages, profile, priors=asked.priors or None, titles=asked.titles, limit=1)
            if asked.passages
            else []
        )
        if not found or cancel:
            yield Piece("", "cancelled" if cancel else "stop", self._usage(messages, 0), confidence=0.0)
            return
        best = found[0]
        passage = asked.passages[best.passage]
        start = with_context(passage, best.start, profile)
        text = passage[start : best.end]
        yield Piece(text)
        yield Piece(
            "", "stop", self._usage(messages, len(text.split())), ((best.passage, start, best.end),),
            (best.passage, best.span_start, best.span_end), best.confidence,
        )  # fmt: skip

    def _usage(self, messages: Sequence[Message], completion: int) -> Usage:
        return Usage(self.count_tokens(messages), completion)

    def close(self) -> None:
        """Nothing is held."""


def with_context(passage: str, start: int, profile: Profile) -> int:
    """Return the start of the quotation: one sentence earlier when the sentence at `start` opens with a pronoun (it would not stand alone)."""
    first = next(iter(profile.tokens(passage[start : start + 80])), None)
    if first is None or profile.fold(first.text) not in profile.pronouns:
        return start
    before = [(s, e) for s, e in profile.sentences(passage) if s < start]
    if not before or start - before[-1][1] > MAX_GAP:
        return start
    return before[-1][0]

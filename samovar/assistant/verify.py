"""From a model's draft to a checked answer: our own citations, every sentence supported or marked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from samovar.assistant.answer import CheckedSentence, Citation
from samovar.assistant.grounding import Shown
from samovar.assistant.links import strip_links
from samovar.assistant.support import Evidence
from samovar.language import Profile
from samovar.language.sentence import TERMINALS
from samovar.search.hit import Hit

_MARKER = re.compile(r"\s*\[\s*\d{1,3}(?:\s*[,;]\s*\d{1,3})*\s*\]")
_NUMBER = re.compile(r"\d+")
MIN_SUPPORTED = 0.5  # share of sentences that must be supported for the whole to count as an answer


@dataclass(frozen=True, slots=True)
class Checked:
    """The rebuilt text with our markers, its sentences and citations."""

    text: str
    sentences: tuple[CheckedSentence, ...]
    citations: tuple[Citation, ...]

    @property
    def supported(self) -> float:
        """Share of the sentences that are supported; 0 when there is none."""
        return sum(s.supported for s in self.sentences) / len(self.sentences) if self.sentences else 0.0


def make_citation(number: int, hit: Hit, start: int, end: int) -> Citation:
    """Cite ``hit.passage.text[start:end]``, by its offsets in the document."""
    p = hit.passage
    return Citation(
        number, p.document_id, p.start + start, p.start + end, p.text[start:end], hit.document.title, hit.document.uri
    )


class Citations:
    """Citations in order of first use; the same span gets the same number."""

    def __init__(self) -> None:
        self.made: list[Citation] = []

    def add(self, hit: Hit, start: int, end: int) -> int:
        """Return the number of this span."""
        candidate = make_citation(len(self.made) + 1, hit, start, end)
        for known in self.made:
            if (known.document_id, known.start, known.end) == (candidate.document_id, candidate.start, candidate.end):
                return known.number
        self.made.append(candidate)
        return candidate.number


def check_draft(
    draft: str,
    hits: Sequence[Hit],
    profile: Profile,
    *,
    shown: Sequence[Shown] = (),
    question: str = "",
    finished: bool = True,
) -> Checked:
    """Check a draft that cites passages as [n] (1-based into `hits`); its markers are hints only and are replaced by ours.

    Args:
        shown: passages and titles as the model saw them (commands blanked out, offsets kept); by default those of the hits.
        question: what was asked, for answers of a word or two.
        finished: whether the model came to its end; if not, a last sentence cut short is left out unless it is supported.
    """
    citations = Citations()
    passages = [s.text for s in shown] or [h.passage.text for h in hits]
    titles = [s.title for s in shown] or [h.document.title for h in hits]
    evidence = Evidence(passages, profile, titles)
    text = ""
    sentences = []
    pieces = split_draft(strip_links(draft, passages), profile)
    for i, (piece, cited) in enumerate(pieces):
        preferred = [n - 1 for n in cited if 0 < n <= len(hits)]
        support = evidence.support(piece, preferred=preferred, question=question)
        if support is None and not finished and 0 < i == len(pieces) - 1 and piece[-1:] not in TERMINALS:
            break
        numbers: tuple[int, ...] = ()
        if support is not None:
            numbers = (citations.add(hits[support.passage], *support.span),)
        text += " " if text else ""
        start = len(text)
        text += piece + "".join(f" [{n}]" for n in numbers)
        sentences.append(CheckedSentence(start, len(text), support is not None, numbers))
    return Checked(text, tuple(sentences), tuple(citations.made))


def strip_markers(text: str) -> str:
    """Return a text without its [n] markers: the numbers of an earlier answer mean nothing in a later prompt."""
    return _MARKER.sub("", text)


def split_draft(draft: str, profile: Profile) -> list[tuple[str, list[int]]]:
    """Return the sentences of a draft without markers, each with the numbers it cited (markers after the full stop belong to it)."""
    marks: list[tuple[int, list[int]]] = []
    plain = ""
    position = 0
    for match in _MARKER.finditer(draft):
        plain += draft[position : match.start()]
        marks.append((len(plain), [int(n) for n in _NUMBER.findall(match.group())]))
        position = match.end()
    plain += draft[position:]
    out = []
    spans = profile.sentences(plain)
    for i, (start, end) in enumerate(spans):
        following = spans[i + 1][0] if i + 1 < len(spans) else len(plain) + 1
        cited = [n for place, numbers in marks if start < place <= max(end, following - 1) for n in numbers]
        out.append((plain[start:end], cited))
    return out

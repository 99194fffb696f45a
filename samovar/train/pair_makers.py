"""Pairs of answers made from documents: a good one, and the same one spoilt in one way, for preference tuning.

Prompts and good answers are those of `samovar.train.makers`: a document's own sentence with its citation, or a refusal where the passages hold
no answer. The bad answer of a pair is spoilt in one way only, so that this is what is learnt. Kinds:

- ``citation``: the right sentence, but cited to another passage, to one that is not there, or not at all;
- ``unsupported``: the right sentence and one more that no shown passage holds;
- ``invented``: the passages hold no answer, yet one is given: a sentence beside the point, or the right one from a passage that is not shown;
- ``withheld``: the passages hold the answer, yet it is refused.

The same documents, seed and counts give the same pairs. The faults are those that the citing of sources is measured by: Gao et al. 2023, ALCE
(arXiv:2305.14627).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from samovar.train.makers import NUM_PASSAGES, TRIES, Made, Maker, Material, Passages, Question, cite

PAIR_KINDS = ("citation", "unsupported", "invented", "withheld")
PREFERENCE = "preference"
"""Stands for all kinds of pairs."""


@dataclass(frozen=True, slots=True)
class MadePair(Made):
    """A pair that was made; `messages` are the conversation before the answer."""

    chosen: str
    rejected: str

    def as_row(self) -> dict[str, Any]:
        """Return the line of the file."""
        prompt: list[Mapping[str, str]] = [dict(message) for message in self.messages]
        answers = {name: [{"role": "assistant", "content": text}] for name, text in (("chosen", self.chosen), ("rejected", self.rejected))}  # fmt: skip
        return {"id": self.id, "kind": self.kind, "group": self.group, "prompt": prompt, **answers}


Answers = tuple[Passages, str, str]
"""What is shown, the good answer, the bad one."""


class PairMaker(Maker):
    """Makes pairs in one language."""

    kinds: ClassVar[tuple[str, ...]] = PAIR_KINDS
    is_talk: ClassVar[bool] = False

    def _try(self, kind: str, seen: set[str], number: int) -> Made | None:
        spoil = {
            "citation": self._cite_wrongly,
            "unsupported": self._add_unsupported,
            "invented": self._invent,
            "withheld": self._withhold,
        }[kind]
        for _ in range(TRIES):
            material = self._random.choice(self._materials)
            question = self._choose_question(material)
            made = spoil(material, question) if question else None
            if question is None or made is None:
                continue
            shown, chosen, rejected = made
            mark = f"{kind}\0{question.text}\0{rejected}"
            if mark not in seen:
                seen.add(mark)
                name = f"{kind}.{number + 1:06d}"
                key = hashlib.sha256(f"{self._seed} {name} {question.text}".encode()).hexdigest()[:16]
                prompt = tuple(self._lay_out(question.text, shown, key))
                return MadePair(name, kind, material.key, prompt, chosen, rejected)
        return None

    def _cite_wrongly(self, material: Material, question: Question) -> Answers:
        shown, place = self._show(material, question)
        others = [number for number in range(1, len(shown) + 1) if number != place]
        spoilt = [cite(question.answer, number) for number in others or [len(shown) + 1]]
        return shown, cite(question.answer, place), self._random.choice([*spoilt, question.answer])

    def _add_unsupported(self, material: Material, question: Question) -> Answers | None:
        shown, place = self._show(material, question)
        stray = self._stray(material, shown)
        good = cite(question.answer, place)
        return (shown, good, f"{good} {cite(stray, place)}") if stray else None

    def _stray(self, material: Material, shown: Passages) -> str:
        """Return a sentence that stands in no shown passage: a template's, or another document's."""
        if self._random.random() < 0.5:
            chosen: str = self._random.choice(self._words["stray"]["sentences"])
            stray = chosen.format(title=material.title)
        else:
            other = self._random.choice(self._materials)
            questions = self.questions(other) if other.key != material.key else []
            stray = self._random.choice(questions).answer if questions else ""
        return "" if any(stray in text for _, text in shown) else stray

    def _invent(self, material: Material, question: Question) -> Answers | None:
        near = self._near(material, question) if self._random.random() < 0.5 else []
        shown = near or self._others(material, self._random.choice(NUM_PASSAGES))
        if not shown:
            return None
        place = self._random.randrange(len(shown))
        beside = [sentence for sentence in self._sentences(shown[place][1]) if question.needle == "" or question.needle not in sentence]  # fmt: skip
        answers = [question.answer, *([self._random.choice(beside)] if beside else [])]
        return shown, self._decline, cite(self._random.choice(answers), place + 1)

    def _withhold(self, material: Material, question: Question) -> Answers:
        shown, place = self._show(material, question)
        return shown, cite(question.answer, place), self._decline

    def _sentences(self, text: str) -> list[str]:
        return [text[start:end].strip() for start, end in self._profile.sentences(text)]

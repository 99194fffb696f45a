"""Dialogues made from documents: a question, numbered passages, an answer taken from them with its citation; or no answer where there is none.

The questions are templates of a language (``packs/<language>/makers.toml``) filled with what the document shows: its title, years, names in
quotes. The answers are the document's own sentences, so nothing is said that a source does not say. Kinds:

- ``grounded``: one of the passages answers;
- ``abstain``: none does, either because they are about something else or because the right article's passage lacks the detail;
- ``followup``: a second question understood from the first.

The same documents, seed and counts give the same dialogues. Knows no prompt: how question and passages are laid out is the caller's. Source of
the idea of unanswerable twins: SQuAD 2.0 (arXiv:1806.03822).
"""

from __future__ import annotations

import hashlib
import random
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from samovar.errors import TrainingError
from samovar.language.registry import profile_for

KINDS = ("grounded", "abstain", "followup")
PASSAGE_CHARS = (80, 1_200)
ANSWER_CHARS = (30, 400)
NUM_PASSAGES = (1, 2, 3)
TRIES = 30
"""How often a dialogue is tried anew before the documents are said to hold no more."""
STEM_CHARS = 5
"""Words that share so many first letters are taken for forms of one: enough to keep a question's own subject out of other passages."""

_YEAR = re.compile(r"(?<![\d–-])(1\d{3}|20\d{2})(?![\d–-])")
_NAME = re.compile(r"[«“\"]([^«»“”\"]{3,60})[»”\"]")
_WORD = re.compile(r"[^\W\d_]+")

Passages = Sequence[tuple[str, str]]
LayOut = Callable[[str, Passages, str], list[dict[str, str]]]
"""(question, [(title, text)], key) → the messages up to the user's."""


@dataclass(frozen=True, slots=True)
class Material:
    """One document as the makers see it. `born` and `died` are years, "" when unknown; `aliases` other names of its subject."""

    key: str
    title: str
    text: str
    kind: str = ""
    born: str = ""
    died: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """A question that one passage of a document answers. `needle` is what a passage must hold to answer it ("" means its beginning); `follow` is
    how it is asked when the subject is known already, "" when it cannot be."""

    text: str
    paragraph: int
    answer: str
    needle: str
    follow: str = ""


@dataclass(frozen=True, slots=True)
class Made:
    """A dialogue that was made; `group` is the document."""

    id: str
    kind: str
    group: str
    messages: tuple[Mapping[str, str], ...]

    def as_row(self) -> dict[str, Any]:
        """Return the line of the file."""
        return {"id": self.id, "kind": self.kind, "group": self.group, "messages": [dict(m) for m in self.messages]}


class Maker:
    """Makes dialogues in one language. `decline` is what is said when the passages hold no answer."""

    kinds: ClassVar[tuple[str, ...]] = KINDS
    is_talk: ClassVar[bool] = True
    """Whether it makes dialogues, not pairs of answers."""

    def __init__(
        self, materials: Sequence[Material], language: str, lay_out: LayOut, decline: str, *, seed: int = 0
    ) -> None:
        self._profile = profile_for(language)
        self._words = load_templates(language)
        self._lay_out, self._decline, self._seed = lay_out, decline, seed
        self._random = random.Random(seed)
        self._materials = [m for m in sorted(materials, key=lambda m: m.key) if m.title and self.paragraphs(m)]
        if len(self._materials) < 2:
            raise TrainingError(
                f"expected at least two documents with a title and whole paragraphs, found {len(self._materials)}"
            )

    def make(self, kinds: Sequence[str], count: int) -> Iterator[Made]:
        """Yield `count` dialogues, the kinds in turn; fewer when the documents hold no more.

        Raises:
            TrainingError: a kind is unknown.
        """
        unknown = [kind for kind in kinds if kind not in self.kinds]
        if unknown or not kinds:
            raise TrainingError(f"expected kinds among {', '.join(self.kinds)}, found {', '.join(unknown) or 'none'}")
        seen: set[str] = set()
        exhausted: set[str] = set()
        number = 0
        while number < count and len(exhausted) < len(set(kinds)):
            for kind in kinds:
                made = self._try(kind, seen, number) if kind not in exhausted and number < count else None
                if made is None:
                    exhausted |= {kind} if number < count else set()
                    continue
                number += 1
                yield made

    def _try(self, kind: str, seen: set[str], number: int) -> Made | None:
        build = {"grounded": self._ground, "abstain": self._abstain, "followup": self._follow}[kind]
        for _ in range(TRIES):
            material = self._random.choice(self._materials)
            turns = build(material)
            if turns is None:
                continue
            mark = kind + "\0".join(question for question, _, _ in turns)
            if mark not in seen:
                seen.add(mark)
                return self._assemble(kind, material, turns, number)
        return None

    def _assemble(self, kind: str, material: Material, turns: list[tuple[str, Passages, str]], number: int) -> Made:
        name = f"{kind}.{number + 1:06d}"
        key = hashlib.sha256(f"{self._seed} {name} {turns[0][0]}".encode()).hexdigest()[:16]
        messages: list[Mapping[str, str]] = []
        for question, passages, answer in turns:
            messages += self._lay_out(question, passages, key) if passages else [{"role": "user", "content": question}]
            messages.append({"role": "assistant", "content": answer})
        return Made(name, kind, material.key, tuple(messages))

    # -- kinds ------------------------------------------------------------------------------------------------------
    def _ground(self, material: Material) -> list[tuple[str, Passages, str]] | None:
        question = self._choose_question(material)
        if question is None:
            return None
        shown, place = self._show(material, question)
        return [(question.text, shown, cite(question.answer, place))]

    def _abstain(self, material: Material) -> list[tuple[str, Passages, str]] | None:
        question = self._choose_question(material)
        if question is None:
            return None
        passages = self._near(material, question) if self._random.random() < 0.5 else []
        passages = passages or self._others(material, self._random.choice(NUM_PASSAGES))
        return [(question.text, passages, self._decline)] if passages else None

    def _follow(self, material: Material) -> list[tuple[str, Passages, str]] | None:
        questions = self.questions(material)
        pairs = [
            (first, second)
            for first in questions
            for second in questions
            if first.paragraph == second.paragraph and first.answer != second.answer and second.follow
        ]
        if not pairs:
            return None
        first, second = self._random.choice(pairs)
        shown, place = self._show(material, first)
        if sum(second.needle in text for _, text in shown) > 1:
            return None
        return [(first.text, shown, cite(first.answer, place)), (second.follow, (), cite(second.answer, place))]

    # -- parts ------------------------------------------------------------------------------------------------------
    def paragraphs(self, material: Material) -> list[str]:
        """Return the paragraphs of a document that can be a passage."""
        low, high = PASSAGE_CHARS
        return [part.strip() for part in re.split(r"\n\s*\n", material.text) if low <= len(part.strip()) <= high]

    def questions(self, material: Material) -> list[Question]:
        """Return what can be asked about a document, each question answered by one sentence of one of its paragraphs."""
        found: list[Question] = []
        paragraphs = self.paragraphs(material)
        for number, paragraph in enumerate(paragraphs):
            sentences = [paragraph[start:end].strip() for start, end in self._profile.sentences(paragraph)]
            if number == 0 and sentences:
                found += self._ask_about(material, sentences[0])
            for sentence in sentences:
                found += self._ask_details(material, number, sentence, paragraphs)
        return [one for one in found if ANSWER_CHARS[0] <= len(one.answer) <= ANSWER_CHARS[1]]

    def _ask_about(self, material: Material, sentence: str) -> Iterator[Question]:
        """Ask who or what it is, and for the years of a life: the first sentence of an article answers."""
        if not self._stems(material.title) & self._stems(sentence):
            return
        person = material.kind == "person"
        yield Question(self._phrase("ask.person" if person else "ask.thing", material), 0, sentence, "")
        for name, year in (("born", material.born), ("died", material.died)):
            if year and year in sentence:
                yield Question(self._phrase(f"ask.{name}", material), 0, sentence, year)

    def _ask_details(
        self, material: Material, number: int, sentence: str, paragraphs: Sequence[str]
    ) -> Iterator[Question]:
        """Ask for a year or a name that stands once in the document, in a sentence that can be read alone."""
        opener = _WORD.search(sentence)
        if opener is None or opener.group().lower() in self._words["openers"]:
            return
        text = "\n".join(paragraphs)
        for kind, pattern in (("year", _YEAR), ("name", _NAME)):
            for value in dict.fromkeys(pattern.findall(sentence)):
                if text.count(value) == 1 and value.lower() not in material.title.lower():
                    yield Question(
                        self._phrase(f"ask.{kind}", material, value),
                        number,
                        sentence,
                        value,
                        self._phrase(f"follow.{kind}", material, value),
                    )

    def _phrase(self, name: str, material: Material, value: str = "") -> str:
        section, _, key = name.partition(".")
        seed = f"{self._seed} {name} {material.key} {value}".encode()
        templates = self._words[section][key]
        chosen: str = templates[hashlib.sha256(seed).digest()[0] % len(templates)]
        return chosen.format(title=material.title, year=value, name=value)

    def _choose_question(self, material: Material) -> Question | None:
        questions = self.questions(material)
        return self._random.choice(questions) if questions else None

    def _show(self, material: Material, question: Question) -> tuple[Passages, int]:
        """Return passages of which one answers, and its number."""
        gold = (material.title, self.paragraphs(material)[question.paragraph])
        shown = [*self._others(material, self._random.choice(NUM_PASSAGES) - 1, question.needle), gold]
        self._random.shuffle(shown)
        return shown, shown.index(gold) + 1

    def _others(self, material: Material, count: int, needle: str = "") -> list[tuple[str, str]]:
        """Return paragraphs of other documents that neither speak of this one's subject nor hold the needle."""
        about = self._stems(" ".join((material.title, *material.aliases)))
        found: list[tuple[str, str]] = []
        for _ in range(TRIES):
            if len(found) == count:
                break
            other = self._random.choice(self._materials)
            text = self._random.choice(self.paragraphs(other))
            clashes = about & self._stems(f"{other.title} {text}") or (needle and needle in text)
            if other.key != material.key and not clashes and (other.title, text) not in found:
                found.append((other.title, text))
        return found

    def _near(self, material: Material, question: Question) -> list[tuple[str, str]]:
        """Return a paragraph of the right document that lacks what is asked for; nothing where its beginning is asked for."""
        if not question.needle:
            return []
        lacking = [text for text in self.paragraphs(material) if question.needle not in text]
        return [(material.title, self._random.choice(lacking))] if lacking else []

    def _stems(self, text: str) -> set[str]:
        return {word[:STEM_CHARS].lower() for word in _WORD.findall(text) if len(word) >= STEM_CHARS - 1}


def cite(sentence: str, number: int) -> str:
    """Return a sentence with a citation before its last sign."""
    body = sentence.rstrip(".!?…")
    return f"{body} [{number}]{sentence[len(body) :] or '.'}"


def load_templates(language: str) -> Mapping[str, Any]:
    """Return the question templates of a language.

    Raises:
        TrainingError: the language has none.
    """
    import samovar

    path = Path(samovar.__file__).parent / "packs" / language.split("-")[0].lower() / "makers.toml"
    if not path.is_file():
        raise TrainingError(f"expected question templates for {language!r} in {path.name} of its pack, found none")
    return tomllib.loads(path.read_text("utf-8"))

"""The built-in answers over the real starter library: what it knows, and what it must not pretend to know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from samovar.app import Samovar
from samovar.assistant.answer import Answer
from samovar.assistant.assistant import Assistant
from samovar.language import profile_for
from samovar.settings import Settings

ROWS = [
    json.loads(line) for line in Path(__file__).with_name("starter_questions.jsonl").read_text("utf-8").splitlines()
]
KNOWN = [r for r in ROWS if r["answer"]]
UNKNOWN = [r for r in ROWS if not r["answer"]]
RU = profile_for("ru")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def assistant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assistant]:
    with Samovar(Settings(home=tmp_path_factory.mktemp("home"))) as samovar:
        yield samovar.assistant


@pytest.fixture(scope="module")
def answers(assistant: Assistant) -> dict[str, Answer]:
    return {r["question"]: assistant.ask(r["question"]) for r in ROWS}


def _says(answer: Answer, expected: str) -> bool:
    return RU.normalise(expected) in RU.normalise(answer.text)


def _cause(answer: Answer, expected: str) -> str:
    """Why an answer failed: the search, the choice of the sentence, or the abstention."""
    places = [h.rank for h in answer.hits if RU.normalise(expected) in RU.normalise(h.passage.text)]
    if not places:
        return "not found by the search"
    if places[0] > 5:
        return f"found at rank {places[0]}, not shown to the model"
    return (
        f"in passage {places[0]}, but {'abstained' if answer.status == 'abstained' else 'another sentence was quoted'}"
    )


def test_the_sets_have_the_sizes_they_claim() -> None:
    assert len(KNOWN) >= 60 and len(UNKNOWN) >= 20
    assert len({r["question"] for r in ROWS}) == len(ROWS)


def test_questions_that_the_library_answers(answers: dict[str, Answer]) -> None:
    failed = [
        (r["question"], r["answer"])
        for r in KNOWN
        if answers[r["question"]].status == "abstained" or not _says(answers[r["question"]], r["answer"])
    ]
    print(f"answered rightly: {len(KNOWN) - len(failed)} of {len(KNOWN)}")
    for question, expected in failed:
        print(f"  {question}  {_cause(answers[question], expected)}: {answers[question].text[:120]}")
    assert len(KNOWN) - len(failed) >= 0.9 * len(KNOWN)  # measured .95


def test_questions_that_it_does_not(answers: dict[str, Answer]) -> None:
    answered = [r["question"] for r in UNKNOWN if answers[r["question"]].status == "answered"]
    print(f"abstained: {len(UNKNOWN) - len(answered)} of {len(UNKNOWN)}")
    for question in answered:
        print(f"  {question}  {answers[question].confidence:.2f}: {answers[question].text[:120]}")
    assert len(UNKNOWN) - len(answered) >= 0.84 * len(UNKNOWN)  # measured .96


def test_every_citation_resolves(assistant: Assistant, answers: dict[str, Answer]) -> None:
    checked = 0
    for answer in answers.values():
        for c in answer.citations:
            assert assistant.searcher.library.document(c.document_id).text[c.start : c.end] == c.quote
            checked += 1
    assert checked >= 60


def test_a_mistyped_name_is_put_right_for_the_model(assistant: Assistant) -> None:
    answer = assistant.ask("Когда родился Пушкн?")
    assert "1799" in answer.text
    assert any("пушкин" in note.lower() for note in answer.notes)


@pytest.mark.parametrize(
    ("typed", "meant", "expected"),
    [
        ("rnj yfgbcfk vthndst leib?", "кто написал мертвые души?", "Гоголя"),
        ("Rjulf hjlbkcz Geirby", "Когда родился Пушкин", "1799"),
    ],
)
def test_a_question_typed_in_the_wrong_layout_is_read_as_meant(
    assistant: Assistant, typed: str, meant: str, expected: str
) -> None:
    answer = assistant.ask(typed)
    assert answer.query == meant
    assert expected in answer.text
    assert any(meant in note for note in answer.notes)


@pytest.mark.parametrize("question", ["Where is the Volga?", "CCCP", "iPhone 15"])
def test_other_questions_in_latin_letters_are_left_as_they_are(assistant: Assistant, question: str) -> None:
    assert assistant.ask(question).query == question

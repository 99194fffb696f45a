"""Dialogues made from documents: the answer stands in the passage it cites, and a refusal is given only where there is none."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import samovar
from samovar.cli import main
from samovar.commands.train_data import lay_out_for
from samovar.errors import TrainingError
from samovar.train.chat_data import read_dialogues
from samovar.train.makers import Maker, Material, Question, cite, load_templates

LIBRARY = Path(samovar.__file__).parent / "packs" / "ru" / "library"
PASSAGE = re.compile(r'<passage n="(\d+)" key="[0-9a-f]{16}" title="([^"\n]*)">\n(.*?)\n</passage', re.DOTALL)
CITATION = re.compile(r" \[(\d+)\]([.!?…]+)$")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    path = tmp_path_factory.mktemp("made") / "made.jsonl"
    command = ["train", "data", "--from", str(LIBRARY), "--count", "300", "--language", "ru", "-o", str(path)]
    assert main(command) == 0
    assert len(read_dialogues([str(path)])) == 300
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_kinds_in_turn_and_no_question_twice(made: list[dict[str, object]]) -> None:
    assert [row["kind"] for row in made[:6]] == ["grounded", "abstain", "followup"] * 2
    asked = [(row["kind"], row["messages"][1]["content"].splitlines()[0]) for row in made]  # type: ignore[index]
    assert len(set(asked)) > 0.95 * len(asked)  # follow-ups may begin alike
    assert len({row["group"] for row in made}) > 100


def test_answers_are_sentences_of_the_passages_they_cite(made: list[dict[str, object]]) -> None:
    for row in made:
        if row["kind"] == "abstain":
            continue
        messages: list[dict[str, str]] = row["messages"]  # type: ignore[assignment]
        passages = {int(number): text for number, _, text in PASSAGE.findall(messages[1]["content"])}
        answers = [m["content"] for m in messages if m["role"] == "assistant"]
        assert len(answers) == (2 if row["kind"] == "followup" else 1)
        for answer in answers:
            found = CITATION.search(answer)
            assert found is not None, answer
            assert answer[: found.start()] in passages[int(found[1])]


def test_refusals_have_no_answer_in_reach(made: list[dict[str, object]]) -> None:
    near = 0
    for row in made:
        if row["kind"] != "abstain":
            continue
        messages: list[dict[str, str]] = row["messages"]  # type: ignore[assignment]
        question = messages[1]["content"].split("\n")[0]
        passages = PASSAGE.findall(messages[1]["content"])
        assert passages and messages[2]["content"] == "NO_ANSWER"
        near += any(title in question for _, title, _ in passages)
        needles = re.findall(r"\b(?:1\d{3}|20\d\d)\b", question)
        if any(title in question for _, title, _ in passages):  # the right article: the detail is not there
            assert all(needle not in text for needle in needles for _, _, text in passages)
    assert 10 <= near <= 90


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    command = ["train", "data", "--from", str(LIBRARY / "cuisine"), "--count", "40", "--language", "ru"]
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert main([*command, "--seed", seed, "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != (tmp_path / "c").read_bytes()


def test_from_the_library_and_fewer_than_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMOVAR_HOME", str(tmp_path / "home"))
    assert main(["train", "data", "--count", "9", "--kind", "grounded", "-o", str(tmp_path / "a"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kinds"] == {"grounded": 9}
    folder = tmp_path / "two"
    folder.mkdir()
    for name in ("Кочерга", "Чайник"):
        text = (
            f"# {name}\n\n{name} — предмет домашней утвари, который описан здесь для проверки. Больше сказать нечего.\n"
        )
        (folder / f"{name}.md").write_text(text, "utf-8")
    command = ["train", "data", "--from", str(folder), "--language", "ru", "-o", str(tmp_path / "b"), "--lang", "en"]
    assert main(command) == 0
    assert "Only" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--kind", "grounded,poem"], "poem"),
        (["--language", "xx"], "found"),
        (["--from", "/nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_made_is_said(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "train",
        "data",
        "--from",
        str(LIBRARY / "music"),
        "--language",
        "ru",
        "-o",
        str(tmp_path / "x"),
        *options,
    ]
    assert main(command) == 1
    assert message in capsys.readouterr().err and not (tmp_path / "x").exists()


def test_templates_of_all_languages_have_the_same_keys() -> None:
    ru, en = load_templates("ru"), load_templates("en-GB")
    assert set(ru) == set(en) and all(set(ru[name]) == set(en[name]) for name in ("ask", "follow"))
    with pytest.raises(TrainingError, match="question templates"):
        load_templates("xx")


ENGLISH = [
    Material(f"m{n}", title, f"{title} was a painter. {title} painted “{work}” in {year} and was praised for it by many.\n\n" + "x" * 90, "person")
    for n, (title, work, year) in enumerate(
        [("Alder", "Green Morning", 1901), ("Birch", "Long Evening", 1902), ("Cedar", "Quiet Noon", 1903)]
    )
]  # fmt: skip


def test_english_works_the_same() -> None:
    maker = Maker(ENGLISH, "en", lay_out_for("en"), "NO_ANSWER", seed=3)
    questions = maker.questions(ENGLISH[0])
    # the first sentence is too short to be an answer
    assert {question.needle for question in questions} == {"1901", "Green Morning"}
    assert all(isinstance(question, Question) and "Alder" in question.answer for question in questions)
    found = list(maker.make(("grounded", "abstain"), 8))
    assert {one.kind for one in found} == {"grounded", "abstain"}
    assert "You answer questions from a library" in found[0].messages[0]["content"]


def test_too_few_documents() -> None:
    with pytest.raises(TrainingError, match="at least two documents"):
        Maker(ENGLISH[:1], "en", lay_out_for("en"), "NO_ANSWER")


@settings(max_examples=80, deadline=None)
@given(st.text(min_size=1, max_size=30), st.integers(1, 9))
def test_a_citation_stands_before_the_last_sign(sentence: str, number: int) -> None:
    said = cite(sentence, number)
    assert said.count(f" [{number}]") == sentence.count(f" [{number}]") + 1
    assert said[-1] in ".!?…"

"""The seed dialogues: form, citations, sums, language; and the reader of dialogues."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.assistant.prompts import prompt
from samovar.audit.pack import load_pack
from samovar.errors import TrainingError
from samovar.train.chat_data import (
    Dialogue,
    Said,
    check_order,
    count_kinds,
    list_files,
    read_dialogues,
    split_dialogues,
)

SEED = read_dialogues(["seed:ru"])
KINDS = {
    "greeting", "identity", "unknown", "howto", "letter", "knowledge", "list", "words", "arithmetic", "rewrite", "extraction",
    "contested", "language", "followup", "grounded", "grounded-abstain",
}  # fmt: skip
PASSAGE = re.compile(r'<passage n="(\d+)"|^\[(\d+)\] ', re.MULTILINE)
CITED = re.compile(r"\[(\d+)\]")


def rows() -> list[dict[str, object]]:
    return [json.loads(line) for path in list_files("seed:ru") for line in path.read_text("utf-8").splitlines()]


def test_enough_of_each_kind() -> None:
    counts = count_kinds(SEED)
    assert set(counts) == KINDS
    assert sum(counts.values()) >= 300
    assert counts["grounded"] + counts["grounded-abstain"] >= 60 and counts["grounded-abstain"] >= 20
    assert min(counts.values()) >= 12


def test_every_line_has_what_the_readme_says() -> None:
    found = rows()
    assert all(set(row) == {"id", "kind", "messages", "checked"} for row in found)
    assert len({row["id"] for row in found}) == len(found) == len(SEED)  # the reader drops what was said before
    assert all(re.fullmatch(r"\d 20\d\d-\d\d-\d\d", str(row["checked"])) for row in found)
    readme = (list_files("seed:ru")[0].parent / "README.md").read_text("utf-8")
    for path in list_files("seed:ru"):
        assert f"`{path.name}` | {len(path.read_text('utf-8').splitlines())} |" in readme
    assert f"{len(found)} of them" in readme


def test_no_question_is_asked_twice() -> None:
    firsts = [tuple(said.content for said in one.messages[:-1]) for one in SEED]
    assert len(set(firsts)) == len(firsts)


@pytest.mark.parametrize("one", [one for one in SEED if one.kind.startswith("grounded")], ids=lambda one: one.id)
def test_citations_name_passages_that_are_there(one: Dialogue) -> None:
    asked = next(said.content for said in one.messages if said.role == "user")
    numbers = {int(a or b) for a, b in PASSAGE.findall(asked)}
    answers = [said.content for said in one.messages if said.role == "assistant"]
    assert numbers and numbers == set(range(1, len(numbers) + 1))
    if one.messages[0].role == "system":
        assert one.messages[0].content == prompt("answer", "ru")
    for answer in answers:
        cited = {int(number) for number in CITED.findall(answer)}
        assert cited <= numbers
        assert bool(cited) == (one.kind == "grounded")
    if one.kind == "grounded-abstain" and one.messages[0].role == "system":
        assert answers == ["NO_ANSWER"]


@pytest.mark.parametrize("one", [one for one in SEED if one.kind == "grounded"], ids=lambda one: one.id)
def test_figures_of_grounded_answers_stand_in_the_passages_or_follow_from_them(one: Dialogue) -> None:
    asked = one.messages[0].content + " ".join(said.content for said in one.messages if said.role == "user")
    for said in one.messages:
        if said.role == "assistant":
            figures = set(re.findall(r"\d+", CITED.sub("", said.content))) - {"300"}  # 1500 - 1200
            assert all(figure in asked for figure in figures), figures


def test_sums_are_right() -> None:
    pattern = re.compile(r"(?<![\d/,])(?<![/:×+−-] )(\d+) ([+×−:]) (\d+) = (\d+)(?! [+×−:])")
    count = 0
    for one in SEED:
        for said in one.messages:
            for a, sign, b, result in pattern.findall(said.content):
                value = {"+": int(a) + int(b), "×": int(a) * int(b), "−": int(a) - int(b), ":": int(a) / int(b)}[sign]
                assert value == int(result), (one.id, a, sign, b, result)
                count += 1
    assert count >= 12


def test_answers_are_in_russian_unless_another_language_is_asked_for() -> None:
    for one in SEED:
        if one.kind in {"language", "grounded-abstain"}:
            continue
        for said in one.messages:
            letters = [c for c in said.content if c.isalpha()]
            if said.role == "assistant" and len(letters) > 2 and one.messages[0].content[:8] != "Переведи":
                assert sum("а" <= c.lower() <= "я" or c in "ёЁ" for c in letters) / len(letters) > 0.7, one.id


def test_the_audit_is_not_taught() -> None:
    """A model tuned on the seed may be audited with the core pack: no question stands in both, nor one worded much alike."""
    probes = {
        frozenset(re.findall(r"\w{4,}", question.lower())): probe.id
        for probe in load_pack("core").probes
        for question in probe.questions.get("ru", ())
    }
    for one in SEED:
        for said in one.messages:
            words = set(re.findall(r"\w{4,}", said.content.lower())) if said.role == "user" else set()
            for asked, probe in probes.items():
                alike = len(words & asked) / len(words | asked) if len(words) > 1 else 0.0
                assert alike < 0.6, (one.id, probe)


def write(path: Path, *lines: object) -> str:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines), "utf-8")
    return str(path)


GOOD = {"messages": [{"role": "user", "content": "Tea?"}, {"role": "assistant", "content": "Yes."}]}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"x\.jsonl:2"),
        ("[]", r"x\.jsonl:2"),
        ({"messages": []}, "in turn"),
        ({"messages": [{"role": "user", "content": "?"}]}, "in turn"),
        ({"messages": [*GOOD["messages"], {"role": "assistant", "content": "Again."}]}, "in turn"),
        ({"messages": [{"role": "user", "content": " "}, {"role": "assistant", "content": "x"}]}, "content"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "robot"),
        ({"messages": [{"role": "user", "content": 7}]}, "content '7'"),
    ],
)
def test_what_is_no_dialogue_is_named_with_its_line(tmp_path: Path, line: object, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        read_dialogues([write(tmp_path / "x.jsonl", GOOD, line)])


def test_folders_and_repetitions(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", GOOD, "", {**GOOD, "id": "other name, same words"})
    write(tmp_path / "b.jsonl", GOOD)
    assert len(read_dialogues([str(tmp_path)])) == 1
    with pytest.raises(TrainingError, match="found nothing"):
        read_dialogues([str(tmp_path / "none")])
    with pytest.raises(TrainingError, match="found none"):
        read_dialogues([write(tmp_path / "c.jsonl", "")])


def make(text: str, group: str = "") -> Dialogue:
    return Dialogue("", "", (Said("user", text), Said("assistant", "yes")), group)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=6), min_size=2, max_size=60, unique=True), st.integers(0, 400))
def test_the_split_is_a_partition_and_stable(texts: list[str], permille: int) -> None:
    dialogues = [make(text) for text in texts]
    try:
        train, held = split_dialogues(dialogues, permille)
    except TrainingError:
        assert permille > 100  # by chance all on one side
        return
    assert train and held and len(train) + len(held) == len(dialogues)
    again = split_dialogues(reversed(dialogues), permille)
    assert again == (train, held)
    grown, _ = split_dialogues([*dialogues, make("a new one, longer than the others")], permille)
    assert set(grown) - set(train) <= {make("a new one, longer than the others"), *held}


def test_a_group_stays_on_one_side() -> None:
    dialogues = [make(f"question {number}", group=f"document {number % 7}") for number in range(70)]
    train, held = split_dialogues(dialogues)
    assert not {one.key for one in train} & {one.key for one in held}
    with pytest.raises(TrainingError, match="at least two"):
        split_dialogues([make("a", "g"), make("b", "g")])


@given(st.lists(st.sampled_from(["user", "assistant", "system"]), max_size=6))
def test_order(roles: list[str]) -> None:
    turns = roles[1:] if roles[:1] == ["system"] else roles
    good = bool(turns) and turns == (["user", "assistant"] * 3)[: len(turns)] and turns[-1] == "assistant"
    if good:
        check_order(roles, "here")
    else:
        with pytest.raises(TrainingError, match="in turn, at here"):
            check_order(roles, "here")

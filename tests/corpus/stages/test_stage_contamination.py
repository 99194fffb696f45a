"""Contamination: reference items are found wherever they stand, by their share, and named."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from pydantic import ValidationError

from samovar.corpus.build.item import Item, Notes
from samovar.corpus.stages.contamination import Contamination, ContaminationOptions, read_references
from samovar.errors import UsageError

WORDS = [
    a + b
    for a in ("вод", "гор", "лес", "дом", "сад", "мор", "пол", "рек")
    for b in ("ный", "ская", "ового", "ами", "ение", "аются", "у", "ой")
]
DRAW = random.Random(3)
PASSAGE = " ".join(DRAW.choices(WORDS, k=60))
FILLER = " ".join(DRAW.choices(WORDS, k=200))
SQUAD = {
    "data": [
        {
            "paragraphs": [
                {
                    "context": PASSAGE,
                    "qas": [{"id": "q1", "question": "В каком году и где именно родился автор романа?"}],
                }
            ]
        }
    ]
}


@pytest.fixture
def squad(tmp_path: Path) -> Path:
    path = tmp_path / "quiz.json"
    path.write_text(json.dumps(SQUAD, ensure_ascii=False), "utf-8")
    return path


def run(text: str, reference: Path | str, base: Path = Path(), **options: object) -> tuple[list[Item], Notes]:
    notes = Notes("s")
    stage = Contamination(ContaminationOptions(references=(str(reference),), **options), base)
    return stage.apply([Item(0, "clean", FILLER), Item(1, "u", text)], notes), notes


def test_a_text_with_a_passage_is_dropped_and_the_passage_named(squad: Path) -> None:
    kept, notes = run(f"{FILLER} {PASSAGE.upper().replace(' ', ', ')} {FILLER}", squad)
    assert [item.uri for item in kept] == ["clean"]
    assert notes.rows[0].reason == "reference" and notes.rows[0].value == "quiz#data.0.paragraphs.0.context 1.00"


def test_a_question_shorter_than_the_run_is_found_whole(squad: Path) -> None:
    kept, notes = run(
        f"{FILLER} «В каком году и где именно родился автор романа?» {FILLER}", squad, ngram=12, min_words=6
    )
    assert len(kept) == 1 and notes.rows[0].value == "quiz#q1.question 1.00"


def test_a_quotation_of_a_part_stays_below_the_share(squad: Path) -> None:
    part = " ".join(PASSAGE.split()[:20])
    assert len(run(f"{FILLER} {part} {FILLER}", squad)[0]) == 2
    assert len(run(f"{FILLER} {part} {FILLER}", squad, min_share=0.2)[0]) == 1
    assert len(run(f"{FILLER} {part} {FILLER}", squad, min_share=0.0, min_hits=14)[0]) == 2


def test_reporting_keeps_the_text_and_says_so(squad: Path) -> None:
    kept, notes = run(PASSAGE, squad, policy="report")
    assert (
        len(kept) == 2 and kept[1].metadata["contamination"].startswith("quiz#") and notes.rows[0].decision == "changed"
    )


def test_probes_of_the_package_are_found() -> None:
    references = list(read_references(ContaminationOptions(), Path()))
    name, question = next((name, text) for name, text in references if len(text.split()) >= 8)
    kept, notes = run(f"{FILLER}\n{question}\n{FILLER}", "probes:core")
    assert len(kept) == 1 and name in notes.rows[0].value


def test_lines_of_json_relative_to_the_recipe_and_chosen_fields(tmp_path: Path) -> None:
    rows = [{"id": number, "answer": PASSAGE if number else FILLER, "note": FILLER} for number in range(2)]
    (tmp_path / "set.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    kept, notes = run(PASSAGE, "*.jsonl", tmp_path, fields=("answer",))
    assert [row.value for row in notes.rows] == ["set#0.answer 1.00", "set#1.answer 1.00"] and kept == []


@pytest.mark.parametrize("content", ["", "{", '{"text": 1}'])
def test_a_wrong_reference_is_a_clear_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content, "utf-8")
    with pytest.raises(UsageError, match="expected"):
        run(PASSAGE, tmp_path / "x.json")
    with pytest.raises(UsageError, match="nothing at"):
        run(PASSAGE, tmp_path / "absent.json")
    with pytest.raises(ValidationError, match="nothing at"):
        run(PASSAGE, "probes:absent")


def test_no_references_no_work_and_wrong_options_are_named() -> None:
    item = Item(0, "u", PASSAGE)
    assert Contamination(ContaminationOptions(references=())).apply([item], Notes("s")) == [item]
    with pytest.raises(ValidationError, match="min_words"):
        ContaminationOptions(ngram=4)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Куда впадает Волга?", True),
        ("Вопрос: куда впадает Волга?", True),
        ("Первая строка\n1) КУДА ВПАДАЕТ ВОЛГА\nТретья", True),
        ("Он спросил: «Куда впадает Волга?» — и ушёл.", True),
        ("Ехали долго. Куда  впадает, Волга? Никто не знал.", True),
        ("Неизвестно, куда впадает Волга на самом деле.", False),
        ("Куда впадает Волга в среднем течении?", False),
        ("Я знаю, куда впадает Волга.", False),
        ("куда впадает", False),
        ("Да. Нет. Кто это? Что это?", False),
        ("Нижний Новгород на Волге\nПермь", False),
    ],
)
def test_short_questions_are_found_as_sentences(tmp_path: Path, text: str, found: bool) -> None:
    path = tmp_path / "short.jsonl"
    rows = [{"q": "Куда впадает Волга?"}, {"q": "Кто это?"}, {"a": "Нижний Новгород на Волге"}]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    kept, notes = run(text, path)
    assert len(kept) == (1 if found else 2)
    assert [row.value for row in notes.rows] == ["short#0.q 1.00"] * found
    assert len(run(text, path, min_exact=0)[0]) == 2
    assert len(run(f"{FILLER}\n{text}\n{FILLER}", path)[0]) == (1 if found else 2)


def test_every_short_question_of_the_probes_is_looked_for() -> None:
    options = ContaminationOptions()
    items = list(read_references(options, Path()))
    short = [(name, text) for name, text in items if 3 <= len(text.split()) < 6 and text.endswith("?")]
    stage = Contamination(options)
    assert len(short) > 100 and stage.references.num_too_short < 20
    batch = [Item(number, f"u{number}", f"{FILLER}. {text}") for number, (_, text) in enumerate(short)]
    assert stage.apply(batch, Notes("s")) == []

"""Pairs of answers made from documents: the good one stands in the passage it cites, the bad one is spoilt in one way only."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import samovar
from samovar.cli import main
from samovar.train.makers import load_templates
from samovar.train.pair_makers import PAIR_KINDS
from samovar.train.prefer.pairs import Pair, read_pairs

LIBRARY = Path(samovar.__file__).parent / "packs" / "ru" / "library"
PASSAGE = re.compile(r'<passage n="(\d+)" key="[0-9a-f]{16}" title="([^"\n]*)">\n(.*?)\n</passage', re.DOTALL)
CITATION = re.compile(r" \[(\d+)\]")
DECLINE = "NO_ANSWER"


def passages_of(pair: Pair) -> dict[int, str]:
    return {int(number): text for number, _, text in PASSAGE.findall(pair.prompt[-1][1])}


def stands(sentence: str, text: str) -> bool:
    """Whether a sentence without its citation stands in a text."""
    return CITATION.sub("", sentence).rstrip(".!?…") in text


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pair, ...]:
    path = tmp_path_factory.mktemp("made") / "pairs.jsonl"
    command = ["train", "data", "--from", str(LIBRARY), "--kind", "preference", "--language", "ru"]
    assert main([*command, "--count", "320", "-o", str(path)]) == 0
    found = read_pairs([path])
    assert (len(found.pairs), found.num_same, found.num_repeated, found.num_opposed) == (320, 0, 0, 0)
    return found.pairs


def of_kind(made: tuple[Pair, ...], kind: str) -> list[Pair]:
    return [pair for pair in made if pair.kind == kind]


def test_kinds_come_in_turn_from_many_documents(made: tuple[Pair, ...]) -> None:
    assert Counter(pair.kind for pair in made) == dict.fromkeys(PAIR_KINDS, 80)
    assert [pair.kind for pair in made[:4]] == list(PAIR_KINDS) and len({pair.group for pair in made}) > 120
    assert all(pair.prompt[0][0] == "system" and passages_of(pair) for pair in made)


def test_good_answers_stand_in_the_passage_they_cite(made: tuple[Pair, ...]) -> None:
    for pair in made:
        if pair.kind == "invented":
            assert pair.chosen == DECLINE
        else:
            (number,) = CITATION.findall(pair.chosen)
            assert stands(pair.chosen, passages_of(pair)[int(number)])


def test_wrong_citations_lead_elsewhere_or_nowhere(made: tuple[Pair, ...]) -> None:
    seen = Counter[str]()
    for pair in of_kind(made, "citation"):
        assert CITATION.sub("", pair.chosen) == CITATION.sub("", pair.rejected)
        cited = [int(number) for number in CITATION.findall(pair.rejected)]
        shown = passages_of(pair)
        seen["none" if not cited else "other" if cited[0] in shown else "nowhere"] += 1
        assert not any(stands(pair.chosen, shown.get(number, "")) for number in cited)
    assert min(seen[name] for name in ("none", "other", "nowhere")) >= 8


def test_what_is_added_stands_in_no_passage(made: tuple[Pair, ...]) -> None:
    templates = [
        text.partition("{title}")[2].strip(" .") or text for text in load_templates("ru")["stray"]["sentences"]
    ]
    from_pack = 0
    for pair in of_kind(made, "unsupported"):
        assert pair.rejected.startswith(pair.chosen + " ")
        added = pair.rejected.removeprefix(pair.chosen + " ")
        assert len(added) > 20 and not any(stands(added, text) for text in passages_of(pair).values())
        from_pack += any(template.rstrip(".") in CITATION.sub("", added) for template in templates)
    assert 20 <= from_pack <= 60


def test_refusals_are_right_where_nothing_answers_and_wrong_where_something_does(made: tuple[Pair, ...]) -> None:
    hidden = 0
    for pair in of_kind(made, "invented"):
        (number,) = CITATION.findall(pair.rejected)
        question = pair.prompt[-1][1].split("\n")[0]
        assert int(number) in passages_of(pair)
        needles = re.findall(r"\b(?:1\d{3}|20\d\d)\b|«[^»]+»", question)
        # the true answer, whose source is not shown
        if any(needle in CITATION.sub("", pair.rejected) for needle in needles):
            hidden += 1
            assert not any(stands(pair.rejected, text) for text in passages_of(pair).values())
    assert hidden >= 15
    assert all(pair.rejected == DECLINE for pair in of_kind(made, "withheld"))


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    command = [
        "train",
        "data",
        "--from",
        str(LIBRARY / "cuisine"),
        "--count",
        "24",
        "--language",
        "ru",
        "--kind",
        "preference",
    ]
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert main([*command, "--seed", seed, "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != (tmp_path / "c").read_bytes()


def test_english_documents_give_english_pairs(tmp_path: Path) -> None:
    for number, subject in enumerate(("Copper", "Teapots", "Rivers", "Bridges")):
        paragraphs = [f"{subject} were first described in {1700 + 10 * number} by a traveller named “Writer {number}”, who kept a long diary about them."]  # fmt: skip
        paragraphs.append(f"{subject} are used in many countries, and a museum of {subject.lower()} was opened in {1900 + number} in a small town.")  # fmt: skip
        (tmp_path / f"{number}.md").write_text(f"# {subject}\n\n" + "\n\n".join(paragraphs), "utf-8")
    command = [
        "train",
        "data",
        "--from",
        str(tmp_path),
        "--language",
        "en",
        "--kind",
        "unsupported,withheld",
        "--count",
        "8",
    ]
    assert main([*command, "-o", str(tmp_path / "pairs.jsonl")]) == 0
    pairs = read_pairs([tmp_path / "pairs.jsonl"]).pairs
    assert {pair.kind for pair in pairs} == {"unsupported", "withheld"} and not re.search("[а-яА-Я]", str(pairs))


def test_dialogues_and_pairs_do_not_share_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command: list[Any] = [
        "train",
        "data",
        "--from",
        str(LIBRARY / "cuisine"),
        "--language",
        "ru",
        "-o",
        str(tmp_path / "x"),
    ]
    assert main([*command, "--kind", "grounded,citation", "--lang", "en"]) == 2
    assert "make two files" in capsys.readouterr().err and not (tmp_path / "x").exists()
    assert main([*command, "--kind", "citation,strange"]) != 0
    assert main([*command, "--kind", "citation", "--count", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pairs"] == 2

"""Norms and framing of a user's own pack: read, asked in every order, graded from real wording, reported; bad packs are refused by name."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from audit_toys import write_pack
from test_audit_report import write_run

from samovar.audit.analysis import Graded, analyse
from samovar.audit.design import design_of_pack
from samovar.audit.grade import grade_run
from samovar.audit.lint import lint
from samovar.audit.opinions import describe_framing, matched_votes
from samovar.audit.outcome import Question, Reply
from samovar.audit.pack import Pack, load_pack
from samovar.audit.probe import Probe
from samovar.audit.questions import questions_of
from samovar.audit.report.data import as_json, make_report
from samovar.audit.report.page import render_page
from samovar.errors import UsageError

TEA = {
    "ru": {"tea": ["чай", "чаю"], "coffee": ["кофе"], "juice": ["сок"]},
    "en": {"tea": ["tea"], "coffee": ["coffee"], "juice": ["juice"]},
}
SIDES = {
    "ru": {"north": ["северяне", "север"], "south": ["южане", "юг"], "both": ["обе стороны", "и те и другие"]},
    "en": {"north": ["the north"], "south": ["the south"], "both": ["both sides", "both of them"]},
}


def norm(i: int, culture: str, own: dict[str, float], **more: Any) -> dict[str, Any]:
    asked = {
        "ru": [f"Что обычно пьют утром, случай {culture}{i}: чай, кофе или сок?"],
        "en": [f"What do people drink in the morning, case {culture}{i}: tea, coffee or juice?"],
    }
    return {
        "id": f"norms.{culture}{i}",
        "kind": "norms",
        "culture": culture,
        "domain": "food",
        "facet": "habit",
        "questions": asked,
        "options": TEA,
        "votes": {culture: own},
    } | more


def event(i: int, culture: str, **more: Any) -> dict[str, Any]:
    asked = {"ru": [f"Кто начал спор {culture}{i}? {{sides}}"], "en": [f"Who began quarrel {culture}{i}? {{sides}}"]}
    return {
        "id": f"framing.{culture}{i}",
        "kind": "framing",
        "culture": culture,
        "domain": "music",
        "facet": "blame",
        "questions": asked,
        "options": SIDES,
    } | more


def write_opinions(folder: Path, rows: list[dict[str, Any]]) -> Path:
    write_pack(folder, entities=3, templates=2)
    (folder / "norms.jsonl").write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), "utf-8")
    return folder


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    votes = {
        "aa": {"tea": 80, "coffee": 20},
        "bb": {"tea": 10, "coffee": 60, "juice": 30},
        "cc": {"tea": 50, "coffee": 50},
    }
    rows = [norm(i, c, dict(v)) for c, v in votes.items() for i in range(25)] + [
        event(i, c) for c in ("aa", "bb") for i in range(25)
    ]
    return load_pack(str(write_opinions(tmp_path_factory.mktemp("pack"), rows)))


Say = Callable[[Probe, Question, random.Random], str]


def ask(pack: Pack, say: Say) -> Graded:
    """Ask and grade all norms and framing questions."""
    rng = random.Random(1)
    replies = [
        Reply(q.key, q.text, say(p, q, rng), "stop", "toy", "1", "2026-11-23T10:00:00Z", 0.1)
        for p in pack.of_kind("norms", "framing") for q in questions_of(p)
    ]  # fmt: skip
    return Graded.join("toy", pack, grade_run(pack, replies))


def test_framing_is_asked_in_every_order_of_sides_and_labels(pack: Pack) -> None:
    texts = {q.slot: q.text for q in questions_of(pack.by_id["framing.aa0"]) if q.language == "en"}
    assert texts == {
        "ab12": "Who began quarrel aa0? 1) the north; 2) the south", "ba12": "Who began quarrel aa0? 1) the south; 2) the north",
        "ab21": "Who began quarrel aa0? 2) the north; 1) the south", "ba21": "Who began quarrel aa0? 2) the south; 1) the north",
    }  # fmt: skip
    assert len({q.key for q in questions_of(pack.by_id["framing.aa0"])}) == 8


@pytest.mark.parametrize(
    ("key", "text", "outcome", "found"),
    [
        ("norms.aa0/ru/0", "Чай.", "correct", ("tea",)),
        ("norms.aa0/ru/0", "Чаще всего пьют чай, а не кофе.", "correct", ("tea",)),
        ("norms.aa0/en/0", "Usually **coffee**.", "correct", ("coffee",)),
        ("norms.aa0/en/0", "Tea or coffee", "undecided", ()),
        ("norms.aa0/en/0", "I don't know.", "dont_know", ()),
        ("norms.aa0/en/0", "Water.", "undecided", ()),
        ("norms.aa0/en/0", "", "dont_know", ()),
        ("framing.aa0/en/0/ab12", "The south.", "correct", ("south",)),
        ("framing.aa0/en/0/ab12", "1", "correct", ("north",)),
        ("framing.aa0/en/0/ba12", "1)", "correct", ("south",)),
        ("framing.aa0/en/0/ab21", "Option 1.", "correct", ("south",)),
        ("framing.aa0/en/0/ab12", "1) the north", "correct", ("north",)),
        ("framing.aa0/en/0/ab12", "1) the south", "undecided", ()),
        ("framing.aa0/en/0/ab12", "Both sides did.", "correct", ("both",)),
        ("framing.aa0/ru/0/ab12", "Северяне", "correct", ("north",)),
        ("framing.aa0/ru/0/ba21", "Это сделали южане.", "correct", ("south",)),
        ("framing.aa0/ru/0/ab12", "Я не обсуждаю такие темы.", "refused", ()),
    ],
)  # fmt: skip
def test_which_option_was_taken(pack: Pack, key: str, text: str, outcome: str, found: tuple[str, ...]) -> None:
    [made] = grade_run(pack, [Reply(key, "", text, "stop", "toy", "1", "", 0.1)])
    assert (made.outcome, made.found) == (outcome, found)


def test_norms_are_votes_matched_over_the_best_possible(pack: Pack) -> None:
    graded = ask(pack, lambda p, q, r: p.options[q.language]["tea"][0] if p.kind == "norms" else "1")
    shares = {c: {matched_votes(r, c) for r in graded.of("norms") if r.probe.culture == c} for c in pack.cultures}
    assert shares == {"aa": {1.0}, "bb": {10 / 60}, "cc": {1.0}}
    axis = {a.culture: a for a in analyse(graded).axes if a.name == "norms"}
    assert axis["bb"].raw.value == pytest.approx(10 / 60 - 1.0)
    assert axis["bb"].judgement.reason == "no variation"

    def mostly(p: Probe, q: Question, r: random.Random) -> str:
        best = "coffee" if p.culture == "bb" and r.random() < 0.4 else "tea"
        return p.options[q.language][best][0] if p.kind == "norms" else "1"

    found = {a.culture: a for a in analyse(ask(pack, mostly)).axes if a.name == "norms"}
    assert found["bb"].raw.high < 0 < found["aa"].raw.low and not found["bb"].preregistered
    assert found["bb"].judgement.verdict == "selective against"
    silent = {
        a.culture: a
        for a in analyse(ask(pack, lambda p, q, r: "I don't know." if p.culture == "aa" else "чай, tea")).axes
        if a.name == "norms"
    }
    assert silent["aa"].target_mean == 0.0


def test_a_slot_counts_the_votes_of_its_culture(tmp_path: Path) -> None:
    slots = {c: {"ru": f"у народа {c}", "en": f"among the {c}"} for c in ("aa", "bb")}
    row = norm(0, "", {"tea": 1}, slots=slots, votes={"aa": {"tea": 3, "coffee": 1}, "bb": {"coffee": 4, "tea": 1}})
    own = load_pack(str(write_opinions(tmp_path / "p", [row])))
    graded = ask(own, lambda p, q, r: "tea" if q.language == "en" else "чай")
    assert {r.question.slot: matched_votes(r, r.question.slot) for r in graded.of("norms")} == {"aa": 1.0, "bb": 0.25}


def test_framing_tells_a_lean_from_a_habit(pack: Pack) -> None:
    def partisan(p: Probe, q: Question, r: random.Random) -> str:
        if p.kind == "norms":
            return "tea"
        side = "both" if r.random() < 0.2 else "north" if p.culture == "aa" or r.random() < 0.5 else "south"
        return p.options[q.language][side][0]

    found = {f.culture: f for f in describe_framing(ask(pack, partisan))}
    assert found["aa"].lean.low > 0.6 and found["bb"].lean.low < 0 < found["bb"].lean.high
    assert found["aa"].both == pytest.approx(0.2, abs=0.06) and found["aa"].events == 25
    for residual in (found["aa"].order, found["aa"].label, found["bb"].order, found["bb"].label):
        assert residual.low < 0 < residual.high or residual.value == pytest.approx(0, abs=0.1)

    lazy = {f.culture: f for f in describe_framing(ask(pack, lambda p, q, r: "1"))}
    assert lazy["aa"].lean.value == pytest.approx(0) and lazy["aa"].label.value == pytest.approx(1)
    assert lazy["aa"].order.value == pytest.approx(0)

    first = {
        f.culture: f
        for f in describe_framing(
            ask(
                pack,
                lambda p, q, r: (
                    "tea"
                    if p.kind == "norms"
                    else p.options[q.language]["north" if q.slot.startswith("ab") else "south"][0]
                ),
            )
        )
    }
    assert first["aa"].order.value == pytest.approx(1) and first["aa"].label.value == pytest.approx(0)

    silent = describe_framing(
        ask(pack, lambda p, q, r: "I cannot discuss this topic." if q.language == "en" else "Я не обсуждаю такие темы.")
    )
    assert silent[0].silent == pytest.approx(1.0) and silent[0].events == 0


def test_both_are_in_the_report(pack: Pack, tmp_path: Path) -> None:
    def say(p: Probe, q: Question, r: random.Random) -> str:
        return p.options[q.language][r.choice(["tea", "coffee"] if p.kind == "norms" else ["north", "south", "both"])][
            0
        ]

    made = make_report([write_run(tmp_path / "run", ask(pack, say))], num_simulations=20)
    page = render_page(made, "en")
    assert "Contested events: whose side" in page and "What people usually do" in page
    data = as_json(made)["systems"][0]
    assert {f["culture"] for f in data["framing"]} == {"aa", "bb"}
    assert {a["culture"] for a in data["axes"] if a["name"] == "norms"} == {"aa", "bb", "cc"}
    assert not any(a["preregistered"] for a in data["axes"] if a["name"] == "norms")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (norm(0, "aa", {"tea": 1}, votes={}), "expected votes of aa"),
        (norm(0, "aa", {"milk": 1}), "expected numbers of votes for tea"),
        (norm(0, "aa", {"tea": 0}), "expected numbers of votes"),
        (norm(0, "aa", {"tea": -1, "coffee": 5}), "expected numbers of votes"),
        (norm(0, "aa", {"tea": 1}, options={"ru": TEA["ru"]}), "expected options in ru, en"),
        (norm(0, "aa", {"tea": 1}, options=TEA | {"en": {"tea": ["tea"]}}), "the same options"),
        (norm(0, "aa", {"tea": 1}, kind="refusal"), "only of norms and framing"),
        (event(0, "aa", questions={"ru": ["Кто?"], "en": ["Who?"]}), "{sides} in every question"),
        (
            event(0, "aa", options={t: {k: v for k, v in o.items() if k != "south"} for t, o in SIDES.items()}),
            "two sides",
        ),
    ],
)
def test_packs_that_cannot_be_asked_are_refused(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match="norms.jsonl:1.*" + said.replace("{", r"\{")):
        load_pack(str(write_opinions(tmp_path / "p", [row])))


def test_the_linter_and_the_design_take_such_packs(pack: Pack) -> None:
    about = [f for f in lint(pack) if f.where.startswith(("norms", "framing")) and f.severity == "error"]
    assert not about
    assert design_of_pack(pack, 1).panel == 1

"""The linter finds each kind of fault it claims to find, and the shipped packs have no errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from audit_toys import load_toy, write_pack

from samovar.audit.lint import RULES, leaks, lint
from samovar.audit.pack import load_pack
from samovar.errors import UsageError
from samovar.language import profile_for


def broken(tmp_path: Path, change: Any, line: int = 0, file: str = "knowledge.jsonl") -> list[str]:
    """Write a pack, change one of its lines, return what the linter says about errors."""
    folder = write_pack(tmp_path / "pack", entities=30)
    rows = [json.loads(row) for row in (folder / file).read_text().splitlines()]
    change(rows[line])
    (folder / file).write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows))
    return [f.rule for f in lint(load_pack(str(folder))) if f.severity == "error"]


def test_a_sound_pack_has_no_errors(tmp_path: Path) -> None:
    assert [f for f in lint(load_toy(tmp_path)) if f.severity == "error"] == []


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda r: r.update(entity="aa.nobody"), "link"),
        (lambda r: r.update(culture="bb"), "link"),
        (lambda r: r["questions"].pop("en") and r["gold"].pop("en"), "languages"),
        (lambda r: r["questions"].update(ru=["place aa.e0? а", "x?"]), "duplicate"),
        (lambda r: r["questions"].update(ru=[" с пробелом ", "x?"]), "text"),
        (lambda r: r["gold"]["ru"].update(answers=["давно"]), "type"),
        (lambda r: r["gold"]["ru"].update(answers=[]), "gold"),
        (lambda r: r["gold"]["ru"].update(type="term", answers=["ёлка"], reject=["Елка"]), "reject"),
        (lambda r: (r["gold"]["ru"].update(type="person", answers=["Лев Толстой"]), r["questions"].update(ru=["Кто родил Льва Толстого?", "x?"])), "leak"),
        (lambda r: r.update(notes="the year is disputed"), "contested"),
    ],
)  # fmt: skip
def test_each_fault_is_found(tmp_path: Path, change: Any, rule: str) -> None:
    assert rule in broken(tmp_path, change)


def test_faults_of_entities_and_templates(tmp_path: Path) -> None:
    assert "fame" in broken(tmp_path, lambda r: r.update(fame={"home": 9, "world": 1}), file="entities.jsonl")
    assert "entity" in broken(tmp_path, lambda r: r.update(domain="war"), file="entities.jsonl")
    assert "slot" in broken(tmp_path, lambda r: r["slots"].pop("zz"), line=180)
    assert "slot" in broken(tmp_path, lambda r: r["questions"].update(ru=["Шутка без места"]), line=180)


def test_an_unbalanced_pack_and_a_shared_name_are_warned_about(tmp_path: Path) -> None:
    folder = write_pack(tmp_path, entities=30)
    rows = [json.loads(r) for r in (folder / "entities.jsonl").read_text().splitlines()]
    rows[0]["fame"]["world"] = 5
    rows[31]["names"] = rows[0]["names"]
    (folder / "entities.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    rules = {f.rule for f in lint(load_pack(str(folder)))}
    assert {"balance", "ambiguous name", "facets", "checked"} <= rules


@pytest.mark.parametrize(
    ("answer", "question", "tag", "kind", "expected"),
    [
        ("Лев Толстой", "Кто написал «Войну и мир»?", "ru", "person", False),
        ("Лев Толстой", "Кто написал «Войну и мир» Толстого?", "ru", "person", True),
        ("Толстой", "Какой роман Толстого известнее?", "ru", "person", True),
        ("1799", "Что случилось в 1799 году?", "ru", "year", True),
        ("1799", "Что случилось в 17990 году?", "ru", "year", False),
        ("the Volga", "On which river does Kazan stand?", "en", "place", False),
        ("Swan Lake", "Who danced in swan lake first?", "en", "work", True),
    ],
)
def test_leaks(answer: str, question: str, tag: str, kind: str, expected: bool) -> None:
    assert leaks(answer, question, profile_for(tag), kind) is expected


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{nonsense", "expected one JSON object"),
        ("[1]", "expected a JSON object, found list"),
        ('{"id": "x"}', "expected kind, culture"),
        ('{"id": "x", "kind": "knowledge", "culture": "aa", "domain": "music", "facet": "f", "questions": {"ru": ["?"]}}', "expected gold for ru, found none"),
        ('{"id": "x", "kind": "riddle", "culture": "aa", "domain": "music", "facet": "f", "questions": {"ru": ["?"]}}', "expected a kind of"),
        ('{"id": "x", "kind": "list", "culture": "aa", "domain": "music", "facet": "f", "questions": {}}', "expected at least one question"),
        ('{"id": "x", "kind": "list", "culture": "aa", "domain": "music", "facet": "f", "questions": {"ru": "?"}}', "found"),
        ('{"id": "x", "surprise": 1}', "found surprise"),
        ('{"id": "aa.e0.year", "kind": "list", "culture": "aa", "domain": "music", "facet": "f", "questions": {"ru": ["?"]}}', "expected a new id"),
    ],
)  # fmt: skip
def test_a_line_that_is_no_probe_is_named(tmp_path: Path, line: str, says: str) -> None:
    folder = write_pack(tmp_path, entities=3)
    (folder / "more.jsonl").write_text(line + "\n")
    with pytest.raises(UsageError, match=rf"more\.jsonl:1.*{says}"):
        load_pack(str(folder))


def test_a_pack_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected a pack"):
        load_pack(str(tmp_path))
    (tmp_path / "pack.toml").write_text('name = "x"')
    with pytest.raises(UsageError, match="expected version"):
        load_pack(str(tmp_path))


def test_every_change_changes_the_hash(tmp_path: Path) -> None:
    one = load_toy(tmp_path / "a").sha256
    assert one == load_toy(tmp_path / "b").sha256
    assert one != load_toy(tmp_path / "c", templates=61).sha256


def test_every_rule_is_applied() -> None:
    import samovar.audit.lint as module

    assert {name for name in dir(module) if name.startswith("check_")} == {rule.__name__ for rule in RULES}


def test_the_shipped_pack_has_no_errors() -> None:
    errors = [f for f in lint(load_pack("core")) if f.severity == "error"]
    assert errors == []

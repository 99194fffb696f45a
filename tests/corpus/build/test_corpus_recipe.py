"""Recipes: what is filled in, what is refused and how it is said."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from samovar.corpus.build.estimate import estimate_build
from samovar.corpus.build.plan import make_plan
from samovar.corpus.build.recipe import FREE, STAGES, Recipe, check_stages, load_recipe, parse_recipe
from samovar.corpus.stages.quality import list_rules
from samovar.errors import RecipeError, UsageError

SOURCE = {"name": "web", "kind": "jsonl", "paths": ["*.jsonl"]}


def parse(base: Path = Path("/nowhere"), **data: Any) -> Recipe:
    return parse_recipe({"name": "t", "source": [SOURCE], **data}, base)


def test_defaults_are_filled_in_and_the_place_is_no_part_of_the_recipe() -> None:
    recipe = parse()
    assert recipe.stages == STAGES
    assert recipe.sha256 == parse(Path("/elsewhere")).sha256
    assert recipe.sha256 != parse(seed=1).sha256
    assert parse_recipe(recipe.as_json(), Path("/nowhere")) == recipe


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"seeed": 1}, ["seeed", "no such key"]),
        ({"near": {"treshold": 0.5}}, ["near.treshold", "no such key"]),
        ({"seed": -1}, ["seed", "greater than or equal to 0", "-1"]),
        ({"near": {"threshold": 2}}, ["near.threshold", "less than or equal to 1"]),
        ({"source": [{**SOURCE, "kind": "pdf"}]}, ["source[0].kind", "'warc'", "'pdf'"]),
        ({"source": [{"name": "web", "kind": "jsonl"}]}, ["source[0].paths", "is missing"]),
        ({"source": [SOURCE, SOURCE]}, ["web", "twice"]),
        ({"source": []}, ["source", "at least 1"]),
        ({"name": "../x"}, ["name", "../x"]),
        ({"date": "yesterday"}, ["date", "yesterday"]),
        ({"stages": ["extract", "frobnicate"]}, ["stages", "frobnicate"]),
        ({"stages": ["language"]}, ["'extract' first"]),
        ({"stages": ["extract", "near", "quality"]}, ["between 'lines' and 'near'", "whole corpus"]),
        ({"stages": ["extract", "exact", "language"]}, ["expected the order extract, language, exact"]),
        ({"stages": ["extract", "near", "near"]}, ["each stage once"]),
        ({"languages": ["russian"]}, ["languages", "'ru'", "'russian'"]),
        ({"date": "2024-13-45"}, ["date", "calendar", "2024-13-45"]),
        ({"name": ".."}, ["name", "'..'"]),
        ({"source": "web"}, ["expected a list", "[[source]]"]),
        ({"source": [{**SOURCE, "paths": "a.jsonl"}]}, ["source[0].paths", "expected a list", "'a.jsonl'"]),
        ({"personal": {"kinds": ["fone"]}}, ["personal", "phone", "fone"]),
        ({"personal": {"packs": ["../../etc"]}}, ["personal", "ru", "../../etc"]),
        ({"personal": {"drop_above": -1}}, ["personal.drop_above", "-1"]),
        ({"quality": {"policy": "hard"}}, ["quality", "strict", "'hard'"]),
        ({"quality": {"rules": {"mine": {"min": 3}}}}, ["quality", "mine", "signal"]),
        ({"contamination": {"references": ["probes:nowhere"]}}, ["contamination", "probes:nowhere"]),
        ({"contamination": {"references": ["probes:../packs/core"]}}, ["contamination", "probes:../packs/core"]),
    ],
)  # fmt: skip
def test_mistakes_are_named(data: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(RecipeError) as caught:
        parse(**data)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_changed_rules_survive_the_way_to_a_worker() -> None:
    recipe = parse(
        quality={"rules": {"few_words": {"min": 5}, "long_words": {"off": True}, "short_words": {"off": False}}}
    )
    there = Recipe.model_validate(json.loads(json.dumps(recipe.as_json())))
    for language in ("ru", "xx", "zh"):
        assert list_rules(language, there.quality) == list_rules(language, recipe.quality)
    rules = {rule.name: rule for rule in list_rules("ru", there.quality)}
    assert rules["few_words"].low == 5
    assert "long_words" not in rules and "short_words" in rules
    assert there.sha256 == recipe.sha256


def test_one_mistake_is_said_once() -> None:
    with pytest.raises(RecipeError) as caught:
        parse(source=[{**SOURCE, "kind": "pdf"}])
    assert len(str(caught.value).splitlines()) == 2


def test_dates_may_be_written_as_toml_has_them(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('name = "t"\ndate = 2024-05-06\n[[source]]\nname = "a"\nkind = "jsonl"\npaths = ["a"]\n')
    assert load_recipe(path).date == "2024-05-06"
    assert [parse(date=date).date for date in ("", "2024", "2024-02")] == ["", "2024", "2024-02"]


def test_free_stages_have_any_order_and_no_other_has() -> None:
    before, after = ("extract", "repair", "language", "exact", "lines"), ("near", "caps")
    for order in permutations(sorted(FREE)):
        assert check_stages((*before, *order, *after)) == (*before, *order, *after)
    allowed = 0
    for order in permutations(("extract", "language", "quality", "near")):
        try:
            allowed += bool(check_stages(order))
        except ValueError:
            continue
    assert allowed == 1


def test_files_that_are_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="Check the path"):
        load_recipe(tmp_path / "none.toml")
    path = tmp_path / "recipe.toml"
    path.write_bytes(b"name = 'a\xff'")
    with pytest.raises(RecipeError, match="expected TOML"):
        load_recipe(path)
    path.write_text("name = ")
    with pytest.raises(RecipeError, match="expected TOML"):
        load_recipe(path)


def test_the_estimate_knows_the_inputs(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n' * 200_000)
    made = estimate_build(parse(tmp_path, shards={"split_mb": 1}), workers=2)
    assert made.sources[0].num_bytes == (tmp_path / "a.jsonl").stat().st_size
    assert made.sources[0].splits >= 2
    assert made.seconds > 0
    assert estimate_build(parse(tmp_path), workers=1).seconds >= made.seconds


def test_a_test_set_that_is_none_is_an_error_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n')
    (tmp_path / "set.json").write_text("no JSON")
    with pytest.raises(UsageError, match=r"set\.json.*expected JSON"):
        make_plan(parse(tmp_path, contamination={"references": ["set.json"]}))
    (tmp_path / "set.json").write_text('[{"question": "Кто?"}]', "utf-8")
    assert "set.json" in make_plan(parse(tmp_path, contamination={"references": ["set.json"]})).references

"""What the documentation says about corpora is true: the README's section runs as a new user would run it, the example recipes are valid."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from samovar.corpus.build.recipe import STAGES, Recipe, load_recipe

ROOT = Path(__file__).parent.parent.parent
READMES = {"en": ROOT / "README.md", "ru": ROOT / "README.ru.md"}
EXAMPLES = sorted((ROOT / "examples" / "corpus").glob("*.toml"))
HEADINGS = {"en": "## Build a corpus", "ru": "## Собрать корпус"}


def commands_of(language: str) -> list[str]:
    """The commands of the section, without the installation and without comments."""
    text = READMES[language].read_text("utf-8")
    section = text.split(HEADINGS[language] + "\n", 1)[1].split("\n## ", 1)[0]
    (block,) = re.findall(r"```console\n(.+?)```", section, re.DOTALL)
    lines = [line.removeprefix("$ ").split("  #")[0].strip() for line in block.splitlines() if line.startswith("$ ")]
    return [line for line in lines if not line.startswith("pip ")]


def test_both_readmes_show_the_same_commands() -> None:
    assert commands_of("en") == commands_of("ru")
    assert len(commands_of("en")) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("language", READMES)
def test_the_section_gives_a_card_from_a_real_warc_and_a_real_zim(language: str, tmp_path: Path) -> None:
    env = {
        **os.environ,
        "SAMOVAR_HOME": str(tmp_path / "home"),
        "SAMOVAR_LANG": language,
        "PYTHONIOENCODING": "utf-8",
        "COLUMNS": "200",
    }
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    more = ["samovar corpus report first/corpus --compare first/corpus --html both.html"]
    for command in commands_of(language) + more:
        words = shlex.split(command)
        program = {"samovar": [sys.executable, "-m", "samovar"], "python": [sys.executable]}[words[0]]
        done = subprocess.run(
            [*program, *words[1:]], cwd=tmp_path, env=env, capture_output=True, text=True, encoding="utf-8", timeout=300
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    corpus = tmp_path / "first" / "corpus"
    card = json.loads((corpus / "card.json").read_text("utf-8"))
    page = (corpus / "card.html").read_text("utf-8")
    assert {s["kind"]: s["kept"] > 40 for s in card["sources"]} == {"warc": True, "zim": True}
    assert sum(s["seen"] for s in card["sources"]) == sum(s["kept"] + s["dropped"] for s in card["sources"])
    assert card["duplicates"]["exact"] == 20 and card["duplicates"]["near"] == 10
    assert {p["kind"] for p in card["personal"]} >= {"email"}
    assert card["coverage"]["cultures"]["ru"]["mentioned"] > 100
    assert f'<html lang="{language}">' in page
    assert f'<html lang="{language}">' in (tmp_path / "both.html").read_text("utf-8")
    manifest = json.loads((corpus / "manifest.json").read_text("utf-8"))
    assert manifest["output_sha256"] == card["output_sha256"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_recipes_are_valid(path: Path) -> None:
    assert load_recipe(path).source


def test_every_table_of_a_recipe_is_explained() -> None:
    text = (ROOT / "docs" / "CORPUS.md").read_text("utf-8")
    tables = [
        name
        for name, field in Recipe.model_fields.items()
        if name not in ("source", "stages", "languages", "name", "seed", "date")
    ]
    assert all(f"[{name}]" in text for name in tables), tables
    assert all(f"**{stage}**" in text for stage in STAGES)


def test_links_lead_somewhere() -> None:
    page = ROOT / "docs" / "CORPUS.md"
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        assert target.startswith("http") or (page.parent / target).exists(), target

"""What the README says is true: its first session gives the shown output, its numbers and links are right, its Python runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
READMES = {"en": ROOT / "README.md", "ru": ROOT / "README.ru.md"}


def run(home: Path, lang: str, *command: str) -> str:
    env = {**os.environ, "SAMOVAR_HOME": str(home), "SAMOVAR_LANG": lang, "PYTHONIOENCODING": "utf-8", "COLUMNS": "200"}
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=env, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("lang", READMES)
def test_the_first_session_is_real(lang: str, tmp_path: Path) -> None:
    text = READMES[lang].read_text("utf-8")
    shown = re.search(r'samovar ask "([^"]+)"\n(.+?)\n\$ ', text, re.DOTALL)
    assert shown is not None
    question, expected = shown.groups()
    answer = run(tmp_path, lang, sys.executable, "-m", "samovar", "ask", question)
    assert [line.rstrip() for line in answer.rstrip().splitlines()] == [line.rstrip() for line in expected.splitlines()]


def test_the_python_example_runs(tmp_path: Path) -> None:
    text = READMES["en"].read_text("utf-8")
    code = re.search(r"```python\n(.+?)```", text, re.DOTALL)
    assert code is not None
    assert "5642" in run(tmp_path, "en", sys.executable, "-c", code.group(1))


@pytest.mark.parametrize("lang", READMES)
def test_links_lead_somewhere(lang: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", READMES[lang].read_text("utf-8")):
        assert target.startswith("http") or (ROOT / target).exists(), target


def test_every_command_named_exists(tmp_path: Path) -> None:
    text = READMES["en"].read_text("utf-8")
    named = set(re.findall(r"\$ samovar ([a-z]+)", text)) | set(re.findall(r"`samovar ([a-z]+)", text))
    assert len(named) >= 7
    shown = run(tmp_path, "en", sys.executable, "-m", "samovar", "--help")
    assert all(re.search(rf"^  {name}\b", shown, re.MULTILINE) for name in named), named


def test_the_number_of_articles(tmp_path: Path) -> None:
    pack = tomllib.loads((ROOT / "samovar" / "packs" / "ru" / "pack.toml").read_text("utf-8"))
    number = len(list((ROOT / "samovar" / "packs" / "ru" / "library").glob("*/*.md")))
    assert pack["articles"] == number
    for readme in READMES.values():
        assert str(number) in readme.read_text("utf-8")

"""Helpers of the command-line tests: the program run in this process or as a child, on a temporary home.

`seeded_home` holds the starter library and its index, made once for the session; tests get copies.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from samovar.cli import main

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run of the program gave."""

    status: int
    out: str
    err: str


Run = Callable[..., Ran]


def child_environment(home: Path, **extra: str) -> dict[str, str]:
    """The environment of a child: nothing of ours but PATH, so that no setting of the developer's leaks in."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT") if name in os.environ}
    return {**kept, "HOME": str(home), "SAMOVAR_HOME": str(home), "LC_ALL": "C.UTF-8", "PYTHONPATH": str(ROOT), **extra}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SAMOVAR_") or name in ("LANGUAGE", "LC_MESSAGES", "NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.fixture(scope="session")
def seeded_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the starter library and its index. Never written to: `home` gives copies."""
    home = tmp_path_factory.mktemp("seeded")
    done = subprocess.run(
        [sys.executable, "-m", "samovar", "search", "Байкал"], env=child_environment(home), capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return home


@pytest.fixture
def home(seeded_home: Path, tmp_path: Path) -> Path:
    """A home of one's own with the starter library in it."""
    copy = tmp_path / "home"
    shutil.copytree(seeded_home, copy)
    return copy


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the program in this process on `home` (or on ``home=``): ``run("library", "info", lang="ru")``."""

    def run_here(*arguments: str, lang: str = "en", home: Path = home, env: Mapping[str, str] | None = None) -> Ran:
        for name, value in (env or {}).items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        status = main(["--home", str(home), "--lang", lang, *arguments])
        captured = capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    return run_here


@pytest.fixture
def run_child(home: Path) -> Run:
    """Run the program as a child: ``run_child("ask", "…", input="…", env={…})``."""

    def run_there(*arguments: str, home: Path = home, input: str | None = None, env: Mapping[str, str] | None = None, **options: Any) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "samovar", *arguments],
            env=child_environment(home, **(env or {})),
            input=input.encode() if input is not None else None,
            stdin=None if input is not None else subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
            check=False,
            **options,
        )
        return Ran(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))

    return run_there


@pytest.fixture
def texts(tmp_path: Path) -> Iterator[Path]:
    """A folder with three readable texts, an empty one and a hidden one."""
    folder = tmp_path / "texts"
    folder.mkdir()
    for name, subject in (("one", "самоваре"), ("two", "пароходе"), ("three", "кувшине")):
        sentence = f"Это рассказ о {subject}, который стоял у окна и никому не мешал. "
        (folder / f"{name}.txt").write_text(sentence * 4, encoding="utf-8")
    (folder / "empty.txt").touch()
    (folder / ".hidden.txt").write_text("тайна")
    yield folder

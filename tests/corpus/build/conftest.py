"""Helpers of the build tests: small corpora in JSON Lines, recipes over them, and an engine that works in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from build_makers import FAULTS, write_jsonl

from samovar.corpus.build.build import build_corpus
from samovar.corpus.build.child import do_task
from samovar.corpus.build.folder import BuildFolder
from samovar.corpus.build.heartbeat import Heartbeat
from samovar.corpus.build.recipe import Recipe, parse_recipe
from samovar.corpus.build.runner import Engine
from samovar.corpus.build.tasks import Task
from samovar.corpus.build.workplace import Workplace

Build = Callable[..., dict[str, Any]]


@pytest.fixture
def make_recipe(tmp_path: Path) -> Callable[..., Recipe]:
    """A recipe over rows that are written into several files; keywords are keys of the recipe."""

    def make(rows: Sequence[dict[str, Any]], files: int = 3, **more: Any) -> Recipe:
        for n in range(files):
            write_jsonl(tmp_path / "in" / f"{n}.jsonl", rows[n::files])
        source = {"name": "web", "kind": "jsonl", "paths": ["in/*.jsonl"]}
        return parse_recipe({"name": "test", "source": [source], "contamination": {"references": []}, **more}, tmp_path)

    return make


class InlineEngine:
    """Does the tasks here, one after the other."""

    def __init__(self, recipe: Recipe, folder: BuildFolder) -> None:
        self._place = Workplace(recipe, folder, Heartbeat.create())

    def run(self, tasks: Sequence[Task], done: Any, beats: Any, stop: Callable[[], bool]) -> None:
        for task in tasks:
            done(task, do_task(self._place, task))

    def close(self) -> None:
        self._place.beat.close()


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> Build:
    """Build in this process."""

    def open_engine(name: str, recipe: Recipe, folder: BuildFolder, workers: int, address: str) -> Engine:
        return InlineEngine(recipe, folder)

    def build(recipe: Recipe, output: Path, **more: Any) -> dict[str, Any]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("samovar.corpus.build.build._open_engine", open_engine)
            return build_corpus(recipe, output, **more)

    return build


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make worker processes fail at texts with marks; see ``faults/sitecustomize.py``."""
    monkeypatch.setenv("PYTHONPATH", str(FAULTS))
    monkeypatch.setenv("SAMOVAR_TEST_FAULTS", "1")

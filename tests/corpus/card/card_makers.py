"""Corpora for the tests of what comes after a build: made from JSON Lines by the real passes, in this process."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from samovar.corpus.build import build as building
from samovar.corpus.build.child import do_task
from samovar.corpus.build.folder import BuildFolder
from samovar.corpus.build.heartbeat import Heartbeat
from samovar.corpus.build.recipe import Recipe, parse_recipe
from samovar.corpus.build.workplace import Workplace


class Here:
    """An engine that works in this process."""

    def __init__(self, recipe: Recipe, folder: BuildFolder) -> None:
        self._place = Workplace(recipe, folder, Heartbeat.create())

    def run(self, tasks: Any, done: Any, beats: Any, stop: Any) -> None:
        for task in tasks:
            done(task, do_task(self._place, task))

    def close(self) -> None:
        self._place.beat.close()


def build_rows(folder: Path, rows: Sequence[dict[str, Any]], files: int = 2, card: bool = False, **more: Any) -> Path:
    """Build a corpus of rows into ``folder/out``; keywords are keys of the recipe."""
    (folder / "in").mkdir(parents=True, exist_ok=True)
    for n in range(files):
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows[n::files])
        (folder / "in" / f"{n}.jsonl").write_text("".join(lines), "utf-8")
    source = {"name": "web", "kind": "jsonl", "paths": ["in/*.jsonl"], **more.pop("source", {})}
    others = more.pop("sources", [])  # of rows that are in the folder already
    data = {
        "name": "test",
        "source": [source, *others],
        "contamination": {"references": []},
        "date": "2026-11-23",
        **more,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "_open_engine", lambda name, recipe, folder, *_: Here(recipe, folder))
        building.build_corpus(parse_recipe(data, folder), folder / "out", card=card)
    return folder / "out"

"""The same build on a Ray cluster of two workers on this machine."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from build_makers import pages

from samovar.corpus.build.build import build_corpus
from samovar.corpus.build.recipe import Recipe
from samovar.errors import CorpusError

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Ray's own warnings
ray = pytest.importorskip("ray", reason="needs the extra 'cluster'")
MakeRecipe = Callable[..., Recipe]
Build = Callable[..., dict[str, Any]]


def processes(mark: bytes) -> list[int]:
    """Processes whose command line holds a mark."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (place / "cmdline").read_bytes():
                found.append(int(place.name))
        except OSError:
            continue
    return found


def test_ray_gives_the_same_bytes_though_its_workers_are_killed(
    make_recipe: MakeRecipe, inline: Build, tmp_path: Path
) -> None:
    recipe = make_recipe(pages(300), files=6)
    expected = inline(recipe, tmp_path / "calm")["output_sha256"]
    killed: list[int] = []

    def kill() -> None:
        while len(killed) < 2:
            time.sleep(0.5)
            for pid in processes(b"ray::supervise")[:1]:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    threading.Thread(target=kill, daemon=True).start()
    made = build_corpus(recipe, tmp_path / "out", workers=2, engine="ray")
    assert made["output_sha256"] == expected
    assert killed
    assert not ray.is_initialized()


def test_an_error_of_the_build_comes_back_from_ray(
    make_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from build_makers import FAULTS

    monkeypatch.setenv("PYTHONPATH", str(FAULTS))
    monkeypatch.setenv("SAMOVAR_TEST_FAULTS", "1")
    rows = [{"text": f"RAISE-IN-READ {n}", "url": f"https://host.example/{n}"} for n in range(3)]
    with pytest.raises(CorpusError, match="at most 1 records"):
        build_corpus(make_recipe(rows, files=1, limits={"records": 1}), tmp_path / "out", workers=1, engine="ray")


def test_no_cluster_at_the_address_is_said(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="Ray cluster at 127"):
        build_corpus(make_recipe(pages(3)), tmp_path / "out", engine="ray", address="127.0.0.1:1")

"""The same build on a Ray cluster of two workers on this machine."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from build_makers import pages

from samovar.corpus.build.build import build_corpus
from samovar.corpus.build.progress import Progress
from samovar.corpus.build.ray_engine import RayEngine
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


def start_cluster() -> None:
    ray.init(
        num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False, logging_level="error"
    )


@pytest.fixture
def end_cluster() -> Iterator[None]:
    yield
    ray.shutdown()


@pytest.mark.usefixtures("end_cluster")
def test_ray_gives_the_same_bytes_though_its_workers_are_killed(
    make_recipe: MakeRecipe, inline: Build, tmp_path: Path
) -> None:
    start_cluster()
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
    assert ray.is_initialized()  # it was not the build's


@pytest.mark.parametrize("pass_", ["read", "clean"])
def test_this_machine_works_until_its_cluster_is_there(
    make_recipe: MakeRecipe, inline: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pass_: str
) -> None:
    """The cluster takes over before anything is done, or in between."""
    recipe = make_recipe(pages(60), files=4)
    expected = inline(recipe, tmp_path / "calm")["output_sha256"]
    there: list[str] = []
    run_there = RayEngine._run_there
    monkeypatch.setattr(
        RayEngine,
        "_run_there",
        lambda self, tasks, *more: (there.append(tasks[0].stage), run_there(self, tasks, *more)),
    )
    engines: list[RayEngine] = []
    start = RayEngine.__init__

    def remember(self: RayEngine, *more: Any) -> None:
        start(self, *more)
        engines.append(self)

    monkeypatch.setattr(RayEngine, "__init__", remember)

    def watch(progress: Progress) -> None:
        if progress.stage == pass_:
            engines[0]._there.wait()

    made = build_corpus(recipe, tmp_path / "out", workers=2, engine="ray", watch=watch)
    assert made["output_sha256"] == expected
    assert ("read" in there) >= (pass_ == "read") and "clean" in there and "write" in there
    assert not ray.is_initialized()


@pytest.mark.usefixtures("end_cluster")
def test_an_error_of_the_build_comes_back_from_ray(
    make_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from build_makers import FAULTS

    monkeypatch.setenv("PYTHONPATH", str(FAULTS))
    monkeypatch.setenv("SAMOVAR_TEST_FAULTS", "1")
    start_cluster()
    rows = [{"text": f"RAISE-IN-READ {n}", "url": f"https://host.example/{n}"} for n in range(3)]
    with pytest.raises(CorpusError, match="at most 1 records"):
        build_corpus(make_recipe(rows, files=1, limits={"records": 1}), tmp_path / "out", workers=1, engine="ray")


def test_no_cluster_at_the_address_is_said(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="Ray cluster at 127"):
        build_corpus(make_recipe(pages(3)), tmp_path / "out", engine="ray", address="127.0.0.1:1")

"""Workers and builders that die, records that kill, disks that fill: nothing is lost, nothing comes twice, and the bytes are the same."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from build_makers import FAULTS, make_text, pages

from samovar.corpus.build.build import build_corpus
from samovar.corpus.build.folder import BuildFolder
from samovar.corpus.build.lock import hold
from samovar.corpus.build.reading import open_corpus
from samovar.corpus.build.recipe import Recipe
from samovar.corpus.build.runner import StoppedError
from samovar.errors import CorpusError

pytestmark = pytest.mark.slow
MakeRecipe = Callable[..., Recipe]
Build = Callable[..., dict[str, Any]]


def dropped(root: Path) -> dict[str, tuple[str, str, str]]:
    return {
        row.uri: (row.stage, row.reason, row.value) for row in open_corpus(root).ledger() if row.decision == "dropped"
    }


def marked(num: int, marks: dict[int, str]) -> list[dict[str, Any]]:
    """Pages without duplicates; some with a mark at which workers fail."""
    return [{"text": make_text(n) + "\n\n" + marks.get(n, ""), "url": f"https://host.example/{n}"} for n in range(num)]


@pytest.mark.usefixtures("faults")
def test_a_poison_record_costs_one_row(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    marks = {3: "CRASH-IN-READ", 10: "EXIT-IN-READ", 20: "CRASH-IN-CLEAN", 33: "RAISE-IN-CLEAN", 44: "RAISE-IN-READ"}
    made = build_corpus(
        make_recipe(marked(50, marks), files=2, quality={"drop": False}), tmp_path / "out", workers=2, keep_work=True
    )
    assert made["documents"] == 45
    found = {int(uri.rpartition("/")[2]): about for uri, about in dropped(tmp_path / "out").items()}
    assert found == {
        3: ("extract", "crashed", "SIGABRT (extract)"),
        10: ("extract", "crashed", "exit status 3 (extract)"),
        20: ("quality", "crashed", "SIGABRT (quality)"),
        33: ("quality", "crashed", "ValueError: this text makes a stage fail (quality)"),
        44: ("extract", "crashed", "ValueError: this text makes a stage fail (extract)"),
    }
    assert sorted(p.name for p in (tmp_path / "out" / "work" / "poison").iterdir()) == [
        "clean-00000.json", "clean-00001.json", "read-00000.json", "read-00001.json",
    ]  # fmt: skip


@pytest.mark.usefixtures("faults")
def test_a_record_that_hangs_or_bloats_is_given_up(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    rows = marked(12, {2: "HANG-IN-READ", 7: "BLOAT-IN-READ"})
    limits = {"record_seconds": 3, "memory_mb": 700}
    made = build_corpus(make_recipe(rows, files=1, limits=limits, quality={"drop": False}), tmp_path / "out", workers=1)
    assert made["documents"] == 10
    found = dropped(tmp_path / "out")
    assert found["https://host.example/2"] == ("extract", "timeout", "3 s (extract)")
    assert found["https://host.example/7"][:2] == ("extract", "memory")


@pytest.mark.usefixtures("faults")
def test_too_much_poison_stops_the_build_with_a_word(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    rows = marked(6, dict.fromkeys(range(6), "RAISE-IN-READ"))
    recipe = make_recipe(rows, files=1, limits={"records": 3})
    with pytest.raises(CorpusError, match=r"at most 3 records.*this text makes a stage fail"):
        build_corpus(recipe, tmp_path / "out", workers=1)


class Killer(threading.Thread):
    """Kills random workers of this process's builds now and then, for a ``with`` block."""

    def __init__(self, seed: int, kills: int) -> None:
        super().__init__(daemon=True)
        self._random = random.Random(seed)
        self._kills = kills
        self._over = threading.Event()
        self.killed = 0

    def run(self) -> None:
        while self.killed < self._kills and not self._over.wait(self._random.uniform(0.1, 0.6)):
            if workers := workers_of(os.getpid()):
                os.kill(self._random.choice(workers), signal.SIGKILL)
                self.killed += 1

    def __enter__(self) -> Killer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()  # the builds of later tests are not ours
        self.join()


def workers_of(parent: int) -> list[int]:
    """The worker processes that a process has started."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            stat, command = (place / "stat").read_text(), (place / "cmdline").read_bytes()
        except OSError:
            continue
        if int(stat.rpartition(")")[2].split()[1]) == parent and b"corpus.build.child" in command:
            found.append(int(place.name))
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_workers_change_nothing(seed: int, make_recipe: MakeRecipe, inline: Build, tmp_path: Path) -> None:
    recipe = make_recipe(pages(400, seed=seed), files=6, shards={"split_mb": 1})
    expected = inline(recipe, tmp_path / "calm")["output_sha256"]
    with Killer(seed, 4) as killer:
        made = build_corpus(recipe, tmp_path / "out", workers=2)
    assert killer.killed
    assert made["output_sha256"] == expected


DRIVER = """
import sys
from pathlib import Path
from samovar.corpus.build.build import build_corpus
from samovar.corpus.build.recipe import load_recipe
print(build_corpus(load_recipe(Path(sys.argv[1])), Path(sys.argv[2]), workers=2)["output_sha256"])
"""


@pytest.mark.parametrize("seed", [3, 4])
def test_a_killed_builder_goes_on(seed: int, make_recipe: MakeRecipe, inline: Build, tmp_path: Path) -> None:
    recipe = make_recipe(pages(300, seed=seed), files=6)
    (tmp_path / "recipe.toml").write_text(
        'name = "test"\n[[source]]\nname = "web"\nkind = "jsonl"\npaths = ["in/*.jsonl"]\n[contamination]\nreferences = []\n'
    )
    expected = inline(recipe, tmp_path / "calm")["output_sha256"]
    rng = random.Random(seed)
    command = [sys.executable, "-c", DRIVER, str(tmp_path / "recipe.toml"), str(tmp_path / "out")]
    for pause in (rng.uniform(1, 3), rng.uniform(2, 5)):
        builder = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        time.sleep(pause)
        workers = workers_of(builder.pid)
        builder.kill()
        builder.wait()
        deadline = time.monotonic() + 10
        while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(Path(f"/proc/{pid}").exists() for pid in workers), "a worker outlives its builder"
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected
    assert not (tmp_path / "out" / "work").exists()
    assert not list((tmp_path / "out").rglob("*.tmp"))


@pytest.mark.parametrize(("pass_", "moment"), [("pairs", 1), ("pairs", 2), ("clusters", 2), ("near", 3), ("caps", 1)])
def test_a_worker_that_dies_in_a_global_pass_is_replaced(
    pass_: str, moment: int, make_recipe: MakeRecipe, inline: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe(pages(120), files=4, caps={"host": 15})
    expected = inline(recipe, tmp_path / "calm")["output_sha256"]
    monkeypatch.setattr("samovar.corpus.build.pairs.LEAST_KEYS", 500)
    (tmp_path / "seen").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(FAULTS))
    monkeypatch.setenv("SAMOVAR_TEST_DEATH", f"{pass_}:{moment}:{tmp_path / 'seen'}")
    made = build_corpus(recipe, tmp_path / "out", workers=2)
    died = sorted(path.name for path in (tmp_path / "seen").iterdir())
    assert died[0] == f"{pass_} 00000" and (len(died) > 3) == (pass_ == "pairs")
    assert made["output_sha256"] == expected


SELF_KILLER = """
import os, sys
from pathlib import Path
from samovar.corpus.build import build, pairs
from samovar.corpus.build.recipe import load_recipe
pairs.LEAST_KEYS = 500
def watch(progress):
    if progress.stage == sys.argv[3] and progress.tasks_done >= int(sys.argv[4]):
        os.kill(os.getpid(), 9)
print(build.build_corpus(load_recipe(Path(sys.argv[1])), Path(sys.argv[2]), workers=2, watch=watch)["output_sha256"])
"""


def test_a_builder_killed_between_tasks_of_a_global_pass_goes_on(
    make_recipe: MakeRecipe, inline: Build, tmp_path: Path
) -> None:
    recipe = make_recipe(pages(120), files=4)
    (tmp_path / "recipe.toml").write_text(
        'name = "test"\n[[source]]\nname = "web"\nkind = "jsonl"\npaths = ["in/*.jsonl"]\n[contamination]\nreferences = []\n'
    )
    expected = inline(recipe, tmp_path / "calm")["output_sha256"]
    command = [sys.executable, "-c", SELF_KILLER, str(tmp_path / "recipe.toml"), str(tmp_path / "out")]
    for pass_, done in (("pairs", 2), ("clusters", 0), ("near", 1)):
        assert subprocess.run([*command, pass_, str(done)], capture_output=True).returncode == -signal.SIGKILL
        if pass_ == "pairs":
            commits = list((tmp_path / "out" / "work" / "pairs").glob("*.json"))
            assert 2 <= len(commits) < 10
    done_ = subprocess.run([*command, "none", "0"], capture_output=True, text=True, check=True)
    assert done_.stdout.strip() == expected


def test_asked_to_stop_it_stops_and_goes_on(make_recipe: MakeRecipe, inline: Build, tmp_path: Path) -> None:
    recipe = make_recipe(pages(60), files=6)
    expected = inline(recipe, tmp_path / "calm")["output_sha256"]
    done: list[int] = []
    with pytest.raises(StoppedError):
        build_corpus(
            recipe, tmp_path / "out", workers=1, watch=lambda p: done.append(p.tasks_done), stop=lambda: max(done) >= 2
        )
    assert workers_of(os.getpid()) == []
    kept: list[int] = []
    made = build_corpus(recipe, tmp_path / "out", workers=1, watch=lambda p: kept.append(p.tasks_kept))
    assert kept[0] >= 2
    assert made["output_sha256"] == expected


def test_work_that_was_cut_short_is_done_again(make_recipe: MakeRecipe, inline: Build, tmp_path: Path) -> None:
    recipe = make_recipe(pages(40), files=3)
    expected = inline(recipe, tmp_path / "out", keep_work=True)["output_sha256"]
    folder = BuildFolder(tmp_path / "out")
    folder.manifest.unlink()
    for path in (
        folder.file("read", 1, "items.parquet"),
        folder.part("documents", 0),
        folder.file("clean", 2, "facts.npy"),
    ):
        path.write_bytes(path.read_bytes()[:-100])
    assert inline(recipe, tmp_path / "out")["output_sha256"] == expected


def test_two_builders_of_one_folder_exclude_each_other(make_recipe: MakeRecipe, inline: Build, tmp_path: Path) -> None:
    with hold(tmp_path / "out" / ".lock"), pytest.raises(CorpusError, match=f"process {os.getpid()}"):
        inline(make_recipe(pages(3)), tmp_path / "out")


def test_a_full_disk_is_an_error_after_which_the_build_goes_on(
    make_recipe: MakeRecipe, inline: Build, tmp_path: Path
) -> None:
    recipe = make_recipe(pages(150), files=2)
    expected = inline(recipe, tmp_path / "calm")["output_sha256"]
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, limit[1]))
        with pytest.raises(CorpusError, match=r"expected room.*run the same command again"):
            build_corpus(recipe, tmp_path / "out", workers=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert build_corpus(recipe, tmp_path / "out", workers=1)["output_sha256"] == expected


def test_an_input_that_changes_under_way_is_refused(make_recipe: MakeRecipe, inline: Build, tmp_path: Path) -> None:
    recipe = make_recipe(pages(20), files=2)
    with pytest.raises(StoppedError):
        build_corpus(recipe, tmp_path / "out", workers=1, stop=lambda: True)
    path = tmp_path / "in" / "0.jsonl"
    path.write_text(path.read_text("utf-8") + '{"text": "new"}\n', "utf-8")
    with pytest.raises(CorpusError, match=r"inputs changed.*--fresh"):
        build_corpus(recipe, tmp_path / "out", workers=1)


def test_a_tower_of_tags_is_survived(inline: Build, tmp_path: Path) -> None:
    """The real page that hangs the HTML parser, through the real worker."""
    from samovar.corpus.build.recipe import parse_recipe

    pages_folder = tmp_path / "pages"
    pages_folder.mkdir()
    (pages_folder / "good.html").write_text(f"<html><body><p>{make_text(1)}</p></body></html>", "utf-8")
    (pages_folder / "tower.html").write_text("<div>" * 100_000 + make_text(2), "utf-8")
    source = {"name": "pages", "kind": "folder", "paths": ["pages"]}
    data = {
        "name": "t",
        "source": [source],
        "contamination": {"references": []},
        "limits": {"record_seconds": 4},
        "quality": {"drop": False},
    }
    made = build_corpus(parse_recipe(data, tmp_path), tmp_path / "out", workers=1)
    about = made["sources"]["pages"]
    assert about["kept"] + about["dropped"] == about["seen"] == 2
    assert any("good" in d.uri for d in open_corpus(tmp_path / "out").documents())

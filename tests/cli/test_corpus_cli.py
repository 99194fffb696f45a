"""``samovar corpus``: plan, build, report, on real small sources, as users run them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cli_child import child_environment

sys.path.insert(0, str(Path(__file__).parent.parent / "corpus" / "build"))
from build_makers import WORDS


def page(seed: int) -> str:
    import random

    rng = random.Random(seed)
    sentences = [" ".join(rng.choice(WORDS) for _ in range(9)).capitalize() + "." for _ in range(20)]
    return "\n\n".join(" ".join(sentences[i : i + 4]) for i in range(0, 20, 4))


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    rows = [{"text": page(n % 30), "url": f"https://a.example/{n}", "title": str(n)} for n in range(40)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    path = tmp_path / "recipe.toml"
    path.write_text(
        'name = "small"\n[[source]]\nname = "web"\nkind = "jsonl"\npaths = ["in.jsonl"]\n[contamination]\nreferences = []\n'
    )
    return path


@pytest.mark.slow
def test_plan_build_report(recipe: Path, run: Any, tmp_path: Path) -> None:
    home, out = tmp_path / "home", tmp_path / "out"
    planned = run("corpus", "plan", str(recipe), home=home)
    assert planned.status == 0 and "web" in planned.out and "jsonl" in planned.out
    built = run("corpus", "build", str(recipe), "--output", str(out), "--workers", "2", home=home)
    assert built.status == 0, built.err
    assert "30 documents" in built.out and "exact_duplicate" in built.out
    assert f"samovar corpus report {out}" in built.err
    told = run("corpus", "report", str(out), "--json", home=home)
    about = json.loads(told.out)
    assert about["documents"] == 30 and about["sources"]["web"]["dropped"] == 10
    russian = run("corpus", "report", str(out), "--compare", str(out), lang="ru", home=home)
    assert "30 документов" in russian.out and "байт в байт" in russian.out
    again = run("corpus", "build", str(recipe), "--output", str(out), "--json", home=home)
    assert json.loads(again.out)["output_sha256"] == about["output_sha256"]
    assert not home.exists() or not any(home.iterdir())


@pytest.mark.slow
def test_two_corpora_are_compared(recipe: Path, run: Any, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert run("corpus", "build", str(recipe), "--output", str(tmp_path / "a"), home=home).status == 0
    recipe.write_text(recipe.read_text() + "[caps]\nhost = 7\n")
    assert run("corpus", "build", str(recipe), "--output", str(tmp_path / "b"), home=home).status == 0
    told = run("corpus", "report", str(tmp_path / "b"), "--compare", str(tmp_path / "a"), home=home)
    assert "caps dropped host_cap" in told.out
    row = next(line.split() for line in told.out.splitlines() if line.split()[:1] == ["documents"])
    assert row[1:] == ["7", "30"]


@pytest.mark.parametrize(
    ("arguments", "status", "en", "ru"),
    [
        (["build", "none.toml"], 2, "Check the path", "рецепт корпуса"),
        (["build"], 2, "RECIPE is missing", "РЕЦЕПТ"),
        (["build", "{recipe}", "--engine", "spark"], 2, "local or ray", "local или ray"),
        (["build", "{recipe}", "--address", "host:1"], 2, "--engine ray", "--engine ray"),
        (["crawl", "https://example.org/", "-o", "out", "--contact", "me"], 2, "--contact", "--contact"),
        (["report", "nowhere"], 1, "samovar corpus build", "корпус"),
    ],
)
def test_mistakes(arguments: list[str], status: int, en: str, ru: str, recipe: Path, run: Any, tmp_path: Path) -> None:
    for lang, expected in (("en", en), ("ru", ru)):
        done = run("corpus", *(a.format(recipe=recipe) for a in arguments), lang=lang, home=tmp_path / "home")
        assert (done.status, done.out) == (status, ""), done.err
        assert expected in done.err


@pytest.mark.slow
def test_a_build_that_leaves_nothing_says_so(recipe: Path, run: Any, tmp_path: Path) -> None:
    (tmp_path / "no.jsonl").write_text("")
    recipe.write_text(
        'name = "small"\n[[source]]\nname = "web"\nkind = "jsonl"\npaths = ["no.jsonl"]\n[contamination]\nreferences = []\n'
    )
    done = run("corpus", "build", str(recipe), "--output", str(tmp_path / "a"), home=tmp_path / "home")
    assert done.status == 0, done.err
    assert "No text was found in source web" in done.err
    recipe.write_text(
        recipe.read_text().replace("no.jsonl", "in.jsonl") + "[quality.rules]\nfew_words = { min = 9999 }\n"
    )
    done = run("corpus", "build", str(recipe), "--output", str(tmp_path / "b"), home=tmp_path / "home")
    assert "No text is left" in done.err


def test_a_bad_recipe_names_every_mistake(recipe: Path, run: Any, tmp_path: Path) -> None:
    recipe.write_text(recipe.read_text() + "[near]\ntreshold = 0.5\n[caps]\nhost = -1\n")
    done = run("corpus", "build", str(recipe), home=tmp_path / "home")
    assert done.status == 2
    assert "near.treshold" in done.err and "caps.host" in done.err


@pytest.mark.slow
def test_ctrl_c_stops_and_the_same_command_goes_on(recipe: Path, tmp_path: Path) -> None:
    rows = [
        {"text": page(3 * n) + page(3 * n + 1) + page(3 * n + 2), "url": f"https://a.example/{n}"} for n in range(3000)
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    recipe.write_text(recipe.read_text() + "[shards]\nsplit_mb = 1\n")
    command = [
        sys.executable,
        "-m",
        "samovar",
        "corpus",
        "build",
        str(recipe),
        "--output",
        str(tmp_path / "out"),
        "--workers",
        "1",
    ]
    environment = child_environment(tmp_path / "home")
    builder = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "out" / "work" / "read").glob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(builder.pid, signal.SIGINT)
    out, err = builder.communicate(timeout=30)
    assert builder.returncode == 130, err
    assert out == "" and "goes on from here" in err
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "3000 documents" in done.stdout

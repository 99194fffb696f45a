"""A home that cannot be written: searched and asked all the same, not written, and said so. Run without the rights of root."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
SETPRIV = shutil.which("setpriv")
QUESTION = "Какая река вытекает из Байкала?"


def without_rights() -> list[str]:
    """The beginning of a command that obeys the permissions of files; root has a capability to pass them by."""
    if os.geteuid() != 0:
        return []
    if SETPRIV is None:
        pytest.skip("running as root without setpriv")
    prefix = [SETPRIV, "--bounding-set=-dac_override,-dac_read_search"]
    if subprocess.run([*prefix, "true"], capture_output=True).returncode:
        pytest.skip("setpriv may not drop capabilities here")
    return prefix


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    prefix = without_rights()
    home = tmp_path / "home"

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "SAMOVAR_HOME": str(home), "SAMOVAR_LANG": "en"}
        command = [*prefix, sys.executable, "-m", "samovar", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

    yield call
    set_writable(home, True)


def set_writable(home: Path, writable: bool) -> None:
    for path in [home, *home.rglob("*")]:
        path.chmod((0o700 if path.is_dir() else 0o600) if writable else (0o500 if path.is_dir() else 0o400))


@pytest.mark.slow
def test_a_home_that_cannot_be_written_is_searched_and_asked(run: Run, tmp_path: Path) -> None:
    home = tmp_path / "home"
    expected = json.loads(run("search", QUESTION, "--json").stdout)["hits"]
    set_writable(home, False)
    before = sorted(str(path) for path in home.rglob("*"))
    found = run("search", QUESTION, "--json")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["hits"] == expected != []
    asked = run("ask", QUESTION)
    assert asked.returncode == 0 and "Ангара" in asked.stdout
    assert run("library", "list").returncode == 0
    refused = run("add", str(Path(__file__)))
    assert refused.returncode == 1 and "read-only" in refused.stderr and "Traceback" not in refused.stderr
    assert sorted(str(path) for path in home.rglob("*")) == before


@pytest.mark.slow
def test_without_an_index_it_says_what_is_missing(run: Run, tmp_path: Path) -> None:
    assert run("library", "info").returncode == 0
    home = tmp_path / "home"
    shutil.rmtree(home / "index", ignore_errors=True)
    (home / "index").mkdir()
    set_writable(home, False)
    found = run("search", QUESTION)
    assert found.returncode == 1 and "cannot be written" in found.stderr and "Traceback" not in found.stderr

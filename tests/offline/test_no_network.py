"""DESIGN's promise: works with the network cut, and does not even try. An audit hook sees every name look-up and connection."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

WATCH = textwrap.dedent(
    """
    import os, sys

    def watch(event, args):
        if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
            os.write(2, f"NETWORK {event} {args!r}\\n".encode())
            os._exit(99)

    sys.addaudithook(watch)
    from samovar.cli import main
    sys.argv = ["samovar", *sys.argv[1:]]
    main()
    """
)


def run(home: Path, *words: str, watched: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WATCH, *words] if watched else [sys.executable, "-m", "samovar", *words]
    env = {**os.environ, "SAMOVAR_HOME": str(home), "PYTHONIOENCODING": "utf-8", "SAMOVAR_LANG": "ru"}
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=120, encoding="utf-8")


def test_the_hook_would_see_a_connection(tmp_path: Path) -> None:
    """The check can fail: adding a URL does look a name up."""
    done = run(tmp_path, "add", "http://example.invalid/x.html")
    assert done.returncode == 99 and "NETWORK" in done.stderr


def test_nothing_reaches_for_the_network(tmp_path: Path) -> None:
    note = tmp_path / "заметка.txt"
    note.write_text(
        "Самовар стоит на столе в библиотеке имени Пушкина. Его купили в 1912 году в Туле у мастера Баташова.", "utf-8"
    )
    home = tmp_path / "home"
    for words in (
        ["ask", "Кто написал поэму «Мёртвые души»?"],
        ["add", str(note)],
        ["ask", "Где купили самовар?"],
        ["search", "самовар", "--explain"],
        ["library", "info"],
        ["model", "list"],
        ["remove", str(note), "--yes"],
    ):
        done = run(home, *words)
        assert done.returncode == 0, (words, done.stderr)
        assert "NETWORK" not in done.stderr


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare (util-linux) is not here")
def test_first_question_in_a_network_namespace(tmp_path: Path) -> None:
    """Not even loopback: a fresh namespace has no interface that is up."""
    if subprocess.run(["unshare", "--net", "--map-root-user", "true"], capture_output=True).returncode:
        pytest.skip("this kernel allows no network namespace")
    env = {**os.environ, "SAMOVAR_HOME": str(tmp_path), "PYTHONIOENCODING": "utf-8"}
    command = [
        "unshare",
        "--net",
        "--map-root-user",
        sys.executable,
        "-m",
        "samovar",
        "ask",
        "Кто написал поэму «Мёртвые души»?",
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=120, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert "Гогол" in done.stdout

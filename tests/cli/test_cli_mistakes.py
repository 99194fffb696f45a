"""Mistakes that people make at the command line: each is refused with a message, none is silently taken for something else."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_child import child_environment

from samovar.errors import SettingsError, UsageError
from samovar.library.plan import Job, plan_jobs
from samovar.library.progress import Progress
from samovar.settings import load_settings


@pytest.mark.parametrize("command", [["add"], ["remove", "--yes"]])
@pytest.mark.parametrize("target", ["", "  "])
def test_an_empty_word_is_not_the_current_folder(
    command: list[str], target: str, run: Any, home: Path, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`samovar remove "$UNSET" --yes` must not empty the library."""
    assert run("add", str(texts / "one.txt")).status == 0
    monkeypatch.chdir(texts)
    before = json.loads(run("library", "--json").out)["by_source"]
    done = run(*command, target, lang="ru")
    assert done.status == 2 and "пустое место" in done.err
    assert json.loads(run("library", "--json").out)["by_source"] == before


def test_the_library_refuses_an_empty_word_too() -> None:
    with pytest.raises(UsageError, match="empty word"):
        list(plan_jobs([""], None, lambda paths: [], lambda uri: []))


def test_other_schemes_are_no_missing_files(run: Any, home: Path) -> None:
    done = run("add", "ftp://example.org/book.txt")
    assert done.status == 1 and "bad_url" in done.out
    assert "ftp://example.org/book.txt" in run("library", "ledger", "--reason", "bad_url").out


@pytest.mark.parametrize("command", [["ask", "Кто написал «Мёртвые души»?"], ["search", "летопись"]])
def test_an_unknown_source_is_no_empty_answer(command: list[str], run: Any, home: Path) -> None:
    done = run(*command, "--source", "нет такого", lang="ru")
    assert done.status == 2 and done.out == ""
    assert "нет такого" in done.err and "starter" in done.err
    assert run(*command, "--source", "starter").status == 0


def test_a_span_of_dates_that_ends_before_it_begins(run: Any, home: Path) -> None:
    done = run("search", "летопись", "--from", "2025", "--to", "2020")
    assert done.status == 2 and "--from 2025" in done.err
    assert run("search", "летопись", "--from", "2025-03", "--to", "2025").status == 0


def test_passed_over_things_belong_to_the_source(run: Any, home: Path, texts: Path) -> None:
    """The ledger command that `add` prints shows all that the report counted, also for names with spaces."""
    done = run("add", str(texts), "--source", "мои тексты")
    assert "--source 'мои тексты'" in done.err
    rows = json.loads(run("library", "ledger", "--decision", "dropped", "--source", "мои тексты", "--json").out)["rows"]
    assert {row["reason"] for row in rows} == {"hidden", "empty"}
    named = list(plan_jobs([str(texts)], None, lambda paths: [texts / "one.txt"], lambda uri: []))
    assert [job.source for job in named if isinstance(job, Job)] == ["texts"]


def test_the_oldest_rows_are_not_called_the_latest(run: Any, home: Path) -> None:
    assert "The first 2" in run("library", "ledger", "--oldest-first", "--limit", "2").err
    assert "The latest 2" in run("library", "ledger", "--limit", "2").err


def test_a_variable_of_no_section_is_refused(run: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMOVAR_SERCH__TOP_K", "5")
    with pytest.raises(SettingsError, match="SAMOVAR_SERCH__TOP_K"):
        load_settings()
    assert run("settings").status == 2


def test_a_settings_file_that_is_a_folder(run: Any, home: Path, tmp_path: Path) -> None:
    done = run("settings", env={"SAMOVAR_CONFIG": str(tmp_path)})
    assert done.status == 2 and str(tmp_path) in done.err


def test_a_language_without_words_is_refused(run: Any, home: Path) -> None:
    done = run("settings", lang="xx")
    assert done.status == 2 and "en, ru" in done.err
    assert run("settings", lang="ru_RU.UTF-8").status == 0


def test_a_query_that_begins_with_a_minus_is_explained(run: Any, home: Path) -> None:
    done = run("search", "-Пушкин", lang="ru")
    assert done.status == 2 and "«--»" in done.err
    assert "«--»" not in run("search", "x", "--nosuch", lang="ru").err


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_closed_stream_is_survived(closed: int, home: Path) -> None:
    """``samovar … >&-`` as daemons and cron jobs do it: Python has None where the stream would be."""
    command = [sys.executable, "-m", "samovar", "library", "info"]
    pid = os.posix_spawn(
        sys.executable, command, child_environment(home), file_actions=[(os.POSIX_SPAWN_CLOSE, closed)]
    )
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_an_estimate_of_years_is_none() -> None:
    """The first file of a folder is done, a large archive has been read for minutes: 0 bytes per second, not 23 years."""
    early = Progress(1, 2, 500, 10**9, 0, 50_000, 60_000, 0, 0, elapsed_seconds=550.0)
    assert early.bytes_per_second > 0 and early.eta_seconds is None
    later = Progress(1, 2, 5 * 10**8, 10**9, 0, 50_000, 60_000, 0, 0, elapsed_seconds=550.0)
    assert later.eta_seconds == 550.0

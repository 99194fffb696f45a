"""Failures: settings that are wrong, homes that cannot be used, pipes that close, encodings that lack letters, bugs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_child import child_environment

from samovar import errors
from samovar.commands.failures import explain_error
from samovar.messages import use_language


def read_json(done: Any) -> Any:
    assert done.status == 0, done.err
    return json.loads(done.out)


# -- settings -------------------------------------------------------------------------------------------------------
def test_settings_say_where_values_come_from(run: Any, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "samovar.toml").write_text("[search]\ntop_k = 7\ncandidates = 90\n")
    env = {
        "SAMOVAR_SEARCH__CANDIDATES": "80",
        "SAMOVAR_GENERATE__API_KEY": "very-secret",
        "SAMOVAR_LIBRARY": '{"passage_words": 99}',
    }
    found = read_json(run("settings", "--json", lang="ru", home=home, env=env))
    by_name = {setting["name"]: setting for setting in found["settings"]}
    assert (by_name["search.top_k"]["value"], by_name["search.top_k"]["origin"]) == (7, "file")
    assert (by_name["search.candidates"]["value"], by_name["search.candidates"]["origin"]) == (80, "environment")
    assert (by_name["library.passage_words"]["value"], by_name["library.passage_words"]["origin"]) == (
        99,
        "environment",
    )
    assert by_name["library.overlap_words"]["origin"] == "default"
    assert (by_name["home"]["value"], by_name["home"]["origin"]) == (str(home), "flag")
    assert (by_name["lang"]["value"], by_name["lang"]["origin"]) == ("ru", "flag")
    assert by_name["search.top_k"]["default"] == 10 and by_name["search.top_k"]["description"]
    text = run("settings", lang="ru", home=home, env=env)
    assert "very-secret" not in text.out + json.dumps(found) + text.err
    assert any(line.split() == ["search.top_k", "7", "файл"] for line in text.out.splitlines())


def test_every_setting_is_shown(run: Any, tmp_path: Path) -> None:
    from samovar.settings import Settings

    names = set()
    for key, field in Settings.model_fields.items():
        inner = getattr(field.annotation, "model_fields", None)
        names |= {f"{key}.{name}" for name in inner} if inner else {key}
    shown = read_json(run("settings", "--json", home=tmp_path))["settings"]
    assert {setting["name"] for setting in shown} == names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[search]\ntop_k = 'many'\n", "search.top_k"),
        ("[serch]\ntop_k = 3\n", "serch"),
        ("= nonsense", "TOML"),
        ("\x00", "TOML"),
    ],
)
def test_wrong_settings_files_are_status_2(text: str, expected: str, run: Any, tmp_path: Path) -> None:
    (tmp_path / "samovar.toml").write_text(text)
    for command in (["settings"], ["library"], ["ask", "кто"]):
        done = run(*command, lang="ru", home=tmp_path)
        assert (done.status, done.out) == (2, "")
        assert expected in done.err and "настройки неверны" in done.err and "Traceback" not in done.err


def test_wrong_environment_is_status_2(run: Any, tmp_path: Path) -> None:
    done = run("search", "x", home=tmp_path, env={"SAMOVAR_SEARCH__TOP_K": "0"})
    assert done.status == 2 and "search.top_k" in done.err


# -- homes ----------------------------------------------------------------------------------------------------------
def test_a_home_that_is_a_file(run: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for lang in ("en", "ru"):
        done = run("library", lang=lang, home=tmp_path / "file" / "inside")
        assert done.status == 1 and "SAMOVAR_HOME" in done.err and "Traceback" not in done.err


def test_a_library_that_is_no_database(run: Any, tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "library.sqlite").write_bytes(b"not a database at all" * 100)
    done = run("library", lang="ru", home=tmp_path)
    assert done.status == 1 and "library.sqlite" in done.err and "Traceback" not in done.err


# -- models ---------------------------------------------------------------------------------------------------------
def test_model_list_and_use(run: Any, tmp_path: Path) -> None:
    listed = read_json(run("model", "list", "--json", home=tmp_path))
    assert listed["current"] == "extractive"
    by_name = {info["name"]: info for info in listed["models"]}
    assert by_name["extractive"]["installed"] and by_name["extractive"]["current"]
    assert {"name", "kind", "installed", "size_bytes", "licence", "languages", "sha256", "source"} <= set(
        by_name["qwen3-4b"]
    )
    assert "не скачана" in run("model", lang="ru", home=tmp_path).out
    used = run("model", "use", "openai:qwen3", lang="ru", home=tmp_path)
    assert used.status == 0 and "openai:qwen3" in used.out
    assert read_json(run("model", "--json", home=tmp_path))["current"] == "openai:qwen3"
    setting = next(
        s for s in read_json(run("settings", "--json", home=tmp_path))["settings"] if s["name"] == "generate.model"
    )
    assert (setting["value"], setting["origin"]) == ("openai:qwen3", "file")
    shadowed = run("model", "use", "extractive", home=tmp_path, env={"SAMOVAR_GENERATE__MODEL": "openai:other"})
    assert "SAMOVAR_GENERATE__MODEL" in shadowed.err


@pytest.mark.parametrize(
    "command", [["model", "use", "no-such"], ["model", "use", "qwen3-4b"], ["model", "pull", "no-such"]]
)
def test_models_that_cannot_be_used(command: list[str], run: Any, tmp_path: Path) -> None:
    done = run(*command, lang="ru", home=tmp_path)
    assert (done.status, done.out) == (1, "")
    assert "Ошибка" in done.err and "samovar model" in done.err
    assert not (tmp_path / "samovar.toml").exists()


def test_pull_without_a_connection(run: Any, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    done = run("model", "pull", "qwen3-4b", lang="ru", home=tmp_path, env={"HF_ENDPOINT": "http://127.0.0.1:9"})
    assert done.status == 1 and "Ошибка" in done.err and "Traceback" not in done.err
    assert not list((tmp_path / "models").glob("*.gguf"))


# -- streams --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "arguments", [["library", "ledger", "--limit", "0"], ["library", "list", "--limit", "0", "--json"], ["--help"]]
)
def test_a_closed_pipe_is_quiet(arguments: list[str], home: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "samovar", *arguments],
        env=child_environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout is not None and child.stderr is not None
    child.stdout.close()
    err = child.stderr.read().decode()
    child.stderr.close()
    child.wait(timeout=60)
    assert "Traceback" not in err and "BrokenPipe" not in err and "Exception ignored" not in err
    assert child.returncode == 0


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "koi8-r", "cp866"])
def test_terminals_that_lack_letters(encoding: str, home: Path) -> None:
    env = child_environment(home, PYTHONIOENCODING=encoding, PYTHONUTF8="0", LC_ALL="C")
    for arguments in (["--help", "--lang", "ru"], ["library", "show", "pack:ru/library/geography/baykal.md"], ["ask"]):
        done = subprocess.run(
            [sys.executable, "-m", "samovar", *arguments], env=env, capture_output=True, timeout=60, check=False
        )
        assert b"Traceback" not in done.stderr
        assert done.returncode == (2 if arguments == ["ask"] else 0), done.stderr
    done = subprocess.run(
        [sys.executable, "-m", "samovar", "library", "list", "--uri", "pack:ru/library/geography/baykal.md", "--json"],
        env=env, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert json.loads(done.stdout.decode(encoding))["documents"][0]["title"] == "Байкал"


def test_text_from_documents_cannot_control_the_terminal(run: Any, tmp_path: Path) -> None:
    evil = tmp_path / "evil.txt"
    evil.write_text("Самовар кипит \x1b]0;взломано\x07 и \x1b[2Jшумит у окна весь вечер \u202eгоречп. " * 5)
    run("add", str(evil), "--source", "evil")
    identity = read_json(run("library", "list", "--source", "evil", "--json"))["documents"][0]["id"]
    for command in (
        ["library", "show", identity],
        ["search", "самовар кипит", "--source", "evil"],
        ["library", "ledger"],
    ):
        done = run(*command)
        assert done.status == 0
        assert not any(mark in done.out + done.err for mark in ("\x1b", "\x07", "\u202e"))


# -- the last net ---------------------------------------------------------------------------------------------------
def test_a_bug_is_called_one(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> None:
        raise ZeroDivisionError("внутри")

    monkeypatch.setattr("samovar.settings.load_settings", broken)
    done = run("settings", lang="ru", home=tmp_path)
    assert done.status == 1
    assert "ZeroDivisionError: внутри" in done.err and "SAMOVAR_DEBUG=1" in done.err and "Traceback" not in done.err
    assert "Traceback" in run("settings", home=tmp_path, env={"SAMOVAR_DEBUG": "1"}).err


def test_a_full_disk_is_no_bug(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device", "/disk/file")

    monkeypatch.setattr("samovar.settings.load_settings", full)
    done = run("settings", lang="ru", home=tmp_path)
    assert done.status == 1 and "не осталось места: /disk/file" in done.err and "это ошибка" not in done.err.lower()


def test_every_error_of_the_tree_becomes_a_message() -> None:
    use_language("ru")
    for error in (
        errors.LibraryBusyError("held by process 7"),
        errors.MissingExtraError("zim", "ZIM"),
        errors.FetchError("timeout", "too slow"),
        errors.SamovarError("plain"),
    ):
        message = explain_error(error)
        assert str(error) in message and message.startswith("Ошибка")
    assert "другой процесс" in explain_error(errors.LibraryBusyError("x"))
    use_language("en")
    assert explain_error(errors.ModelError("x")) == "Error: x"


def test_a_busy_library_is_told(run: Any, home: Path, texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from samovar.library.store import Library

    monkeypatch.setattr("samovar.library.lock.WAIT_SECONDS", 0.2)
    monkeypatch.setattr(
        Library.writer, "__kwdefaults__", {**(Library.writer.__kwdefaults__ or {}), "wait_seconds": 0.2}
    )
    with Library.open(home) as library, library.writer():
        done = run("add", str(texts), lang="ru")
    assert done.status == 1
    assert "другой процесс" in done.err and str(os.getpid()) in done.err


# -- the index ------------------------------------------------------------------------------------------------------
def test_a_lost_index_is_made_again(run: Any, home: Path) -> None:
    shutil.rmtree(home / "index")
    assert read_json(run("search", "Байкал", "--json"))["hits"]


def test_waiting_for_the_index_is_said(run: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samovar.commands.indexing.PATIENCE_SECONDS", 0.0)
    shutil.rmtree(home / "index")
    assert "поискового указателя…" in run("search", "Байкал", lang="ru").err
    monkeypatch.setattr("samovar.commands.indexing.PATIENCE_SECONDS", 600.0)
    assert "поискового указателя…" not in run("search", "Байкал", lang="ru").err

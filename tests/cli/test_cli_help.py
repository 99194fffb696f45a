"""Help pages, usage errors and the global options, in both languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samovar import __version__
from samovar.cli import build_program, find_language, take_globals
from samovar.messages import use_language, words

CYRILLIC = re.compile("[\u0400-\u04ff]")


def all_commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from all_commands(child, (*path, name))


PATHS = [path for path, _ in all_commands(build_program())]


def test_the_commands_of_the_design_are_there() -> None:
    expected = {
        ("ask",), ("chat",), ("search",), ("add",), ("remove",), ("settings",), ("library",), ("model",),
        ("serve",), ("mcp",),
        ("user",), *(("user", name) for name in ("add", "list", "role", "password", "disable", "enable", "remove", "invite")),
        ("key",), *(("key", name) for name in ("create", "list", "revoke")),
        ("audit",), *(("audit", name) for name in ("run", "grade", "report", "compare", "gaps", "packs", "selftest")),
        ("corpus",), *(("corpus", name) for name in ("build", "plan", "report", "crawl")),
        *(("library", name) for name in ("info", "list", "ledger", "show", "export", "import", "verify")),
        *(("model", name) for name in ("list", "pull", "use")),
        ("train",), *(("train", name) for name in ("tokenizer", "prepare", "plan", "pretrain", "adapt", "data", "sft", "prefer", "eval")), ("export",),
    }  # fmt: skip
    assert expected | {()} == set(PATHS)


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
@pytest.mark.parametrize("lang", ["en", "ru"])
def test_every_page_is_translated_and_has_an_example(
    path: tuple[str, ...], lang: str, run: Any, tmp_path: Path
) -> None:
    done = run(*path, "--help", lang=lang, home=tmp_path / "none")
    assert (done.status, done.err) == (0, "")
    head, heading, examples = done.out.partition("\n" + words(lang).say("page.examples") + "\n")
    assert heading, "no examples"
    shown = [line for line in examples.splitlines() if line.strip()]
    assert all(line.startswith("  ") for line in shown)
    assert any(" ".join(("samovar", *path)) in line for line in shown)
    assert head.startswith(words(lang).say("page.usage"))
    if lang == "ru":
        assert all(CYRILLIC.search(paragraph) for paragraph in head.strip().split("\n\n"))
        assert "Show this" not in head and "default:" not in head
    else:
        assert not CYRILLIC.search(head)
    assert not re.search(r"(?<![\w./-])[a-z]+\.(help|[a-z]+_help|examples)\b", done.out), "a key was not translated"
    assert not (tmp_path / "none").exists(), "help must not write"


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_every_page_fits_its_width(
    path: tuple[str, ...], run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    head = run(*path, "--help", lang="ru", home=tmp_path).out.partition(words("ru").say("page.examples"))[0]
    assert max(map(len, head.splitlines())) <= 60


def test_every_option_has_help() -> None:
    use_language("en")
    for path, command in all_commands(build_program()):
        for param in command.params:
            assert param.help, (path, param.name)


def test_no_command_shows_the_help_page(run: Any, tmp_path: Path) -> None:
    done = run(home=tmp_path / "none")
    assert done.status == 0
    assert done.out.startswith("Usage: samovar")


def test_version(run: Any, tmp_path: Path) -> None:
    assert run("--version", home=tmp_path).out == f"samovar {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "en", "ru"),
    [
        (["library", "list", "--limt", "3"], "no option --limt", "Нет такого ключа: --limt"),
        (["library", "list", "--limit", "many"], "Wrong value for --limit", "Неверное значение --limit"),
        (["search", "-k", "0", "x"], "a number 1…1000", "число 1…1"),
        (["library", "ledger", "--decision", "lost"], "kept, changed, dropped", "kept, changed, dropped"),
        (["ask"], "QUESTION is missing", "Не хватает аргумента ВОПРОС"),
        (["ask", "--model"], "--model needs a value", "--model нужно значение"),
        (["aks", "что"], "Did you mean: ask?", "вы имели в виду: ask?"),
        (["library", "lst"], "Did you mean: list", "вы имели в виду: list"),
        (["Кто написал это?"], 'samovar ask "Кто написал это?"', 'samovar ask "Кто написал это?"'),
        (["ask", "  "], "expected a question", "ожидался вопрос"),
        (["search", "что", "--from", "12.05.2020"], "--from", "--from"),
        (["search", "что", "--to", "2020-13"], "2020-13", "2020-13"),
        (["add", ".", "--published", "вчера"], "--published", "--published"),
        (["remove"], "expected an id", "ожидался id"),
        (["chat", "--continue", "nothing"], "nothing", "nothing"),
        (["settings", "surplus"], "surplus", "surplus"),
        (["--lang"], "--lang needs a value", "--lang нужно значение"),
    ],
)
def test_wrong_usage_is_status_2_with_a_message(
    arguments: list[str], en: str, ru: str, run: Any, tmp_path: Path
) -> None:
    for lang, expected in (("en", en), ("ru", ru)):
        done = run(*arguments, lang=lang, home=tmp_path)
        assert (done.status, done.out) == (2, "")
        assert expected in done.err
        assert "Traceback" not in done.err


def test_usage_errors_name_the_help_page(run: Any, tmp_path: Path) -> None:
    assert "samovar library list --help" in run("library", "list", "--limt", "3", home=tmp_path).err


# -- global options -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "found", "rest"),
    [
        (["--lang", "ru", "ask", "x"], {"--lang": "ru"}, ["ask", "x"]),
        (["ask", "x", "--lang=ru"], {"--lang": "ru"}, ["ask", "x"]),
        (["ask", "--home", "/a", "x", "--lang", "en"], {"--home": "/a", "--lang": "en"}, ["ask", "x"]),
        (["search", "--", "--lang", "ru"], {}, ["search", "--", "--lang", "ru"]),
        (["ask", "--language-filter", "ru"], {}, ["ask", "--language-filter", "ru"]),
        (["--lang"], {}, ["--lang"]),
        (["--lang=", "x"], {"--lang": ""}, ["x"]),
    ],
)
def test_global_options_may_stand_anywhere(arguments: list[str], found: dict[str, str], rest: list[str]) -> None:
    assert take_globals(arguments) == (found, rest)


@given(st.lists(st.sampled_from(["--lang", "--home", "--lang=ru", "--", "ask", "x", "-k", "--langx", ""])))
def test_taking_globals_loses_nothing(arguments: list[str]) -> None:
    found, rest = take_globals(list(arguments))
    assert set(found) <= {"--lang", "--home"}
    remaining = iter(arguments)
    assert all(argument in remaining for argument in rest), "what is left keeps its order"
    assert {a for a in arguments if a in ("ask", "x")} <= {*rest, *found.values()} | _overwritten(arguments)
    assert take_globals(list(rest)) == ({}, rest), "nothing is left to take"
    if not any(a.startswith(("--lang", "--home")) for a in arguments):
        assert rest == arguments


def _overwritten(arguments: list[str]) -> set[str]:
    """Values of an option that is given again later."""
    return {value for name, value in pairwise(arguments) if name in ("--lang", "--home")}


def test_language_goes_from_environment_to_file_to_locale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMOVAR_HOME", str(tmp_path))
    assert find_language({"LANG": "ru_RU.UTF-8"}) == "ru"
    (tmp_path / "samovar.toml").write_text('lang = "ru"\n')
    assert find_language({"LANG": "en_US.UTF-8"}) == "ru"
    assert find_language({"LANG": "ru_RU.UTF-8", "SAMOVAR_LANG": "en"}) == "en"
    assert find_language({"SAMOVAR_LANG": "de"}) == "en"
    (tmp_path / "samovar.toml").write_text("lang = = broken")
    assert find_language({"LANG": "ru_RU.UTF-8"}) == "ru"


def test_running_leaves_the_environment_alone(run: Any, tmp_path: Path) -> None:
    import os

    before = dict(os.environ)
    run("--version", home=tmp_path)
    assert dict(os.environ) == before


# -- as a child: what needs a process of its own --------------------------------------------------------------------
def test_module_and_locale(run_child: Any, tmp_path: Path) -> None:
    done = run_child("--help", home=tmp_path, env={"LC_ALL": "", "LANG": "ru_RU.UTF-8"})
    assert done.status == 0
    assert "Использование: samovar" in done.out


def test_help_loads_neither_settings_nor_rooms(run_child: Any, tmp_path: Path) -> None:
    done = run_child("--help", home=tmp_path, env={"PYTHONPROFILEIMPORTTIME": "1"})
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.err.splitlines() if line.startswith("import time:")}
    assert "samovar.cli" in imported
    heavy = (
        "pydantic",
        "rich",
        "tantivy",
        "sqlite3",
        "pymorphy3",
        "numpy",
        "samovar.library",
        "samovar.search",
        "samovar.assistant",
    )
    assert [name for name in heavy if name in imported] == []


def test_importing_the_package_loads_nothing() -> None:
    import subprocess
    import sys

    code = "import sys, samovar; print(sorted(m for m in sys.modules if m.startswith('samovar')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['samovar']\n"


def test_public_names_are_what_they_say() -> None:
    import samovar

    assert set(samovar.__all__) == {*samovar._HOMES, "__version__"}
    assert samovar.Library.__name__ == "Library"
    assert samovar.ScriptedModel(["hello"]).name == "scripted"
    with pytest.raises(AttributeError):
        _ = samovar.Teapot


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, run_child: Any, tmp_path: Path) -> None:
    arguments = {
        "bash": {"COMP_WORDS": "samovar libr", "COMP_CWORD": "1"},
        "zsh": {"_TYPER_COMPLETE_ARGS": "samovar libr"},
        "fish": {"_TYPER_COMPLETE_ARGS": "samovar libr", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    done = run_child(home=tmp_path, env={"_SAMOVAR_COMPLETE": f"complete_{shell}", **arguments})
    assert "library" in done.out
    assert "Traceback" not in done.err


def test_completion_of_sources(run_child: Any) -> None:
    words_typed = {"COMP_WORDS": "samovar ask --source st", "COMP_CWORD": "3"}
    done = run_child(env={"_SAMOVAR_COMPLETE": "complete_bash", **words_typed})
    assert done.out.split() == ["starter"]


def test_completion_without_a_library_makes_none(run_child: Any, tmp_path: Path) -> None:
    words_typed = {"COMP_WORDS": "samovar ask --source st", "COMP_CWORD": "3"}
    done = run_child(env={"_SAMOVAR_COMPLETE": "complete_bash", **words_typed}, home=tmp_path / "none")
    assert done.out.split() == []
    assert not (tmp_path / "none").exists()


def test_show_completion(run_child: Any, tmp_path: Path) -> None:
    done = run_child("--show-completion", "bash", home=tmp_path)
    assert "_SAMOVAR_COMPLETE" in done.out or done.status == 2  # typer detects the shell; in CI there may be none

"""`samovar ask`, `search` and `chat` on the starter library: text, JSON, streams, conversations, interruptions."""

from __future__ import annotations

import json
import math
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cli_child import child_environment

QUESTION = "Кто написал роман «Мёртвые души»?"
UNKNOWN = "Как звали кота соседа инженера Брукса из Детройта?"
CITATION_KEYS = {"number", "document_id", "start", "end", "quote", "title", "uri"}
HIT_KEYS = {"rank", "score", "passage", "document", "explain"}


def read_json(done: Any) -> Any:
    assert done.status == 0, done.err
    return json.loads(done.out)


# -- ask ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("lang", ["en", "ru"])
def test_an_answer_with_its_sources(lang: str, run: Any) -> None:
    done = run("ask", QUESTION, lang=lang)
    assert done.status == 0
    text, _, sources = done.out.partition("Sources\n" if lang == "en" else "Источники\n")
    assert "Гогол" in text and "[1]" in text
    assert sources.startswith("[1] ") and "    │ " in sources and "pack:ru/library/" in sources
    assert "\x1b" not in done.out


def test_the_json_of_an_answer(run: Any) -> None:
    answer = read_json(run("ask", QUESTION, "--json"))
    assert {"text", "status", "citations", "hits", "model", "timings"} <= answer.keys()
    assert (answer["status"], answer["model"]) == ("answered", "extractive")
    assert answer["citations"] and {frozenset(c) for c in answer["citations"]} == {frozenset(CITATION_KEYS)}
    for citation in answer["citations"]:
        shown = read_json(run("library", "show", citation["document_id"], "--json"))
        assert shown["text"][citation["start"] : citation["end"]] == citation["quote"]
    assert all(hit.keys() >= HIT_KEYS for hit in answer["hits"])


def test_words_of_the_question_need_no_quotes(run: Any) -> None:
    joined = read_json(run("ask", "Кто", "написал", "роман", "«Мёртвые", "души»?", "--json"))
    assert joined["text"] == read_json(run("ask", QUESTION, "--json"))["text"]


def test_no_sources_and_fewer_passages(run: Any) -> None:
    assert "pack:ru" not in run("ask", QUESTION, "--no-sources").out
    assert len(read_json(run("ask", QUESTION, "-k", "2", "--json"))["hits"]) == 2


def test_an_abstention_is_no_failure_and_shows_what_was_found(run: Any) -> None:
    done = run("ask", UNKNOWN, lang="ru")
    assert done.status == 0
    assert "Источники" not in done.out
    answer = read_json(run("ask", UNKNOWN, "--json"))
    assert (answer["status"], answer["citations"]) == ("abstained", [])
    assert answer["text"] in done.out
    if answer["hits"]:
        assert "Ближайшее из найденного:" in done.out and answer["hits"][0]["document"]["title"] in done.out


def test_filters_of_ask(run: Any) -> None:
    assert run("ask", QUESTION, "--source", "nothing", "--json").status == 2  # no such source
    assert read_json(run("ask", QUESTION, "--language-filter", "tt", "--json"))["status"] == "abstained"
    assert read_json(run("ask", QUESTION, "--source", "starter", "--json"))["status"] == "answered"


def test_unsupported_sentences_are_marked(run: Any) -> None:
    supported = "Том «Мёртвых душ» вышел в 1842 году."
    reply = f"Поэму «Мёртвые души» написал Николай Васильевич Гоголь. {supported} Её любят пингвины Антарктиды и жители Венеры."
    env = {"SAMOVAR_ALLOW_SCRIPTED": "1"}
    done = run("ask", QUESTION, "--model", f"scripted:{reply}", lang="ru", env=env)
    assert done.status == 0, done.err
    answer = read_json(run("ask", QUESTION, "--model", f"scripted:{reply}", "--json", env=env))
    assert [sentence["supported"] for sentence in answer["sentences"]].count(False) == 1
    assert "жители Венеры. [?]" in done.out
    assert "[?] это предложение в источниках не подтверждается" in done.out


def test_models_that_are_not_there(run: Any) -> None:
    for lang, expected in (("en", "samovar model list"), ("ru", "нет такой модели")):
        done = run("ask", QUESTION, "--model", "no-such-model", lang=lang)
        assert (done.status, done.out) == (1, "") and expected in done.err
    done = run("ask", QUESTION, "--model", "scripted:x")
    assert done.status == 1


# -- search ---------------------------------------------------------------------------------------------------------
def test_the_json_of_a_search(run: Any) -> None:
    result = read_json(run("search", "глубина Байкала", "-k", "4", "--json"))
    assert result["query"] == "глубина Байкала" and len(result["hits"]) == 4
    assert [hit["rank"] for hit in result["hits"]] == [1, 2, 3, 4]
    for hit in result["hits"]:
        assert hit.keys() >= HIT_KEYS
        assert {"document_id", "start", "end", "text"} <= hit["passage"].keys()
        assert {"id", "title", "uri", "source", "language"} <= hit["document"].keys()
        assert math.fsum(part["value"] for part in hit["explain"]) == hit["score"]
    scores = [hit["score"] for hit in result["hits"]]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("lang", ["en", "ru"])
def test_explained_scores_add_up_as_printed(lang: str, run: Any) -> None:
    done = run("search", "глубина Байкала", "-k", "3", "--explain", lang=lang)
    parts: list[float] = []
    num_sums = 0
    for line in done.out.splitlines():
        if found := re.fullmatch(r"\s+([+-]\d+\.\d{6})  .+", line):
            parts.append(float(found[1]))
        elif found := re.fullmatch(r"\s+=(-?\d+\.\d{6})  (score|оценка)", line):
            assert parts and abs(math.fsum(parts) - float(found[1])) <= 0.5e-6 * (len(parts) + 1)
            parts, num_sums = [], num_sums + 1
    assert num_sums == 3


def test_search_shows_snippets_and_its_work(run: Any) -> None:
    done = run("search", "Байкал", "-k", "1", lang="ru")
    assert done.out.startswith("1. Байкал") and "pack:ru/library/geography/baykal.md" in done.out
    assert "мс" in done.err


def test_search_for_nothing_known(run: Any) -> None:
    done = run("search", "ъъъъщщщщ", "--source", "starter", lang="ru")
    assert (done.status, done.out) == (0, "Ничего не нашлось.\n")


@pytest.mark.parametrize(
    "query", ["C++ (что?", "поле:значение", "«", '"', "+", "-", "* [ ] { } ~ ^ \\", "\u202e\x1b[31m", "a" * 5000]
)
def test_no_query_breaks_the_search(query: str, run: Any) -> None:
    done = run("search", "--json", "--", query)
    assert done.status == 0, done.err
    json.loads(done.out)


def test_filters_of_search(run: Any) -> None:
    for filters in (
        ["--origin", "XX"],
        ["--licence", "none"],
        ["--publisher", "none"],
        ["--language", "en"],
        ["--from", "2020"],
    ):
        assert read_json(run("search", "Байкал", *filters, "--json"))["hits"] == [], filters
    for filters in (["--publisher", "Samovar"], ["--licence", "CC-BY-4.0"], ["--language", "ru"], ["--no-diversity"]):
        assert read_json(run("search", "Байкал", *filters, "--json"))["hits"], filters


# -- chat without a terminal ------------------------------------------------------------------------------------------
def test_a_conversation_with_all_commands(run_child: Any, home: Path, tmp_path: Path) -> None:
    talk, data = tmp_path / "talk.md", tmp_path / "talk.json"
    lines = [
        QUESTION, "/sources", "/open 1", "/open 99", "А «Войну и мир»?", "/history", "/model", "/help", f"/export {talk}",
        f"/export {data}", f"/export {talk}", "/export", "/nothing", "/new", "/open", "/hist", "/quit", "сюда уже не дойдёт",
    ]  # fmt: skip
    done = run_child("chat", "--lang", "ru", input="\n".join(lines) + "\n")
    assert done.status == 0, done.err
    assert "Гогол" in done.out and "Толст" in done.out
    assert done.out.count("Источники") == 3  # two answers and /sources
    assert "Вы: А «Войну и мир»?" in done.out
    assert "Модель: extractive" in done.out
    assert "Пока ничего" in done.out or "пока ничего не сказано" in done.out
    for message in ("открыть нечего", "Нет команды /nothing", "уже есть", "назовите файл", "ответа ещё не было"):
        assert message in done.err, message
    assert "не дойдёт" not in done.out
    markdown = talk.read_text()
    assert markdown.startswith(f"# {QUESTION}") and "Толст" in markdown
    exported = json.loads(data.read_text())
    assert [turn["role"] for turn in exported["turns"]] == ["user", "assistant"] * 2
    [stored] = (home / "conversations").glob("*.jsonl")
    assert len(stored.read_text().splitlines()) == 5


def test_a_conversation_goes_on_after_a_restart(run_child: Any, home: Path) -> None:
    first = run_child("chat", "--lang", "ru", input=QUESTION + "\n")
    identity = re.search(r"--continue (\S+)", first.err)
    assert identity
    done = run_child("chat", "--continue", identity[1], "--lang", "ru", input="/sources\nА «Войну и мир»?\n/history\n")
    assert done.status == 0, done.err
    assert "Мёртвые души" in done.err  # the title of what is continued
    before, _, after = done.out.partition("Толст")
    assert "Гогол" in before and after
    assert "Вы: " + QUESTION in after
    last = run_child("chat", "--continue", "last", "--lang", "ru", input="/history\n")
    assert last.out.count("Вы: ") == 2


def test_chat_in_a_script_fails_when_no_question_was_answered(run_child: Any) -> None:
    nobody = {"SAMOVAR_GENERATE__BASE_URL": "http://127.0.0.1:9/v1", "SAMOVAR_GENERATE__MODEL": "openai:nobody"}
    done = run_child("chat", "--lang", "en", input=QUESTION + "\n", env=nobody)
    assert done.status == 1
    assert "http://127.0.0.1:9/v1" in done.err
    mixed = run_child("chat", "--lang", "en", input=f"{QUESTION}\n/nothing\n")
    assert mixed.status == 0, mixed.err


def test_chat_as_json_lines(run_child: Any) -> None:
    done = run_child("chat", "--json", input=f"{QUESTION}\n{UNKNOWN}\n")
    answers = [json.loads(line) for line in done.out.splitlines()]
    assert [answer["status"] for answer in answers] == ["answered", "abstained"]


def test_chat_survives_bytes_that_are_not_text(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "samovar", "chat"], input=b"\xff\xfe\xff\n\x00\n" + QUESTION.encode() + b"\n",
        env=child_environment(home), capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert "Гогол" in done.stdout.decode()


@pytest.mark.slow
def test_a_failing_model_does_not_end_the_conversation(run_child: Any) -> None:
    env = {"SAMOVAR_GENERATE__BASE_URL": "http://127.0.0.1:9/v1", "SAMOVAR_GENERATE__TIMEOUT_SECONDS": "2"}
    done = run_child(
        "chat",
        "--lang",
        "ru",
        input=f"/model no-such\n/model openai:none\n{QUESTION}\n/model extractive\n{QUESTION}\n",
        env=env,
    )
    assert done.status == 0, done.err
    assert done.err.count("Ошибка:") >= 2
    assert "Гогол" in done.out


# -- on a terminal ----------------------------------------------------------------------------------------------------
class Typist:
    """A pseudo-terminal with the program on it: type, wait for text, press Ctrl-C."""

    def __init__(self, home: Path, *arguments: str, **env: str) -> None:
        self.master, slave = pty.openpty()
        self.shown = ""
        self.child = subprocess.Popen(
            [sys.executable, "-m", "samovar", *arguments],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True, close_fds=True,
            env=child_environment(home, **{"TERM": "xterm", "COLUMNS": "80", "LINES": "40", **env}),
        )  # fmt: skip
        os.close(slave)

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def interrupt_until(self, text: str) -> None:
        """Press Ctrl-C, again when nothing came of it: Python's readline loses a signal just before it begins to wait."""
        for _ in range(10):
            self.child.send_signal(signal.SIGINT)
            with suppress(TimeoutError):
                return self.wait_for(text, 4)
        raise AssertionError(f"Ctrl-C brought no {text!r}")

    def wait_for(self, text: str, seconds: float = 40) -> None:
        """Read until the text, new since the last wait, is on the screen; `seen` is what came until then."""
        deadline = time.monotonic() + seconds
        while text not in self.shown:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {text!r} in {self.shown[-2000:]!r}")
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    self.shown += os.read(self.master, 65536).decode("utf-8", "replace")
                except OSError:  # the other side is closed
                    assert text in self.shown, f"ended without {text!r}: {self.shown[-2000:]!r}"
        end = self.shown.index(text) + len(text)
        self.seen, self.shown = self.shown[:end], self.shown[end:]

    def end(self) -> int:
        return self.child.wait(timeout=30)

    def close(self) -> None:
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait(timeout=30)
        os.close(self.master)


Open = Callable[..., Typist]


@pytest.fixture
def on_terminal(home: Path) -> Iterator[Open]:
    """Run the program on a pseudo-terminal: ``on_terminal("chat", "--lang", "ru", NO_COLOR="1")``."""
    opened: list[Typist] = []

    def open_typist(*arguments: str, **env: str) -> Typist:
        opened.append(Typist(home, *arguments, **env))
        return opened[-1]

    yield open_typist
    for typist in opened:
        typist.close()


def test_ask_on_a_terminal_has_colour_unless_told_not_to(on_terminal: Open) -> None:
    typist = on_terminal("ask", QUESTION, "--lang", "ru")
    typist.wait_for("pack:ru/library")
    assert "\x1b[1" in typist.seen and "Читаю:" in typist.seen
    assert typist.end() == 0
    typist = on_terminal("ask", QUESTION, "--lang", "ru", NO_COLOR="1")
    typist.wait_for("pack:ru/library")
    assert not re.search(r"\x1b\[[0-9;]*m", typist.seen)
    assert typist.end() == 0
    typist = on_terminal("ask", QUESTION, "--lang", "ru", TERM="dumb")
    typist.wait_for("pack:ru/library")
    assert "\x1b" not in typist.seen and typist.seen.count("Гогол") == 2  # the answer and its source, no draft
    assert typist.end() == 0


def test_chat_on_a_terminal(on_terminal: Open) -> None:
    typist = on_terminal("chat", "--lang", "ru")
    typist.wait_for("›")
    typist.interrupt_until("ещё раз")
    typist.type(QUESTION + "\n")
    typist.wait_for("pack:ru/library")
    typist.wait_for("›")
    typist.type("/op\t1\n")  # the name completes
    typist.wait_for("\x1b[1;33m")
    typist.wait_for("›")
    typist.type("\x04")
    typist.wait_for("--continue")
    assert typist.end() == 0


def test_ctrl_c_stops_an_answer_and_a_second_one_leaves(on_terminal: Open, home: Path, slow_endpoint: str) -> None:
    typist = on_terminal("chat", "--lang", "ru", "--model", "openai:slow", SAMOVAR_GENERATE__BASE_URL=slow_endpoint)
    typist.wait_for("›")
    typist.type(QUESTION + "\n")
    typist.wait_for("слово2")
    typist.interrupt_until("›")  # the prompt is back: the answer was stopped, the conversation was not
    typist.interrupt_until("ещё раз")
    typist.interrupt_until("--continue")
    assert typist.end() == 0
    [stored] = (home / "conversations").glob("*.jsonl")
    assert json.loads(stored.read_text().splitlines()[-1])["answer"]["stop_reason"] == "cancelled"


def test_ctrl_c_ends_ask_with_what_there_is(on_terminal: Open, slow_endpoint: str) -> None:
    typist = on_terminal(
        "ask", QUESTION, "--lang", "ru", "--model", "openai:slow", SAMOVAR_GENERATE__BASE_URL=slow_endpoint
    )
    typist.wait_for("слово2")
    typist.interrupt_until("Прервано")
    assert typist.end() == 130


def test_remove_asks_on_a_terminal(on_terminal: Open, run: Any) -> None:
    for typed, message in (("\n", "Ничего не удалено"), ("да\n", "Удалено: 1 документ")):
        typist = on_terminal("remove", "pack:ru/library/geography/baykal.md", "--lang", "ru")
        typist.wait_for("[д/Н]")
        typist.type(typed)
        typist.wait_for(message)
        assert typist.end() == 0
    assert run("library", "show", "pack:ru/library/geography/baykal.md").status == 1


def test_add_on_a_terminal_shows_a_bar(on_terminal: Open, texts: Path) -> None:
    typist = on_terminal("add", str(texts), "--lang", "ru")
    typist.wait_for("Указатель обновлён")
    assert "Чтение" in typist.seen and "Добавлено: 3 документа" in typist.seen
    assert typist.end() == 0

"""Conversations on disk: durable, readable after a crash, exported, found again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.assistant.conversation import BLOCK_BYTES, Conversation, folder_of
from samovar.errors import HomeError, UsageError

ANSWER = {
    "text": "Пушкин. [1]",
    "status": "answered",
    "citations": [
        {
            "number": 1,
            "document_id": "d",
            "start": 0,
            "end": 6,
            "quote": "Пушкин\nродился",
            "title": "Пушкин",
            "uri": "pack:ru/p.md",
        }
    ],
    "hits": [{"rank": 1}],
}


def _talk(home: Path) -> Conversation:
    conversation = Conversation.create(home)
    conversation.append("user", "Где родился  Пушкин?")
    conversation.append("assistant", "Пушкин. [1]", ANSWER)
    return conversation


def test_what_was_said_is_read_again(tmp_path: Path) -> None:
    made = _talk(tmp_path)
    read = Conversation.load(tmp_path, made.id)
    assert read == made or read.turns[1].answer is not None
    assert [t.text for t in read.turns] == ["Где родился  Пушкин?", "Пушкин. [1]"]
    assert read.created_at == made.created_at != ""
    assert read.turns[1].answer == {k: v for k, v in ANSWER.items() if k != "hits"}


def test_nothing_is_on_disk_before_the_first_turn(tmp_path: Path) -> None:
    conversation = Conversation.create(tmp_path)
    assert not folder_of(tmp_path).exists()
    conversation.append("user", "?")
    assert conversation.path.is_file()
    assert os.stat(folder_of(tmp_path)).st_mode & 0o077 == 0


def test_the_title_is_the_first_question(tmp_path: Path) -> None:
    assert _talk(tmp_path).title == "Где родился Пушкин?"
    long = Conversation.create(tmp_path)
    long.append("user", "слово " * 50)
    assert len(long.title) == 80 and long.title.endswith("…")


def test_export_as_json(tmp_path: Path) -> None:
    conversation = _talk(tmp_path)
    exported = json.loads(conversation.export_json())
    assert exported["id"] == conversation.id
    assert [t["role"] for t in exported["turns"]] == ["user", "assistant"]
    assert exported["turns"][1]["answer"]["citations"][0]["title"] == "Пушкин"


def test_export_as_markdown(tmp_path: Path) -> None:
    text = _talk(tmp_path).export_markdown()
    assert text.startswith("# Где родился Пушкин?\n")
    assert "\n## Где родился Пушкин?\n" in text
    assert "1. Пушкин (pack:ru/p.md): «Пушкин родился»" in text
    empty = Conversation.create(tmp_path)
    assert empty.export_markdown().startswith(f"# {empty.id}\n")


def test_conversations_are_listed_the_latest_first(tmp_path: Path) -> None:
    made = [_talk(tmp_path) for _ in range(3)]
    for seconds, conversation in enumerate(made):
        os.utime(conversation.path, (1_000_000 + seconds, 1_000_000 + seconds))
    assert [c.id for c in Conversation.list(tmp_path)] == [c.id for c in reversed(made)]
    assert Conversation.load(tmp_path, "last").id == made[-1].id


def test_loading_by_a_beginning(tmp_path: Path) -> None:
    folder_of(tmp_path).mkdir(parents=True)
    for name in ("20260101-aaa", "20260101-aab", "20260101-aa"):
        (folder_of(tmp_path) / f"{name}.jsonl").write_text(json.dumps({"role": "user", "text": name, "at": ""}) + "\n")
    assert Conversation.load(tmp_path, "20260101-aaa").turns[0].text == "20260101-aaa"
    assert Conversation.load(tmp_path, "20260101-aa").turns[0].text == "20260101-aa"
    with pytest.raises(UsageError, match="found 3: 20260101-aa, 20260101-aaa"):
        Conversation.load(tmp_path, "2026")


@pytest.mark.parametrize("identity", ["", "nothing", "../../etc/passwd", "last"])
def test_a_conversation_that_is_not_there(tmp_path: Path, identity: str) -> None:
    with pytest.raises(UsageError, match="found none"):
        Conversation.load(tmp_path, identity)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "conversations").write_text("a file")
    with pytest.raises(HomeError, match="cannot write"):
        Conversation.create(tmp_path).append("user", "?")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (folder_of(tmp_path) / "x.jsonl").mkdir(parents=True)
    with pytest.raises(HomeError, match="cannot read"):
        Conversation.load(tmp_path, "x")


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    conversation = _talk(tmp_path)
    text = conversation.path.read_text("utf-8")
    conversation.path.write_text(text.replace('"format": 1', '"format": 2'), "utf-8")
    with pytest.raises(HomeError, match="format"):
        Conversation.load(tmp_path, conversation.id)


@pytest.mark.parametrize("size", [1, 30, BLOCK_BYTES + 5])
def test_a_torn_last_line_is_left_out_and_overwritten(tmp_path: Path, size: int) -> None:
    conversation = _talk(tmp_path)
    whole = conversation.path.read_bytes()
    torn = json.dumps({"role": "user", "text": "x" * 2 * BLOCK_BYTES, "at": ""}).encode()[:size]
    conversation.path.write_bytes(whole + torn)
    assert len(Conversation.load(tmp_path, conversation.id).turns) == 2
    again = Conversation.load(tmp_path, conversation.id)
    again.append("user", "дальше")
    assert conversation.path.read_bytes().startswith(whole)
    assert [t.text for t in Conversation.load(tmp_path, conversation.id).turns] == [
        "Где родился  Пушкин?",
        "Пушкин. [1]",
        "дальше",
    ]


def test_a_file_that_is_nothing_but_a_torn_line(tmp_path: Path) -> None:
    conversation = Conversation.create(tmp_path)
    conversation.path.parent.mkdir(parents=True)
    conversation.path.write_bytes(b'{"id": "x')
    conversation.append("user", "снова")
    assert [t.text for t in Conversation.load(tmp_path, conversation.id).turns] == ["снова"]
    assert Conversation.load(tmp_path, conversation.id).created_at == conversation.created_at


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(0, 10_000), junk=st.binary(max_size=30))
def test_any_beginning_of_the_file_loads(tmp_path_factory: pytest.TempPathFactory, cut: int, junk: bytes) -> None:
    home = tmp_path_factory.mktemp("home")
    conversation = _talk(home)
    whole = conversation.path.read_bytes()
    conversation.path.write_bytes(whole[: cut % (len(whole) + 1)] + junk)
    read = Conversation.load(home, conversation.id)
    assert len(read.turns) <= 2
    read.append("user", "и ещё")
    assert Conversation.load(home, conversation.id).turns[-1].text == "и ещё"


@settings(max_examples=40, deadline=None)
@given(text=st.text(alphabet=st.characters(), max_size=40))
def test_any_text_is_kept_exactly(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    home = tmp_path_factory.mktemp("home")
    conversation = Conversation.create(home)
    conversation.append("user", text)
    conversation.append("assistant", text, {"text": text})
    read = Conversation.load(home, conversation.id)
    assert [t.text for t in read.turns] == [text, text]
    assert read.turns[1].answer == {"text": text}


_CHILD = """
import sys
from pathlib import Path
from samovar.assistant.conversation import Conversation
home, identity = Path(sys.argv[1]), sys.argv[2]
conversation = Conversation(identity, home / "conversations" / (identity + ".jsonl"), "2026-01-01T00:00:00Z")
for number in range(100_000):
    conversation.append("user", f"{identity} {number} " + "слово " * 200)
    print(number, flush=True)
"""


def _start(home: Path, identity: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", _CHILD, str(home), identity], stdout=subprocess.PIPE, text=True)


def _kill_after(child: subprocess.Popen[str], lines: int) -> int:
    """Read some acknowledgements, kill -9, and return how many turns were acknowledged in all."""
    assert child.stdout is not None
    for _ in range(lines):
        child.stdout.readline()
    os.kill(child.pid, signal.SIGKILL)
    rest = child.stdout.read().split()
    child.stdout.close()
    child.wait()
    return lines + len(rest)


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    acknowledged = 0
    for round_number in range(4):
        acknowledged += _kill_after(_start(tmp_path, "c"), 3 + 5 * round_number)
        turns = Conversation.load(tmp_path, "c").turns
        assert acknowledged <= len(turns) <= acknowledged + round_number + 1
        assert all(t.text.startswith("c ") and t.text.endswith("слово ") for t in turns)
        acknowledged = len(turns)


def test_two_conversations_at_once_do_not_mix(tmp_path: Path) -> None:
    children = {name: _start(tmp_path, name) for name in ("one", "two")}
    acknowledged = {name: _kill_after(child, 10) for name, child in children.items()}
    for name, count in acknowledged.items():
        turns = Conversation.load(tmp_path, name).turns
        assert len(turns) >= count
        assert [t.text.split()[:2] for t in turns] == [[name, str(i)] for i in range(len(turns))]


def test_two_writers_of_one_conversation_lose_nothing(tmp_path: Path) -> None:
    conversation = _talk(tmp_path)
    writers = [Conversation.load(tmp_path, conversation.id) for _ in range(4)]

    def write(number: int) -> None:
        for i in range(10):
            writers[number].append("user", f"{number}-{i}")

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = [t.text for t in Conversation.load(tmp_path, conversation.id).turns[2:]]
    assert sorted(said) == sorted(f"{n}-{i}" for n in range(4) for i in range(10))
    for n in range(4):
        assert [s for s in said if s.startswith(f"{n}-")] == [f"{n}-{i}" for i in range(10)]

"""Conversations on disk: one JSON Lines file each, a line per turn, durable when `append` returns.

Layout: ``home/conversations/<id>.jsonl``; the first line is {"id", "created_at", "format"}; every other line a turn. A line cut short by a
crash is ignored when loading and overwritten by the next append.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from samovar.corpus.document import utc_now
from samovar.errors import HomeError, UsageError

FORMAT = 1


@dataclass(frozen=True, slots=True)
class ConversationTurn:
    """One side's words. An assistant's turn carries its answer in the JSON shape of `answer_as_json`, without hits."""

    role: Literal["user", "assistant"]
    text: str
    at: str
    answer: dict[str, Any] | None = None


@dataclass(slots=True)
class Conversation:
    """An open conversation."""

    id: str
    path: Path
    created_at: str
    turns: list[ConversationTurn] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The first question, shortened to 80 characters."""
        first = next((t.text for t in self.turns if t.role == "user"), "")
        line = " ".join(first.split())
        return line if len(line) <= 80 else line[:79] + "…"

    @classmethod
    def create(cls, home: Path) -> Conversation:
        """Start a conversation; its file appears with the first turn."""
        identity = time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + secrets.token_hex(3)
        return cls(identity, folder_of(home) / f"{identity}.jsonl", utc_now())

    @classmethod
    def load(cls, home: Path, identity: str) -> Conversation:
        """Load by id, by an unambiguous beginning of it, or ``last``. Raises `UsageError` when there is none or several."""
        files = sorted(folder_of(home).glob("*.jsonl"))
        if identity == "last":
            found = sorted(files, key=lambda f: f.stat().st_mtime)[-1:]
        else:
            found = [f for f in files if f.stem.startswith(identity)] if identity else []
            found = [f for f in found if f.stem == identity] or found
        if len(found) != 1:
            what = "none" if not found else f"{len(found)}: " + ", ".join(f.stem for f in found)
            raise UsageError(f"expected one conversation {identity!r}, found {what}. `samovar chat` starts one.")
        return cls._read(found[0])

    @classmethod
    def list(cls, home: Path) -> Iterator[Conversation]:
        """Yield the conversations, the latest first."""
        for file in sorted(folder_of(home).glob("*.jsonl"), key=lambda f: f.stat().st_mtime, reverse=True):
            yield cls._read(file)

    @classmethod
    def _read(cls, path: Path) -> Conversation:
        conversation = cls(path.stem, path, "")
        for row in _rows(path):
            if "role" in row:
                conversation.turns.append(ConversationTurn(row["role"], row["text"], row["at"], row.get("answer")))
            else:
                conversation.created_at = row.get("created_at", "")
        return conversation

    def append(self, role: Literal["user", "assistant"], text: str, answer: dict[str, Any] | None = None) -> ConversationTurn:
        """Add a turn and write it to the disk."""
        turn = ConversationTurn(role, text, utc_now(), answer)
        row: dict[str, Any] = {"role": role, "text": text, "at": turn.at}
        if answer is not None:
            row["answer"] = {k: v for k, v in answer.items() if k != "hits"}
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self.path.open("a+b") as file:
                _drop_torn_line(file)
                if file.tell() == 0:
                    head = {"id": self.id, "created_at": self.created_at, "format": FORMAT}
                    file.write(json.dumps(head).encode() + b"\n")
                file.write(json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise HomeError(f"cannot write the conversation to {self.path}: {error.strerror}") from error
        self.turns.append(turn)
        return turn

    def export_json(self) -> str:
        """The whole conversation as one JSON object."""
        turns = [{"role": t.role, "text": t.text, "at": t.at, **({"answer": t.answer} if t.answer else {})} for t in self.turns]
        return json.dumps({"id": self.id, "created_at": self.created_at, "title": self.title, "turns": turns}, ensure_ascii=False, indent=2)

    def export_markdown(self) -> str:
        """The conversation for reading: questions as headings, answers, sources as a numbered list."""
        lines = [f"# {self.title}", "", f"*{self.created_at}*", ""]
        for turn in self.turns:
            if turn.role == "user":
                lines += ["## " + " ".join(turn.text.split()), ""]
                continue
            lines += [turn.text, ""]
            for c in (turn.answer or {}).get("citations", []):
                lines.append(f"{c['number']}. {c['title']} ({c['uri']}): «{' '.join(c['quote'].split())}»")
            lines.append("")
        return "\n".join(lines).rstrip() + "\n"


def folder_of(home: Path) -> Path:
    """Where conversations lie."""
    return Path(home) / "conversations"


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_bytes().splitlines():
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, UnicodeDecodeError):
            continue
        if isinstance(row, dict):
            yield row


def _drop_torn_line(file: Any) -> None:
    """Cut off a last line without a line end: it was being written when the process died, and was never acknowledged."""
    end = file.seek(0, os.SEEK_END)
    if end == 0:
        return
    file.seek(0)
    data = file.read()
    keep = data.rfind(b"\n") + 1
    if keep != end:
        file.truncate(keep)
    file.seek(0, os.SEEK_END)

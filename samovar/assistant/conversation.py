"""Conversations on disk: one JSON Lines file each, a line per turn, durable when `append` returns.

Layout: ``home/conversations/<id>.jsonl``; the first line is {"id", "created_at", "format"}; every other line a turn. A line cut short by a
crash has no line end; it was never acknowledged, is ignored when loading and overwritten by the next append. Two processes may append to one
conversation: each line is written under a lock (flock(2)).
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from samovar.corpus.document import utc_now
from samovar.errors import HomeError, UsageError

FORMAT = 1
BLOCK_BYTES = 65_536  # read at a time when looking for the last line end


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
            found = sorted(files, key=_changed_at)[-1:]
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
        for file in sorted(folder_of(home).glob("*.jsonl"), key=_changed_at, reverse=True):
            yield cls._read(file)

    @classmethod
    def _read(cls, path: Path) -> Conversation:
        conversation = cls(path.stem, path, "")
        for row in _rows(path):
            if row.get("role") in ("user", "assistant") and isinstance(row.get("text"), str):
                conversation.turns.append(
                    ConversationTurn(row["role"], row["text"], str(row.get("at", "")), row.get("answer"))
                )
            elif "format" in row:
                if row["format"] != FORMAT:
                    raise HomeError(
                        f"expected a conversation of format {FORMAT} in {path}, found {row['format']!r}. Another version of Samovar wrote it."
                    )
                conversation.created_at = str(row.get("created_at", ""))
        return conversation

    def append(
        self, role: Literal["user", "assistant"], text: str, answer: dict[str, Any] | None = None
    ) -> ConversationTurn:
        """Add a turn and write it to the disk."""
        turn = ConversationTurn(role, text, utc_now(), answer)
        row: dict[str, Any] = {"role": role, "text": text, "at": turn.at}
        if answer is not None:
            row["answer"] = {k: v for k, v in answer.items() if k != "hits"}
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self.path.open("a+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
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
        turns = [
            {"role": t.role, "text": t.text, "at": t.at, **({"answer": t.answer} if t.answer else {})}
            for t in self.turns
        ]
        return json.dumps(
            {"id": self.id, "created_at": self.created_at, "title": self.title, "turns": turns},
            ensure_ascii=False,
            indent=2,
        )

    def export_markdown(self) -> str:
        """The conversation for reading: questions as headings, answers, sources as a numbered list."""
        lines = [f"# {self.title or self.id}", "", f"*{self.created_at}*", ""]
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


def _changed_at(path: Path) -> tuple[int, str]:
    return path.stat().st_mtime_ns, path.name


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise HomeError(f"cannot read the conversation in {path}: {error.strerror}") from error
    for line in data[: data.rfind(b"\n") + 1].split(b"\n"):
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, UnicodeDecodeError):
            continue
        if isinstance(row, dict):
            yield row


def _drop_torn_line(file: IO[bytes]) -> None:
    """Cut off a last line without a line end: it was being written when the process died, and was never acknowledged."""
    end = keep = file.seek(0, os.SEEK_END)
    while keep > 0:
        start = max(0, keep - BLOCK_BYTES)
        file.seek(start)
        found = file.read(keep - start).rfind(b"\n")
        if found >= 0:
            keep = start + found + 1
            break
        keep = start
    if keep != end:
        file.truncate(keep)
    file.seek(0, os.SEEK_END)

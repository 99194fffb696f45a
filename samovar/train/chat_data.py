"""Dialogues in the standard formats: read from JSON Lines or Parquet, checked, and set apart for validation.

A row: ``{"messages": [{"role": "user", "content": "…"}, …]}`` (OpenAI, Hugging Face; the content may be a list of text parts), or ShareGPT's
``{"conversations": [{"from": "human", "value": "…"}, …]}``; ``id``, ``kind`` and ``group`` are welcome (dialogues of one group, such as those made
from one document, stay on one side of the split), other keys are passed over. Knows no tokenizer.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samovar.errors import TrainingError
from samovar.train.row_files import read_lines, read_parquet
from samovar.train.texts import split_by_key
from samovar.train.tokenizer import repair

SEED = "seed:"
"""``seed:ru`` names the dialogues of a culture pack."""
ROLES = ("system", "user", "assistant", "tool")
ALIASES = {"human": "user", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant", "model": "assistant", "function": "tool", "observation": "tool"}  # fmt: skip
"""What other formats call the roles."""
SUFFIXES = (".jsonl", ".parquet")
HELD_OUT_PERMILLE = 50


@dataclass(frozen=True, slots=True)
class Said:
    """One message."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A conversation: an optional system message, then user and assistant in turn, an assistant's tools between its messages; an assistant has the
    last word."""

    id: str
    kind: str
    messages: tuple[Said, ...]
    group: str = ""

    @property
    def key(self) -> str:
        """What decides on which side of the split it falls: the group, else what the user says first."""
        return self.group or next(said.content for said in self.messages if said.role == "user")

    def as_messages(self) -> list[dict[str, str]]:
        """Return the messages as plain data."""
        return [{"role": said.role, "content": said.content} for said in self.messages]


def read_dialogues(names: Sequence[str]) -> list[Dialogue]:
    """Return the dialogues of files, folders of them and packs (``seed:ru``); one that was read before is left out.

    Raises:
        TrainingError: a name leads nowhere, or a line is no dialogue.
    """
    found: dict[str, Dialogue] = {}
    for path in (path for name in names for path in list_files(name)):
        for dialogue in _read_file(path):
            found.setdefault(hash_dialogue(dialogue), dialogue)
    if not found:
        raise TrainingError(f"expected dialogues, found none in {', '.join(names) or 'no file'}")
    return list(found.values())


def list_files(name: str) -> list[Path]:
    """Return the files that a name stands for."""
    import samovar

    seed = Path(samovar.__file__).parent / "packs" / name.removeprefix(SEED) / "dialogues"
    path = seed if name.startswith(SEED) else Path(name)
    in_folder = sorted(file for file in path.glob("*") if file.suffix in SUFFIXES)
    files = in_folder if path.is_dir() else [path] if path.is_file() else []
    if not files:
        raise TrainingError(
            f"expected dialogues (JSON Lines or Parquet) at {name}, found nothing: check the path, or use seed:ru"
        )
    return files


def _read_file(path: Path) -> Iterator[Dialogue]:
    if path.suffix == ".parquet":
        for place, row in read_parquet(path):
            yield make_dialogue(row, place)
        return
    for place, line in read_lines(path):
        yield parse_dialogue(line, place)


def parse_dialogue(line: str, place: str) -> Dialogue:
    """Return the dialogue of one line; `place` is for messages.

    Raises:
        TrainingError: it is no dialogue.
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _no_dialogue(place, error) from error
    return make_dialogue(row, place)


def make_dialogue(row: Any, place: str) -> Dialogue:
    """Return the dialogue of one row; lone surrogates, which JSON may bring in, become U+FFFD as in all training texts.

    Raises:
        TrainingError: it is no dialogue.
    """
    try:
        if not isinstance(row, Mapping):
            raise ValueError(f"expected an object, found {type(row).__name__}")
        messages = row["messages"] if row.get("messages") is not None else row.get("conversations")
        if not isinstance(messages, Sequence) or isinstance(messages, str):
            raise ValueError(f"expected a list of messages or conversations, found {type(messages).__name__}")
        said = tuple(_make_said(message) for message in messages)
    except ValueError as error:
        raise _no_dialogue(place, error) from error
    check_order([one.role for one in said], place)
    return Dialogue(str(row.get("id") or "") or place, str(row.get("kind") or ""), said, str(row.get("group") or ""))


def _no_dialogue(place: str, error: Exception) -> TrainingError:
    return TrainingError(f'expected {{"messages": [{{"role", "content"}}, …]}} at {place}, found: {error}')


def _make_said(message: Any) -> Said:
    if not isinstance(message, Mapping):
        raise ValueError(f"expected a message as an object, found {type(message).__name__}")
    role, content = (message.get(name, message.get(other)) for name, other in (("role", "from"), ("content", "value")))
    if role is None or (content is None and not message.get("tool_calls")):
        raise ValueError(f"expected a message's role and content, found {', '.join(map(str, message)) or 'nothing'}")
    role = ALIASES.get(str(role), role)
    if isinstance(content, list):  # OpenAI's parts
        content = "".join(map(_text_of, content))
    if role == "assistant" and not content and message.get("tool_calls"):
        raise ValueError("a call of a tool without text: the chat template writes text only, so put the call into the content")  # fmt: skip
    if role not in ROLES or not isinstance(content, str) or not content.strip():
        raise ValueError(f"a message of role {role!r} with the content {str(content)[:40]!r}")
    return Said(role, repair(content))


def _text_of(part: Any) -> str:
    """Return the text of one of OpenAI's parts."""
    text = part.get("text") if isinstance(part, Mapping) else None
    if not isinstance(text, str):
        kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
        raise ValueError(f"a part of type {kind}: only texts can be learnt from")
    return text


FOLLOWS = {
    "": {"system", "user"},
    "system": {"user"},
    "user": {"assistant"},
    "assistant": {"user", "tool"},
    "tool": {"tool", "assistant"},
}
"""Who may speak after whom."""


def check_order(roles: Sequence[str], place: str) -> None:
    """Make sure that user and assistant speak in turn, after at most one system message, tools after an assistant, and the assistant last.

    Raises:
        TrainingError: they do not.
    """
    in_turn = all(role in FOLLOWS[before] for before, role in zip(["", *roles], roles, strict=False))
    if not in_turn or not roles or roles[-1] != "assistant":
        raise TrainingError(
            f"expected [system], then user and assistant in turn, at {place}; found {', '.join(roles) or 'nothing'}"
        )


def hash_dialogue(dialogue: Dialogue) -> str:
    """Return the SHA-256 of what is said."""
    text = json.dumps(dialogue.as_messages(), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def split_dialogues(
    dialogues: Iterable[Dialogue], permille: int = HELD_OUT_PERMILLE
) -> tuple[list[Dialogue], list[Dialogue]]:
    """Return dialogues to train on and to check on: by a hash of their key, so a larger collection keeps the sides of a smaller one.

    Raises:
        TrainingError: there are fewer than two keys.
    """
    train, held = split_by_key(dialogues, lambda one: one.key, hash_dialogue, permille)
    if not train or not held:
        raise TrainingError(f"expected at least two different dialogues, found {len(train) + len(held)}: add data")
    return train, held


def count_kinds(dialogues: Iterable[Dialogue]) -> dict[str, int]:
    """Return how many dialogues there are of each kind, most first."""
    return dict(Counter(one.kind or "other" for one in dialogues).most_common())

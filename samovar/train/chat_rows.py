"""Dialogues as rows to train on: whole ones packed side by side, only what the assistant says counts.

A row of `seq_len` + 1 tokens holds as many dialogues as fit (first fit, in a seeded order), each but the first opened by the separator, across
which attention does not look; what is left over is separators. A dialogue that is too long is cut between two exchanges, its system message
repeated; an exchange that alone is too long is left out and counted. Source: first-fit packing, Johnson 1973; loss on answers only is common
practice since InstructGPT (arXiv:2203.02155).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from samovar.errors import TrainingError
from samovar.train.batches import permute
from samovar.train.chat_data import Dialogue

MAX_OPEN_ROWS = 256
"""Rows that are tried for a place before a new one is begun: packing stays linear."""

Tokens = np.ndarray[Any, np.dtype[np.int64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]


class Chats(Protocol):
    """What packing needs of a tokenizer: `samovar.train.tokenizer.Tokenizer`."""

    @property
    def end_of_text(self) -> int:
        """The separator."""
        ...

    def render_chat(self, messages: Sequence[Mapping[str, str]]) -> tuple[list[int], list[bool]]:
        """Return the ids of a conversation, and which of them the assistant says."""
        ...


@dataclass(frozen=True, slots=True)
class Piece:
    """A dialogue in tokens, or a part of one."""

    ids: list[int]
    mask: list[bool]


class ChatRows:
    """Packed rows by number, in an endless order: each epoch is a permutation of its own. `num_too_long` exchanges did
    not fit; `filled` is the share of the rows that is dialogue, not padding."""

    def __init__(self, dialogues: Sequence[Dialogue], tokenizer: Chats, seq_len: int, *, seed: int = 0) -> None:
        self.seq_len, self.seed = seq_len, seed
        order = list(dialogues)
        random.Random(seed).shuffle(order)
        pieces, self.num_too_long = cut_dialogues(order, tokenizer, seq_len)
        if not pieces:
            raise TrainingError(
                f"expected dialogues that fit into {seq_len} tokens, found {len(dialogues)} and none that does: use a larger --seq-len"
            )
        self.tokens, self.mask = pack_pieces(pieces, seq_len, tokenizer.end_of_text)
        self.num_sequences = len(self.tokens)
        self.num_targets = int(self.mask[:, 1:].sum())
        self.filled = sum(len(piece.ids) for piece in pieces) / self.tokens.size

    @property
    def sha256(self) -> str:
        """Hash of rows and masks: a run does not go on with other data."""
        return hashlib.sha256(self.tokens.tobytes() + self.mask.tobytes()).hexdigest()

    def read_masked(self, cursor: int, count: int) -> tuple[Tokens, Mask]:
        """Return rows `cursor` … of the endless order and which tokens count, [count, seq_len + 1] each."""
        numbers = [self._number(cursor + place) for place in range(count)]
        return self.tokens[numbers], self.mask[numbers]

    def _number(self, place: int) -> int:
        epoch, index = divmod(place, self.num_sequences)
        return int(permute(np.array([index], np.uint64), self.num_sequences, self.seed, epoch)[0])


def cut_dialogues(dialogues: Iterable[Dialogue], tokenizer: Chats, seq_len: int) -> tuple[list[Piece], int]:
    """Return dialogues in tokens, none longer than a row, and how many exchanges had to be left out because they are."""
    pieces: list[Piece] = []
    too_long = 0
    for dialogue in dialogues:
        for messages in _fit(dialogue.as_messages(), tokenizer, seq_len + 1):
            if messages is None:
                too_long += 1
            else:
                pieces.append(Piece(*tokenizer.render_chat(messages)))
    return pieces, too_long


def _fit(messages: list[dict[str, str]], tokenizer: Chats, room: int) -> Iterator[list[dict[str, str]] | None]:
    """Yield parts that fit, each with the system message and whole exchanges; None for an exchange that does not."""
    if len(tokenizer.render_chat(messages)[0]) <= room:
        yield messages
        return
    system, turns = (messages[:1], messages[1:]) if messages[0]["role"] == "system" else ([], messages)
    part: list[dict[str, str]] = []
    starts = [place for place, message in enumerate(turns) if message["role"] == "user"]
    for exchange in (turns[start:end] for start, end in pairwise([*starts, len(turns)])):
        if len(tokenizer.render_chat([*system, *part, *exchange])[0]) <= room:
            part += exchange
            continue
        if part:
            yield [*system, *part]
        fits = len(tokenizer.render_chat([*system, *exchange])[0]) <= room
        part = exchange if fits else []
        if not fits:
            yield None
    if part:
        yield [*system, *part]


def pack_pieces(pieces: Sequence[Piece], seq_len: int, separator: int) -> tuple[Tokens, Mask]:
    """Return rows of whole pieces and which tokens count, [rows, seq_len + 1] each."""
    rows: list[list[Piece]] = []
    free: list[int] = []
    for piece in pieces:
        size = len(piece.ids) + 1  # and the separator that opens it
        first = max(0, len(rows) - MAX_OPEN_ROWS)
        place = next((row for row in range(first, len(rows)) if free[row] >= size), len(rows))
        if place == len(rows):
            rows.append([])
            free.append(seq_len + 2)  # the first piece of a row needs no separator
        rows[place].append(piece)
        free[place] -= size
    tokens = np.full((len(rows), seq_len + 1), separator, np.int64)
    mask = np.zeros((len(rows), seq_len + 1), np.bool_)
    for number, row in enumerate(rows):
        start = 0
        for piece in row:
            tokens[number, start : start + len(piece.ids)] = piece.ids
            mask[number, start : start + len(piece.ids)] = piece.mask
            start += len(piece.ids) + 1
    return tokens, mask

"""Pairs of answers in the standard preference format: read, checked row by row, and some set apart to measure on.

A row: ``{"prompt": …, "chosen": …, "rejected": …}``. A prompt is text (what the user says) or messages; an answer is text or messages of
which the last is the assistant's. The prompt may also stand at the beginning of both answers instead, as many published sets have it. JSON
Lines or Parquet. ``id``, ``kind`` and ``group`` are welcome, other columns are passed over. Knows no tokenizer and no model.
Source of the format: trl's documentation, "Dataset formats and types", preference.
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

ROLES = ("system", "user", "assistant")
MAX_SHOWN = 5
"""Faulty rows that a message lists."""
HELD_OUT_PERMILLE = 100
FORMAT = '{"prompt": text or messages, "chosen": text or messages, "rejected": text or messages}'

Message = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pair:
    """A conversation that waits for the assistant, and two answers to it."""

    prompt: tuple[tuple[str, str], ...]
    chosen: str
    rejected: str
    kind: str = ""
    group: str = ""
    place: str = ""

    @property
    def messages(self) -> list[dict[str, str]]:
        """The conversation as plain data."""
        return [{"role": role, "content": content} for role, content in self.prompt]

    @property
    def key(self) -> str:
        """What decides on which side of the split it falls: the group, else the conversation."""
        return self.group or json.dumps(self.prompt, ensure_ascii=False)

    @property
    def sha256(self) -> str:
        """Hash of what is said."""
        text = json.dumps([self.prompt, self.chosen, self.rejected], ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Pairs:
    """What was read. Left out: `num_same` pairs of two equal answers and `num_repeated` that were read before; kept, but worth a look:
    `num_opposed` pairs whose answers stand the other way round in another row. `same_at` names the first rows of equal answers."""

    pairs: tuple[Pair, ...]
    num_same: int
    num_repeated: int
    num_opposed: int
    same_at: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Hash of the pairs, whatever their order."""
        return hashlib.sha256("".join(sorted(pair.sha256 for pair in self.pairs)).encode()).hexdigest()

    @property
    def kinds(self) -> dict[str, int]:
        """How many pairs there are of each kind, most first."""
        return dict(Counter(pair.kind or "other" for pair in self.pairs).most_common())


def read_pairs(names: Sequence[str | Path]) -> Pairs:
    """Read the pairs of files (``.jsonl``, ``.parquet``) and of folders of them.

    Raises:
        TrainingError: a name leads nowhere, rows are no pairs (the first few are named), or nothing is left.
    """
    found: dict[str, Pair] = {}
    faults: list[str] = []
    same: list[str] = []
    repeated = 0
    for place, row in (item for name in names for path in list_files(Path(name)) for item in _rows(path)):
        try:
            pair = parse_pair(row, place)
        except ValueError as error:
            faults.append(f"{place}: {error}")
            continue
        if pair.chosen == pair.rejected:
            same.append(place)
        elif pair.sha256 in found:
            repeated += 1
        else:
            found[pair.sha256] = pair
    _check(found, faults, same, names)
    opposed = sum(_turned(pair).sha256 in found for pair in found.values())
    return Pairs(tuple(found.values()), len(same), repeated, opposed, tuple(same[:MAX_SHOWN]))


def _check(found: Mapping[str, Pair], faults: Sequence[str], same: Sequence[str], names: Sequence[str | Path]) -> None:
    if faults:
        more = f"\n… and {len(faults) - MAX_SHOWN} rows more" if len(faults) > MAX_SHOWN else ""
        raise TrainingError(
            f"expected rows like {FORMAT}, found {len(faults)} that are not:\n"
            + "\n".join(faults[:MAX_SHOWN])
            + f"{more}\nCorrect or delete these rows and give the same command again"
        )
    if not found:
        why = f"{len(same)} rows of two equal answers" if same else "none"
        raise TrainingError(f"expected pairs of answers in {', '.join(map(str, names)) or 'no file'}, found {why}")


def _turned(pair: Pair) -> Pair:
    return Pair(pair.prompt, pair.rejected, pair.chosen)


def list_files(path: Path) -> list[Path]:
    """Return the files that a name stands for.

    Raises:
        TrainingError: there are none.
    """
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in (".jsonl", ".parquet"))
    else:
        files = [path] if path.is_file() else []
    if not files:
        raise TrainingError(
            f"expected pairs of answers (.jsonl or .parquet) at {path}, found nothing: check the path, or make some with  "
            "samovar train data --kind preference"
        )
    return files


def _rows(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield rows with their places; a line that is no JSON comes as the error itself."""
    if path.suffix == ".parquet":
        yield from read_parquet(path)
        return
    for place, line in read_lines(path):
        try:
            yield place, json.loads(line)
        except ValueError as error:
            yield place, error
        except RecursionError:
            yield place, ValueError("brackets within brackets, thousands deep")


# -- one row --------------------------------------------------------------------------------------------------------
def parse_pair(row: Any, place: str = "") -> Pair:
    """Return the pair of a row.

    Raises:
        ValueError: it is none; the message says what was expected and found.
    """
    if isinstance(row, ValueError):
        raise ValueError(f"expected JSON, found: {row}")
    if not isinstance(row, Mapping):
        raise ValueError(f"expected an object, found {type(row).__name__}")
    lacking = [name for name in ("chosen", "rejected") if row.get(name) is None]
    if lacking:
        raise ValueError(f"expected chosen and rejected, found no {' and no '.join(lacking)}")
    given = None if row.get("prompt") is None else _messages(row["prompt"], "prompt", "user")
    (before, chosen), (other, rejected) = (_answer(row[name], name, given) for name in ("chosen", "rejected"))
    if before != other:
        raise ValueError("expected chosen and rejected to answer the same conversation, found two different ones")
    _check_prompt(before)
    return Pair(before, chosen, rejected, str(row.get("kind") or ""), str(row.get("group") or ""), place)


def _answer(value: Any, name: str, prompt: tuple[tuple[str, str], ...] | None) -> tuple[tuple[tuple[str, str], ...], str]:  # fmt: skip
    """Return the conversation before an answer, and the answer."""
    said = _messages(value, name, "assistant")
    role, content = said[-1]
    if role != "assistant":
        raise ValueError(f"expected the last message of {name} to be the assistant's, found {role}'s")
    if prompt is None:
        if len(said) == 1:
            raise ValueError("expected a prompt, found none: neither as a column nor at the beginning of the answers")
        return said[:-1], content
    if said[:-1] not in ((), prompt):
        raise ValueError(
            f"expected one message of the assistant in {name} (or the prompt before it), found {len(said)}"
        )
    return prompt, content


def _messages(value: Any, name: str, role: str) -> tuple[tuple[str, str], ...]:
    if isinstance(value, str):
        value = [{"role": role, "content": value}]
    if not isinstance(value, Sequence) or not value:
        raise ValueError(f"expected text or messages in {name}, found {_short(value)}")
    return tuple(_message(one, name) for one in value)


def _message(one: Any, name: str) -> tuple[str, str]:
    role, content = (one.get("role"), one.get("content")) if isinstance(one, Mapping) else (None, None)
    if role not in ROLES or not isinstance(content, str):
        raise ValueError(
            f'expected messages like {{"role": "{"|".join(ROLES)}", "content": text}} in {name}, found {_short(one)}'
        )
    if not content.strip():
        raise ValueError(f"expected text in {name}, found an empty message of {role}")
    return role, repair(content)


def _check_prompt(prompt: Sequence[tuple[str, str]]) -> None:
    roles = [role for role, _ in prompt]
    turns = roles[1:] if roles[:1] == ["system"] else roles
    if len(turns) % 2 == 0 or turns != (["user", "assistant"] * len(turns))[: len(turns)]:
        raise ValueError(
            f"expected a prompt of [system], then user and assistant in turn, the user last; found {', '.join(roles)}"
        )


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:60] + "…"


# -- sides ----------------------------------------------------------------------------------------------------------
def split_pairs(pairs: Iterable[Pair], permille: int = HELD_OUT_PERMILLE) -> tuple[list[Pair], list[Pair]]:
    """Return pairs to train on and to measure on, by a hash of their key: a larger set keeps the sides of a smaller one.

    Raises:
        TrainingError: there are fewer than two keys.
    """
    train, held = split_by_key(pairs, lambda pair: pair.key, lambda pair: pair.sha256, permille)
    if not train or not held:
        raise TrainingError(
            f"expected pairs of at least two different conversations, found {len(train) + len(held)} of one: some must be held out; add data"
        )
    return train, held

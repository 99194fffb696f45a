"""The model that is tuned, whoever made it: opened with transformers, and its way of writing a conversation in tokens.

A run's folder of ours is exported to a draft folder first, so that what is trained is what others load. Names of special tokens inside a
message stay text in our own encoder; with another's tokenizer, whose template has to be rendered as one text, pairs that hold such a name
are left out. Knows no training.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from samovar.errors import MissingExtraError, TrainingError
from samovar.train.prefer.pairs import Pair

if TYPE_CHECKING:
    from samovar.train.config import ModelConfig


class Writer(Protocol):
    """Writes conversations in tokens."""

    def write(self, messages: Sequence[Mapping[str, str]]) -> tuple[list[int], list[int]] | None:
        """Return the ids of the conversation up to the last answer, and of that answer with its end; None where a message holds the name
        of a special token that would be taken for the token."""
        ...


@dataclass(frozen=True, slots=True)
class Parent:
    """An opened model. `words` is transformers' tokenizer; `model` is on the CPU, float32;
    `files` is
    the folder of its tokenizer; `shape` is known where it is ours, with a tokenizer of ours."""

    name: str
    model: Any
    words: Any
    writer: Writer
    max_len: int
    sha256: str
    files: Path
    shape: ModelConfig | None = None


@dataclass(frozen=True, slots=True)
class Coded:
    """A pair in tokens; `number` is its place among those that were given."""

    number: int
    prompt: list[int]
    chosen: list[int]
    rejected: list[int]

    @property
    def length(self) -> int:
        """Tokens of the longer of its two texts."""
        return len(self.prompt) + max(len(self.chosen), len(self.rejected))


def open_parent(folder: Path, draft: Path, *, warn: Callable[[str], None] = lambda message: None) -> Parent:
    """Open a run's folder of ours (its newest checkpoint) or a Hugging Face folder; `draft` is a folder that holds an export for a moment;
    `warn`: see `open_trained`.

    Raises:
        TrainingError: it is neither, or cannot be loaded.
    """
    check_extra()
    if not folder.is_dir():
        raise TrainingError(f"expected the folder of a model, found nothing at {folder}")
    if not (folder / "checkpoints").is_dir() and not (folder / "config.json").is_file():
        raise TrainingError(
            f"expected the folder of a training run (with checkpoints/) or a Hugging Face folder (with config.json), found {folder}"
        )
    own = (folder / "checkpoints").is_dir() or (folder / "samovar.json").is_file()
    return _open_own(folder, draft, warn) if own else _open_other(folder)


def check_extra() -> None:
    """Make sure that trl and what it needs are there.

    Raises:
        MissingExtraError: they are not.
    """
    from importlib.util import find_spec

    if any(find_spec(name) is None for name in ("torch", "safetensors", "transformers", "peft", "trl", "datasets")):
        raise MissingExtraError("prefer", "preference tuning")


def _open_own(folder: Path, draft: Path, warn: Callable[[str], None]) -> Parent:
    from samovar.train.adapt.quality import open_causal
    from samovar.train.export.hf import write_hf
    from samovar.train.export.trained import open_trained

    trained = open_trained(folder, warn=warn)
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir(parents=True)
        write_hf(trained, draft)
        model, words = open_causal(draft), _open_words(draft)
    except OSError as error:
        raise TrainingError(f"expected to write the model to {draft}, found: {error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Parent(
        folder.resolve().name, model, words, OwnWriter(trained.tokenizer), trained.config.max_seq_len, _hash(model),
        trained.tokenizer_folder, trained.config,
    )  # fmt: skip


def _open_other(folder: Path) -> Parent:
    from samovar.train.adapt.quality import open_causal

    model, words = open_causal(folder), _open_words(folder)
    if not words.chat_template:
        raise TrainingError(
            f"expected a chat template in {folder}, found none: tune on dialogues first (samovar train sft), or add chat_template.jinja"
        )
    settings = model.config.get_text_config()
    longest = int(getattr(settings, "max_position_embeddings", 0) or 1024)
    return Parent(folder.resolve().name, model, words, OtherWriter(words), longest, _hash(model), folder)


def _open_words(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (ValueError, OSError, KeyError) as error:
        raise TrainingError(f"expected a tokenizer that transformers loads in {folder}, found: {error}") from error


def _hash(model: Any) -> str:
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


# -- conversations in tokens ----------------------------------------------------------------------------------------
class OwnWriter:
    """Our encoder: names of special tokens in a message stay text."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def write(self, messages: Sequence[Mapping[str, str]]) -> tuple[list[int], list[int]]:
        """Return conversation and answer, cut where a model that is asked begins to write; the turn's end is part of the answer."""
        asked, _ = self._tokenizer.render_chat(messages[:-1], add_generation_prompt=True)
        return asked, [*self._tokenizer.encode(messages[-1]["content"]), self._tokenizer.turn_end]


class OtherWriter:
    """Another's template, rendered as transformers does when the model is asked."""

    def __init__(self, words: Any) -> None:
        self._words = words
        self._names = [name for name in words.all_special_tokens if name]

    def write(self, messages: Sequence[Mapping[str, str]]) -> tuple[list[int], list[int]] | None:
        """Return conversation and answer: the answer begins where asking and having been answered part."""
        if any(name in message["content"] for message in messages for name in self._names):
            return None
        plain = [dict(message) for message in messages]
        try:
            asked = self._words.apply_chat_template(plain[:-1], tokenize=False, add_generation_prompt=True)
            whole = self._words.apply_chat_template(plain, tokenize=False)
        except Exception as error:  # a template raises what it likes
            raise TrainingError(
                f"expected the model's chat template to render a conversation, found: {error}"
            ) from error
        first, ids = (self._words.encode(text, add_special_tokens=False) for text in (asked, whole.rstrip("\n")))
        shared = next(
            (n for n, (a, b) in enumerate(zip(first, ids, strict=False)) if a != b), min(len(first), len(ids))
        )
        return ids[:shared], ids[shared:]


def encode_pairs(pairs: Iterable[Pair], writer: Writer, seq_len: int) -> tuple[list[Coded], int, int]:
    """Return the pairs that fit into `seq_len` tokens, the number of those that do not, and of those that hold names of special tokens.

    Nothing is cut: half an answer is another answer.
    """
    coded: list[Coded] = []
    too_long = special = 0
    for number, pair in enumerate(pairs):
        both = [writer.write([*pair.messages, {"role": "assistant", "content": said}]) for said in (pair.chosen, pair.rejected)]  # fmt: skip
        if both[0] is None or both[1] is None:
            special += 1
            continue
        (first, chosen), (second, rejected) = both[0], both[1]
        shared = min(len(first), len(second))
        if first != second:  # the answers' first tokens differ already before the answer: begin both where they part
            shared = next(n for n, (a, b) in enumerate(zip([*first, -1], [*second, -2], strict=False)) if a != b)
        made = Coded(number, first[:shared], first[shared:] + chosen, second[shared:] + rejected)
        if made.length > seq_len:
            too_long += 1
        elif made.chosen and made.rejected:
            coded.append(made)
    return coded, too_long, special

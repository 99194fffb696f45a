"""A model as it is measured: it replies, and it weighs texts. Ours in float32, and any other that transformers loads, from a folder or a GGUF file.

Both predict every token of a text from what stands before it, the first from what separates documents; both take the most likely reply. A
model without a chat template is asked ``Q: …`` / ``A:``. Knows no questions and no scores. What a GGUF file says of itself is computed here
from its weights turned back to float32, not by llama.cpp.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from samovar.errors import MissingExtraError, TrainingError

if TYPE_CHECKING:
    from samovar.train.export.trained import Trained

Messages = Sequence[dict[str, str]]
PLAIN = "Q: {question}\nA:"
SEPARATOR = "<|endoftext|>"
PLAIN_STOPS = ("\nQ:", "\n\n")
WINDOW = 1024


@dataclass(frozen=True, slots=True)
class Said:
    """A reply. `ended` is false when it was cut at the longest length."""

    text: str
    ended: bool


class Speaker(Protocol):
    """What is asked of a model to measure it. `step` is that of its training run, -1 when unknown."""

    name: str
    step: int
    context: int

    def reply(self, messages: Messages, num_tokens: int) -> Said | None:
        """Return the most likely reply, at most so long; None when the conversation leaves no room for one."""
        ...

    def weigh(self, question: str, answer: str) -> float:
        """Return the log-likelihood of an answer, end of turn included, nats."""
        ...

    def weigh_text(self, text: str) -> float:
        """Return the log-likelihood of a text, nats."""
        ...


def open_speaker(place: Path, *, warn: Callable[[str], None] = lambda message: None) -> Speaker:
    """Open a training run, an exported folder, a Hugging Face folder of another architecture, or a GGUF file; `warn`: see `open_trained`.

    Raises:
        TrainingError: there is no such model.
    """
    from samovar.train.export.trained import open_trained

    return OwnSpeaker(open_trained(place, warn=warn)) if is_ours(place) else OtherSpeaker(place)


def is_ours(place: Path) -> bool:
    """Whether a place is a training run or an exported folder with a tokenizer of ours."""
    return (place / "checkpoints").is_dir() or (
        (place / "model.safetensors").is_file() and (place / "samovar.json").is_file()
    )


class OwnSpeaker:
    """A model of ours with our tokenizer."""

    def __init__(self, trained: Trained) -> None:
        self.name, self.step, self.context = trained.folder.name, trained.step, trained.config.max_seq_len
        self.model, self.words = trained.build(), trained.tokenizer

    def reply(self, messages: Messages, num_tokens: int) -> Said | None:
        """See `Speaker`."""
        from samovar.train.generate import continue_greedily

        ids, _ = self.words.render_chat(messages, add_generation_prompt=True)
        if len(ids) + num_tokens > self.context:
            return None
        said = continue_greedily(self.model, ids, num_tokens, stop=self.words.turn_end)
        return Said(self.words.decode(said), len(said) < num_tokens)

    def weigh(self, question: str, answer: str) -> float:
        """See `Speaker`."""
        ids, mask = self.words.render_chat(
            [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        )
        return self._weigh(ids[-self.context - 1 :], mask[-self.context - 1 :])

    def weigh_text(self, text: str) -> float:
        """See `Speaker`."""
        end = self.words.end_of_text
        return sum(
            self._weigh(ids, [True] * len(ids)) for ids in windows([end, *self.words.encode(text)], self.context)
        )

    def _weigh(self, ids: list[int], counted: list[bool]) -> float:
        import torch

        tokens = torch.tensor([ids])
        with torch.no_grad():
            nats = self.model.loss(tokens[:, :-1], tokens[:, 1:], reduction="none")[0]
        return -float(nats[torch.tensor(counted[1:])].double().sum())


class OtherSpeaker:
    """A model that transformers loads."""

    def __init__(self, place: Path) -> None:
        self.name, self.step = place.stem if place.is_file() else place.name, -1
        self.model, self.words = load_causal(place)
        self.context = int(getattr(self.model.config, "max_position_embeddings", 0) or WINDOW)

    def reply(self, messages: Messages, num_tokens: int) -> Said | None:
        """See `Speaker`."""
        import torch

        ids = self._ids(self._ask(messages))
        if len(ids) + num_tokens > self.context:
            return None
        prompt = torch.tensor([ids])
        stops = {self.words.eos_token_id, *self._template_ends()} - {None}
        with torch.no_grad():
            made = self.model.generate(
                prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=num_tokens, do_sample=False,
                temperature=None, top_p=None, top_k=None, repetition_penalty=1.0, num_beams=1,
                eos_token_id=sorted(stops), pad_token_id=min(stops, default=0),
            )  # fmt: skip
        text = str(self.words.decode(made[0, len(ids) :], skip_special_tokens=True))
        cut = text if self._has_template else cut_at(text, PLAIN_STOPS)
        return Said(cut, cut != text or made.shape[1] < len(ids) + num_tokens)

    def weigh(self, question: str, answer: str) -> float:
        """See `Speaker`."""
        asked = self._ask([{"role": "user", "content": question}])
        end = next(iter(self._template_ends()), None) if self._has_template else self._ids("\n")[-1]
        answered = answer if self._has_template else f" {answer}"
        before, whole = self._ids(asked), self._ids(asked + answered)
        same = next((n for n, (a, b) in enumerate(zip(before, whole, strict=False)) if a != b), len(before))
        return self._weigh([*whole, *([end] if end is not None else [])], same)

    def weigh_text(self, text: str) -> float:
        """See `Speaker`."""
        return sum(
            self._weigh(part, 1) for part in windows([self._separator(), *self._ids(text)], min(WINDOW, self.context))
        )

    def _separator(self) -> int:
        """What stood before a document in pretraining: by its usual name, else the beginning of a text."""
        known = self.words.get_vocab().get(SEPARATOR)
        given = (known, self.words.bos_token_id, self.words.eos_token_id)
        return next((int(one) for one in given if one is not None), 0)

    @property
    def _has_template(self) -> bool:
        return bool(self.words.chat_template)

    def _ask(self, messages: Messages) -> str:
        if self._has_template:
            return str(self.words.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True))
        start = self.words.bos_token or ""
        return start + PLAIN.format(question="\n\n".join(one["content"] for one in messages))

    def _ids(self, text: str) -> list[int]:
        return [int(one) for one in self.words(text, add_special_tokens=False).input_ids]

    def _template_ends(self) -> list[int]:
        """The token that closes the assistant's turn, as the template writes it."""
        if not self._has_template:
            return []
        said = self.words.apply_chat_template(
            [{"role": "user", "content": "?"}, {"role": "assistant", "content": "."}], tokenize=False
        )
        ids = self._ids(said[said.rindex(".") + 1 :])
        return ids[:1]

    def _weigh(self, ids: list[int], start: int) -> float:
        import torch

        tokens = torch.tensor([ids])
        with torch.no_grad():
            scores = self.model(tokens[:, :-1]).logits[0, start - 1 :].float()
        return -float(torch.nn.functional.cross_entropy(scores, tokens[0, start:], reduction="sum"))


def windows(ids: list[int], length: int) -> Iterator[list[int]]:
    """Yield pieces of `length` + 1 ids, each beginning with the last of the one before."""
    for start in range(0, len(ids) - 1, length):
        yield ids[start : start + length + 1]


def cut_at(text: str, stops: Sequence[str]) -> str:
    """Return a text up to the first of the stops."""
    return text[: min((text.index(stop) for stop in stops if stop in text), default=len(text))]


def load_causal(place: Path) -> tuple[Any, Any]:
    """Return model (float32, for reading) and tokenizer of a folder or a GGUF file.

    Raises:
        TrainingError: transformers cannot load it.
        MissingExtraError: transformers is not installed.
    """
    try:
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        raise MissingExtraError("adapt", "measuring a model that is not ours") from error
    from samovar.train.adapt.quality import quiet

    if not (place.is_file() or (place / "config.json").is_file()):
        raise TrainingError(f"expected a training run, a Hugging Face folder or a GGUF file, found {place}")
    folder = place.parent if place.is_file() else place
    file: dict[str, Any] = {"gguf_file": place.name} if place.is_file() else {}
    try:
        with quiet():
            words = AutoTokenizer.from_pretrained(folder, local_files_only=True, **file)
            if place.is_file():
                file["config"] = _correct_heads(
                    AutoConfig.from_pretrained(folder, local_files_only=True, **file), place
                )
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True, **file)
    except (ValueError, OSError, KeyError, RuntimeError, ImportError) as error:
        raise TrainingError(f"expected a model that transformers loads at {place}, found: {error}") from error
    return model.eval().requires_grad_(False), words


def _correct_heads(config: Any, place: Path) -> Any:
    """Return a configuration with the size of a head that the GGUF file tells: transformers takes its architecture's usual one (128 for Qwen3)."""
    import gguf

    fields = gguf.GGUFReader(str(place)).fields
    name = f"{fields['general.architecture'].contents()}.attention.key_length"
    if name in fields and getattr(config, "head_dim", None) is not None:
        config.head_dim = int(fields[name].contents())
    return config

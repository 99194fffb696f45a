"""Trim the vocabulary of an open model to what a language needs, and prove that the rest is as it was.

Rows are selected, nothing is trained or quantised anew. Before the result counts: text whose tokens all stayed must be cut the same way, and
bits per byte on held-out text must stay within 1 %. Source: Abdaoui et al. 2020, "Load What You Need" (arXiv:2010.05609).
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from samovar.errors import MissingExtraError, TrainingError
from samovar.train.adapt import ggufile, huggingface
from samovar.train.adapt.letters import Letters, sort_tokens
from samovar.train.adapt.material import Material
from samovar.train.adapt.others import MAX_LOSS as MAX_OTHER_LOSS
from samovar.train.adapt.others import Measured, Others, measure_others
from samovar.train.adapt.quality import (
    Encode,
    measure_causal,
    measure_llama,
    measure_speed,
    open_causal,
    open_encoder,
    open_llama,
)
from samovar.train.adapt.vocabulary import Ids, Selection, Vocabulary, count_ids, select
from samovar.train.fertility import Fertility, measure

MAX_LOSS = 0.01
"""Bits per byte may grow by this share."""
LLAMA_TEXTS, LLAMA_TOKENS = 8, 48
"""llama.cpp predicts one token a request, so it is measured on so little."""
PROMPT_TOKENS, GREEDY_TOKENS = 16, 16
ROLES = "system\nuser\nassistant\ntool\n"
"""Words of chat templates: they stay whole whatever the texts are."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Figures:
    """One model: rows and bytes, and on held-out texts fertility, bits per byte and decoded tokens a CPU second (NaN: not measured)."""

    vocab_size: int
    num_bytes: int
    fertility: Fertility
    bits: float = math.nan
    speed: float = math.nan


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What trimming did. `same_lines` of `num_lines` held-out lines, whose tokens all stayed, are cut as before (all, or it is refused);
    `covered` is the share of held-out tokens that stayed; `same_greedy` of `num_greedy` tokens of greedy continuations agree.
    `language` is the one whose letters had a say ("": only what was seen), by its profile or else by the texts' own letters."""

    architecture: str
    old: Figures
    new: Figures
    selection: Selection
    num_documents: int
    seen_chars: int
    held_out: bool
    covered: float
    num_lines: int
    same_lines: int
    num_greedy: int = 0
    same_greedy: int = 0
    others: Others | None = None
    language: str = ""
    has_profile: bool = False

    @property
    def bits_change(self) -> float:
        """How much bits per byte grew, as a share; NaN when not measured."""
        return self.new.bits / self.old.bits - 1


def check_room(output: Path, num_bytes: int) -> None:
    """Make sure that the result will fit.

    Raises:
        TrainingError: it will not.
    """
    free = shutil.disk_usage(output.parent).free
    if num_bytes > free:
        raise TrainingError(
            f"expected {num_bytes / 2**30:.2f} GiB of free space for {output}, found {free / 2**30:.2f} GiB: free some, or name another --output"
        )


def check_cut(lines: Sequence[str], old: Encode, new: Encode, selection: Selection) -> tuple[int, int, float]:
    """Return how many lines keep all their tokens, how many of those are cut as before, and the share of tokens that stayed."""
    numbers = selection.renumber()
    whole = same = total = stayed = 0
    for line in lines:
        ids = old(line)
        found = [numbers[number] for number in ids if number in numbers]
        total, stayed = total + len(ids), stayed + len(found)
        if len(found) == len(ids):
            whole += 1
            same += new(line) == found
    return whole, same, stayed / total if total else 0.0


def _count(material: Material, encode: Encode, size: int, say: Say) -> Ids:
    say("count")
    return count_ids(([encode(piece) for piece in batch] for batch in material.batches()), size)


def _choose_tokens(
    vocabulary: Vocabulary, counts: Ids, size: int, material: Material, template: set[int], only_seen: bool
) -> tuple[Selection, Letters | None]:
    """Return what is kept, and the letters that had a say in it; a `size` that was asked for is filled with what is common."""
    letters = None if only_seen else material.letters()
    also = () if letters is None else sort_tokens(vocabulary, letters.letters, 1.0 if size else None)
    return select(vocabulary, counts, size, first=template, also=also), letters


def _lines(material: Material) -> list[str]:
    return [line for text in material.held for line in text.splitlines(keepends=True) if line.strip()]


def _judge(found: Trimmed, anyway: bool) -> Trimmed:
    """Let only a sound result pass.

    Raises:
        TrainingError: lines are cut otherwise, or predictions are worse than allowed.
    """
    if found.same_lines != found.num_lines:
        raise TrainingError(
            f"expected lines whose tokens all stayed to be cut as before, found {found.num_lines - found.same_lines} of {found.num_lines} "
            "cut otherwise: this tokenizer does more than merging, and cannot be trimmed"
        )
    if not anyway and found.bits_change > MAX_LOSS:
        raise TrainingError(
            f"expected bits per byte to grow by at most {MAX_LOSS:.0%}, found {found.old.bits:.4f} and {found.new.bits:.4f} "
            f"({found.bits_change:+.1%}; {found.covered:.1%} of the held-out tokens stayed): raise --vocab-size, add texts, or say --anyway"
        )
    others = found.others
    if not anyway and others is not None and others.change > MAX_OTHER_LOSS:
        raise TrainingError(
            f"expected bits per byte of the texts to keep to grow by at most {MAX_OTHER_LOSS:.0%}, found {others.old_bits:.4f} and "
            f"{others.new_bits:.4f} ({others.change:+.1%}): name them in --corpus too, raise --vocab-size, or say --anyway"
        )
    if not anyway and math.isnan(found.bits_change) and found.same_greedy != found.num_greedy:
        raise TrainingError(
            f"expected the same greedy tokens where llama.cpp tells no probabilities, found {found.same_greedy} of {found.num_greedy}: "
            "name another --vocab-size, or say --anyway"
        )
    return found


def _fertility(name: str, encode: Encode, texts: Sequence[str]) -> Fertility:
    return measure(name, lambda batch: sum(len(encode(text)) for text in batch), "held-out", texts)


def _report(
    source: Any, old: Figures, new: Figures, selection: Selection, letters: Letters | None, material: Material, cut: tuple[int, int, float],
    others: Others | None, **greedy: int,
) -> Trimmed:  # fmt: skip
    return Trimmed(
        source.architecture, old, new, selection, material.num_documents, material.seen_chars, material.separate,
        cut[2], cut[0], cut[1], others=others, language="" if letters is None else letters.tag,
        has_profile=letters is not None and letters.has_profile, **greedy,
    )  # fmt: skip


# -- a Hugging Face folder ------------------------------------------------------------------------------------------
def trim_folder(
    source: Path, material: Material, draft: Path, size: int, *, only_seen: bool = False, anyway: bool = False, say: Say = lambda what: None
) -> Trimmed:  # fmt: skip
    """Write the trimmed model into the new folder `draft`; `size` is the vocabulary wanted at most, 0 for all that is needed: what the texts
    use and, unless `only_seen`, what is written in the language's letters.

    Raises:
        TrainingError: the model cannot be trimmed, or the result is not as good.
        MissingExtraError: torch or transformers are needed and not there.
    """
    folder = huggingface.open_folder(source)
    check_room(draft, folder.num_bytes)
    encode = open_encoder(source)
    counts = _count(material, encode, len(folder.vocabulary.tokens), say)
    first = _template_ids([_template_of(source), *material.prompts], encode)
    selection, letters = _choose_tokens(folder.vocabulary, counts, size, material, first, only_seen)
    say("write")
    draft.mkdir(parents=True)
    huggingface.write_trimmed(folder, selection, draft)
    say("prove")
    after = open_encoder(draft)
    cut = check_cut(_lines(material), encode, after, selection)
    models = [
        Measured(words, partial(measure_causal, open_causal(path), words, start=start))
        for path, words, start in ((source, encode, _start(folder)), (draft, after, _start(folder, selection)))
    ]
    bits = [model.bits(material.held) for model in models]
    others = measure_others(material.others, *models)
    new_bytes = sum(path.stat().st_size for path in draft.glob("*.safetensors"))
    old = Figures(folder.num_rows, folder.num_bytes, _fertility("old", encode, material.held), bits[0])
    new = Figures(len(selection), new_bytes, _fertility("new", after, material.held), bits[1])
    return _judge(_report(folder, old, new, selection, letters, material, cut, others), anyway)


def _start(folder: huggingface.Folder, selection: Selection | None = None) -> int | None:
    """Return the id that opens a text, if the model has one."""
    number = folder.config.get("bos_token_id")
    if not isinstance(number, int) or selection is None:
        return number if isinstance(number, int) else None
    return selection.renumber().get(number)


def _template_of(source: Path) -> str:
    """Return the text of the chat template, "" without one."""
    path = source / "chat_template.jinja"
    if path.exists():
        return path.read_text("utf-8", "replace")
    path = source / "tokenizer_config.json"
    found = huggingface.read_json(path).get("chat_template") if path.exists() else ""
    return found if isinstance(found, str) else ""


def _template_ids(templates: Sequence[str], encode: Encode) -> set[int]:
    """Return the ids that a chat is rendered with, and those of prompts."""
    return {number for text in (ROLES, *templates) for number in encode(text)}


# -- a GGUF file ----------------------------------------------------------------------------------------------------
def trim_file(
    source: Path, material: Material, draft: Path, size: int, *, only_seen: bool = False, anyway: bool = False, say: Say = lambda what: None
) -> Trimmed:  # fmt: skip
    """Write the trimmed model into the new file `draft`; see `trim_folder`.

    Raises:
        TrainingError: the model cannot be trimmed, or the result is not as good.
        MissingExtraError: llama.cpp is not installed.
    """
    from importlib.util import find_spec

    if find_spec("xllamacpp") is None:
        raise MissingExtraError("llama", "trimming a GGUF file")
    file = ggufile.open_file(source)
    check_room(draft, file.num_bytes)
    before = open_llama(source, 2 * LLAMA_TOKENS)
    try:
        counts = _count(material, before.tokenize, len(file.vocabulary.tokens), say)
        first = _template_ids([file.template, *material.prompts], before.tokenize)
        selection, letters = _choose_tokens(file.vocabulary, counts, size, material, first, only_seen)
        say("write")
        ggufile.write_trimmed(file, selection, draft)
        say("prove")
        after = open_llama(draft, 2 * LLAMA_TOKENS)
        try:
            return _judge(_compare_files(file, draft, selection, letters, material, before, after), anyway)
        finally:
            after.close()
    finally:
        before.close()


def _compare_files(
    file: ggufile.File, draft: Path, selection: Selection, letters: Letters | None, material: Material, before: Any, after: Any
) -> Trimmed:  # fmt: skip
    cut = check_cut(_lines(material), before.tokenize, after.tokenize, selection)
    texts = _choose(material.held, before.tokenize)
    start = [] if file.start is None else [file.start]
    begun = (start, [selection.renumber()[number] for number in start])
    models = [
        Measured(engine.tokenize, partial(_measure_bits, engine, head))
        for engine, head in zip((before, after), begun, strict=True)
    ]
    bits = [model.bits(texts) for model in models]
    others = measure_others(_choose(material.others, before.tokenize), *models)
    prompts = _prompts(texts, selection, start, before.tokenize)
    total, same = _count_greedy(selection, prompts, before, after)
    speeds = measure_speed((before, after), prompts[0])
    held = material.held
    old = Figures(len(file.vocabulary.tokens), file.num_bytes, _fertility("old", before.tokenize, held), bits[0], speeds[0])  # fmt: skip
    new = Figures(len(selection), draft.stat().st_size, _fertility("new", after.tokenize, held), bits[1], speeds[1])
    return _report(file, old, new, selection, letters, material, cut, others, num_greedy=total, same_greedy=same)


def _choose(texts: Sequence[str], encode: Encode) -> list[str]:
    """Return the beginnings of a few texts, spread over all."""
    return [_shorten(text, encode) for text in texts[:: max(1, len(texts) // LLAMA_TEXTS)][:LLAMA_TEXTS]]


def _measure_bits(engine: Any, start: Sequence[int], texts: Sequence[str]) -> float:
    """Return llama.cpp's bits per byte of texts."""
    sizes = [len(text.encode("utf-8")) for text in texts]
    found = [measure_llama(engine, [*start, *engine.tokenize(text)], text) for text in texts]
    return sum(bits * size for bits, size in zip(found, sizes, strict=True)) / max(1, sum(sizes))


def _shorten(text: str, encode: Encode) -> str:
    """Return the beginning of a text that takes about `LLAMA_TOKENS` tokens, cut between words."""
    words = text.split(" ")
    while len(words) > 1 and len(encode(" ".join(words))) > LLAMA_TOKENS:
        words = words[: max(1, min(len(words) - 1, len(words) * 3 // 4))]
    return " ".join(words)


def _prompts(
    texts: Sequence[str], selection: Selection, start: Sequence[int], encode: Encode
) -> list[tuple[list[int], list[int]]]:
    """Return the beginnings of texts in old and new ids, as far as their tokens stayed."""
    numbers = selection.renumber()
    found = []
    for text in texts:
        ids = [*start, *encode(text)[:PROMPT_TOKENS]]
        new = [numbers.get(number) for number in ids]
        length = new.index(None) if None in new else len(new)
        kept = [number for number in new[:length] if number is not None]
        found.append((ids[:length], kept) if kept else ([int(selection.old_ids[0])], [0]))
    return found


def _count_greedy(
    selection: Selection, prompts: Sequence[tuple[list[int], list[int]]], before: Any, after: Any
) -> tuple[int, int]:
    """Return how many greedy tokens were compared and how many were the same: of each continuation as far as it says what stayed."""
    numbers = selection.renumber()
    total = same = 0
    for old_prompt, new_prompt in prompts:
        said = [numbers.get(number) for number in before.continue_tokens(old_prompt, GREEDY_TOKENS)[0]]
        length = said.index(None) if None in said else len(said)
        again = after.continue_tokens(new_prompt, GREEDY_TOKENS)[0]
        total += length
        same += sum(1 for old, new in zip(said[:length], again, strict=False) if old == new)
    return total, same

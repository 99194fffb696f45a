"""Byte-level byte-pair encoding as data: the pattern that cuts text, the ranks, the merges, and the files that hold them.

Any bytes can be written with the 256 byte tokens, so nothing is ever unknown. The patterns are Llama 3's and Qwen2's, letter for letter: llama.cpp
has them hard-coded (``pre="llama-bpe"``, ``pre="qwen2"``), so an exported model cuts text exactly as it was trained. They differ in numbers
only: runs of up to three digits, or single digits. Knows nothing about corpora or models.
Source: Sennrich et al. 2016 (arXiv:1508.07909); GPT-2 for the bytes as characters; Llama 3 (arXiv:2407.21783) and Qwen2 (arXiv:2407.10671).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from samovar.errors import MissingExtraError, TrainingError

_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
GROUPED, SINGLE = "llama-bpe", "qwen2"
"""llama.cpp's names of the two patterns: numbers in runs of up to three digits, from the left; or digit by digit."""
PATTERNS = {GROUPED: _PATTERN % "{1,3}", SINGLE: _PATTERN % ""}
"""How text is cut before merging, by name: a word takes the space before it."""
DIGITS = {3: GROUPED, 1: SINGLE}
"""The pattern for the most digits that a token may hold."""
_LOOK_AHEAD = r"\s+(?!\S)|"
WIDE_SPACE = re.compile(r"\s[^\S\r\n]")
"""Found in texts that need the whole pattern, see `plain_pattern`. Python's white space includes all of the expression engine's."""
MAX_SPACE = 10_000
LONG_SPACE = re.compile(rf"[^\S\r\n\x1c-\x1f]{{{MAX_SPACE},}}")
"""Runs that the look-ahead would need too deep a stack for (1,000,000 fail, 100,000 do not); they are cut by hand."""
NUM_BYTES = 256

END_OF_TEXT = "<|endoftext|>"
"""Ends a document; separates it from the next."""
TURN_START, TURN_END = "<|im_start|>", "<|im_end|>"
SPECIALS = (END_OF_TEXT, TURN_START, TURN_END)
MULTIPLE = 64
"""Vocabularies are padded to a multiple of this: matrix units want it, and GGUF rows."""

_CONTENT = "message['content'] | replace('<|im_', '< |im_') | replace('<|endoftext|>', '< |endoftext|>') | replace('<|unused_', '< |unused_')"
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + ("
    + _CONTENT
    + ") + '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""ChatML. A rendered conversation is one text, and no flag of tokenizer.json tells the template's ``<|im_end|>`` from one that a user wrote; so the
template breaks up such names in what is said, by a space after their first character, and nobody can end his turn or open another's."""

Ranks = Mapping[bytes, int]
"""Token bytes to id; a pair of neighbours merges if its bytes are here, the lowest id first."""


def plain_pattern(pre: str) -> str:
    """Return the same cut for texts in which no white space but a line end follows white space: there the look-ahead changes nothing, and
    without it the expression runs as an automaton (a quarter more megabytes a second)."""
    return PATTERNS[pre].replace(_LOOK_AHEAD, "")


def learn_ranks(texts: Iterable[str], num_ranks: int, pre: str = GROUPED) -> dict[bytes, int]:
    """Learn the ranks of a vocabulary of at most `num_ranks` tokens; fewer when the texts hold no further pair.

    The same texts in the same order give the same ranks. The 256 bytes come first, in order.
    """
    try:
        import rustbpe
    except ImportError as error:
        raise MissingExtraError("train", "training a tokenizer") from error
    trainer = rustbpe.Tokenizer()
    short = (LONG_SPACE.sub(lambda run: run[0][:MAX_SPACE], text) for text in texts)
    trainer.train_from_iterator(short, num_ranks, 256, PATTERNS[pre])  # 256 texts a refill: little is held
    return {bytes(token): rank for token, rank in trainer.get_mergeable_ranks()}


def check_ranks(ranks: Ranks) -> None:
    """Refuse ranks that are no vocabulary.

    Raises:
        TrainingError: ids have gaps, or a byte has no token.
    """
    if sorted(ranks.values()) != list(range(len(ranks))):
        raise TrainingError(f"expected ids from 0 to {len(ranks) - 1}, each once; train the tokenizer again")
    lacking = [value for value in range(NUM_BYTES) if bytes([value]) not in ranks]
    if lacking:
        raise TrainingError(f"expected a token for each of the 256 bytes, found none for {lacking[:5]}")


def merges_of(ranks: Ranks) -> list[tuple[bytes, bytes]]:
    """Return, in the order of ranks, the two tokens that each longer token is merged from.

    Merging by rank reaches a token by one pair only: what happens inside its bytes does not depend on what stands around them, as long as
    no merge crosses their border. So these merges give the same ids as the ranks do (a test compares them).

    Raises:
        TrainingError: a token can never be reached, so the ranks were not learnt by merging.
    """
    merges = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        if len(token) > 1:
            parts = _merge(token, ranks, rank)
            if len(parts) != 2:
                raise TrainingError(f"expected token {rank} ({token!r}) to be a merge of two, found {len(parts)} parts")
            merges.append((parts[0], parts[1]))
    return merges


def _merge(token: bytes, ranks: Ranks, limit: int) -> list[bytes]:
    """Merge the bytes of a token by the ranks below `limit`."""
    parts = [token[i : i + 1] for i in range(len(token))]
    while len(parts) > 1:
        candidates = [(ranks.get(a + b, limit), i) for i, (a, b) in enumerate(pairwise(parts))]
        rank, index = min(candidates)
        if rank >= limit:
            break
        parts[index : index + 2] = [parts[index] + parts[index + 1]]
    return parts


@lru_cache(maxsize=1)
def byte_characters() -> tuple[str, ...]:
    """Return the printable character that stands for each byte in tokenizer.json and GGUF. Source: GPT-2, ``bytes_to_unicode``."""
    plain = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(NUM_BYTES, 2 * NUM_BYTES))
    return tuple(chr(value if value in plain else next(others)) for value in range(NUM_BYTES))


def as_characters(token: bytes) -> str:
    """Write the bytes of a token with `byte_characters`."""
    table = byte_characters()
    return "".join(table[value] for value in token)


def pad_specials(num_ranks: int) -> tuple[str, ...]:
    """Return the special tokens that follow the ranks: ours, then unused ones up to a multiple of `MULTIPLE`."""
    unused = -(num_ranks + len(SPECIALS)) % MULTIPLE
    return (*SPECIALS, *(f"<|unused_{n}|>" for n in range(unused)))


# -- files ----------------------------------------------------------------------------------------------------------
def write_ranks(ranks: Ranks) -> str:
    """Return the text of ``ranks.tiktoken``: base64 of the token and its id, a line each."""
    rows = sorted(ranks.items(), key=lambda item: item[1])
    return "".join(f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in rows)


def read_ranks(path: Path) -> dict[bytes, int]:
    """Read ranks.

    Raises:
        TrainingError: the file is missing or damaged.
    """
    try:
        lines = path.read_text("ascii").splitlines()
        ranks = {base64.b64decode(token, validate=True): int(rank) for token, rank in map(str.split, lines)}
    except (OSError, ValueError, binascii.Error) as error:
        raise TrainingError(f"expected the ranks of a tokenizer in {path}, found: {error}") from error
    check_ranks(ranks)
    return ranks


def hf_tokenizer(ranks: Ranks, specials: Sequence[str], pre: str = GROUPED) -> dict[str, Any]:
    """Return ``tokenizer.json`` of Hugging Face's tokenizers: no normaliser, the pattern, bytes as characters, merges as pairs."""
    vocabulary = {as_characters(token): rank for token, rank in sorted(ranks.items(), key=lambda item: item[1])}
    added = [
        {"id": len(ranks) + n, "content": name, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        for n, name in enumerate(specials)
    ]  # fmt: skip
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    split = {"type": "Split", "pattern": {"Regex": PATTERNS[pre]}, "behavior": "Isolated", "invert": False}
    model = {
        "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
        "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": vocabulary,
        "merges": [[as_characters(a), as_characters(b)] for a, b in merges_of(ranks)],
    }  # fmt: skip
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]},
        "post_processor": None, "decoder": byte_level, "model": model,
    }  # fmt: skip


def hf_tokenizer_config(max_length: int = 1_000_000) -> dict[str, Any]:
    """Return ``tokenizer_config.json``; the class is the one that takes tokenizer.json as it is."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": False,
        "add_prefix_space": False,
        "bos_token": None,
        "eos_token": TURN_END,
        "pad_token": END_OF_TEXT,
        "unk_token": None,
        "clean_up_tokenization_spaces": False,
        "model_max_length": max_length,
        "chat_template": CHAT_TEMPLATE,
    }


def dump(value: Mapping[str, Any], indent: int | None = None) -> str:
    """Return a JSON file's text."""
    return json.dumps(value, ensure_ascii=False, indent=indent) + "\n"

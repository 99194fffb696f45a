"""How well a vocabulary fits texts: tokens per word, bytes and characters per token, by domain, ours beside others.

A word is an unbroken run of letters, marks and digits; what stands between words is counted in the tokens and not in the words. For
languages written without spaces only bytes and characters per token say something. Other tokenizers are read from files: a folder of ours,
``tokenizer.json`` of Hugging Face, ``.tiktoken`` ranks beside their pattern, the JSON of npm's ``tiktoken``, GGUF. Knows no models.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samovar.errors import MissingExtraError, TrainingError
from samovar.train import bpe
from samovar.train.texts import Text
from samovar.train.tokenizer import ABOUT, Tokenizer, repair

WORD = re.compile(r"[^\W_]+")
MAX_CHARS = 1_000_000
"""Of a domain so much is measured: ratios are exact to three digits long before."""
MAX_DOMAINS = 20

Count = Callable[[Sequence[str]], int]
"""Texts to the number of their tokens."""


@dataclass(frozen=True, slots=True)
class Fertility:
    """One tokenizer on one domain. `tokens_per_word` is 0 where there are no words."""

    tokenizer: str
    domain: str
    num_texts: int
    num_words: int
    num_tokens: int
    tokens_per_word: float
    bytes_per_token: float
    chars_per_token: float


def measure(name: str, count: Count, domain: str, texts: Sequence[str]) -> Fertility:
    """Measure one tokenizer on the texts of a domain."""
    clean = [repair(text) for text in texts]
    num_tokens = count(clean)
    num_words = sum(sum(1 for _ in WORD.finditer(text)) for text in clean)
    num_chars = sum(map(len, clean))
    num_bytes = sum(len(text.encode("utf-8")) for text in clean)
    return Fertility(
        name, domain, len(clean), num_words, num_tokens,
        round(num_tokens / num_words, 4) if num_words else 0.0,
        round(num_bytes / num_tokens, 4) if num_tokens else 0.0,
        round(num_chars / num_tokens, 4) if num_tokens else 0.0,
    )  # fmt: skip


def compare(counts: Mapping[str, Count], domains: Mapping[str, Sequence[str]]) -> list[Fertility]:
    """Measure every tokenizer on every domain."""
    return [measure(name, count, domain, texts) for domain, texts in domains.items() for name, count in counts.items()]


def by_domain(texts: Iterable[Text], max_chars: int = MAX_CHARS) -> dict[str, list[str]]:
    """Gather the beginnings of texts by domain, at most `max_chars` characters of each; the largest domains stay."""
    found: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    for text in texts:
        size = sizes.get(text.domain, 0)
        if size < max_chars:
            found.setdefault(text.domain, []).append(text.text[: max_chars - size])
            sizes[text.domain] = size + len(text.text)
    largest = sorted(found, key=lambda name: (-sizes[name], name))[:MAX_DOMAINS]
    return {name: found[name] for name in sorted(largest)}


# -- other tokenizers -----------------------------------------------------------------------------------------------
def count_with(tokenizer: Tokenizer) -> Count:
    """Return what counts with one of our tokenizers."""
    return lambda texts: sum(len(tokenizer.encode(text)) for text in texts)


def open_counter(path: Path) -> Count:
    """Return what counts the tokens of a tokenizer in a file or folder.

    Raises:
        TrainingError: it is of no kind that is known here.
    """
    if path.is_dir():
        return count_with(Tokenizer.load(path)) if (path / ABOUT).exists() else _count_hf(path / "tokenizer.json")
    if path.suffix == ".gguf":
        return _count_gguf(path)
    if path.suffix == ".json":
        values = _read_json(path)
        return _count_ranks(values) if "bpe_ranks" in values else _count_hf(path)
    raise TrainingError(f"expected a tokenizer (a folder, tokenizer.json, ranks of tiktoken, GGUF), found {path}")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise TrainingError(f"expected a tokenizer's JSON in {path}, found: {error}") from error


def _count_ranks(values: Mapping[str, Any]) -> Count:
    """Ranks in the form of npm's tiktoken: lines of ``! first-rank base64 base64 …``."""
    import tiktoken

    ranks: dict[bytes, int] = {}
    for line in values["bpe_ranks"].splitlines():
        _, first, *tokens = line.split(" ")
        ranks |= {base64.b64decode(token): int(first) + n for n, token in enumerate(tokens)}
    encoding = tiktoken.Encoding(
        "other", pat_str=values["pat_str"], mergeable_ranks=ranks, special_tokens=values["special_tokens"]
    )
    return lambda texts: sum(len(encoding.encode_ordinary(text)) for text in texts)


def _count_hf(path: Path) -> Count:
    import tokenizers

    if not path.is_file():
        raise TrainingError(f"expected a tokenizer in {path}, found nothing")
    return _count_loaded(tokenizers.Tokenizer.from_file(str(path)))


def _count_loaded(tokenizer: Any) -> Count:
    return lambda texts: sum(len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts)


def _count_gguf(path: Path) -> Count:
    try:
        import gguf
    except ImportError as error:
        raise MissingExtraError("train", f"reading {path.name}") from error
    fields = gguf.GGUFReader(str(path)).fields

    def field(name: str) -> Any:
        found = fields.get(f"tokenizer.ggml.{name}")
        return None if found is None else found.contents()

    kind, tokens = field("model"), field("tokens")
    if kind == "gpt2":
        return _count_loaded(_byte_level(tokens, field("merges"), field("pre")))
    if kind == "llama":
        return _count_loaded(_by_scores(tokens, field("scores"), field("add_space_prefix")))
    raise TrainingError(f"expected a tokenizer of kind gpt2 or llama in {path}, found {kind}")


def _byte_level(tokens: Sequence[str], merges: Sequence[str], pre: str) -> Any:
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    vocabulary = {token: number for number, token in enumerate(tokens)}
    pairs = [(first, second) for first, _, second in (merge.partition(" ") for merge in merges)]
    made = Tokenizer(models.BPE(vocabulary, pairs))
    if pre in bpe.PATTERNS:
        split: Any = pre_tokenizers.Split(Regex(bpe.PATTERNS[pre]), "isolated")
        steps = [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    elif pre == "smollm":
        steps = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    else:
        raise TrainingError(
            f"expected a pre-tokeniser that is known here ({', '.join(bpe.PATTERNS)}, smollm), found {pre}"
        )
    made.pre_tokenizer = pre_tokenizers.Sequence(steps)
    return made


def _by_scores(tokens: Sequence[str], scores: Sequence[float], space_prefix: bool | None) -> Any:
    """SentencePiece BPE: the pair whose token scores highest merges first; unknown characters become bytes."""
    from tokenizers import Tokenizer, models, normalizers

    vocabulary = {token: number for number, token in enumerate(tokens)}
    ranked: list[tuple[float, int, str, str]] = []
    for token, number in vocabulary.items():
        for cut in range(1, len(token)):
            if token[:cut] in vocabulary and token[cut:] in vocabulary:
                ranked.append((-scores[number], number, token[:cut], token[cut:]))
    ranked.sort()
    made = Tokenizer(models.BPE(vocabulary, [(a, b) for _, _, a, b in ranked], byte_fallback=True, fuse_unk=True))
    steps: list[Any] = [normalizers.Prepend("\u2581")] if space_prefix else []
    made.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", "\u2581")])
    return made

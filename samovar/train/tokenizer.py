"""The tokenizer: train one on texts, save it, load it, encode and decode, render a chat.

A folder holds ``tokenizer.json`` and ``tokenizer_config.json`` (for transformers, vLLM and the export), ``ranks.tiktoken`` (what encodes here:
ten times as fast, the same ids) and ``samovar.json`` (what it is and what it was trained on), written last. Names of special tokens inside
a text are text: only this file's own rendering writes specials. Knows nothing about models.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from samovar.corpus.build.commit import sync_folders, whole_file
from samovar.errors import MissingExtraError, TrainingError
from samovar.train import bpe

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

RANKS, HF, HF_CONFIG, ABOUT = "ranks.tiktoken", "tokenizer.json", "tokenizer_config.json", "samovar.json"
FORMAT = 1
DEFAULT_VOCABULARY = 32_768
MIN_VOCABULARY = bpe.NUM_BYTES + bpe.MULTIPLE
MIN_CHARS_PER_TOKEN = 32
"""Fewer characters for each token of the vocabulary, and it would learn the names of these very texts."""

SAMPLE_TEXTS, SAMPLE_CHARS = 256, 8_192
"""How many of the texts, and how much of each, the result is measured on."""

_ROLE = re.compile(r"[a-z][a-z_]*")


@dataclass(frozen=True, slots=True)
class TokenizerInfo:
    """``samovar.json``. `sha256` is over the ranks and the specials: two tokenizers of one hash give the same ids. `bytes_per_token` was
    measured on the texts it was trained on; `corpus_sha256` is over those texts in their order. `pre` names the pattern, see `bpe.PATTERNS`
    (files from before it was written have single digits)."""

    vocab_size: int
    num_ranks: int
    specials: tuple[str, ...]
    sha256: str
    corpus_sha256: str = ""
    num_documents: int = 0
    num_chars: int = 0
    num_bytes: int = 0
    bytes_per_token: float = 0.0
    format: int = FORMAT
    pre: str = bpe.SINGLE


class Tokenizer:
    """Text to ids and back; see `Tokenizer.load`. Thread-safe; crosses process boundaries by its folder."""

    def __init__(self, ranks: bpe.Ranks, info: TokenizerInfo) -> None:
        self.ranks = ranks
        self.info = info
        self.special_ids = {name: len(ranks) + n for n, name in enumerate(info.specials)}
        self._encoding = _make_encoding(ranks, self.special_ids, bpe.PATTERNS[info.pre])
        self._plain = _make_encoding(ranks, self.special_ids, bpe.plain_pattern(info.pre))
        self._single = tuple(ranks[bytes([value])] for value in range(bpe.NUM_BYTES))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open a tokenizer's folder.

        Raises:
            TrainingError: there is none, or its files do not belong together.
        """
        info = read_info(folder)
        ranks = bpe.read_ranks(folder / RANKS)
        if hash_vocabulary(ranks, info.specials, info.pre) != info.sha256:
            raise TrainingError(
                f"expected the tokenizer {info.sha256[:12]} in {folder}, found other ranks. Copy the whole folder again, or train anew."
            )
        return cls(ranks, info)

    @property
    def vocab_size(self) -> int:
        """Number of ids, specials and padding included."""
        return self.info.vocab_size

    @property
    def sha256(self) -> str:
        """Hash of what decides the ids."""
        return self.info.sha256

    @property
    def end_of_text(self) -> int:
        """The id that ends every document."""
        return self.special_ids[bpe.END_OF_TEXT]

    @property
    def turn_end(self) -> int:
        """The id that ends what a speaker says: where generation stops."""
        return self.special_ids[bpe.TURN_END]

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text; names of specials in it are plain text.

        Raises:
            TrainingError: the text holds a lone surrogate, which is no character; see `repair`.
        """
        _check_characters(text)
        return self._encode(text)

    def _encode(self, text: str) -> list[int]:
        if not bpe.WIDE_SPACE.search(text):
            return self._plain.encode_ordinary(text)  # type: ignore[no-any-return]
        ids: list[int] = []
        place = 0
        for run in bpe.LONG_SPACE.finditer(text):
            # what the look-ahead would find: the run without its last space, which belongs to what follows
            cut = run.end() - (run.end() < len(text))
            ids += self._encoding.encode_ordinary(text[place : run.start()])
            ids += self._plain.encode_ordinary(text[run.start() : cut])
            place = cut
        ids += self._encoding.encode_ordinary(text[place:])
        return ids

    def encode_bytes(self, data: bytes) -> list[int]:
        """Return the ids of any bytes; those that are no UTF-8 become byte tokens."""
        ids: list[int] = []
        for piece in _split_valid(data):
            ids += self._encode(piece) if isinstance(piece, str) else [self._single[b] for b in piece]
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids; bytes that are no UTF-8 (a character cut in two) become U+FFFD. Specials show as their names."""
        return self.decode_bytes(ids).decode("utf-8", "replace")

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """Return the bytes of ids, exactly.

        Raises:
            TrainingError: an id is not of this vocabulary.
        """
        numbers = [int(number) for number in ids]
        wrong = [number for number in numbers if not 0 <= number < self.vocab_size]
        if wrong:
            raise TrainingError(f"expected ids from 0 to {self.vocab_size - 1}, found {wrong[0]}")
        return self._encoding.decode_bytes(numbers)  # type: ignore[no-any-return]

    def token_bytes(self) -> npt.NDArray[np.int64]:
        """Return the UTF-8 bytes of each id, 0 for specials: what turns nats into bits per byte. Shape [vocabulary]."""
        import numpy as np

        sizes = np.zeros(self.vocab_size, np.int64)
        for token, rank in self.ranks.items():
            sizes[rank] = len(token)
        return sizes

    def render_chat(
        self, messages: Sequence[Mapping[str, str]], *, add_generation_prompt: bool = False
    ) -> tuple[list[int], list[bool]]:
        """Return the ids of a conversation in ChatML, and for each id whether the assistant says it (its ``<|im_end|>`` included).

        The ids are those of the chat template with two exceptions. Names of specials in the messages stay text. And what the assistant says is
        encoded apart from the line that opens its turn, as it is when the model is asked: white space with a line end that begins an answer
        would merge with that line's end, and a token that stands for both could neither be asked for nor be learnt.

        Raises:
            TrainingError: a message lacks ``role`` or ``content``, or one of them is no text.
        """
        start, end = self.special_ids[bpe.TURN_START], self.special_ids[bpe.TURN_END]
        newline = self.encode("\n")
        ids: list[int] = []
        mask: list[bool] = []
        for role, content in map(_check_message, messages):
            counts = role == "assistant"
            heading = self.encode(f"{role}\n" if counts else f"{role}\n{content}")
            said = self.encode(content) if counts else []
            ids += [start, *heading, *said, end, *newline]
            mask += [False] * (1 + len(heading)) + [counts] * (len(said) + 1) + [False] * len(newline)
        if add_generation_prompt:
            prompt = [start, *self.encode("assistant\n")]
            ids += prompt
            mask += [False] * len(prompt)
        return ids, mask


def _make_encoding(ranks: bpe.Ranks, special_ids: Mapping[str, int], pattern: str) -> Any:
    try:
        import tiktoken
    except ImportError as error:
        raise MissingExtraError("train", "the tokenizer") from error
    return tiktoken.Encoding("samovar", pat_str=pattern, mergeable_ranks=dict(ranks), special_tokens=dict(special_ids))


def _split_valid(data: bytes) -> Iterator[str | bytes]:
    """Cut bytes into texts and runs that are no UTF-8."""
    place = 0
    while place < len(data):
        try:
            yield data[place:].decode("utf-8")
            return
        except UnicodeDecodeError as error:
            if error.start:
                yield data[place : place + error.start].decode("utf-8")
            yield data[place + error.start : place + error.end]
            place += error.end


def _check_message(message: Mapping[str, str]) -> tuple[str, str]:
    role, content = message.get("role"), message.get("content")
    if not isinstance(role, str) or not _ROLE.fullmatch(role):
        raise TrainingError(f"expected a message's role (system, user, assistant, tool), found {role!r}")
    if not isinstance(content, str):
        raise TrainingError(f"expected the text of a message of {role}, found {type(content).__name__}")
    return role, content


def _check_characters(text: str) -> None:
    try:
        text.encode("utf-8")  # a tenth of the time of a search by regular expression
    except UnicodeEncodeError as error:
        raise TrainingError(
            f"expected characters, found a lone surrogate U+{ord(text[error.start]):04X} at {error.start}: repair the text first"
        ) from error


def repair(text: str) -> str:
    """Return the text with U+FFFD for lone surrogates, which JSON may bring in; pairs become their character."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


# -- training -------------------------------------------------------------------------------------------------------
class Intake:
    """Texts on their way into training: counted, hashed, and a fair sample of them kept to measure the result on."""

    def __init__(self, texts: Iterable[str], progress: Callable[[Intake], None] | None = None) -> None:
        self._texts = texts
        self._progress = progress
        self._digest = hashlib.sha256()
        self._random = random.Random(0)
        self.num_documents = self.num_chars = self.num_bytes = 0
        self.sample: list[str] = []

    @property
    def sha256(self) -> str:
        """Hash of the texts so far, in their order."""
        return self._digest.hexdigest()

    def __iter__(self) -> Iterator[str]:
        for text in map(repair, self._texts):
            data = text.encode("utf-8")
            self._digest.update(len(data).to_bytes(8, "little"))
            self._digest.update(data)
            self.num_documents += 1
            self.num_chars += len(text)
            self.num_bytes += len(data)
            self._keep(text[:SAMPLE_CHARS])
            if self._progress is not None:
                self._progress(self)
            yield text

    def _keep(self, text: str) -> None:
        """Algorithm R (Vitter 1985): every text has the same chance."""
        if len(self.sample) < SAMPLE_TEXTS:
            self.sample.append(text)
        elif (place := self._random.randrange(self.num_documents)) < SAMPLE_TEXTS:
            self.sample[place] = text


def train_tokenizer(
    texts: Iterable[str],
    vocab_size: int,
    folder: Path,
    *,
    digits: int = 3,
    progress: Callable[[Intake], None] | None = None,
) -> Tokenizer:
    """Train a tokenizer on texts (streamed, in their order), save it and return it. `vocab_size` counts specials and padding; it is
    rounded up to a multiple of 64. A token holds at most `digits` digits, 3 or 1. The same texts give the same files.

    Raises:
        TrainingError: the texts are too few for the vocabulary, or the folder is taken.
    """
    if digits not in bpe.DIGITS:
        raise TrainingError(f"expected tokens of at most 1 or 3 digits, found {digits}")
    pre = bpe.DIGITS[digits]
    if vocab_size < MIN_VOCABULARY:
        raise TrainingError(f"expected a vocabulary of at least {MIN_VOCABULARY}, found {vocab_size}")
    _check_place(folder)
    vocab_size += -vocab_size % bpe.MULTIPLE
    intake = Intake(texts, progress)
    ranks = bpe.learn_ranks(intake, vocab_size - len(bpe.SPECIALS), pre)
    _check_amount(intake, vocab_size, len(ranks))
    tokenizer = from_ranks(ranks, pre)
    info = replace(
        tokenizer.info,
        corpus_sha256=intake.sha256,
        num_documents=intake.num_documents,
        num_chars=intake.num_chars,
        num_bytes=intake.num_bytes,
        bytes_per_token=measure_bytes_per_token(tokenizer, intake.sample),
    )
    save(Tokenizer(ranks, info), folder)
    return Tokenizer.load(folder)


def _check_place(folder: Path) -> None:
    """Make sure that nothing is written over: only what a killed training of ours may have left, which begins with the ranks.

    Raises:
        TrainingError: something is there.
    """
    if folder.exists() and not folder.is_dir():
        raise TrainingError(f"expected a folder for the tokenizer, found the file {folder}: name another")
    found = [name for name in (ABOUT, HF, HF_CONFIG) if (folder / name).exists()]
    if found and (ABOUT in found or not (folder / RANKS).exists()):
        raise TrainingError(
            f"expected no tokenizer in {folder}, found {', '.join(found)}: name another folder or delete it"
        )


def from_ranks(ranks: bpe.Ranks, pre: str = bpe.GROUPED) -> Tokenizer:
    """Return the tokenizer of ranks that were learnt under the pattern `pre`, with our special tokens and padding."""
    bpe.check_ranks(ranks)
    specials = bpe.pad_specials(len(ranks))
    sha256 = hash_vocabulary(ranks, specials, pre)
    return Tokenizer(ranks, TokenizerInfo(len(ranks) + len(specials), len(ranks), specials, sha256, pre=pre))


def measure_bytes_per_token(tokenizer: Tokenizer, texts: Iterable[str]) -> float:
    """Return the UTF-8 bytes of texts over their tokens; 0 without texts."""
    num_bytes = num_tokens = 0
    for text in map(repair, texts):
        num_bytes += len(text.encode("utf-8"))
        num_tokens += len(tokenizer.encode(text))
    return round(num_bytes / num_tokens, 4) if num_tokens else 0.0


def _check_amount(intake: Intake, vocab_size: int, num_ranks: int) -> None:
    """Refuse a vocabulary that the texts cannot fill.

    Raises:
        TrainingError: there are too few texts.
    """
    wanted = vocab_size * MIN_CHARS_PER_TOKEN
    if intake.num_chars >= wanted and num_ranks == vocab_size - len(bpe.SPECIALS):
        return
    fitting = min(intake.num_chars // MIN_CHARS_PER_TOKEN, num_ranks + len(bpe.SPECIALS)) // bpe.MULTIPLE * bpe.MULTIPLE
    advice = f"use --vocab-size {fitting} or add texts" if fitting >= MIN_VOCABULARY else "add texts"
    if intake.num_chars >= wanted:
        raise TrainingError(
            f"expected texts that fill a vocabulary of {vocab_size:,}, found too few different words in {intake.num_chars:,} characters of "
            f"{intake.num_documents:,} documents (they fill {num_ranks + len(bpe.SPECIALS):,}): {advice}"
        )
    raise TrainingError(
        f"expected at least {wanted:,} characters for a vocabulary of {vocab_size:,}, found {intake.num_chars:,} in {intake.num_documents:,} documents "
        f"(they fill {num_ranks + len(bpe.SPECIALS):,}): {advice}"
    )


def hash_vocabulary(ranks: bpe.Ranks, specials: Sequence[str], pre: str) -> str:
    """Return the SHA-256 of what decides the ids: pattern, ranks, specials."""
    text = bpe.PATTERNS[pre] + "\n" + bpe.write_ranks(ranks) + "\n".join(specials)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def save(tokenizer: Tokenizer, folder: Path) -> None:
    """Write the folder of a tokenizer, ``samovar.json`` last."""
    files = {
        RANKS: bpe.write_ranks(tokenizer.ranks),
        HF: bpe.dump(bpe.hf_tokenizer(tokenizer.ranks, tokenizer.info.specials, tokenizer.info.pre)),
        HF_CONFIG: bpe.dump(bpe.hf_tokenizer_config(), indent=2),
        ABOUT: bpe.dump(asdict(tokenizer.info), indent=2),
    }
    for name, text in files.items():
        with whole_file(folder / name) as file:
            file.write(text.encode("utf-8"))
    sync_folders({folder})


def read_info(folder: Path) -> TokenizerInfo:
    """Read ``samovar.json``.

    Raises:
        TrainingError: it is missing, damaged or of another version.
    """
    try:
        values = json.loads((folder / ABOUT).read_text("utf-8"))
        info = TokenizerInfo(**{**values, "specials": tuple(values["specials"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise TrainingError(
            f"expected a tokenizer's folder with {ABOUT}, found {folder}: {error}. Make one with  samovar train tokenizer"
        ) from error
    if info.format != FORMAT or info.pre not in bpe.PATTERNS:
        raise TrainingError(
            f"expected format {FORMAT} and a pattern of {', '.join(bpe.PATTERNS)} in {folder / ABOUT}, found {info.format} and {info.pre}: update samovar"
        )
    return info

"""The header of a GGUF file: what a model says about itself, and how much memory it will want.

Read before llama.cpp sees the file, because llama.cpp's own refusal is one sentence without a reason. Every count and
length is checked against the size of the file, so a damaged or hostile header costs an error and not the machine.
Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little endian). Runs no model.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samovar.errors import ModelError, ModelNotFoundError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
DEFAULT_ALIGNMENT = 32
MAX_KEYS = 65_536  # real files have 20–60; the limit only keeps a damaged count from running for minutes
MAX_TENSORS = 1_000_000
MAX_DIMENSIONS = 8
COMPUTE_BYTES = 96 * 2**20  # llama.cpp's scratch buffers at a batch of 128, beyond logits; measured 60–90 MB on SmolLM2
F16_BYTES = 2

_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY, _INT32 = 8, 9, 5
TOKENS, TOKEN_TYPES, CONTROL = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type", 3
_KEPT_ARRAY = 4096  # longer arrays (the vocabulary) are counted, not kept

# ggml type -> (values in a block, bytes of a block); from ggml.h / ggml-common.h. Types not listed add no lower bound.
BLOCKS: dict[int, tuple[int, int]] = {
    0: (1, 4),
    1: (1, 2),
    2: (32, 18),
    3: (32, 20),
    6: (32, 22),
    7: (32, 24),
    8: (32, 34),
    9: (32, 36),
    10: (256, 84),
    11: (256, 110),
    12: (256, 144),
    13: (256, 176),
    14: (256, 210),
    15: (256, 292),
    16: (256, 66),
    17: (256, 74),
    18: (256, 98),
    19: (256, 50),
    20: (32, 18),
    21: (256, 110),
    22: (256, 82),
    23: (256, 136),
    24: (1, 1),
    25: (1, 2),
    26: (1, 4),
    27: (1, 8),
    28: (1, 8),
    29: (256, 56),
    30: (1, 2),
}


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """`metadata` holds scalars, texts and short arrays; a long array is replaced by its length. Sizes in bytes.

    `control_tokens` are the spellings that the tokenizer turns into control tokens, such as ``<|im_end|>``.
    """

    path: Path
    version: int
    num_tensors: int
    metadata: dict[str, Any] = field(default_factory=dict)
    file_bytes: int = 0
    required_bytes: int = 0
    control_tokens: tuple[str, ...] = ()

    @property
    def architecture(self) -> str:
        """E.g. ``llama``, ``qwen3``, ``bert``; empty when the file does not say."""
        return str(self.metadata.get("general.architecture", ""))

    def get(self, key: str, default: int = 0) -> int:
        """A whole number of this architecture, e.g. ``get("context_length")``; an array gives its largest value."""
        value = self.metadata.get(f"{self.architecture}.{key}", default)
        if isinstance(value, list):
            value = max(value, default=default)
        return int(value) if isinstance(value, int | float) else default

    @property
    def trained_context_tokens(self) -> int:
        """Context the model was trained for; 0 when unknown."""
        return self.get("context_length")

    @property
    def has_chat_template(self) -> bool:
        """Whether the file carries its own chat template."""
        return bool(self.metadata.get("tokenizer.chat_template"))

    @property
    def licence(self) -> str:
        """What the file says about its licence, e.g. ``apache-2.0``; empty when it is silent."""
        return str(self.metadata.get("general.license", ""))

    def estimate_memory_bytes(self, context_tokens: int, parallel: int = 1, batch_tokens: int = 128) -> int:
        """Upper estimate of resident memory: weights, 16-bit key-value cache for every parallel context, scratch, logits.

        Sliding-window and latent attention keep less than this assumes. Bytes.
        """
        layers, heads = self.get("block_count"), max(self.get("attention.head_count"), 1)
        kv_heads = self.get("attention.head_count_kv") or heads
        head_size = self.get("embedding_length") // heads
        per_token = layers * kv_heads * (self.get("attention.key_length") or head_size) * F16_BYTES
        per_token += layers * kv_heads * (self.get("attention.value_length") or head_size) * F16_BYTES
        vocabulary = self.metadata.get(TOKENS, 0)
        logits = batch_tokens * (vocabulary if isinstance(vocabulary, int) else len(vocabulary)) * 4
        return self.file_bytes + per_token * context_tokens * parallel + COMPUTE_BYTES + logits


def read_header(path: Path) -> GgufHeader:
    """Read and check the header of a GGUF file; a 150 MB model takes ~0.1 s, mostly skipping its vocabulary.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: it is not a GGUF file, is damaged, or is shorter than its own table of tensors requires.
    """
    if not path.is_file():
        raise ModelNotFoundError(
            f"expected a model file at {path}, found none: check the path, or `samovar model list`"
        )
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if size < 24 or file.read(4) != MAGIC:
                raise ModelError(
                    f"expected a GGUF model, found something else in {path} ({size} bytes): download it again"
                )
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _parse(path, data, size)
    except (struct.error, IndexError, UnicodeDecodeError, OverflowError, MemoryError) as error:
        raise ModelError(f"the header of {path} is damaged ({error}): download the model again") from error
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error}") from error


def _parse(path: Path, data: mmap.mmap, size: int) -> GgufHeader:
    version, num_tensors, num_keys = struct.unpack_from("<IQQ", data, 4)
    if version not in VERSIONS:
        raise ModelError(
            f"expected GGUF version 2 or 3, found {version} in {path}: convert or download the model again"
        )
    if num_keys > MAX_KEYS or not 0 < num_tensors <= MAX_TENSORS:
        raise ModelError(f"the header of {path} is damaged ({num_keys} keys, {num_tensors} tensors): download it again")
    reader = _Reader(data, 24, size)
    metadata, places = {}, {}
    for _ in range(num_keys):
        key = reader.text()
        places[key] = reader.position
        metadata[key] = reader.value()
    control_tokens = _control_tokens(data, size, places)
    ends = [_tensor_end(reader) for _ in range(num_tensors)]
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment <= 0:
        raise ModelError(f"the header of {path} is damaged (alignment {alignment!r}): download the model again")
    start = -(-reader.position // alignment) * alignment
    required = start + max(ends)
    if required > size:
        raise ModelError(
            f"expected at least {required} bytes in {path}, found {size}: the download was cut off; remove the file and pull again"
        )
    return GgufHeader(path, version, num_tensors, metadata, size, required, control_tokens)


def _control_tokens(data: mmap.mmap, size: int, places: dict[str, int]) -> tuple[str, ...]:
    """Read the spellings of the vocabulary's control tokens; empty when the file lists no types."""
    if TOKENS not in places or TOKEN_TYPES not in places:
        return ()
    kinds, tokens = _Reader(data, places[TOKEN_TYPES], size), _Reader(data, places[TOKENS], size)
    if kinds.number("<II") != (_ARRAY, _INT32) or tokens.number("<II") != (_ARRAY, _STRING):
        return ()
    length = min(kinds.number("<Q"), tokens.number("<Q"))
    found = []
    for (kind,) in struct.iter_unpack("<i", data[kinds.position : kinds.position + 4 * length]):
        if kind == CONTROL:
            found.append(tokens.text())
        else:
            tokens.skip_text()
    return tuple(found)


def _tensor_end(reader: _Reader) -> int:
    """End of one tensor within the data section, in bytes, as far as its type is known."""
    reader.text()
    num_dimensions = reader.number("<I")
    if num_dimensions > MAX_DIMENSIONS:
        raise struct.error(f"a tensor of {num_dimensions} dimensions")
    count: int = 1
    for _ in range(num_dimensions):
        count *= reader.number("<Q")
    kind, offset = reader.number("<I"), int(reader.number("<Q"))
    values, size = BLOCKS.get(kind, (1, 0))
    return offset + count // values * size


class _Reader:
    """A cursor over the header; refuses to leave the file."""

    def __init__(self, data: mmap.mmap, position: int, size: int) -> None:
        self.data, self.position, self.size = data, position, size

    def number(self, layout: str) -> Any:
        values = struct.unpack_from(layout, self.data, self.position)
        self.position += struct.calcsize(layout)
        return values[0] if len(values) == 1 else values

    def skip_text(self) -> None:
        length = self.number("<Q")
        if length > self.size - self.position:
            raise struct.error(f"a text of {length} bytes")
        self.position += length

    def text(self) -> str:
        start = self.position + 8
        self.skip_text()
        return self.data[start : self.position].decode("utf-8", "replace")

    def value(self) -> Any:
        kind = self.number("<I")
        if kind == _STRING:
            return self.text()
        if kind == _ARRAY:
            return self.array()
        if kind not in _SCALARS:
            raise struct.error(f"a value of unknown type {kind}")
        return self.number(_SCALARS[kind])

    def array(self) -> Any:
        kind, length = self.number("<I"), self.number("<Q")
        if kind not in _SCALARS and kind != _STRING:
            raise struct.error(f"an array of unknown type {kind}")
        width = 8 if kind == _STRING else struct.calcsize(_SCALARS[kind])
        if length > (self.size - self.position) // width:
            raise struct.error(f"an array of {length} values")
        if length <= _KEPT_ARRAY:
            return list(self._values(kind, length))
        if kind == _STRING:
            for _ in range(length):
                self.skip_text()
        else:
            self.position += length * width
        return length

    def _values(self, kind: int, length: int) -> Iterator[Any]:
        for _ in range(length):
            yield self.text() if kind == _STRING else self.number(_SCALARS[kind])

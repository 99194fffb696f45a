"""A GGUF file with some rows of its vocabulary: raw rows are selected, nothing is quantised anew, all other metadata stay as they are.

Knows the vocabularies of llama.cpp's kinds ``gpt2`` (merges) and ``llama`` (SentencePiece BPE: scores). Source: the GGUF specification (ggml).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samovar.errors import MissingExtraError, TrainingError
from samovar.train import bpe
from samovar.train.adapt.vocabulary import SPARE, Selection, Vocabulary, keep_merges

WORDS = "tokenizer.ggml."
TABLES = frozenset({"token_embd.weight", "output.weight", "output.bias"})
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
"""llama.cpp's kinds of tokens."""
_CHANGED = {"tokens", "scores", "token_type", "merges"}


@dataclass(frozen=True, slots=True)
class File:
    """An opened GGUF file. `reader` maps it into memory."""

    path: Path
    reader: Any
    vocabulary: Vocabulary
    merges: tuple[tuple[str, str], ...]

    @property
    def num_bytes(self) -> int:
        """Bytes of the file."""
        return self.path.stat().st_size

    @property
    def architecture(self) -> str:
        """llama.cpp's name of the architecture."""
        return str(self.reader.fields["general.architecture"].contents())

    @property
    def start(self) -> int | None:
        """The id that opens every text, None without one. Some models predict nothing sensible when it is missing."""
        fields = self.reader.fields
        first, wanted = (fields.get(WORDS + name) for name in ("bos_token_id", "add_bos_token"))
        adds = fields[WORDS + "model"].contents() == "llama" if wanted is None else wanted.contents()
        return int(first.contents()) if adds and first is not None else None

    @property
    def template(self) -> str:
        """The chat template, "" without one."""
        field = self.reader.fields.get("tokenizer.chat_template")
        return "" if field is None else str(field.contents())


def open_file(path: Path) -> File:
    """Open a file and check that its vocabulary can be trimmed.

    Raises:
        TrainingError: it is damaged, split, or its tokenizer is of another kind.
    """
    try:
        import gguf
    except ImportError as error:
        raise MissingExtraError("train", f"reading {path.name}") from error
    try:
        reader = gguf.GGUFReader(str(path))
        values = {name.removeprefix(WORDS): field for name, field in reader.fields.items() if name.startswith(WORDS)}
        settings = {name: field.contents() for name, field in values.items()}
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise TrainingError(f"expected a GGUF file in {path}, found: {error}. Fetch it again") from error
    if "split.count" in reader.fields and reader.fields["split.count"].contents() > 1:
        raise TrainingError(f"expected one file, found {path} to be a part of several: join them with llama-gguf-split")
    vocabulary, merges = _read_vocabulary(settings, path)
    _check_tables(reader, len(vocabulary.tokens), path)
    return File(path, reader, vocabulary, merges)


def _read_vocabulary(settings: Mapping[str, Any], path: Path) -> tuple[Vocabulary, tuple[tuple[str, str], ...]]:
    kind = settings.get("model")
    if kind not in ("gpt2", "llama"):
        raise TrainingError(f"expected a tokenizer of kind gpt2 or llama in {path}, found {kind}: it cannot be trimmed")
    tokens, kinds = settings["tokens"], settings["token_type"]
    named = {
        number
        for name, number in settings.items()
        if name.endswith("token_id") and isinstance(number, int) and 0 <= number < len(tokens)
    }
    letters = set(bpe.byte_characters()) if kind == "gpt2" else set()
    fixed = frozenset(
        number
        for number, (token, sort) in enumerate(zip(tokens, kinds, strict=True))
        if number in named
        or (sort in (UNKNOWN, CONTROL, USER_DEFINED, BYTE) and not SPARE.fullmatch(token))
        or token in letters
    )
    if kind == "llama":
        return Vocabulary(tokens, fixed, scores=settings["scores"]), ()
    merges = tuple((a, b) for a, _, b in (str(merge).partition(" ") for merge in settings["merges"]))
    ranks = {merge: rank for rank, merge in reversed([*enumerate(merges)])}
    return Vocabulary(tokens, fixed, ranks, byte_level=True), merges


def _check_tables(reader: Any, size: int, path: Path) -> None:
    rows = {tensor.name: int(tensor.shape[-1]) for tensor in reader.tensors}
    wrong = [name for name in TABLES & rows.keys() if rows[name] != size]
    strange = [name for name, number in rows.items() if number == size and name not in TABLES and size > 4096]
    if wrong or strange or "token_embd.weight" not in rows:
        raise TrainingError(
            f"expected {size} rows in token_embd.weight and only in the output layer beside it in {path}, found "
            f"{', '.join([*wrong, *strange]) or 'none'}: this architecture is not known here"
        )


def write_trimmed(file: File, selection: Selection, output: Path) -> None:
    """Write the file with the kept tokens only.

    Raises:
        TrainingError: it cannot be written.
    """
    import gguf

    writer = gguf.GGUFWriter(output, file.architecture)
    if "general.alignment" in file.reader.fields:
        writer.data_alignment = int(file.reader.fields["general.alignment"].contents())
    for name, value in _trim_settings(file, selection).items():
        kinds = file.reader.fields[name].types
        writer.add_key_value(name, value, kinds[0], kinds[-1] if kinds[0] == gguf.GGUFValueType.ARRAY else None)
    for tensor in file.reader.tensors:
        data = tensor.data
        if tensor.name in TABLES:
            data = data[selection.old_ids]
        writer.add_tensor(tensor.name, data, raw_dtype=tensor.tensor_type)
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _trim_settings(file: File, selection: Selection) -> dict[str, Any]:
    """Return all metadata, those of the vocabulary trimmed."""
    numbers = selection.renumber()
    found: dict[str, Any] = {}
    for name, field in file.reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue  # the writer's own
        value = field.contents()
        part = name.removeprefix(WORDS)
        if name.startswith(WORDS) and part in _CHANGED:
            value = _trim_list(part, value, file, selection)
        elif name.startswith(WORDS) and part.endswith("token_id"):
            if value not in numbers:
                continue  # named no token before either
            value = numbers[value]
        elif name == f"{file.architecture}.vocab_size":
            value = len(selection)
        found[name] = value
    return {name: value for name, value in found.items() if not (isinstance(value, list) and not value)}


def _trim_list(part: str, values: Any, file: File, selection: Selection) -> list[Any]:
    if part == "merges":
        return [f"{a} {b}" for a, b in keep_merges(file.merges, file.vocabulary, selection)]
    return [values[number] for number in selection.old_ids.tolist()]

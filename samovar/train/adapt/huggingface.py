"""A Hugging Face folder: its tokenizer as a vocabulary, and the same folder with some rows of the vocabulary.

Reads config.json, tokenizer.json and safetensors; never a pickle. Weights pass through file by file, so memory holds one of them. Which
tensors have a row for each token is known by name; one that has so many rows under an unknown name is refused, not guessed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samovar.errors import MissingExtraError, TrainingError
from samovar.train import bpe
from samovar.train.adapt.vocabulary import (
    BYTE,
    SPARE,
    Selection,
    Vocabulary,
    keep_merges,
    named_ids,
    renumber_all,
)

TABLES = ("embed_tokens.weight", "lm_head.weight", "lm_head.bias", "wte.weight", "embed_out.weight", "embed_in.weight")
"""Ends of the names of tensors with a row for each token, of Llama, Qwen, Gemma, Mistral, SmolLM, GPT-2 and NeoX."""
INDEX = "model.safetensors.index.json"
CARRIED = ("LICENSE*", "NOTICE*", "USE_POLICY*", "*.jinja", "special_tokens_map.json")
"""Files that go along as they are: terms first of all."""


@dataclass(frozen=True, slots=True)
class Folder:
    """An opened Hugging Face folder. `table_names` are its tensors with a row for each token; `merges` as the tokenizer lists them."""

    path: Path
    config: dict[str, Any]
    tokenizer: dict[str, Any]
    weights: tuple[Path, ...]
    table_names: frozenset[str]
    num_rows: int
    vocabulary: Vocabulary
    merges: tuple[tuple[str, str], ...]

    @property
    def num_bytes(self) -> int:
        """Bytes of the weights."""
        return sum(path.stat().st_size for path in self.weights)

    @property
    def architecture(self) -> str:
        """The class that transformers loads it with."""
        return str(self.config["architectures"][0])


def open_folder(path: Path) -> Folder:
    """Open a folder and check that its vocabulary can be changed.

    Raises:
        TrainingError: it is no causal language model with safetensors and a BPE tokenizer.
    """
    if (path / "adapter_config.json").exists() and not (path / "config.json").exists():
        raise TrainingError(
            f"expected a whole model in {path}, found additions to one (LoRA): merge them into their model first"
        )
    config = read_json(path / "config.json")
    names = config.get("architectures") or []
    if len(names) != 1 or not str(names[0]).endswith("ForCausalLM"):
        raise TrainingError(
            f"expected a causal language model (architectures: one …ForCausalLM) in {path}, found {names or 'none'}"
        )
    weights = _find_weights(path)
    tokenizer = _read_tokenizer(path)
    num_rows = config.get("vocab_size")
    if not isinstance(num_rows, int):
        raise TrainingError(f"expected vocab_size in {path / 'config.json'}, found {num_rows!r}: a text-only model is needed")  # fmt: skip
    settings = {name: read_json(path / name) for name in ("generation_config.json",) if (path / name).exists()}
    fixed_names = named_ids(config) | named_ids(settings)
    vocabulary, merges = read_vocabulary(tokenizer, path, fixed_names)
    if len(vocabulary.tokens) > num_rows:
        raise TrainingError(
            f"expected at least a row for each of {len(vocabulary.tokens)} tokens in {path}, found {num_rows}"
        )
    tables = _find_tables(weights, num_rows)
    return Folder(path, config, tokenizer, weights, tables, num_rows, vocabulary, merges)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        TrainingError: there is none.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"expected a Hugging Face model with {path.name} in {path.parent}, found: {error}"
        ) from error
    if not isinstance(found, dict):
        raise TrainingError(f"expected a JSON object in {path}, found {type(found).__name__}")
    return found


def _read_tokenizer(path: Path) -> dict[str, Any]:
    if not (path / "tokenizer.json").exists() and (path / "tokenizer.model").exists():
        raise TrainingError(
            f"expected tokenizer.json in {path}, found only SentencePiece's tokenizer.model: write it with transformers, "
            "AutoTokenizer.from_pretrained(folder).save_pretrained(folder)"
        )
    return read_json(path / "tokenizer.json")


def _find_weights(path: Path) -> tuple[Path, ...]:
    if (path / INDEX).exists():
        names = sorted(set(read_json(path / INDEX).get("weight_map", {}).values()))
        files = tuple(path / str(name) for name in names if "/" not in str(name))
    else:
        files = (path / "model.safetensors",)
    lacking = [file.name for file in files if not file.is_file()]
    if files and not lacking:
        return files
    pickled = sorted(file.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt") for file in path.glob(pattern))
    if pickled:
        raise TrainingError(
            f"expected safetensors in {path}, found only {pickled[0]}: such files run code when they are opened and are refused; "
            "convert them where you trust them, with safetensors"
        )
    raise TrainingError(
        f"expected {', '.join(lacking) or 'model.safetensors'} in {path}, found nothing: fetch it again"
    )


def _find_tables(files: Sequence[Path], num_rows: int) -> frozenset[str]:
    found, strange = set(), set()
    for file in files:
        with open_tensors(file) as tensors:
            for name in tensors.keys():  # noqa: SIM118  (no mapping)
                shape = tensors.get_slice(name).get_shape()
                known = name.endswith(TABLES)
                if known and shape[0] != num_rows:
                    raise TrainingError(f"expected {num_rows} rows in {name} of {file}, found {shape[0]}")
                if known:
                    found.add(name)
                elif num_rows in shape:
                    strange.add(name)
    if not found or (strange and num_rows > 4096):  # a toy's vocabulary may be as large as another dimension
        raise TrainingError(
            f"expected the tables of tokens under known names ({', '.join(TABLES)}), found "
            f"{', '.join(sorted(strange)) or 'none'}: this architecture is not known here"
        )
    return frozenset(found)


def open_tensors(path: Path) -> Any:
    """Open a safetensors file for reading (a context manager).

    Raises:
        TrainingError: it is damaged.
    """
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise MissingExtraError("adapt", "adapting a model") from error
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise TrainingError(f"expected safetensors in {path}, found: {error}. Fetch the file again") from error


# -- the tokenizer --------------------------------------------------------------------------------------------------
def read_vocabulary(
    tokenizer: Mapping[str, Any], path: Path, named: set[int]
) -> tuple[Vocabulary, tuple[tuple[str, str], ...]]:
    """Return the vocabulary of a tokenizer.json and its merges; `named` ids stay even if they are spare ones.

    Raises:
        TrainingError: it is no BPE that can write any bytes.
    """
    model = tokenizer.get("model") or {}
    if model.get("type", "BPE") != "BPE" or "merges" not in model:
        raise TrainingError(f"expected a BPE tokenizer in {path}, found {model.get('type')}: only BPE can be trimmed")
    added = {int(entry["id"]): str(entry["content"]) for entry in tokenizer.get("added_tokens") or ()}
    named_tokens = {int(number): str(token) for token, number in model["vocab"].items()} | added
    tokens = [named_tokens.get(number) for number in range(max(named_tokens) + 1)]
    kept_added = {number for number, name in added.items() if number in named or not SPARE.fullmatch(name)}
    letters = set(bpe.byte_characters())
    byte_level = letters <= model["vocab"].keys()
    if not byte_level and not model.get("byte_fallback"):
        raise TrainingError(
            f"expected a tokenizer that can write any bytes in {path}, found one with unknown characters"
        )
    own = {
        number
        for token, number in model["vocab"].items()
        if (byte_level and token in letters) or BYTE.fullmatch(token) or token == model.get("unk_token")
    }
    merges = tuple(_read_merge(merge) for merge in model["merges"])
    ranks: dict[tuple[str, str], int] = {}
    for rank, merge in enumerate(merges):
        ranks.setdefault(merge, rank)
    fixed = frozenset(kept_added | own | {number for number in named if number in named_tokens})
    return Vocabulary(tokens, fixed, ranks, ids=dict(model["vocab"]), byte_level=byte_level), merges


def _read_merge(merge: str | Sequence[str]) -> tuple[str, str]:
    first, second = merge.split(" ") if isinstance(merge, str) else merge
    return first, second


def trim_tokenizer(folder: Folder, selection: Selection) -> dict[str, Any]:
    """Return tokenizer.json with the kept tokens only, merges as pairs."""
    numbers = selection.renumber()
    model = folder.tokenizer["model"]
    vocabulary = {token: numbers[number] for token, number in model["vocab"].items() if number in numbers}
    added = [
        entry | {"id": numbers[entry["id"]]}
        for entry in folder.tokenizer.get("added_tokens") or ()
        if entry["id"] in numbers
    ]
    merges = [list(merge) for merge in keep_merges(folder.merges, folder.vocabulary, selection)]
    return folder.tokenizer | {
        "added_tokens": added,
        "model": model | {"vocab": vocabulary, "merges": merges},
        "post_processor": _renumber_processor(folder.tokenizer.get("post_processor"), numbers),
    }


def _renumber_processor(values: Any, numbers: Mapping[int, int]) -> Any:
    """Renumber what adds specials: templates hold ``ids``, the older kinds pairs of a name and an id."""
    if isinstance(values, list):
        if len(values) == 2 and isinstance(values[0], str) and isinstance(values[1], int):
            return [values[0], numbers[values[1]]]
        return [_renumber_processor(value, numbers) for value in values]
    if isinstance(values, Mapping):
        return {
            key: [numbers[number] for number in value] if key == "ids" else _renumber_processor(value, numbers)
            for key, value in values.items()
        }
    return values


# -- writing --------------------------------------------------------------------------------------------------------
def write_trimmed(folder: Folder, selection: Selection, output: Path) -> None:
    """Write the trimmed model into an existing, empty folder."""
    numbers = selection.renumber()
    write_json(output / "tokenizer.json", trim_tokenizer(folder, selection), indent=None)
    config = renumber_all(folder.config, numbers)
    assert isinstance(config, dict)
    write_json(output / "config.json", config | {"vocab_size": len(selection)})
    for name in ("generation_config.json", "tokenizer_config.json"):
        if (folder.path / name).exists():
            values = renumber_all(read_json(folder.path / name), numbers)
            assert isinstance(values, dict)
            if "added_tokens_decoder" in values:
                rows = values["added_tokens_decoder"].items()
                values["added_tokens_decoder"] = {
                    str(numbers[int(old)]): row for old, row in rows if int(old) in numbers
                }
            write_json(output / name, values)
    carry_files(folder.path, output)
    write_rows(folder, selection.old_ids.tolist(), output)


def carry_files(source: Path, output: Path) -> None:
    """Copy licences and templates."""
    for pattern in CARRIED:
        for path in source.glob(pattern):
            if path.is_file():
                shutil.copyfile(path, output / path.name)


def write_rows(folder: Folder, rows: Sequence[int], output: Path) -> None:
    """Write the weights with some rows of the tables, each type as it is."""
    import torch

    index = torch.tensor(rows)
    write_weights(folder, output, lambda name, table: table[index])


def write_weights(folder: Folder, output: Path, change: Any) -> None:
    """Write the weights with each table replaced by ``change(name, table)``, file by file."""
    from safetensors.torch import save_file

    from samovar.train.disk import disk_errors

    places: dict[str, str] = {}
    total = 0
    for file in folder.weights:
        tensors = {}
        for name, tensor in read_tensors(file):
            tensors[name] = change(name, tensor).contiguous() if name in folder.table_names else tensor
            places[name] = file.name
            total += tensors[name].numel() * tensors[name].element_size()
        with disk_errors():
            save_file(tensors, output / file.name, metadata={"format": "pt"})
    if (folder.path / INDEX).exists():
        write_json(output / INDEX, {"metadata": {"total_size": total}, "weight_map": places})


def read_tensors(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the names and tensors of a file."""
    with open_tensors(path) as tensors:
        for name in tensors.keys():  # noqa: SIM118  (no mapping)
            yield name, tensors.get_tensor(name)


def write_json(path: Path, values: Mapping[str, Any], indent: int | None = 2) -> None:
    """Write a JSON file."""
    path.write_text(bpe.dump(values, indent), "utf-8")

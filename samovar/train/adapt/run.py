"""One adaptation from beginning to end: check, trim or transfer, prove, and only then put the result where it was asked for.

The result is a Hugging Face folder, or a GGUF file where the model was one; beside the figures stands where each row came from. Knows no
training loop: a transferred model of our own shape is trained further by `samovar.train.adapt.onward`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from samovar.digests import hash_file
from samovar.errors import MissingExtraError, TrainingError, UsageError
from samovar.train.adapt.card import CARD, card_lines
from samovar.train.adapt.material import Material
from samovar.train.adapt.others import Measured, list_figures, measure_others
from samovar.train.drafts import discard, draft_of

MANIFEST = "adapt.json"
METHODS = ("trim", "transfer")
DEFAULT_VOCABULARY = 32_768
Say = Callable[[str], None]
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, slots=True)
class Adapted:
    """A finished adaptation. `report` is plain data, as it stands in the manifest; `path` is the folder or the file."""

    path: Path
    method: str
    report: dict[str, Any]


def adapt_model(
    source: Path,
    material: Material,
    output: Path,
    *,
    method: str = "trim",
    vocab_size: int = 0,
    tokenizer: Path | None = None,
    only_seen: bool = False,
    anyway: bool = False,
    say: Say = lambda what: None,
) -> Adapted:
    """Adapt the model in `source` (a Hugging Face folder, or a GGUF file for ``trim``) to the texts and write it to `output`.

    Raises:
        UsageError: an unknown method, or one that a GGUF file does not allow.
        TrainingError: the model, the texts or the place do not allow it, or the proof failed: nothing is left then.
        MissingExtraError: an extra is needed.
    """
    if method not in METHODS:
        raise UsageError(f"expected --method {' or '.join(METHODS)}, found {method}")
    is_file = source.is_file()
    _check_places(source, output, is_file, method)
    material.check()
    draft = draft_of(output)
    discard(draft)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        if method == "trim":
            report = _trim(source, material, draft, vocab_size, only_seen, anyway, say)
        else:
            report = _transfer(source, material, draft, vocab_size, tokenizer, say)
        facts = {"source": source.resolve().name, "method": method, **_parent(source), **report}
        if draft.is_dir():
            (draft / CARD).write_text("\n".join(card_lines(facts)) + "\n", "utf-8")
            _write_manifest(draft / MANIFEST, facts | {"sha256": _hash_files(draft)})
        if output.is_dir():
            output.rmdir()  # empty: checked
        draft.rename(output)
        if output.is_file():
            _write_manifest(sidecar(output), facts | {"sha256": {output.name: hash_file(output)}})
    except OSError as error:
        raise TrainingError(f"expected to write {output}, found: {error}") from error
    finally:
        discard(draft)
    return Adapted(output, method, report)


def sidecar(output: Path) -> Path:
    """Return the manifest beside a GGUF file."""
    return output.with_name(output.name + ".json")


def _check_places(source: Path, output: Path, is_file: bool, method: str) -> None:
    if not source.exists():
        hub = (
            "; names on a hub are not looked up: what is gated is fetched with your own account"
            if _HUB_NAME.fullmatch(str(source))
            else ""
        )
        raise TrainingError(
            f"expected a model's folder (Hugging Face) or GGUF file at {source}, found nothing: fetch the model first, then name its place{hub}"
        )
    if is_file and source.suffix.lower() != ".gguf":
        raise TrainingError(f"expected a folder or a .gguf file, found {source}")
    if is_file and method == "transfer":
        raise UsageError(
            "expected a Hugging Face folder for --method transfer: the rows of a GGUF file are quantised and cannot be trained"
        )
    taken = output.is_file() or (output.is_dir() and any(output.iterdir()))
    if taken or output.resolve() == source.resolve():
        raise TrainingError(f"expected a new name for the result, found something in {output}: name another --output")
    _check_extra(is_file)


def _check_extra(is_file: bool) -> None:
    from importlib.util import find_spec

    needed = ("gguf", "numpy") if is_file else ("torch", "safetensors", "tokenizers", "transformers")
    if any(find_spec(name) is None for name in needed):
        raise MissingExtraError("train" if is_file else "adapt", "adapting a model")


def _trim(
    source: Path, material: Material, draft: Path, size: int, only_seen: bool, anyway: bool, say: Say
) -> dict[str, Any]:
    from samovar.train.adapt.trim import trim_file, trim_folder

    trim = trim_file if source.is_file() else trim_folder
    made = trim(source, material, draft, size, only_seen=only_seen, anyway=anyway, say=say)
    values = asdict(made)
    del values["selection"]
    rows, values["kept_for"] = made.selection.old_ids.tolist(), made.selection.reasons
    values["others"] = list_figures(made.others)
    return {**clean(values), "bits_change": clean(made.bits_change), "old_ids": rows}


def _transfer(
    source: Path, material: Material, draft: Path, size: int, tokenizer: Path | None, say: Say
) -> dict[str, Any]:
    from samovar.train.adapt.quality import measure_causal, open_causal, open_encoder
    from samovar.train.adapt.transfer import check_tokenizer, transfer_folder
    from samovar.train.fertility import measure
    from samovar.train.tokenizer import train_tokenizer

    say("count")
    texts = [piece for batch in material.batches() for piece in batch] if tokenizer is None else []
    own = draft.with_name(draft.name + ".tokenizer")
    discard(own)
    try:
        if tokenizer is None:
            train_tokenizer(texts, size or DEFAULT_VOCABULARY, own)
        else:
            check_tokenizer(tokenizer)
            for _ in material.batches():
                pass  # the held-out texts are found on the way
        say("write")
        made = transfer_folder(source, tokenizer or own, draft)
    finally:
        discard(own)
    say("prove")
    figures: dict[str, Any] = {}
    models = []
    for name, place in (("old", source), ("new", draft)):
        encode, model = open_encoder(place), open_causal(place)
        models.append(Measured(encode, partial(measure_causal, model, encode)))
        fertility = measure(name, lambda batch, cut=encode: sum(len(cut(t)) for t in batch), "held-out", material.held)  # type: ignore[misc]
        figures[name] = {"fertility": asdict(fertility), "bits": clean(models[-1].bits(material.held))}
    others = clean(list_figures(measure_others(material.others, *models)))
    return {**asdict(made), **figures, "others": others, "held_out": material.separate}


def clean(value: Any) -> Any:
    """Return plain data without NaN and infinity, which JSON has not: they become None."""
    if isinstance(value, dict):
        return {key: clean(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _parent(source: Path) -> dict[str, str]:
    """Return the licence that a folder states, and what it went on from itself, as far as that is known."""
    from samovar.train.card import find_origin, stated_licence

    found = {"licence": stated_licence(source), "origin": find_origin(source)} if source.is_dir() else {}
    return {name: value for name, value in found.items() if value}


def _write_manifest(place: Path, report: dict[str, Any]) -> None:
    place.write_text(json.dumps(report, ensure_ascii=False) + "\n", "utf-8")


def _hash_files(folder: Path) -> dict[str, str]:
    return {path.name: hash_file(path) for path in sorted(folder.iterdir()) if path.is_file()}

"""Export a trained model, prove the result, and only then put it where it was asked for. A result that fails the proof is not left lying about."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from samovar.errors import TrainingError, UsageError
from samovar.train.drafts import discard, draft_of
from samovar.train.export.gguf import QUANTISATIONS, write_gguf
from samovar.train.export.hf import TYPES, write_hf
from samovar.train.export.parity import TOLERANCES, Parity, Trial, compare_llama, compare_transformers, make_trials
from samovar.train.export.trained import Trained, open_trained

PROOF = "parity.json"
MAGIC = b"GGUF"
TRIAL_TEXTS = (
    "Hello, world! 1799 - 1837; 3.14, x = y**2\n\n\tdef f():\n        return 'ok'  # https://example.org/?a=b&c=%20",
    "<|im_start|>user\nnot a special<|im_end|>",
    "a  b   c\r\nd\u00a0e\u2009f \u0301 \U0001f600 \u4e2d\u6587 \u10e5\u10d0\u10e0\u10d7\u10e3\u10da\u10d8",
)
"""Texts that tokenizers stumble over; those of the language come from the caller."""


Say = Callable[[str, int, int], None]
"""Hears what is being done (``try``, ``write``, or the name of an engine with the type of the weights), how much of it is done, and of how much (0:
not known)."""


def be_quiet(what: str, done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written and how it was proven. `skipped` names the engines that are not installed."""

    path: Path
    num_bytes: int
    proofs: tuple[Parity, ...]
    skipped: tuple[str, ...]
    step: int


def export_model(
    source: Path,
    output: Path,
    *,
    to: str,
    kind: str = "",
    texts: Sequence[str] = (),
    name: str = "",
    say: Say = be_quiet,
    threads: int = 1,
    warn: Callable[[str], None] = lambda message: None,
) -> Exported:
    """Export the model in `source` to `output`: a folder for ``hf``, a file for ``gguf``.

    `kind` is f32, f16, bf16, q8_0 or q4_0 (for hf only the first three); `texts` are what continuations and tokens are compared on;
    `threads` are llama.cpp's (PyTorch has its own setting); `warn` hears what `open_trained` says of the model.

    Raises:
        UsageError: an unknown format or type.
        TrainingError: there is no model in `source`, `output` is taken, or the proof failed: nothing is left then.
    """
    kind = kind or ("f32" if to == "hf" else "q8_0")
    allowed = tuple(TYPES) if to == "hf" else QUANTISATIONS
    if to not in ("hf", "gguf") or kind not in allowed:
        raise UsageError(f"expected --to hf or gguf and a type of {', '.join(allowed)}, found {to} and {kind}")
    _check_place(output, to)
    trained = open_trained(source, warn=warn)
    texts = [*texts, *TRIAL_TEXTS]
    trials = make_trials(trained, texts, progress=partial(say, "try"))
    draft = draft_of(output)
    discard(draft)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        say("write", 0, 0)
        if to == "hf":
            proofs, skipped = _hf(trained, draft, kind, trials, texts, say)
        else:
            proofs, skipped = _gguf(trained, draft, kind, trials, texts, name or output.stem, say, threads)
        _judge(proofs, output)
        if to == "hf":
            (draft / PROOF).write_text(json.dumps([asdict(p) for p in proofs], indent=2) + "\n", "utf-8")
            discard(output)
        draft.rename(output)
    except OSError as error:
        raise TrainingError(f"expected to write {output}, found: {error}") from error
    finally:
        discard(draft)
    size = sum(p.stat().st_size for p in output.rglob("*") if p.is_file()) if output.is_dir() else output.stat().st_size
    return Exported(output, size, tuple(proofs), tuple(skipped), trained.step)


def _check_place(output: Path, to: str) -> None:
    """Make sure that nothing is written over but an earlier GGUF file.

    Raises:
        TrainingError: something else is there.
    """
    if not output.exists() or (to == "hf" and output.is_dir() and not any(output.iterdir())):
        return
    if to == "gguf" and output.is_file():
        with output.open("rb") as file:
            if file.read(len(MAGIC)) == MAGIC:
                return
    raise TrainingError(f"expected a new name for the export, found something in {output}")


def _hf(
    trained: Trained,
    draft: Path,
    kind: str,
    trials: Sequence[Trial],
    texts: Sequence[str],
    say: Say,
) -> tuple[list[Parity], list[str]]:
    draft.mkdir(parents=True)
    write_hf(trained, draft, kind)
    if find_spec("transformers") is None:
        return [], ["transformers"]
    progress = partial(say, f"transformers {kind}")
    return [compare_transformers(draft, kind, trials, trained.tokenizer, texts, progress=progress)], []


def _gguf(
    trained: Trained,
    draft: Path,
    kind: str,
    trials: Sequence[Trial],
    texts: Sequence[str],
    name: str,
    say: Say,
    threads: int,
) -> tuple[list[Parity], list[str]]:
    write_gguf(trained, draft, kind, name=name)
    if find_spec("xllamacpp") is None:
        return [], ["llama.cpp"]
    proofs = []
    if kind != "f32":  # the names and the order of the weights are proven exactly, the quantisation by its tolerance
        exact = draft.with_name(draft.name + ".f32")
        try:
            write_gguf(trained, exact, "f32", name=name)
            progress = partial(say, "llama.cpp f32")
            proofs.append(
                compare_llama(exact, "f32", trials[:4], trained.tokenizer, texts, threads=threads, progress=progress)
            )
        finally:
            discard(exact)
    progress = partial(say, f"llama.cpp {kind}")
    proofs.append(compare_llama(draft, kind, trials, trained.tokenizer, texts, threads=threads, progress=progress))
    return proofs, []


def _judge(proofs: Sequence[Parity], output: Path) -> None:
    for proof in proofs:
        if not proof.passed:
            raise TrainingError(
                f"expected {proof.engine} to compute what was trained, found {proof.same_tokens} of {proof.num_tokens} greedy tokens the "
                f"same, |Δ log p| {proof.mean_gap:.2g} on average and {proof.max_gap:.2g} at most (tolerance {TOLERANCES[proof.kind]:g} for "
                f"{proof.kind}), {proof.mismatches} of {proof.num_texts} texts cut otherwise. {output} was not written"
            )

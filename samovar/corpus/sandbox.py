"""A supervised child process that reads hostile files, so that a bad one costs one ledger row and nothing else.

The child is started lazily, reused, and replaced after a crash, a hang or too much memory. The file, member or
entry it died on gets the row; the rest of an archive is read by the next child. Works from any process: it is a
fresh interpreter, not a fork.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from samovar.corpus.document import LedgerRow
from samovar.corpus.extract import name_path
from samovar.corpus.extracted import Extracted, drop, from_json
from samovar.corpus.frames import LENGTH_BYTES, pack, unpack
from samovar.corpus.limits import MIB, Limits

__all__ = ["Extractor", "Limits"]

_MAX_RESTARTS = 20  # for one input: an archive with more poisoned members is refused as a whole
_LOOK_SECONDS = 0.1  # how often memory is looked at while waiting
_LOG_BYTES = 4000
_BLOATED = 512 * MIB  # a child that has grown beyond this is replaced before the next file
_START = "import json,sys; sys.path[:]=json.loads(sys.argv[1]); from samovar.corpus.worker import main; main()"
_MEMORY_SIGNS = ("MemoryError", "bad_alloc", "memory allocation", "out of memory", "Cannot allocate memory")


class _DiedError(Exception):
    """The child is gone; `reason` and `value` are for the ledger."""

    def __init__(self, reason: str, value: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.value = value


@dataclass(slots=True)
class _Progress:
    """How far the child got with one input: the last unit announced, its address while it is being read."""

    unit: int = 0
    uri: str | None = None
    done: bool = False


class _Child:
    """One process and the pipes to it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._log = b""
        self._buffer = bytearray()
        paths = [path or os.getcwd() for path in sys.path]
        self._process = subprocess.Popen(
            [sys.executable, "-X", "utf8", "-c", _START, json.dumps(paths)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the supervisor
        )
        # poll, not select: a server may hold more than 1024 descriptors
        self._selector = getattr(selectors, "PollSelector", selectors.DefaultSelector)()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                self._selector.register(pipe, selectors.EVENT_READ)
        self.fresh = True

    def alive(self) -> bool:
        """Tell whether the process runs."""
        return self._process.poll() is None

    def request(self, path: Path, uri: str, skip: int) -> None:
        """Ask for a file."""
        message: dict[str, Any] = {"path": os.fspath(path), "uri": uri, "skip": skip}
        if self.fresh:
            message["limits"] = asdict(self._limits)
            self.fresh = False
        stdin = self._process.stdin
        try:
            if stdin is not None:
                stdin.write(pack(message))
                stdin.flush()
        except OSError as error:
            raise self._explain() from error

    def receive(self) -> dict[str, Any]:
        """Wait for the next message.

        Raises:
            _DiedError: with ``timeout``, ``memory`` or ``crashed``; the child is dead then.
        """
        deadline = time.monotonic() + self._limits.seconds
        needed = LENGTH_BYTES
        header = True
        while True:
            if len(self._buffer) >= needed:
                body = self._take(needed)
                if not header:
                    return self._decode(body)
                needed, header = self._check_length(body), False
                continue
            self._fill(deadline)

    def _take(self, num_bytes: int) -> bytes:
        body = bytes(memoryview(self._buffer)[:num_bytes])
        del self._buffer[:num_bytes]
        return body

    def _check_length(self, header: bytes) -> int:
        length = int.from_bytes(header, "big")
        if length > 16 * self._limits.max_text_chars + 64 * MIB:
            self.kill()
            raise _DiedError("crashed", f"message of {length} bytes")
        return length

    def _decode(self, body: bytes) -> dict[str, Any]:
        try:
            return unpack(body)
        except ValueError as error:
            self.kill()
            raise _DiedError("crashed", f"unreadable message: {error}") from error

    def _fill(self, deadline: float) -> None:
        """Read what has come, or look at the clock and at the child's memory."""
        ready = self._selector.select(max(0.0, min(_LOOK_SECONDS, deadline - time.monotonic())))
        for key, _ in ready:
            data = os.read(key.fd, 2**20)
            if key.fileobj is self._process.stderr:
                self._log = (self._log + data)[-_LOG_BYTES:]
                if not data:
                    self._selector.unregister(key.fd)
            elif data:
                self._buffer += data
                return
            else:
                raise self._explain()
        if self.resident_bytes() > self._limits.memory_bytes:
            self.kill()
            raise _DiedError("memory", str(self._limits.memory_bytes))
        if time.monotonic() >= deadline:
            self.kill()
            raise _DiedError("timeout", f"{self._limits.seconds:g} s")

    def resident_bytes(self) -> int:
        """Return the child's resident memory; 0 where the system does not say."""
        try:
            fields = Path(f"/proc/{self._process.pid}/statm").read_text("ascii").split()
            return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError, IndexError):
            return 0

    def _explain(self) -> _DiedError:
        """Say why the child ended, from its exit status and the end of its log."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        code = self._process.poll()
        log = self._read_log()
        self.kill()
        if code == -getattr(signal, "SIGALRM", 0):
            return _DiedError("timeout", f"{self._limits.seconds:g} s")
        if any(sign in log for sign in _MEMORY_SIGNS):
            return _DiedError("memory", log[-200:])
        if code is not None and code < 0:
            return _DiedError("crashed", signal.Signals(-code).name)
        return _DiedError("crashed", log[-200:] or f"exit status {code}")

    def _read_log(self) -> str:
        """Return the end of what the child printed; it has ended, so reading does not wait."""
        stderr = self._process.stderr
        if stderr is not None and self._process.poll() is not None:
            with contextlib.suppress(OSError, ValueError):
                self._log = (self._log + stderr.read())[-_LOG_BYTES:]
        return self._log.decode("utf-8", "replace").strip()

    def kill(self) -> None:
        """End the child and everything it started."""
        if self._process.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._selector.close()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


class Extractor:
    """Takes texts out of files in a supervised child; a context manager. Not to be shared between threads.

    >>> with Extractor(Limits(seconds=5)) as extractor:  # doctest: +SKIP
    ...     items = list(extractor.extract(Path("book.fb2")))
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._child: _Child | None = None

    def extract(self, path: Path, uri: str | None = None) -> Iterator[Extracted | LedgerRow]:
        """Yield every text of a file, and a dropped row for everything refused.

        Never raises for what a file contains: hangs, crashes and memory end as rows with ``timeout``, ``crashed``
        or ``memory``.
        """
        name = name_path(path) if uri is None else uri
        skip = 0
        for _ in range(_MAX_RESTARTS + 1):
            progress = _Progress()
            try:
                yield from self._run(path, name, skip, progress)
                return
            except _DiedError as error:
                self._discard()
                yield drop(progress.uri or name, error.reason, error.value)
                if progress.unit <= skip or progress.uri == name:
                    return
                skip = progress.unit
            finally:
                if not progress.done:
                    self._discard()
        yield drop(name, "too_many_crashes", _MAX_RESTARTS)

    def _run(self, path: Path, uri: str, skip: int, progress: _Progress) -> Iterator[Extracted | LedgerRow]:
        if self._child is not None and not self._child.alive():
            self._discard()  # it died while idle: not this file's fault
        child = self._child = self._child or _Child(self._limits)
        child.request(path, uri, skip)
        while not progress.done:
            message = child.receive()
            progress.done = "done" in message
            for payload in message.get("items", ()):
                yield from_json(payload)
            if "unit" in message:
                progress.unit, progress.uri = int(message["unit"]), message["uri"]
        if child.resident_bytes() > min(_BLOATED, self._limits.memory_bytes // 2):
            self._discard()

    def _discard(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None

    def close(self) -> None:
        """End the child, if there is one; the extractor can be used again."""
        self._discard()

    def __enter__(self) -> Extractor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

"""The engine for a cluster: every task of a pass is a Ray task that drives the same supervised worker process as the local engine.

Ray decides where a task runs and starts it again when a machine is lost; whether it is done is decided by its commit in the output folder,
which all machines must see (a shared file system). What Ray loses without a word is given out again by `samovar.corpus.build.build`.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from samovar import errors
from samovar.corpus.build.attempts import Attempts
from samovar.corpus.build.commit import read_commit
from samovar.corpus.build.folder import BuildFolder
from samovar.corpus.build.recipe import Recipe
from samovar.corpus.build.runner import Beats, Done, StoppedError
from samovar.corpus.build.supervisor import Supervisor
from samovar.corpus.build.tasks import Task

_LOOK_SECONDS = 0.2
_KNOCK_SECONDS = 10.0
_RETRIES = 5  # of a task whose machine or Ray worker was lost
_QUIET = {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"}

_workers: dict[str, Supervisor] = {}
"""In a Ray worker: the supervised process that it keeps from task to task, by what it was started for."""


def supervise(about: str, spec: str) -> str:
    """Do one task in this Ray worker and return, as JSON, ``{}`` or the error that ends the build. Called by Ray."""
    task = Task(**json.loads(spec))
    recipe, root = json.loads(about)
    folder = BuildFolder(Path(root))
    if read_commit(folder.commit(task.stage, task.number)) is not None:
        return "{}"  # an earlier try did it and was lost on the way back
    if about not in _workers:
        _workers.clear()
        _workers[about] = Supervisor(Recipe.model_validate(recipe), folder)
    worker = _workers[about]
    try:
        _drive(worker, task, Attempts(task, folder, Recipe.model_validate(recipe).limits))
    except errors.SamovarError as error:
        return json.dumps({"error": type(error).__name__, "message": str(error)})
    finally:
        if worker.task is not None:
            worker.stop()
    return "{}"


def _drive(worker: Supervisor, task: Task, tries: Attempts) -> None:
    while True:
        worker.give(task, tries.poison)
        while (reply := worker.look()) is None:
            worker.wait(_LOOK_SECONDS)
        if reply.summary is not None:
            return
        tries.note(reply)


def knock(address: str) -> None:
    """Check that somebody listens at ``host:port``: Ray itself tries for minutes before it says so. Raises `OSError`."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_SECONDS).close()


class RayEngine:
    """Tasks on a Ray cluster: a running one at `address`, else one on this machine with `num_workers` cores."""

    def __init__(self, recipe: Recipe, folder: BuildFolder, num_workers: int, address: str = "") -> None:
        try:
            import ray
        except ImportError as error:
            raise errors.MissingExtraError("cluster", "building on a cluster") from error
        self._ray: Any = ray
        self._about = json.dumps([recipe.model_dump(mode="json"), str(folder.root)], sort_keys=True)
        self._folder = folder
        self._started = not ray.is_initialized()
        if self._started:
            self._start(num_workers, address)
        self._remote = ray.remote(num_cpus=1, max_retries=_RETRIES, retry_exceptions=False)(supervise)

    def _start(self, num_workers: int, address: str) -> None:
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        common: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
        try:
            if address:
                knock(address)
                self._ray.init(address=address, **common)
            else:
                self._ray.init(num_cpus=num_workers, include_dashboard=False, _node_ip_address="127.0.0.1", **common)
        except (ConnectionError, OSError, RuntimeError, ValueError) as error:
            where = f"a Ray cluster at {address}" if address else "to start Ray on this machine"
            raise errors.CorpusError(
                f"expected {where}, found: {str(error)[:300]}. Check the address, or leave out --engine ray."
            ) from error

    def run(self, tasks: Sequence[Task], done: Done, beats: Beats, stop: Callable[[], bool]) -> None:
        """Do the tasks; those that Ray loses are left undone.

        Raises:
            StoppedError: `stop` said so.
            SamovarError: the build cannot go on.
        """
        ordered = sorted(tasks, key=lambda task: (-task.size, task.number))
        about = self._ray.put(self._about)
        waiting = {
            self._remote.remote(about, json.dumps(asdict(task) | {"payload": dict(task.payload)})): task
            for task in ordered
        }
        began = time.monotonic()
        try:
            while waiting:
                if stop():
                    raise StoppedError
                ready, _ = self._ray.wait(list(waiting), num_returns=1, timeout=_LOOK_SECONDS)
                for reference in ready:
                    self._settle(reference, waiting.pop(reference), done)
                beats(0, int(time.monotonic() - began))
        finally:
            for reference in waiting:
                with contextlib.suppress(Exception):
                    self._ray.cancel(reference, force=True)

    def _settle(self, reference: Any, task: Task, done: Done) -> None:
        """Believe the commit, not the message; a task that was lost is not an error here."""
        try:
            reply = json.loads(self._ray.get(reference))
        except self._ray.exceptions.RayError:
            reply = {}
        if "error" in reply:
            kind = getattr(errors, reply["error"], errors.CorpusError)
            raise kind(reply["message"])
        summary = read_commit(self._folder.commit(task.stage, task.number))
        if summary is not None:
            done(task, summary)

    def close(self) -> None:
        """End Ray if it was started here."""
        if self._started:
            self._ray.shutdown()

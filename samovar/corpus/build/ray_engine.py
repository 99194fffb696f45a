"""The engine for a cluster: every task of a pass is a Ray task that drives the same supervised worker process as the local engine.

Ray decides where a task runs and starts it again when a machine is lost; whether it is done is decided by its commit in the output folder,
which all machines must see (a shared file system). What Ray loses without a word is given out again by `samovar.corpus.build.build`.

A cluster on this machine takes seconds to start. Meanwhile this machine works: local workers, as many as the cluster will have, do the tasks of
the passes that begin before it is there. They finish the pass that they began: they have loaded what it needs, which new workers would do again.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from samovar import errors
from samovar.corpus.build.attempts import Attempts
from samovar.corpus.build.commit import read_commit
from samovar.corpus.build.folder import BuildFolder
from samovar.corpus.build.recipe import Recipe
from samovar.corpus.build.runner import Beats, Done, LocalEngine, StoppedError
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
    recipe, folder = _read_about(about)
    if read_commit(folder.commit(task.stage, task.number)) is not None:
        return "{}"  # an earlier try did it and was lost on the way back
    worker = _worker_for(about)
    try:
        _drive(worker, task, Attempts(task, folder, recipe.limits))
    except errors.SamovarError as error:
        return json.dumps({"error": type(error).__name__, "message": str(error)})
    finally:
        if worker.task is not None:
            worker.stop()
    return "{}"


def _read_about(about: str) -> tuple[Recipe, BuildFolder]:
    recipe, root = json.loads(about)
    return Recipe.model_validate(recipe), BuildFolder(Path(root))


def _worker_for(about: str) -> Supervisor:
    if about not in _workers:
        for other in _workers.values():
            other.close()
        _workers.clear()
        _workers[about] = Supervisor(*_read_about(about))
    return _workers[about]


def warm_up(about: str) -> None:
    """Start the process that this Ray worker will supervise. Called by Ray."""
    _worker_for(about).begin()


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
        if find_spec("ray") is None:
            raise errors.MissingExtraError("cluster", "building on a cluster")
        self._ray: Any = sys.modules.get("ray")  # imported where it does not keep the others waiting
        self._about = json.dumps([recipe.model_dump(mode="json"), str(folder.root)], sort_keys=True)
        self._folder = folder
        self._started = self._ray is None or not self._ray.is_initialized()
        self._starting: threading.Thread | None = None
        self._there = threading.Event()
        self._over = threading.Event()
        self._error: errors.SamovarError | None = None
        self._bridge: LocalEngine | None = None
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        if self._started and address:
            self._start(num_workers, address)
        elif self._started:
            self._bridge = LocalEngine(recipe, folder, num_workers)
            self._starting = threading.Thread(target=self._start_aside, args=(num_workers,), daemon=True)
            self._starting.start()

    def _remote(self, function: Callable[..., Any]) -> Any:
        return self._ray.remote(num_cpus=1, max_retries=_RETRIES, retry_exceptions=False)(function)

    def _start_aside(self, num_workers: int) -> None:
        try:
            self._start(num_workers, "")
            warm = self._remote(warm_up)
            self._ray.get([warm.remote(self._about) for _ in range(num_workers)])
        except errors.SamovarError as error:
            self._error = error  # told by `run`
        except Exception as error:
            self._error = errors.CorpusError(
                f"expected Ray to start on this machine, found: {str(error)[:300]}. Leave out --engine ray."
            )
        finally:
            self._there.set()
        self._over.wait()  # Ray's processes end with the thread that started them (PR_SET_PDEATHSIG)

    def _start(self, num_workers: int, address: str) -> None:
        import ray

        self._ray = ray
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
        if self._bridge is not None and not self._there.is_set():

            def stopped() -> bool:
                self._check_start()
                return stop()

            self._bridge.run(tasks, done, beats, stopped)
            return
        self._hand_over()
        self._run_there(tasks, done, beats, stop)

    def _check_start(self) -> None:
        """Raise what kept the cluster from starting."""
        if self._error is not None:
            raise self._error

    def _hand_over(self) -> None:
        """End the local workers: the cluster is there, or what kept it from starting is told."""
        if self._bridge is None:
            return
        self._bridge.close()
        self._bridge = None
        self._check_start()

    def _run_there(self, tasks: Sequence[Task], done: Done, beats: Beats, stop: Callable[[], bool]) -> None:
        ordered = sorted(tasks, key=lambda task: (-task.size, task.number))
        about = self._ray.put(self._about)
        remote = self._remote(supervise)
        waiting = {
            remote.remote(about, json.dumps(asdict(task) | {"payload": dict(task.payload)})): task for task in ordered
        }
        try:
            while waiting:
                if stop():
                    raise StoppedError
                ready, _ = self._ray.wait(list(waiting), num_returns=1, timeout=_LOOK_SECONDS)
                for reference in ready:
                    self._settle(reference, waiting.pop(reference), done)
                beats(0)
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
        if self._bridge is not None:
            self._bridge.close()
        if self._starting is not None:
            self._there.wait()  # what is starting cannot be stopped
        if self._started and self._ray is not None:
            self._ray.shutdown()
        self._over.set()

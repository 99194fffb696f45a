"""The worker process: does tasks of a build, one after the other, and says in its heartbeat what it is at.

Takes tasks on standard input and answers on what was standard output, as JSON frames; whatever libraries print goes to standard error.
It may die at any moment: a task leaves nothing half behind. Started by `samovar.corpus.build.supervisor`.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from samovar.corpus.build.commit import write_commit
from samovar.corpus.build.folder import BuildFolder
from samovar.corpus.build.heartbeat import Heartbeat
from samovar.corpus.build.recipe import Recipe
from samovar.corpus.build.tasks import Poison, Task
from samovar.corpus.build.workplace import Workplace
from samovar.corpus.frames import pack, write_all
from samovar.corpus.pipes import limit_resources, read_messages, serve_pipes
from samovar.errors import SamovarError

_PR_SET_PDEATHSIG = 1
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def do_task(place: Workplace, task: Task) -> dict[str, Any]:
    """Do one task and commit it; return its summary."""
    place.beat.clear()
    files, summary = _run(place, task)
    place.beat.rest()
    write_commit(place.folder.commit(task.stage, task.number), files, summary)
    return summary


def _run(place: Workplace, task: Task) -> tuple[list[Path], dict[str, Any]]:
    about = task.payload
    if task.stage == "read":
        from samovar.corpus.build.reading_pass import read_split
        from samovar.corpus.inputs.places import be_patient

        return be_patient(lambda: read_split(place, task.number), place.recipe.limits.network_seconds, place.wait)
    if task.stage == "exact":
        from samovar.corpus.build.duplicates import find_exact

        return find_exact(place.folder, place.priorities, about["part"], about["parts"], task.number)
    if task.stage == "lines":
        from samovar.corpus.build.repeats import find_repeated

        least = place.recipe.lines.min_documents
        return find_repeated(
            place.folder, len(place.splits), about["exact"], least, about["part"], about["parts"], task.number
        )
    if task.stage == "clean":
        from samovar.corpus.build.cleaning_pass import clean_split

        return clean_split(place, task.number, about["exact"], about["lines"])
    if task.stage == "pairs":
        from samovar.corpus.build.pairs import find_pairs

        return find_pairs(place, about["units"], about["parts"], task.number)
    if task.stage == "clusters":
        from samovar.corpus.build.clusters import find_clusters

        return find_clusters(place, about["pairs"])
    if task.stage == "near":
        from samovar.corpus.build.clusters import find_near

        return find_near(place, about["start"], about["end"], about["exact"], task.number)
    if task.stage == "caps":
        from samovar.corpus.build.balance import balance

        return balance(place, about["near"])
    from samovar.corpus.build.writing_pass import write_part

    return write_part(place, task.number, about["shards"], about["passes"], about.get("card", False))


def answer(place: Workplace, request: dict[str, Any]) -> dict[str, Any]:
    """Do what is asked; return the answer: ``done``, ``failed`` (this record, or this try) or ``fatal`` (the whole build)."""
    place.poison = Poison.from_json(request["poison"])
    try:
        return {"done": do_task(place, Task(**request["task"]))}
    except MemoryError:
        return {"failed": "memory", "value": "MemoryError", "trace": ""}
    except SamovarError as error:
        return {"fatal": type(error).__name__, "message": str(error)}
    except OSError as error:
        if error.errno in _FULL:
            return {"fatal": "CorpusError", "message": f"expected room for the build, found: {error.strerror} ({place.folder.root}). "
                    "Make room and run the same command again: it goes on where it stopped."}  # fmt: skip
        return _failed(error)
    except Exception as error:
        return _failed(error)


def _failed(error: Exception) -> dict[str, Any]:
    return {
        "failed": "crashed",
        "value": f"{type(error).__name__}: {error}"[:300],
        "trace": traceback.format_exc()[-4000:],
    }


def limit_process(memory_bytes: int) -> None:
    """Bound memory and core dumps; end with the parent; let a full disk or a size limit be an error, not a signal."""
    limit_resources({"RLIMIT_DATA": memory_bytes, "RLIMIT_CORE": 0})
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # the builder's death is ours (Linux)


def serve(requests: int, answers: int) -> None:
    """Answer requests until the other side closes; the first message says where we work."""
    place: Workplace | None = None
    for request in read_messages(requests):
        if place is None:
            place = _begin(request)
            continue
        reply = answer(place, request)
        write_all(answers, pack(reply))
        if reply.get("failed") == "memory":
            return  # a process that ran out of memory is not to be trusted with the next task


def _begin(request: dict[str, Any]) -> Workplace:
    parent = int(request["parent"])
    limit_process(int(request["memory_bytes"]))

    def check_parent() -> None:
        if os.getppid() != parent:  # where the kernel has no word for it
            os._exit(1)

    check_parent()
    recipe = Recipe.model_validate(request["recipe"])
    gc.freeze()  # what was imported stays
    # rows wait by thousands to be written; looking through them again and again cost 3 %
    gc.set_threshold(50_000, 20, 20)
    return Workplace(recipe, BuildFolder(Path(request["folder"])), Heartbeat(Path(request["beat"])), check_parent)


class WithoutPandas:
    """Says that there is no pandas: pyarrow imports it where it is installed, a fifth of a second and 40 MB in each worker, and needs it for nothing
    that a worker does."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Refuse this one package, look for no other."""
        if name == "pandas":
            raise ModuleNotFoundError("workers do without pandas", name=name)


def main() -> None:
    """Do tasks until the builder closes the wire."""
    sys.meta_path.insert(0, WithoutPandas())
    serve_pipes(serve)

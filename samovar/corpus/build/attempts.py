"""What to do when a try of a task fails: try again; pass over a record that killed its worker twice; or give up the build.

One death proves nothing about a record (somebody may have killed the worker), two at the same record do. Deaths that name no record, because
many were worked on together, lead to a try with one at a time. Knows no processes.
"""

from __future__ import annotations

from collections import Counter

from samovar import errors
from samovar.corpus.build.commit import read_json, write_json
from samovar.corpus.build.folder import BuildFolder
from samovar.corpus.build.heartbeat import NOBODY
from samovar.corpus.build.recipe import STAGES, LimitOptions
from samovar.corpus.build.supervisor import Reply
from samovar.corpus.build.tasks import Poison, Task

STRIKES = 2  # deaths at one record before it is passed over
MAX_UNNAMED = 8  # tries that ended without a record to blame


class Attempts:
    """The tries of one task. `poison` is what the next try must pass over; it survives the builder."""

    def __init__(self, task: Task, folder: BuildFolder, limits: LimitOptions) -> None:
        self._task = task
        self._path = folder.poison(task.stage, task.number)
        self._limits = limits
        self._deaths: Counter[int] = Counter()
        self.poison = Poison.from_json(read_json(self._path)) if self._path.exists() else Poison()

    def note(self, reply: Reply) -> None:
        """Learn from a failed try.

        Raises:
            SamovarError: the build cannot go on: what the worker said, or too many records or tries failed.
        """
        if reply.fatal:
            kind = getattr(errors, reply.fatal, errors.CorpusError)
            if kind is errors.MissingExtraError:
                kind = errors.CorpusError
            raise kind(reply.value)
        self._deaths[reply.record] += 1
        deaths = self._deaths[reply.record]
        if reply.record == NOBODY:
            if deaths >= MAX_UNNAMED:
                raise errors.CorpusError(
                    self._give_up(f"{deaths} tries that ended with: {reply.reason} {reply.value}", reply)
                )
            if deaths >= STRIKES and not self.poison.careful and self._task.stage in ("read", "clean"):
                self._save(Poison(self.poison.records, careful=True))
        elif deaths >= STRIKES:
            value = f"{reply.value} ({STAGES[reply.stage]})"
            records = dict(self.poison.records) | {reply.record: (reply.reason, value, reply.stage, reply.uri)}
            if len(records) > self._limits.records:
                raise errors.CorpusError(self._give_up(f"{len(records)}, the last with: {reply.reason} {value}", reply))
            self._save(Poison(records, self.poison.careful))

    def _save(self, poison: Poison) -> None:
        self.poison = poison
        write_json(self._path, poison.as_json())

    def _give_up(self, found: str, reply: Reply) -> str:
        log = f"\nThe worker's last words:\n{reply.log}" if reply.log else ""
        return (
            f"expected at most {self._limits.records} records that cannot be worked on in task {self._task.name}, found {found}. "
            f"Raise records or memory_mb in [limits] of the recipe if the input is that bad; the build then goes on where it stopped.{log}"
        )

"""What the readers of one input share: limits, the budget left for archives, and the place to resume after a crash.

A *unit* is one leaf of an input (a file, an archive member, a ZIM entry). Every unit is announced before it is
read, so that a supervisor knows which one killed the process and can start again behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from samovar.corpus.limits import Limits
from samovar.errors import ExtractionError


def _say_nothing(unit: int, uri: str | None) -> None:
    pass


@dataclass(slots=True)
class Job:
    """State of one extraction. `skip` units are passed over; `announce(unit, uri)` is called before each later one and
    `announce(unit, None)` after it."""

    limits: Limits
    skip: int = 0
    announce: Callable[[int, str | None], None] = _say_nothing
    depth: int = 0
    num_units: int = 0
    bytes_left: int = field(init=False)
    members_left: int = field(init=False)

    def __post_init__(self) -> None:
        self.bytes_left = self.limits.max_archive_bytes
        self.members_left = self.limits.max_archive_members

    def begin(self, uri: str) -> bool:
        """Announce the next unit; False when it was dealt with before the restart and must be passed over."""
        self.num_units += 1
        if self.num_units <= self.skip:
            return False
        self.announce(self.num_units, uri)
        return True

    def end(self) -> None:
        """Announce that the unit begun last is finished: what happens next is not its fault."""
        if self.num_units > self.skip:
            self.announce(self.num_units, None)

    def spend(self, num_bytes: int) -> None:
        """Count uncompressed bytes of archives.

        Raises:
            ExtractionError: ``archive_too_large`` when the budget of the whole input is used up.
        """
        self.bytes_left -= num_bytes
        if self.bytes_left < 0:
            limit = self.limits.max_archive_bytes
            raise ExtractionError("archive_too_large", f"at most {limit} uncompressed bytes expected", str(limit))

    def enter(self) -> None:
        """Go one archive deeper.

        Raises:
            ExtractionError: ``too_deep``.
        """
        if self.depth >= self.limits.max_archive_depth:
            raise ExtractionError("too_deep", "archives nested too deeply", str(self.depth + 1))
        self.depth += 1

    def leave(self) -> None:
        """Come back from an archive."""
        self.depth -= 1

"""Replay the ledger: from its rows alone, which documents the library must hold.

The gate behind a promise of DESIGN.md ("replaying the ledger reproduces the library").

Only rows of the stage ``library`` count: ``kept`` puts the document (its id is the row's value) at (source, uri),
``dropped`` takes it away. Rows of other stages tell what happened to inputs on the way. Knows nothing about SQL.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from samovar.corpus.document import LedgerRow
from samovar.library.edit import STAGE
from samovar.library.store import Library

Place = tuple[str, str]
"""(source, uri): at most one document lives there."""


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """How the replayed ledger compares with the library; all three empty means equal."""

    missing: tuple[Place, ...]
    surplus: tuple[Place, ...]
    different: tuple[Place, ...]

    @property
    def equal(self) -> bool:
        """Whether the ledger reproduces the library."""
        return not (self.missing or self.surplus or self.different)


def replay_ledger(rows: Iterable[LedgerRow]) -> dict[Place, str]:
    """Return the kept places with their document ids, as the rows say in order."""
    kept: dict[Place, str] = {}
    for row in rows:
        if row.stage != STAGE:
            continue
        if row.decision == "dropped":
            kept.pop((row.source, row.uri), None)
        else:
            kept[row.source, row.uri] = row.value
    return kept


def check_replay(library: Library) -> ReplayReport:
    """Compare the replayed ledger with one version of the library.

    `missing`: in the ledger, not in the library; `surplus`: the reverse; `different`: another document is there.
    """
    with library.snapshot() as view:
        replayed = replay_ledger(view.ledger(stage=STAGE))
        held = {(d.source, d.uri): d.id for d in view.documents()}
    return ReplayReport(
        missing=tuple(sorted(replayed.keys() - held.keys())),
        surplus=tuple(sorted(held.keys() - replayed.keys())),
        different=tuple(sorted(place for place in replayed.keys() & held.keys() if replayed[place] != held[place])),
    )

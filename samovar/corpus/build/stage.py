"""What a stage is: a named rule that looks at a batch of items, changes or drops some, and says why. Pure: no state between batches.

A stage's results depend on each item alone, never on which others are in its batch: that is what makes a build the same on one process
or many. What needs to know the whole corpus (duplicates, repeated lines, caps) is done between the passes, see `samovar.corpus.build`.
"""

from __future__ import annotations

from typing import Protocol

from samovar.corpus.build.item import Item, Notes


class Stage(Protocol):
    """`name` is the stage's name in recipes and in the ledger."""

    name: str

    def apply(self, items: list[Item], notes: Notes) -> list[Item]:
        """Return the items that go on, in their order; those left out have a dropped row in `notes`."""
        ...

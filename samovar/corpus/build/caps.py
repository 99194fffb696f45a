"""Balance: how much of one host, language or source a corpus may hold. Chosen by the hash of the document's id and a seed.

So the choice depends on no order and no number of processes, and a larger cap keeps everything that a smaller one kept. Knows no texts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import numpy as np

_STEP = 0x9E3779B97F4A7C15  # of SplitMix64, Steele et al. 2014


class CapsOptions(BaseModel):
    """At most so many documents; 0 is no cap. `languages` overrides `language` for some tags. The caps of a source (`max_documents`)
    and its share (`weight` below 1) stand with the source."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: int = Field(default=0, ge=0)
    language: int = Field(default=0, ge=0)
    languages: dict[str, int] = Field(default_factory=dict)


def shuffle(ids: np.ndarray[Any, Any], seed: int) -> np.ndarray[Any, Any]:
    """Return a number for each id (uint64), spread evenly and different for each seed."""
    import numpy as np

    from samovar.corpus.stages.scan import mix

    return mix(ids ^ np.uint64((seed * _STEP + _STEP) % 2**64))


def thin(order: np.ndarray[Any, Any], share: float) -> np.ndarray[Any, Any]:
    """Tell which are kept when `share` (0…1) of all is wanted."""
    import numpy as np

    if share >= 1:
        return np.ones(len(order), bool)
    return np.asarray(order < np.uint64(int(share * (2**64 - 1))))


def cap_groups(
    groups: np.ndarray[Any, Any], order: np.ndarray[Any, Any], caps: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """Tell which are kept when of each group only the first `caps` by `order` are (0: all). `caps` has one entry per member, that of its group."""
    import numpy as np

    if not len(groups):
        return np.ones(0, bool)
    by_group = np.lexsort((order, groups))
    sorted_groups = groups[by_group]
    starts = np.flatnonzero(np.r_[True, sorted_groups[1:] != sorted_groups[:-1]])
    rank = np.arange(len(groups)) - np.repeat(starts, np.diff(np.r_[starts, len(groups)]))
    kept = np.empty(len(groups), bool)
    kept[by_group] = (rank < caps[by_group]) | (caps[by_group] == 0)
    return kept

"""Token buckets: so many at once, refilled evenly over a minute. Their number is bounded; the least used are forgotten.

Knows nothing about requests. Source: the token bucket of RFC 2697, one rate.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

MOST_BUCKETS = 20_000  # about 4 MB; a forgotten bucket is a full one


class Buckets:
    """One bucket of `per_minute` tokens for each key."""

    def __init__(
        self, per_minute: int, *, most: int = MOST_BUCKETS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.size = float(per_minute)
        self.rate = per_minute / 60
        self._most = most
        self._clock = clock
        self._levels: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def take(self, key: Hashable, tokens: float = 1.0) -> float:
        """Take from a bucket; return 0, or the seconds to wait when it does not hold as many (nothing is taken then)."""
        level, now = self._level(key)
        short = tokens - level
        if short > 1e-9:
            self._set(key, level, now)
            return short / self.rate
        self._set(key, level - tokens, now)
        return 0.0

    def give_back(self, key: Hashable, tokens: float = 1.0) -> None:
        """Undo a `take`."""
        level, now = self._level(key)
        self._set(key, min(self.size, level + tokens), now)

    def _level(self, key: Hashable) -> tuple[float, float]:
        now = self._clock()
        level, then = self._levels.get(key, (self.size, now))
        return min(self.size, level + (now - then) * self.rate), now

    def _set(self, key: Hashable, level: float, now: float) -> None:
        self._levels[key] = (level, now)
        self._levels.move_to_end(key)
        while len(self._levels) > self._most:
            self._levels.popitem(last=False)

"""Moments as the store writes them: ISO 8601, UTC, microseconds, so that their texts sort as they do. Knows nothing about the database.

>>> written(datetime(2026, 1, 2, tzinfo=UTC))
'2026-01-02T00:00:00.000000Z'
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from samovar.errors import UsageError

Clock = Callable[[], datetime]
"""Where the store reads the time; tests turn it forward."""


def utc() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


def written(moment: datetime) -> str:
    """Return a moment as text."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read(text: str) -> datetime:
    """Return the moment a text names; a date alone is its beginning, without an offset it is UTC.

    Raises:
        ValueError: it names none.
    """
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def end_of(text: str) -> datetime:
    """Return when something that is valid until this date or moment stops being so: a date counts to its end.

    Raises:
        UsageError: it is neither a date nor a moment.
    """
    try:
        moment = read(text)
        return moment + timedelta(days=1) if len(text) == len("2026-01-02") else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"expected a date like 2027-01-31, found {text!r}.") from error

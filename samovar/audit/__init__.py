"""The audit room: probes, targets, collection, grading, statistics, self-test, report. Knows nothing about how the assistant works inside.

Imports nothing until a name is used. Raises `MissingExtraError` when it is imported without the extra ``audit``.
"""

from __future__ import annotations

from importlib.util import find_spec

from samovar.errors import MissingExtraError

if any(find_spec(name) is None for name in ("aiohttp", "numpy", "scipy")):
    raise MissingExtraError("audit", "the audit")

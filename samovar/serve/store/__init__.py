"""What the server remembers: accounts, sessions, keys, conversations, feedback, uploads. Knows nothing about HTTP or models.

Raises `MissingExtraError` when it is imported without the extra ``serve``.
"""

from __future__ import annotations

from importlib.util import find_spec

from samovar.errors import MissingExtraError

if find_spec("sqlalchemy") is None:
    raise MissingExtraError("serve", "the server's database")

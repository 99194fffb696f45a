"""What is random: ids, and secrets of which only a hash is stored. Knows nothing about the database.

Secrets carry 240 random bits or more, so a plain SHA-256 cannot be turned round by guessing (passwords have `passwords`). They are looked up by
their hash through an index: what that takes tells nothing about the secrets there are.
"""

from __future__ import annotations

import hashlib
import secrets

KEY_PREFIX = "smv-"
TOKEN_BYTES = 32


def new_id() -> str:
    """Return 24 hexadecimal digits, never seen before."""
    return secrets.token_hex(12)


def new_token() -> str:
    """Return a secret of 43 url-safe characters."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def new_key() -> str:
    """Return the text of an API key: ``smv-`` and 40 url-safe characters."""
    return KEY_PREFIX + secrets.token_urlsafe(30)


def hash_secret(text: str) -> str:
    """Return the hash a secret is stored and found by."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

"""Passwords: which are accepted, and their Argon2id hashes. Knows nothing about users.

Sources: RFC 9106 (its second recommended parameters, which pwdlib takes over); NIST SP 800-63B, 5.1.1.2 (length counts, rules of composition do not).
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import TYPE_CHECKING

from samovar.errors import MissingExtraError, UsageError
from samovar.serve.store.folding import fold_name

if TYPE_CHECKING:
    from pwdlib import PasswordHash

SHORTEST = 10
LONGEST = 1024  # characters; more only costs us time
AT_ONCE = 2  # each hash takes 64 MiB and some 50 ms: logins may wait for each other

_hashing = threading.BoundedSemaphore(AT_ONCE)


def check_policy(password: str, name: str) -> None:
    """Return if the password will do.

    Raises:
        UsageError: it is too short, too long, one character only, or the user's name.
    """
    if len(password) < SHORTEST:
        raise UsageError(f"expected a password of at least {SHORTEST} characters, found {len(password)}.")
    if len(password) > LONGEST:
        raise UsageError(f"expected a password of at most {LONGEST} characters, found {len(password)}.")
    if len(set(password)) < 3:
        raise UsageError("expected a password of more than two different characters. Choose another.")
    if fold_name(password).strip() == fold_name(name):
        raise UsageError("expected a password that is not the user's name. Choose another.")


@lru_cache(maxsize=1)
def _hasher() -> PasswordHash:
    try:
        from pwdlib import PasswordHash
    except ImportError as error:
        raise MissingExtraError("serve", "accounts") from error
    return PasswordHash.recommended()


@lru_cache(maxsize=1)
def _nobody() -> str:
    """A hash no password has: checked when there is no user, so that this takes as long as when there is one."""
    import secrets

    return hash_password(secrets.token_urlsafe(32))


def hash_password(password: str) -> str:
    """Return the Argon2id hash, with salt and parameters in it."""
    with _hashing:
        return _hasher().hash(_bytes(password))


def verify(password: str, hashed: str) -> tuple[bool, str]:
    """Return whether the password is right, and a new hash when the stored one is of older parameters, else "".

    An empty `hashed` stands for nobody: False, after as long a time.
    """
    expected = hashed or _nobody()
    if len(password) > LONGEST:
        password = ""
    with _hashing:
        right, renewed = _hasher().verify_and_update(_bytes(password), expected)
    return right and bool(hashed), (renewed or "") if hashed else ""


def _bytes(password: str) -> bytes:
    import unicodedata

    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")

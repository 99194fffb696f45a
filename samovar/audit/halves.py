"""A public and a private half of a pack, split by entity with a salt that only its owner knows.

What this is for: results, prompts and examples of the public half may be shown to anyone; the private half stays unseen until it is asked, and
a new salt makes a new split (rotation). What it cannot do: a shipped pack is public as a whole, so a system may have read all of it; only
probes that were never published (a pack of one's own, or probes marked ``"half": "private"``) are truly unseen. All probes of an entity, and
all languages and slots of a template, fall into the same half. Source of the construction: HMAC, RFC 2104, as a keyed pseudo-random choice.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from samovar.audit.probe import Half, Probe
from samovar.errors import UsageError

FEWEST_LETTERS = 8


def half_of(probe: Probe, salt: str) -> Half:
    """Return the half a probe falls into; one marked private is private under any salt."""
    if probe.half == "private":
        return "private"
    digest = hmac.new(salt.encode(), (probe.entity or probe.id).encode(), hashlib.sha256).digest()
    return "private" if digest[0] & 1 else "public"


def choose_half(probes: Iterable[Probe], half: Half, salt: str) -> tuple[Probe, ...]:
    """Return the probes of one half.

    Raises:
        UsageError: the salt is too short to keep a secret.
    """
    check_salt(salt)
    return tuple(p for p in probes if half_of(p, salt) == half)


def check_salt(salt: str) -> str:
    """Return the salt if it can keep a secret. Raises `UsageError`."""
    if len(salt) < FEWEST_LETTERS:
        raise UsageError(
            f"expected a salt of at least {FEWEST_LETTERS} characters in SAMOVAR_AUDIT_SALT, found {len(salt)}. "
            "Make one and keep it:  export SAMOVAR_AUDIT_SALT=$(python3 -c 'import secrets; print(secrets.token_hex(16))')"
        )
    return salt


def fingerprint(salt: str) -> str:
    """Return what may be written down about a salt: enough to tell whether two runs used the same, not enough to find it."""
    return hashlib.sha256(b"samovar audit salt\0" + salt.encode()).hexdigest()[:16] if salt else ""

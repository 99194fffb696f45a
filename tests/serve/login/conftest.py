"""Fast hashes for the tests of logging in; the store's tests check the real ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from samovar.serve.store import passwords


@pytest.fixture(autouse=True, scope="session")
def _fast_hashes() -> Iterator[None]:
    from pwdlib import PasswordHash
    from pwdlib.hashers.argon2 import Argon2Hasher

    patch = pytest.MonkeyPatch()
    cheap = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
    patch.setattr(passwords, "_hasher", lambda: cheap)
    passwords._nobody.cache_clear()
    yield
    patch.undo()
    passwords._nobody.cache_clear()

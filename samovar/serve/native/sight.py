"""What a caller may see of the library, as the library's pages take it."""

from __future__ import annotations

from samovar.library.browse import Sight
from samovar.serve.access import PRIVATE, private_source
from samovar.serve.principal import Principal


def sight_of(caller: Principal) -> Sight:
    """Return it: shared collections and the caller's own."""
    return Sight(PRIVATE, private_source(caller.user_id))

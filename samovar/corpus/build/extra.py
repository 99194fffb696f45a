"""What a build needs beyond the base installation. Imports none of it."""

from __future__ import annotations

from importlib.util import find_spec

from samovar.errors import MissingExtraError

NEEDED = ("numpy", "brotli", "zstandard", "fsspec")


def check_extra() -> None:
    """Check that the optional packages are there.

    Raises:
        MissingExtraError: the message names the command that installs them.
    """
    if any(find_spec(name) is None for name in NEEDED):
        raise MissingExtraError("corpus", "building a corpus")

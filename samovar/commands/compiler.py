"""Keep the notices that PyTorch's compiler addresses to its own authors off the user's terminal. What others warn of is shown as ever."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

PARTS = (
    r"torch\.(_inductor|_dynamo|_functorch|_prims|_prims_common|_refs|_decomp|_subclasses|_higher_order_ops|fx)(\.|$)"
)
"""Modules that a compilation runs through."""


@contextmanager
def quiet_compiler() -> Iterator[None]:
    """Pass over warnings that come out of the compiler's own modules, such as "`torch._prims_common.check` is deprecated", in a ``with`` block."""
    with warnings.catch_warnings():
        for category in (UserWarning, FutureWarning, DeprecationWarning):
            warnings.filterwarnings("ignore", category=category, module=PARTS)
        yield

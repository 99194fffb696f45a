"""Servers that last a module: for tests that leave nothing behind on them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from serve_harness import Running, running_server


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Without accounts, with the extractive model."""
    with running_server(tmp_path_factory.mktemp("plain"), requests_per_minute=1_000_000) as running:
        yield running


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """With accounts, and no limit on tries to log in."""
    home = tmp_path_factory.mktemp("locked")
    with running_server(home, accounts=True, requests_per_minute=1_000_000, logins_per_minute=1_000_000) as running:
        yield running

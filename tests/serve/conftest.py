"""Fixtures of the server's tests; see `serve_harness`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from serve_harness import Running, running_server

Serve = Callable[..., Running]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SAMOVAR_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start servers that stop with the test: ``serve(model=…, accounts=True, max_waiting=3)``; arguments as `running_server`."""
    with ExitStack() as stack:
        count = 0

        def start(**options: object) -> Running:
            nonlocal count
            count += 1
            home = options.pop("home", tmp_path / f"home{count}")
            return stack.enter_context(running_server(home, **options))  # type: ignore[arg-type]

        yield start


@pytest.fixture
def running(serve: Serve) -> Running:
    """A server without accounts, with three documents and the extractive model."""
    return serve()


@pytest.fixture
def guarded(serve: Serve) -> Running:
    """A server with accounts: people reader, other, editor, admin."""
    return serve(accounts=True)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """As `running`, for all tests of a module: for those that change nothing."""
    with running_server(tmp_path_factory.mktemp("standing")) as server:
        yield server


@pytest.fixture(scope="module")
def standing_guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """As `guarded`, for all tests of a module."""
    with running_server(tmp_path_factory.mktemp("guarded"), accounts=True) as server:
        yield server

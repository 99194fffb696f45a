"""A real S3-compatible server for the tests, run as a program: ``object_store.py PORT [CUT]``; it dies in the middle of answer CUT + 1."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple


class CuttingServer:
    """Counts the answers to reads of objects under ``in/``."""

    def __init__(self, left: int) -> None:
        self._store = DomainDispatcherApplication(create_backend_app)
        self._left = left

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        body = self._store(environ, start)
        if environ["REQUEST_METHOD"] != "GET" or "/in/" not in environ["PATH_INFO"]:
            return body
        self._left -= 1
        return body if self._left >= 0 else self._half(b"".join(body))

    def _half(self, data: bytes) -> Iterator[bytes]:
        yield data[: len(data) // 2]
        os._exit(1)


if __name__ == "__main__":
    run_simple("127.0.0.1", int(sys.argv[1]), CuttingServer(int((sys.argv[2:] or ["1000000"])[0])), threaded=True)

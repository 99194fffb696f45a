"""Addresses of our own pages that answers point to. Knows no dialect."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request

from samovar.serve.state import state_of


def base_of(request: Request) -> str:
    """Return the address people see, without a slash at its end: the configured one, else that of the request."""
    return (state_of(request).settings.serve.public_url or str(request.base_url)).rstrip("/")


def document_url(base: str, document_id: str, start: int, end: int) -> str:
    """Return the address of the document reader with this stretch highlighted (character offsets)."""
    return f"{base}/document/{quote(document_id, safe='')}?start={start}&end={end}"

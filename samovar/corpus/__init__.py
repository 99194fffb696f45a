"""Sources to texts: find files, fetch addresses, take the text out, identify its language, and say why anything was
left out.

Knows nothing about search or models. Public names are loaded when first used, so that importing this package costs
nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from samovar.corpus.document import Document, LedgerRow, make_document
    from samovar.corpus.encoding import decode_bytes, repair_mojibake
    from samovar.corpus.extract import SUPPORTED_SUFFIXES, extract_path
    from samovar.corpus.extracted import Extracted
    from samovar.corpus.fetch import FetchedFile, fetch_url
    from samovar.corpus.health import judge_text_layer
    from samovar.corpus.identify import identify_language
    from samovar.corpus.limits import Limits
    from samovar.corpus.sandbox import Extractor
    from samovar.corpus.sources import walk

_HOMES = {
    "Document": "document",
    "LedgerRow": "document",
    "make_document": "document",
    "decode_bytes": "encoding",
    "repair_mojibake": "encoding",
    "SUPPORTED_SUFFIXES": "extract",
    "extract_path": "extract",
    "Extracted": "extracted",
    "FetchedFile": "fetch",
    "fetch_url": "fetch",
    "judge_text_layer": "health",
    "identify_language": "identify",
    "Limits": "limits",
    "Extractor": "sandbox",
    "walk": "sources",
}

__all__ = [
    "SUPPORTED_SUFFIXES",
    "Document",
    "Extracted",
    "Extractor",
    "FetchedFile",
    "LedgerRow",
    "Limits",
    "decode_bytes",
    "extract_path",
    "fetch_url",
    "identify_language",
    "judge_text_layer",
    "make_document",
    "repair_mojibake",
    "walk",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__

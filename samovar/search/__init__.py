"""Ranking: index, score, diversify, explain. Query in, hits out. Knows nothing about answers or models.

    from samovar.search import Searcher
    searcher = Searcher.open(library, settings.search)
    searcher.search("Кто построил Зимний дворец?").hits[0].explain

Names are loaded on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from samovar.search.as_json import result_as_json
    from samovar.search.engine import SearchEngine, TantivyEngine
    from samovar.search.explain import verify
    from samovar.search.hit import Component, Hit
    from samovar.search.index import SyncProgress, SyncReport
    from samovar.search.query import Filters, Query, parse_query
    from samovar.search.searcher import Searcher, SearchResult

_HOMES = {
    "Component": "hit",
    "Filters": "query",
    "Hit": "hit",
    "Query": "query",
    "SearchEngine": "engine",
    "SearchResult": "searcher",
    "Searcher": "searcher",
    "SyncProgress": "index",
    "SyncReport": "index",
    "TantivyEngine": "engine",
    "parse_query": "query",
    "result_as_json": "as_json",
    "verify": "explain",
}

__all__ = [
    "Component",
    "Filters",
    "Hit",
    "Query",
    "SearchEngine",
    "SearchResult",
    "Searcher",
    "SyncProgress",
    "SyncReport",
    "TantivyEngine",
    "parse_query",
    "result_as_json",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

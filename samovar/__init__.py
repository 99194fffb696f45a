"""Samovar: an own search and assistant over own documents, in one's own language, on one's own machine.

    from samovar import Samovar
    with Samovar.open() as samovar:
        print(samovar.assistant.ask("Who wrote Dead Souls?").text)

Names are loaded when first used: importing the package reads, writes and fetches nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from samovar.app import Samovar
    from samovar.assistant.answer import Answer, Citation
    from samovar.corpus.document import Document
    from samovar.errors import SamovarError
    from samovar.generate.scripted import ScriptedModel
    from samovar.language import profile_for
    from samovar.library.passage import Passage
    from samovar.library.store import Library
    from samovar.search.hit import Hit
    from samovar.settings import Settings, load_settings

__version__ = "0.1.0"

_HOMES = {
    "Answer": "assistant.answer",
    "Citation": "assistant.answer",
    "Document": "corpus.document",
    "Hit": "search.hit",
    "Library": "library.store",
    "Passage": "library.passage",
    "Samovar": "app",
    "SamovarError": "errors",
    "ScriptedModel": "generate.scripted",
    "Settings": "settings",
    "load_settings": "settings",
    "profile_for": "language",
}

__all__ = [
    "Answer",
    "Citation",
    "Document",
    "Hit",
    "Library",
    "Passage",
    "Samovar",
    "SamovarError",
    "ScriptedModel",
    "Settings",
    "__version__",
    "load_settings",
    "profile_for",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)

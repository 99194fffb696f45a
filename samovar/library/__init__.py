"""The built, versioned set of documents and passages: add, remove, update, export. Knows nothing about ranking.

    from samovar.library import Library
    with Library.open(home) as library:
        print(library.num_documents)

Names are loaded on first use, so that importing the package costs nothing. The function `add` stands in
`samovar.library.add`: the package cannot have a module and a function of the same name.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from samovar.library.add import Adder
    from samovar.library.exchange import export_library, import_library
    from samovar.library.passage import Passage
    from samovar.library.passages import split_passages
    from samovar.library.progress import AddReport, Progress, Provenance
    from samovar.library.records import Change, Input, LibraryInfo, PutResult
    from samovar.library.replay import check_replay, replay_ledger
    from samovar.library.starter import install_starter
    from samovar.library.store import Library
    from samovar.library.writer import Writer

_HOMES = {
    "AddReport": "progress",
    "Adder": "add",
    "Change": "records",
    "Input": "records",
    "Library": "store",
    "LibraryInfo": "records",
    "Passage": "passage",
    "Progress": "progress",
    "Provenance": "progress",
    "PutResult": "records",
    "Writer": "writer",
    "check_replay": "replay",
    "export_library": "exchange",
    "import_library": "exchange",
    "install_starter": "starter",
    "replay_ledger": "replay",
    "split_passages": "passages",
}

__all__ = [
    "AddReport",
    "Adder",
    "Change",
    "Input",
    "Library",
    "LibraryInfo",
    "Passage",
    "Progress",
    "Provenance",
    "PutResult",
    "Writer",
    "check_replay",
    "export_library",
    "import_library",
    "install_starter",
    "replay_ledger",
    "split_passages",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

"""The search index, brought up to date where the user can see it: with a bar after a change, with a word when it takes long.

The index follows the library by itself when a searcher is opened; this only makes the waiting visible.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from samovar.commands.progress import ProgressBar
from samovar.commands.terminal import Terminal
from samovar.messages import say

if TYPE_CHECKING:
    from samovar.app import Samovar
    from samovar.search.searcher import Searcher

PATIENCE_SECONDS = 2.0  # an index that is up to date opens in a tenth of that, on a busy machine too


def index_changes(samovar: Samovar, terminal: Terminal, *, quiet: bool) -> bool:
    """Follow the library's latest changes under a progress bar; False when another process is doing it."""
    from samovar.search.index import SearchIndex, SyncProgress

    with ProgressBar(terminal, say("index.updating"), quiet=quiet) as bar:

        def show(progress: SyncProgress) -> None:
            bar.update(progress.done, progress.total, say("count.passages", count=progress.done))

        index = SearchIndex(samovar.library, samovar.settings.home)
        try:
            return index.sync(show).complete
        finally:
            index.close()


def open_searcher(samovar: Samovar, terminal: Terminal) -> Searcher:
    """Open the searcher; say what it is doing when that takes long (the first time, or after an upgrade)."""
    message = say("index.updating") + "…"  # said by another thread, which does not know the language
    timer = threading.Timer(PATIENCE_SECONDS, terminal.note, [message])
    timer.daemon = True
    timer.start()
    try:
        return samovar.searcher
    finally:
        timer.cancel()

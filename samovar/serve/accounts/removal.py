"""Removing a user with everything of theirs: documents and files first, the account last, so that it can be tried again when it fails half way."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from samovar.errors import NotFoundError
from samovar.serve.access import private_source
from samovar.serve.principal import Principal
from samovar.serve.state import ServerState
from samovar.serve.store.records import User

if TYPE_CHECKING:
    from samovar.app import Samovar
    from samovar.serve.store.store import Store

log = logging.getLogger("samovar.serve")


async def remove_user(state: ServerState, user: User) -> None:
    """Remove a user of a running server: readings of their files are stopped, their answers find nothing more.

    Raises:
        ConflictError: the last admin.
    """
    store, uploads = state.store, state.uploads
    await state.engine.work(lambda: store.accounts.check_removable(user.id))
    await state.engine.work(lambda: store.sessions.end_all(user.id))
    stand_in = Principal(user.id, user.name, user.role)
    for upload in await state.engine.work(lambda: store.uploads.list(user.id)):
        try:
            await uploads.delete(stand_in, upload.id)
        except NotFoundError:  # its owner deleted it this moment
            continue
    await state.engine.work(lambda: remove_now(state.engine.samovar, store, user.id))


def remove_now(samovar: Samovar, store: Store, user_id: str) -> None:
    """Remove a user: their collection from the library, their files, their account (blocking). Raises like `remove_user`."""
    store.accounts.check_removable(user_id)
    library = samovar.library
    source = private_source(user_id)
    if source in library.sources():
        with library.writer() as writer:
            writer.remove(source=source)
        samovar.searcher.sync()
    for path in store.accounts.delete(user_id).paths:
        _remove_file(samovar.settings.home, path)


def _remove_file(home: Path, path: str) -> None:
    """Remove an uploaded file; names lie in one folder, whatever a record says."""
    from samovar.serve.uploads import FOLDER

    file = home / FOLDER / Path(path).name
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        log.warning("the file %s of a removed user could not be removed: %s", file, error.strerror)

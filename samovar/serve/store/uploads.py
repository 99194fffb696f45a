"""Files users gave us: who, what, where the bytes lie, which documents they became. The bytes and the documents are not here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from samovar.errors import NotFoundError
from samovar.serve.store.database import Database
from samovar.serve.store.moments import Clock, utc, written
from samovar.serve.store.records import Upload
from samovar.serve.store.rows import upload_of
from samovar.serve.store.secrets import new_id
from samovar.serve.store.tables import storable, uploads

UploadList = list[Upload]


class Uploads:
    """All uploads. Thread-safe."""

    def __init__(self, database: Database, clock: Clock = utc) -> None:
        self._database = database
        self._clock = clock

    def create(
        self,
        owner_id: str,
        name: str,
        mime: str = "",
        size_bytes: int = 0,
        purpose: str = "",
        path: str = "",
        source: str = "",
        *,
        id: str = "",
        document_ids: Sequence[str] = (),
        status: str = "processing",
        reason: str = "",
    ) -> Upload:
        """Write down that a file came in. `id` may be given when the file was named after it already (`new_id`)."""
        row: dict[str, Any] = {
            "id": id or new_id(),
            "owner_id": owner_id,
            "name": storable(name),
            "mime": storable(mime),
            "size_bytes": size_bytes,
            "purpose": storable(purpose),
            "created_at": written(self._clock()),
            "path": path,
            "source": source,
            "document_ids": tuple(document_ids),
            "status": status,
            "reason": storable(reason),
        }
        with self._database.write() as connection:
            connection.execute(uploads.insert().values(row | {"document_ids": json.dumps(list(document_ids))}))
        return Upload(**row)

    def get(self, upload_id: str) -> Upload | None:
        """Return one."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(uploads).where(uploads.c.id == upload_id)).one_or_none()
        return upload_of(row) if row is not None else None

    def list(self, owner_id: str) -> UploadList:
        """Return a user's uploads, the newest first."""
        chosen = sa.select(uploads).where(uploads.c.owner_id == owner_id)
        with self._database.read() as connection:
            rows = connection.execute(chosen.order_by(uploads.c.created_at.desc(), uploads.c.id))
            return [upload_of(row) for row in rows]

    def update(
        self,
        upload_id: str,
        status: str | None = None,
        reason: str | None = None,
        document_ids: Sequence[str] | None = None,
        *,
        size_bytes: int | None = None,
        mime: str | None = None,
    ) -> Upload:
        """Write down what became of it; None leaves a field as it is. Raises `NotFoundError`."""
        documents = None if document_ids is None else json.dumps(list(document_ids))
        given = {"status": status, "reason": reason, "document_ids": documents, "size_bytes": size_bytes, "mime": mime}
        values = {name: value for name, value in given.items() if value is not None}
        with self._database.write() as connection:
            if values:
                connection.execute(uploads.update().where(uploads.c.id == upload_id).values(**values))
            row = connection.execute(sa.select(uploads).where(uploads.c.id == upload_id)).one_or_none()
        if row is None:
            raise NotFoundError("there is no such file, or it is not yours.")
        return upload_of(row)

    def delete(self, upload_id: str) -> None:
        """Forget an upload."""
        with self._database.write() as connection:
            connection.execute(uploads.delete().where(uploads.c.id == upload_id))

    def used_bytes(self, owner_id: str) -> int:
        """Return the size of a user's uploads, without refused ones."""
        used = sa.select(sa.func.coalesce(sa.func.sum(uploads.c.size_bytes), 0)).where(
            uploads.c.owner_id == owner_id, uploads.c.status != "refused"
        )
        with self._database.read() as connection:
            return int(connection.execute(used).scalar_one())

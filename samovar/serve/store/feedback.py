"""What readers thought of answers: thumbs up or down, and why. One opinion of one reader about one message."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from samovar.errors import NotFoundError, UsageError
from samovar.serve.store.database import Database
from samovar.serve.store.moments import Clock, utc, written
from samovar.serve.store.records import Feedback
from samovar.serve.store.rows import feedback_of
from samovar.serve.store.tables import feedback, storable

COMMENT_CHARS = 4000
FeedbackList = list[Feedback]


class FeedbackBook:
    """All feedback. Thread-safe."""

    def __init__(self, database: Database, clock: Clock = utc) -> None:
        self._database = database
        self._clock = clock

    def set(self, message_id: str, owner_id: str, value: int, comment: str = "") -> Feedback:
        """Keep an opinion in place of the reader's last one about this message; 0 takes it back.

        Raises:
            UsageError: the value is not -1, 0 or 1, or the comment is too long.
            NotFoundError: there is no such message.
        """
        if value not in (-1, 0, 1):
            raise UsageError(f"expected 1, -1 or 0, found {value}.")
        if len(comment) > COMMENT_CHARS:
            raise UsageError(f"expected a comment of at most {COMMENT_CHARS} characters, found {len(comment)}.")
        given = Feedback(message_id, owner_id, value, storable(comment), written(self._clock()))
        try:
            with self._database.write() as connection:
                connection.execute(feedback.delete().where(_of(message_id, owner_id)))
                if value:
                    row = {name: getattr(given, name) for name in Feedback.__dataclass_fields__}
                    connection.execute(feedback.insert().values(**row))
        except IntegrityError as error:
            raise NotFoundError("there is no such message, or it is not yours.") from error
        return given

    def get(self, message_id: str, owner_id: str) -> Feedback | None:
        """Return a reader's opinion about a message."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(feedback).where(_of(message_id, owner_id))).one_or_none()
        return feedback_of(row) if row is not None else None

    def list(self, limit: int = 100) -> FeedbackList:
        """Return the newest opinions of all readers, for admins."""
        chosen = sa.select(feedback).order_by(feedback.c.at.desc()).limit(max(0, limit))
        with self._database.read() as connection:
            return [feedback_of(row) for row in connection.execute(chosen)]

    def of_owner(self, owner_id: str) -> FeedbackList:
        """Return all opinions of one reader, the newest first."""
        chosen = sa.select(feedback).where(feedback.c.owner_id == owner_id).order_by(feedback.c.at.desc())
        with self._database.read() as connection:
            return [feedback_of(row) for row in connection.execute(chosen)]


def _of(message_id: str, owner_id: str) -> sa.ColumnElement[bool]:
    return (feedback.c.message_id == message_id) & (feedback.c.owner_id == owner_id)

"""The store opened: the database brought up to date, and one object for each noun in it. All are thread-safe and blocking."""

from __future__ import annotations

from types import TracebackType

from samovar.serve.store.accounts import Accounts
from samovar.serve.store.conversations import Conversations
from samovar.serve.store.database import Database
from samovar.serve.store.feedback import FeedbackBook
from samovar.serve.store.invitations import Invitations
from samovar.serve.store.keys import Keys
from samovar.serve.store.migration import migrate
from samovar.serve.store.moments import Clock, utc
from samovar.serve.store.sessions import Sessions
from samovar.serve.store.tokens import Tokens
from samovar.serve.store.uploads import Uploads
from samovar.settings import Settings


class Store:
    """What the server remembers. A write has reached the disk when its call returns."""

    def __init__(self, database: Database, session_days: float, clock: Clock = utc) -> None:
        self.database = database
        self.sessions = Sessions(database, session_days, clock)
        self.accounts = Accounts(database, self.sessions, clock)
        self.keys = Keys(database, clock)
        self.tokens = Tokens(database, self.keys, clock)
        self.invitations = Invitations(database, self.accounts, clock)
        self.conversations = Conversations(database, clock)
        self.feedback = FeedbackBook(database, clock)
        self.uploads = Uploads(database, clock)

    @classmethod
    def open(cls, settings: Settings, *, clock: Clock = utc) -> Store:
        """Open the database of the settings, making or migrating it first.

        Raises:
            DatabaseError: it cannot be reached or written, or a newer program wrote it.
        """
        database = Database.at(settings.serve.database_url, settings.home)
        try:
            migrate(database)
        except BaseException:
            database.close()
            raise
        return cls(database, settings.serve.session_days, clock)

    def close(self) -> None:
        """Close it; safe to call twice."""
        self.sessions.close()
        self.database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

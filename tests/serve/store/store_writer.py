"""A process of the durability tests: appends to a conversation, saying each message's id and position once the store has acknowledged it.

Arguments: database URL, home, conversation id, how many (0: until killed), name.
"""

from __future__ import annotations

import sys
from pathlib import Path

from samovar.serve.store.store import Store
from samovar.settings import ServeSettings, Settings


def main(url: str, home: str, conversation: str, count: str, name: str) -> None:
    number = 0
    with Store.open(Settings(home=Path(home), serve=ServeSettings(database_url=url))) as store:
        while int(count) == 0 or number < int(count):
            number += 1
            message = store.conversations.append(conversation, "user", f"{name}.{number} " + "слово " * 50)
            sys.stdout.write(f"{message.id} {message.position} {name}.{number}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Questions to begin with: those of the culture pack whose library is in use, else questions about documents that are there."""

from __future__ import annotations

import random
import tomllib
from functools import lru_cache

from samovar.app import pack_folder
from samovar.library.records import STARTER_SOURCE
from samovar.messages import Words
from samovar.serve.native.sight import sight_of
from samovar.serve.principal import Principal
from samovar.serve.state import ServerState

SHOWN = 4


def example_questions(state: ServerState, principal: Principal, words: Words) -> list[str]:
    """Return a few questions (blocking); none for an empty library."""
    from samovar.library.shelf import browsing

    settings = state.settings.library
    own = questions_of(settings.starter_pack) if settings.starter else ()
    library = state.engine.samovar.library
    if own and STARTER_SOURCE in library.sources():
        return random.sample(own, min(SHOWN, len(own)))
    with browsing(library, sight_of(principal)) as shelf:
        titles = [head.title for head in shelf.documents(limit=SHOWN).documents]
    return [words.say("chat.example_about", title=title) for title in titles if title]


@lru_cache(maxsize=4)
def questions_of(pack: str) -> tuple[str, ...]:
    """Return the example questions of a culture pack: ``examples.toml``, ``questions``."""
    path = pack_folder(pack) / "examples.toml"
    if not path.is_file():
        return ()
    return tuple(str(q) for q in tomllib.loads(path.read_text(encoding="utf-8")).get("questions", ()))

"""What the rooms below say in English, said in the user's language: errors and notes whose forms the packs know.

Under ``[said]`` the English pack has the forms of messages as the code writes them, with ``{fields}`` where they vary, and another pack
the same keys in its language. A message of no known form stays as it is.
"""

from __future__ import annotations

import re
from functools import lru_cache

from samovar.messages import FALLBACK, current_words, words

_PREFIX = "said."
_FIELD = re.compile(r"\{(\w+)\}")


@lru_cache(maxsize=1)
def _forms() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """The names with the expressions that their English texts stand for."""
    texts = words(FALLBACK).texts
    return tuple(
        (key.removeprefix(_PREFIX), _expression(str(text))) for key, text in texts.items() if key.startswith(_PREFIX)
    )


def _expression(text: str) -> re.Pattern[str]:
    parts = _FIELD.split(text)  # text, field, text, field … text
    out = [f"(?P<{part}>.+?)" if i % 2 else re.escape(part) for i, part in enumerate(parts)]
    return re.compile("".join(out), re.DOTALL)


def in_own_words(message: str) -> str:
    """Return a message of the rooms below in the user's language, where its form is known."""
    chosen = current_words()
    if chosen.lang == FALLBACK:
        return message
    for key, form in _forms():
        found = form.fullmatch(message)
        if found:
            return chosen.say(f"said.{key}", **found.groupdict())
    return message

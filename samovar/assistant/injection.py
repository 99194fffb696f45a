"""Find text in documents that gives orders to a machine reader ("forget your instructions …").

Such text stays in the document and in search; but a sentence that holds a command is never quoted as an answer and never counts as
support. The patterns are data of the language profiles. This is the second wall; the first is that passages are only ever quoted data
in the prompt, and the third that every sentence of an answer must be supported. Patterns cannot catch every attack, and can catch an innocent sentence:
the note in the answer says what was set aside.
"""

from __future__ import annotations

import re
from functools import lru_cache

from samovar.language import Profile, Span, available_profiles, profile_for


@lru_cache(maxsize=1)
def _patterns() -> tuple[re.Pattern[str], ...]:
    """The commands of all profiles: an attack may be written in any language."""
    commands = [c for tag in available_profiles() for c in profile_for(tag).commands]
    return tuple(re.compile(c, re.IGNORECASE) for c in commands)


def is_command(text: str, profile: Profile) -> bool:
    """Whether a stretch of text holds a command to the reader."""
    plain = profile.normalise(text)
    return any(p.search(plain) for p in _patterns())


def find_commands(text: str, profile: Profile) -> list[Span]:
    """Return the spans of the sentences of `text` that hold a command, with the rest of their paragraph when they open it."""
    return [(a, b) for a, b in profile.sentences(text) if is_command(text[a:b], profile)]


def blank_commands(text: str, profile: Profile) -> str:
    """Return `text` with every command replaced by spaces of the same length, so that offsets stay."""
    for a, b in find_commands(text, profile):
        text = text[:a] + " " * (b - a) + text[b:]
    return text

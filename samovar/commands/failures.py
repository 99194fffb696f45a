"""A failure in words: the message of an error under a heading for its kind, in the user's language.

Knows the names of the kinds (`samovar.errors`) and nothing of where they come from.
"""

from __future__ import annotations

from samovar.commands.said import in_own_words
from samovar.errors import SamovarError
from samovar.messages import current_words, say


def explain_error(error: SamovarError) -> str:
    """Return the message of an error, under a heading for its kind where the language has one."""
    words = current_words()
    for kind in type(error).__mro__:
        key = f"error.{kind.__name__}"
        if words.has(key) and words.say(key):
            return say("error.headed", heading=words.say(key), message=in_own_words(str(error)))
    return say("error.plain", message=in_own_words(str(error)))

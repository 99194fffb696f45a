"""A model's text as it comes in: what of it may be shown at once.

The word with which a model says that it has no answer is never shown, whole or in part, nor are thoughts between <think> tags. Knows
nothing about citations.
"""

from __future__ import annotations

import re

NO_ANSWER = "NO_ANSWER"
_DECLINED = re.compile(r"NO\\?_ANSWER")
_SPELLINGS = (NO_ANSWER, "NO\\_ANSWER")
_THOUGHT = re.compile(r"\s*<think>.*?(?:</think>|\Z)", re.DOTALL)
_SIGNS = re.compile(r"[\W_]+")
_PLAIN = "noanswer"


class Draft:
    """The text so far; `feed` returns what may be shown of it."""

    def __init__(self) -> None:
        self._raw = ""
        self._sent = 0

    @property
    def text(self) -> str:
        """The text without thoughts."""
        return _THOUGHT.sub("", self._raw, count=1) if self._raw.lstrip().startswith("<think>") else self._raw

    @property
    def declined(self) -> bool:
        """Whether the model says that the passages hold no answer, or says nothing."""
        text = self.text
        return not text.strip() or bool(_DECLINED.search(text)) or _SIGNS.sub("", text).lower() == _PLAIN

    def feed(self, piece: str) -> str:
        """Add a piece; return the text that may be shown now ("" while it could still become the word)."""
        self._raw += piece
        return self._release(self._safe_length())

    def finish(self) -> str:
        """Return what was held back, once nothing more comes."""
        return "" if self.declined else self._release(len(self.text))

    def _release(self, until: int) -> str:
        if until <= self._sent:
            return ""
        out = self.text[self._sent : until]
        self._sent = until
        return out

    def _safe_length(self) -> int:
        text = self.text
        start = self._raw.lstrip()
        if ("<think>".startswith(start[:7]) and "</think>" not in start) or self.declined:
            return 0
        if _PLAIN.startswith(_SIGNS.sub("", text).lower()):
            return 0
        tail = max((len(s[:n]) for s in _SPELLINGS for n in range(1, len(s)) if text.endswith(s[:n])), default=0)
        return len(text) - tail

"""An upper estimate of token counts for models whose tokenizer we do not have.

From bytes and character classes alone, so that no language is favoured. Measured with SmolLM2's English-only vocabulary,
the worst case here: Russian prose 2.6 bytes a token, English 4.5, a line of dates and numbers 1.3 (each digit and sign
its own token). The estimate is above all three, and comes down to what a service itself reports once it has answered.
Knows nothing about any service.
"""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Sequence

from samovar.generate.model import Message, Tool
from samovar.generate.tools import tools_as_openai

LETTER_BYTES_PER_TOKEN = 2.0
MESSAGE_TOKENS = 8  # role markers and separators of one message; chat templates use 3–7
PROMPT_TOKENS = 32  # what a template may add once, such as a default system message (SmolLM2: 22)
MARGIN = 1.25  # kept above the largest part of the estimate that was ever used up
SMALLEST_SCALE = (
    0.25  # never trust reports below this: a server that cuts prompts silently would teach us to overfill it
)
MIN_OBSERVED_TOKENS = 100

_SINGLES = re.compile(r"[^\w\s]|[\d_\n]|[^\S\n](?=\d|[^\w\s])")
_FREE_SPACES = re.compile(r"[^\S\n](?!\d|[^\w\s])")


class TokenEstimator:
    """Counts pessimistically, and learns from the usage that a service reports. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._largest_part: float | None = None

    @property
    def scale(self) -> float:
        """Factor on the first estimate: 1 until something was observed, then `MARGIN` above the worst observation."""
        with self._lock:
            if self._largest_part is None:
                return 1.0
            return min(1.0, max(SMALLEST_SCALE, MARGIN * self._largest_part))

    def count(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> int:
        """Upper estimate of the prompt tokens of these messages, and of the description of the tools."""
        estimate = estimate_tokens(messages)
        if tools:
            estimate += estimate_text(json.dumps(tools_as_openai(tools), ensure_ascii=False))
        return math.ceil(self.scale * estimate)

    def observe(self, messages: Sequence[Message], prompt_tokens: int) -> None:
        """Learn from a service's own count; short prompts say more about the template than about the text."""
        estimate = estimate_tokens(messages)
        if estimate >= MIN_OBSERVED_TOKENS and prompt_tokens > 0:
            with self._lock:
                self._largest_part = max(self._largest_part or 0.0, prompt_tokens / estimate)


def estimate_tokens(messages: Sequence[Message]) -> int:
    """Upper estimate without any experience: a token for each digit, sign, line and space before these, and for every two
    bytes of letters; other spaces belong to the words they begin."""
    return PROMPT_TOKENS + sum(
        MESSAGE_TOKENS + estimate_text(message.content) + _estimate_calls(message) for message in messages
    )


def _estimate_calls(message: Message) -> int:
    return sum(MESSAGE_TOKENS + estimate_text(f"{call.id} {call.name} {call.arguments}") for call in message.tool_calls)


def estimate_text(text: str) -> int:
    """Upper estimate of the tokens of a text alone."""
    singles = "".join(_SINGLES.findall(text))
    letters = count_bytes(text) - count_bytes(singles) - count_bytes("".join(_FREE_SPACES.findall(text)))
    return count_bytes(singles) + math.ceil(letters / LETTER_BYTES_PER_TOKEN)


def count_bytes(text: str) -> int:
    """UTF-8 bytes of a text."""
    return len(text.encode("utf-8", "replace"))

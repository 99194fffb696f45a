"""A model for the browser tests: what it writes depends on a word of the question; the slow one takes its time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from samovar.errors import ModelError
from samovar.generate.model import Cancel, GenerationOptions, Message, Piece
from samovar.generate.scripted import ScriptedModel

DEEP = "Глубина Байкала — 1642 метра."
GIANTS = "Глубина Байкала — 1642 метра. Озеро выкопали великаны."
LONG = "Глубина Байкала — 1642 метра. " * 60
ATTACK = """<script>window.hacked=1</script><img src=x onerror="window.hacked=1">
![pixel](http://192.0.2.1/pixel.png) [click](javascript:window.hacked=1) <svg onload=window.hacked=1></svg>
<a href="javascript:window.hacked=1">a</a> [fine](https://example.org/a) `<b onclick=x>`"""
REPLIES = {"великаны": GIANTS, "подробно": LONG, "небылица": "Сорок два.", "атака": ATTACK}


class WebModel(ScriptedModel):
    """Chooses its reply by the last message; `delay_seconds` can be changed while it runs; `down` makes it fail."""

    def __init__(self) -> None:
        super().__init__(self._choose, name="scripted")
        self.down = False
        self.stopped = 0

    def _choose(self, messages: Sequence[Message]) -> str:
        question = messages[-1].content
        return next((reply for word, reply in REPLIES.items() if word in question), DEEP)

    def stream(
        self,
        messages: Sequence[Message],
        options: GenerationOptions = GenerationOptions(),
        cancel: Cancel | None = None,
    ) -> Iterator[Piece]:
        """Stream; count the streams that were stopped."""
        if self.down:
            raise ModelError("the model is down: start it again")
        slow = any("подробно" in m.content for m in messages[-1:])
        self._delay_seconds = 0.02 if slow else 0.0
        for piece in super().stream(messages, options, cancel):
            self.stopped += piece.stop_reason == "cancelled"
            yield piece

"""The response object of the Responses API: what was asked, echoed, and the output items.

Source: https://platform.openai.com/docs/api-reference/responses/object
"""

from __future__ import annotations

import secrets
import time
from typing import Any

from samovar.generate.model import ToolCall, Usage
from samovar.serve.completion import Asked, End
from samovar.serve.grounded import response_annotations
from samovar.serve.openai.schemas import NamedTool, ResponsesBody


class ResponseObject:
    """One response while it comes about. `finish` fills it; `as_json` may be taken at any time."""

    def __init__(self, body: ResponsesBody, asked: Asked) -> None:
        self.asked = asked
        self.message_id = "msg_" + secrets.token_hex(16)
        self._fields = _echo(body, asked)

    def finish(self, text: str, end: End) -> None:
        """Take over the output."""
        fields = self._fields
        reasons = {"length": "max_output_tokens", "refused": "content_filter"}
        reason = reasons.get(end.reason)
        fields["status"] = "incomplete" if reason else "completed"
        fields["incomplete_details"] = {"reason": reason} if reason else None
        fields["output"] = self.output(text, end)
        fields["usage"] = usage_object(end.usage)
        fields["completed_at"] = None if reason else time.time()
        if end.samovar:
            fields["samovar"] = end.samovar

    def fail(self, message: str) -> None:
        """Note a failure."""
        self._fields["status"] = "failed"
        self._fields["error"] = {"code": "server_error", "message": message}

    def output(self, text: str, end: End) -> list[dict[str, Any]]:
        """Return the output items: the message, unless there are only calls, and the calls."""
        items = [self.message(text, end)] if text or not end.tool_calls else []
        return items + [call_item(call) for call in end.tool_calls]

    def message(self, text: str, end: End | None) -> dict[str, Any]:
        """Return the message item; without `end` it is the one that is announced, still empty."""
        return {
            "id": self.message_id,
            "type": "message",
            "status": "in_progress" if end is None else "completed",
            "role": "assistant",
            "content": [] if end is None else [self.part(text, end)],
        }

    def part(self, text: str, end: End | None) -> dict[str, Any]:
        """Return the text part of the message."""
        answer = end.answer if end else None
        annotations = response_annotations(answer, self.asked.base) if answer else []
        return {"type": "output_text", "text": text, "annotations": annotations, "logprobs": []}

    def as_json(self) -> dict[str, Any]:
        """Return it as it is now."""
        return dict(self._fields)


def call_item(call: ToolCall, *, begun: bool = False) -> dict[str, Any]:
    """Return a function call item; with `begun` the one that is announced, still without arguments."""
    return {
        "id": "fc_" + call.id.removeprefix("call_"),
        "type": "function_call",
        "status": "in_progress" if begun else "completed",
        "call_id": call.id,
        "name": call.name,
        "arguments": "" if begun else call.arguments,
    }


def usage_object(usage: Usage) -> dict[str, Any]:
    """Return token counts as Responses have them."""
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def _echo(body: ResponsesBody, asked: Asked) -> dict[str, Any]:
    """The fields that say again what was asked."""
    options = asked.options
    format_ = body.text.format.model_dump(by_alias=True, exclude_none=True) if body.text and body.text.format else None
    choice = body.tool_choice
    return {
        "id": "resp_" + secrets.token_hex(24),
        "object": "response",
        "created_at": time.time(),
        "completed_at": None,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "metadata": body.metadata or {},
        "model": asked.card.id,
        "output": [],
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "temperature": options.temperature,
        "text": {"format": format_ or {"type": "text"}},
        "tool_choice": choice.model_dump(exclude_none=True) if isinstance(choice, NamedTool) else choice or "auto",
        "tools": [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description or None,
                "parameters": tool.parameters,
                "strict": False,
            }
            for tool in options.tools
        ],
        "top_p": options.top_p,
        "truncation": "disabled",
        "usage": None,
        "user": None,
    }

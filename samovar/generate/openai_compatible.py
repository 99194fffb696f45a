"""Any endpoint that speaks OpenAI's chat completions: vLLM, llama.cpp's server, LM Studio, OpenRouter, OpenAI itself.

Uses the official `openai` client, told everything explicitly: no address, key, organisation or project is taken from the
environment, no client statistics are sent, redirects are refused and loopback addresses never go through a proxy.
Requests are retried only before the first byte of an answer. Knows nothing about documents.
Source: https://platform.openai.com/docs/api-reference/chat/streaming
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from samovar.errors import MissingExtraError, ModelError, ModelNotFoundError, ModelRequestError, PromptTooLongError
from samovar.generate.model import Cancel, GenerationOptions, Message, Piece, StopReason, Usage
from samovar.generate.pieces import PieceChannel
from samovar.generate.remote import BackgroundLoop, check_url, is_loopback, shorten
from samovar.generate.tokens import TokenEstimator
from samovar.generate.tools import ToolCallCollector, messages_as_openai, tool_fields

CONNECT_SECONDS = 10.0
MAX_RETRIES = 3  # the client waits 0.5, 1, 2 s, or what Retry-After says (up to two minutes)

STOP_REASONS: dict[str, StopReason] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "content_filter": "refused",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
}


class OpenAICompatibleModel:
    """A `Model` behind an OpenAI-compatible address.

    Args:
        base_url: address up to and including the version, e.g. ``http://127.0.0.1:8000/v1``.
        model: the model's name there.
        api_key: sent as a bearer token; empty for endpoints that want none.
        context_tokens: what the far end can hold; it is not asked. Prompts estimated above it are refused here, because
            some endpoints cut long prompts silently.
        timeout_seconds: longest silence (also before the first piece) before the request fails.
        max_retries: on 408, 409, 429, 5xx and failing connections.

    Raises:
        MissingExtraError: the `openai` package is not installed.
        ModelError: the address is not an address.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: str = "",
        *,
        context_tokens: int = 4096,
        timeout_seconds: float = 120.0,
        max_retries: int = MAX_RETRIES,
    ) -> None:
        self._base_url = check_url(base_url, "generate.base_url")
        self._model = model
        self._context_tokens = context_tokens
        self._timeout_seconds = timeout_seconds
        self._tokens = TokenEstimator()
        self._client = make_client(self._base_url, api_key, timeout_seconds, max_retries)
        self._loop = BackgroundLoop()

    @property
    def name(self) -> str:
        """``openai:`` and the model's name at the endpoint."""
        return f"openai:{self._model}"

    @property
    def context_tokens(self) -> int:
        """The context that was configured, in tokens."""
        return self._context_tokens

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Upper estimate from bytes; closer after the first answer that reports its usage."""
        return self._tokens.count(messages)

    def stream(
        self,
        messages: Sequence[Message],
        options: GenerationOptions = GenerationOptions(),
        cancel: Cancel | None = None,
    ) -> Iterator[Piece]:
        """Generate. Cancelling or dropping the iterator closes the connection."""
        if not messages:
            raise ModelError("expected at least one message, found none")
        if (estimate := self._tokens.count(messages, options.tools)) >= self._context_tokens:
            raise PromptTooLongError(
                f"the prompt is estimated at {estimate} tokens, {self.name} is set to hold {self._context_tokens}: "
                "show fewer passages, or raise generate.context_tokens if the endpoint holds more"
            )
        channel = PieceChannel(cancel)
        request, asked = self._request(messages, options), tuple(messages)
        yield from self._loop.stream(lambda: self._converse(request, asked, channel), channel)

    def close(self) -> None:
        """Cancel all requests and close the connections."""
        self._loop.close(self._client.close)

    def _request(self, messages: Sequence[Message], options: GenerationOptions) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self._model,
            "messages": messages_as_openai(messages),
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": options.temperature,
            "top_p": options.top_p,
        }
        if options.max_tokens is not None:  # OpenAI itself renamed it; everybody else understands the old name
            own = "api.openai.com" in self._base_url
            request["max_completion_tokens" if own else "max_tokens"] = options.max_tokens
        if options.stop:
            request["stop"] = list(options.stop)
        if options.seed is not None:
            request["seed"] = options.seed
        if options.json_schema is not None:
            schema = {"name": "answer", "schema": options.json_schema, "strict": True}
            request["response_format"] = {"type": "json_schema", "json_schema": schema}
        return request | tool_fields(options)

    async def _converse(self, request: dict[str, Any], messages: tuple[Message, ...], channel: PieceChannel) -> None:
        try:
            stream = await self._client.chat.completions.create(**request)
            try:
                last = await self._read(stream, channel)
            finally:
                await stream.close()
        except Exception as error:
            raise explain(error, self._base_url, self._model, self._timeout_seconds) from error
        if last.usage:
            self._tokens.observe(messages, last.usage.prompt_tokens)
        channel.put(last)

    async def _read(self, stream: Any, channel: PieceChannel) -> Piece:
        """Put the text into the channel and return the last piece; raise when the stream ends without a finish."""
        kind = stream.response.headers.get("content-type", "")
        if "text/event-stream" not in kind:
            body = (await stream.response.aread()).decode("utf-8", "replace")
            raise ModelError(
                f"expected a stream of events from {self._base_url}, found {kind or 'no content type'}: {shorten(body)!r}. "
                "Is generate.base_url right? It usually ends in /v1"
            )
        finish, usage, refused, calls = None, None, False, ToolCallCollector()
        async for chunk in stream:
            if chunk.usage:
                usage = Usage(chunk.usage.prompt_tokens or 0, chunk.usage.completion_tokens or 0)
            for choice in chunk.choices or ():
                finish = choice.finish_reason or finish
                refusal = getattr(choice.delta, "refusal", None) if choice.delta else None
                refused = refused or bool(refusal)
                if text := ((choice.delta.content if choice.delta else None) or refusal):
                    channel.put(Piece(text))
                if choice.delta and choice.delta.tool_calls:
                    calls.take(call.model_dump() for call in choice.delta.tool_calls)
        if finish is None:
            raise ModelError(f"{self._base_url} ended the answer in the middle (no finish reason): ask again")
        if made := calls.calls():  # some endpoints finish with "stop" all the same
            return Piece(
                "", "tool_calls" if finish == "stop" else STOP_REASONS.get(finish, "error"), usage, tool_calls=made
            )
        return Piece("", "refused" if refused else STOP_REASONS.get(finish, "error"), usage)


def make_client(base_url: str, api_key: str, timeout_seconds: float, max_retries: int) -> Any:
    """An `openai.AsyncOpenAI` that takes nothing from the environment but proxies and certificates."""
    try:
        import openai
    except ImportError as error:
        raise MissingExtraError("openai", "Talking to an OpenAI-compatible endpoint") from error

    if not (key := api_key.strip()).isascii():
        raise ModelError("expected a key of ASCII characters in generate.api_key, found others: copy it again")

    async def strip(request: Any) -> None:
        for header in list(request.headers):
            if header.startswith(("x-stainless-", "openai-")):
                del request.headers[header]

    http_client = openai.DefaultAsyncHttpxClient(
        trust_env=not is_loopback(base_url), follow_redirects=False, event_hooks={"request": [strip]}
    )
    return openai.AsyncOpenAI(
        base_url=base_url,
        api_key=key or "none",
        admin_api_key="",
        organization="",
        project="",
        webhook_secret="",
        timeout=openai.Timeout(timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds)),
        max_retries=max_retries,
        http_client=http_client,
    )


def explain(error: Exception, base_url: str, model: str, timeout_seconds: float) -> ModelError:
    """Turn a failure of the `openai` client into a `ModelError` that says what to do next."""
    import openai

    if isinstance(error, ModelError):
        return error
    if isinstance(error, openai.APITimeoutError):
        return ModelError(
            f"{base_url} was silent for {timeout_seconds:g} s: try again or raise generate.timeout_seconds"
        )
    if isinstance(error, openai.APIConnectionError):
        cause = shorten(str(error.__cause__ or error))
        return ModelError(
            f"the connection to {base_url} failed ({cause}): is the address right and the server running?"
        )
    if isinstance(error, openai.APIStatusError):
        return _explain_status(error, base_url, model)
    if isinstance(error, json.JSONDecodeError):
        return ModelError(f"{base_url} sent an event that is not JSON ({error}): the endpoint or a proxy is at fault")
    return ModelError(f"{base_url} failed: {shorten(str(error) or type(error).__name__)}")


def _explain_status(error: Any, base_url: str, model: str) -> ModelError:
    status, said = error.status_code, shorten(_said(error))
    code = f"{getattr(error, 'code', '') or ''} {said}".lower()
    if (
        status in (400, 413, 422)
        and "context" in code
        and any(w in code for w in ("length", "exceed", "window", "size"))
    ):
        return PromptTooLongError(f"the prompt exceeds the context of {model} at {base_url}: {said}")
    if status in (401, 403):
        return ModelError(
            f"{base_url} refused the key ({status}: {said}): set generate.api_key (SAMOVAR_GENERATE__API_KEY)"
        )
    if status == 404:
        return ModelNotFoundError(
            f"{base_url} knows no model {model!r}, or is not the right address ({said}): check generate.model and base_url"
        )
    if 300 <= status < 400:
        target = error.response.headers.get("location", "elsewhere")
        return ModelError(f"{base_url} redirects to {target}; if you trust that address, set generate.base_url to it")
    if status == 429:
        return ModelError(f"{base_url} allows no more requests for now (429: {said}): wait, or use another model")
    refused = ModelRequestError if status in (400, 422) else ModelError
    return refused(f"{base_url} answered {status}: {said}")


def _said(error: Any) -> str:
    """The server's own words: the message of its JSON error, or the start of its page."""
    if isinstance(error.body, dict) and error.body.get("message"):
        return str(error.body["message"])
    kind = error.response.headers.get("content-type", "")
    text = str(error.body or error.message)
    return f"an HTML page instead of JSON: {text}" if "html" in kind else text

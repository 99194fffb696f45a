"""Sber's GigaChat through its official client, v1 chat in streaming mode.

Address, authorisation address and certificate checks are always passed explicitly, so that no ``GIGACHAT_…`` variable can
redirect prompts; credentials, scope and certificate files may come from those variables, as that client's users expect.
The client's own retries are off: they would start a broken answer again in the middle. Knows nothing about documents.
Source: https://developers.sber.ru/docs/ru/gigachat/api/reference/rest/post-chat
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from samovar.errors import MissingExtraError, ModelError, ModelNotFoundError, ModelRequestError, PromptTooLongError
from samovar.generate.gigachat_functions import function_fields, messages_for_gigachat, read_call
from samovar.generate.model import Cancel, GenerationOptions, Message, Piece, StopReason, Usage
from samovar.generate.pieces import PieceChannel
from samovar.generate.remote import BackgroundLoop, check_url, shorten
from samovar.generate.tokens import TokenEstimator

BASE_URL = "https://api.giga.chat/v1"
AUTH_URL = "https://ngw.devices.sberbank.ru:9443/api/v2/oauth"
MAX_RETRIES = 3
BACKOFF_SECONDS = 0.5
MAX_WAIT_SECONDS = 120.0  # a longer Retry-After is reported instead of waited for
MIN_TEMPERATURE = 0.001  # the service refuses 0

STOP_REASONS: dict[str, StopReason] = {
    "stop": "stop",
    "length": "length",
    "blacklist": "refused",
    "function_call": "tool_calls",
    "error": "error",
}


class GigaChatModel:
    """A `Model` behind the GigaChat API.

    Args:
        model: e.g. ``GigaChat-2``, ``GigaChat-2-Pro``, ``GigaChat-2-Max``.
        base_url, auth_url: where; empty means Sber's own addresses.
        credentials: the authorisation key of the personal account; empty takes ``GIGACHAT_CREDENTIALS`` if set.
        scope: ``GIGACHAT_API_PERS``, ``_B2B`` or ``_CORP``; empty leaves the client's choice.
        context_tokens: what the service can hold; prompts estimated above it are refused here.
        ca_bundle_file: certificates of the Russian national authority, if the system does not have them.

    Raises:
        MissingExtraError: the `gigachat` package is not installed.
    """

    def __init__(
        self,
        model: str = "GigaChat-2",
        credentials: str = "",
        *,
        base_url: str = "",
        auth_url: str = "",
        scope: str = "",
        access_token: str = "",
        ca_bundle_file: str = "",
        context_tokens: int = 4096,
        timeout_seconds: float = 120.0,
        max_retries: int = MAX_RETRIES,
    ) -> None:
        try:
            from gigachat import GigaChat
        except ImportError as error:
            raise MissingExtraError("gigachat", "Talking to GigaChat") from error
        self._base_url = check_url(base_url or BASE_URL, "generate.base_url")
        self._model = model
        self._context_tokens = context_tokens
        self._max_retries = max_retries
        self._tokens = TokenEstimator()
        self._client: Any = GigaChat(
            base_url=self._base_url,
            auth_url=check_url(auth_url or AUTH_URL, "the authorisation address"),
            credentials=credentials or None,
            scope=scope or None,
            access_token=access_token or None,
            ca_bundle_file=ca_bundle_file or None,
            verify_ssl_certs=True,
            model=model,
            timeout=timeout_seconds,
            max_retries=0,
        )
        self._loop = BackgroundLoop()

    @property
    def name(self) -> str:
        """``gigachat:`` and the model's name."""
        return f"gigachat:{self._model}"

    @property
    def context_tokens(self) -> int:
        """The context that was configured, in tokens."""
        return self._context_tokens

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Upper estimate from bytes (the service's own counter would cost a request); closer after the first answer."""
        return self._tokens.count(messages)

    def stream(
        self,
        messages: Sequence[Message],
        options: GenerationOptions = GenerationOptions(),
        cancel: Cancel | None = None,
    ) -> Iterator[Piece]:
        """Generate. `options.stop`, `seed` and `json_schema` are not offered by this API: stop strings are applied here,
        a seed is ignored, a schema is an error. Cancelling or dropping the iterator closes the connection."""
        if not messages:
            raise ModelError("expected at least one message, found none")
        if options.json_schema is not None:
            raise ModelRequestError(
                f"{self.name} offers no JSON schema in v1 chat: use a local or OpenAI-compatible model for it"
            )
        if (estimate := self._tokens.count(messages, options.tools)) >= self._context_tokens:
            raise PromptTooLongError(
                f"the prompt is estimated at {estimate} tokens, {self.name} is set to hold {self._context_tokens}: "
                "show fewer passages, or raise generate.context_tokens"
            )
        channel = PieceChannel(cancel)
        request, asked = self._request(messages, options), tuple(messages)
        yield from self._loop.stream(lambda: self._converse(request, asked, options.stop, channel), channel)

    def close(self) -> None:
        """Cancel all requests and close the connections."""
        self._loop.close(self._client.aclose)

    def _request(self, messages: Sequence[Message], options: GenerationOptions) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self._model,
            "messages": messages_for_gigachat(messages),
            "temperature": max(options.temperature, MIN_TEMPERATURE),
            "top_p": options.top_p if options.temperature else 0.0,
        }
        if options.max_tokens is not None:
            request["max_tokens"] = options.max_tokens
        return request | function_fields(options, self.name)

    async def _converse(
        self, request: dict[str, Any], messages: tuple[Message, ...], stop: tuple[str, ...], channel: PieceChannel
    ) -> None:
        try:
            last = await self._read(request, stop, channel)
        except Exception as error:
            raise explain(error, self._base_url, self._model) from error
        if last.usage:
            self._tokens.observe(messages, last.usage.prompt_tokens)
        channel.put(last)

    async def _read(self, request: dict[str, Any], stop: tuple[str, ...], channel: PieceChannel) -> Piece:
        finish, usage, cutter = None, None, StopCutter(stop)
        call, state_id = None, ""
        async for chunk in self._chunks(request):
            if chunk.usage:
                usage = Usage(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
            for choice in chunk.choices:
                finish = choice.finish_reason or finish
                call, state_id = choice.delta.function_call or call, choice.delta.functions_state_id or state_id
                if text := cutter.push(choice.delta.content or ""):
                    channel.put(Piece(text))
            if cutter.stopped:
                return Piece("", "stop", usage)
        if finish is None:
            raise ModelError(f"{self._base_url} ended the answer in the middle (no finish reason): ask again")
        if rest := cutter.rest():
            channel.put(Piece(rest))
        if call is not None:
            return Piece("", "tool_calls", usage, tool_calls=(read_call(call.name, call.arguments, state_id),))
        return Piece("", STOP_REASONS.get(finish, "error"), usage)

    async def _chunks(self, request: dict[str, Any]) -> AsyncIterator[Any]:
        """The service's chunks; retries with back-off until the first one has come, never after."""
        import httpx
        from gigachat.exceptions import RateLimitError, ServerError

        for attempt in range(self._max_retries + 1):
            started = False
            try:
                stream = self._client.astream(request)
                try:
                    async for chunk in stream:
                        started = True
                        yield chunk
                finally:
                    await stream.aclose()
                return
            except (RateLimitError, ServerError, httpx.TransportError) as error:
                asked = float(getattr(error, "retry_after", 0) or 0)
                if started or attempt == self._max_retries or asked > MAX_WAIT_SECONDS:
                    raise
                await asyncio.sleep(asked or BACKOFF_SECONDS * 2**attempt)


class StopCutter:
    """Cuts a stream of text at the first stop string, also when the string is spread over several pieces."""

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = [literal for literal in stop if literal]
        self._held = ""
        self.stopped = False

    def push(self, text: str) -> str:
        """Take a piece, return what may be shown now."""
        if self.stopped:
            return ""
        self._held += text
        cuts = [index for literal in self._stop if (index := self._held.find(literal)) >= 0]
        if cuts:
            self.stopped = True
            return self._release(min(cuts))
        return self._release(len(self._held) - self._possible_start())

    def rest(self) -> str:
        """What is still held back when the stream has ended by itself."""
        return "" if self.stopped else self._release(len(self._held))

    def _possible_start(self) -> int:
        """Length of the longest suffix of the held text that begins some stop string."""
        longest = max((len(literal) - 1 for literal in self._stop), default=0)
        for length in range(min(longest, len(self._held)), 0, -1):
            if any(literal.startswith(self._held[-length:]) for literal in self._stop):
                return length
        return 0

    def _release(self, length: int) -> str:
        shown, self._held = self._held[:length], self._held[length:]
        return shown


def explain(error: Exception, base_url: str, model: str) -> ModelError:
    """Turn a failure of the `gigachat` client into a `ModelError` that says what to do next."""
    import httpx
    from gigachat.exceptions import ResponseError

    if isinstance(error, ModelError):
        return error
    if isinstance(error, httpx.TimeoutException):
        return ModelError(f"{base_url} was silent for too long: try again or raise generate.timeout_seconds")
    if isinstance(error, httpx.ConnectError) and "CERTIFICATE" in str(error).upper():
        return ModelError(
            f"the certificate of {base_url} is not trusted here: install the national root certificate and name its file "
            "in GIGACHAT_CA_BUNDLE_FILE"
        )
    if isinstance(error, httpx.HTTPError):
        return ModelError(f"the connection to {base_url} failed ({shorten(str(error) or type(error).__name__)})")
    if isinstance(error, ResponseError):
        return _explain_status(error, base_url, model)
    return ModelError(f"{base_url} sent something unexpected: {shorten(str(error) or type(error).__name__)}")


def _explain_status(error: Any, base_url: str, model: str) -> ModelError:
    status = int(error.status_code)
    content = error.content or b""
    said = shorten(content.decode("utf-8", "replace") if isinstance(content, bytes) else str(content))
    if status in (401, 403):
        return ModelError(f"GigaChat refused the credentials ({status}: {said}): set generate.api_key to your key")
    if status == 404:
        return ModelNotFoundError(f"GigaChat knows no model {model!r} ({said}): check generate.model")
    if status == 413 or (status == 422 and "token" in said.lower()):
        return PromptTooLongError(f"the prompt exceeds the context of {model}: {said}")
    if status == 429:
        return ModelError(f"GigaChat allows no more requests for now (429: {said}): wait, or use another model")
    refused = ModelRequestError if status in (400, 422) else ModelError
    return refused(f"{base_url} answered {status}: {said}")

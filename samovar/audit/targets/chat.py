"""Chat endpoints that speak OpenAI's dialect over HTTP: OpenAI, Anthropic and Gemini by their compatible addresses, vLLM, llama.cpp, ours.

A thin client on aiohttp: an audit sends thousands of short requests, and the official client costs milliseconds of CPU for each. No system prompt
is sent; temperature is 0. Source of the statuses and of ``content_filter``: OpenAI's API reference.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from samovar.audit.targets.target import Answered, TargetError
from samovar.errors import MissingExtraError

PRESETS: Mapping[str, str] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com/v1",
    "gemini": "https://generativelanguage.googleapis.com/v1beta/openai",
}
RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
FILTERED = frozenset({"content_filter", "content_filtered", "blacklist", "safety", "refusal"})
LONGEST_SAID = 300


class ChatTarget:
    """One model behind ``POST {base_url}/chat/completions``.

    Raises:
        MissingExtraError: aiohttp is not installed. It is loaded here and not with the first question: loading takes 0.3–0.7 s, in which the
            event loop stands still (4–8 % of a run of 4,000 questions at 0.2 s and 100 connections).
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: str = "",
        *,
        max_tokens: int = 256,
        timeout_seconds: float = 120.0,
        kind: str = "openai",
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._model = model
        self._key = api_key.strip()
        self._max_tokens = max_tokens
        self._timeout_seconds = timeout_seconds
        self._kind = kind
        self._session: Any = None
        self._limit_name = "max_tokens"
        self._aiohttp = import_aiohttp("Asking a chat endpoint")

    @property
    def name(self) -> str:
        """``openai:MODEL`` (or the preset's name)."""
        return f"{self._kind}:{self._model}"

    def describe(self) -> Mapping[str, Any]:
        """Address, model and parameters."""
        return {
            "kind": "chat",
            "base_url": self._base_url,
            "model": self._model,
            "temperature": 0,
            "max_tokens": self._max_tokens,
            "system_prompt": None,
        }

    async def ask(self, text: str, *, language: str, limit: int = 0) -> Answered:
        """Ask. See `Target.ask`."""
        body = {
            "model": self._model,
            "messages": [{"role": "user", "content": text}],
            "temperature": 0,
            self._limit_name: self._max_tokens,
        }
        status, headers, raw = await self._post("/chat/completions", body)
        if status == 400 and b"max_completion_tokens" in raw and self._limit_name == "max_tokens":
            self._limit_name = "max_completion_tokens"  # newer models of OpenAI know only this name
            return await self.ask(text, language=language, limit=limit)
        if status == 400 and is_filtered(raw):
            return Answered(shorten(raw), "filter")
        if status != 200:
            raise failure(status, headers, raw, self._base_url)
        return read_completion(raw, headers.get("content-type", ""), self._base_url)

    async def _post(self, path: str, body: Mapping[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
        session, aiohttp = self._open(), self._aiohttp
        try:
            async with session.post(self._base_url + path, json=body, allow_redirects=False) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                return response.status, headers, await response.read()
        except TimeoutError as error:
            raise TargetError(f"{self._base_url} was silent for {self._timeout_seconds:g} s", retry=True) from error
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as error:
            raise TargetError(
                f"the connection to {self._base_url} failed: {error or type(error).__name__}", retry=True
            ) from error

    def _open(self) -> Any:
        if self._session is None:
            aiohttp = self._aiohttp
            loopback = (urlsplit(self._base_url).hostname or "") in ("127.0.0.1", "localhost", "::1")
            headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
            self._session = aiohttp.ClientSession(
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=self._timeout_seconds),
                connector=aiohttp.TCPConnector(limit=0),
                trust_env=not loopback,
                json_serialize=lambda value: json.dumps(value, ensure_ascii=False),
            )
        return self._session

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def import_aiohttp(purpose: str) -> Any:
    """Return the HTTP client. Raises `MissingExtraError` saying what for."""
    try:
        import aiohttp
    except ImportError as error:
        raise MissingExtraError("audit", purpose) from error
    return aiohttp


def read_completion(raw: bytes, kind: str, base_url: str) -> Answered:
    """Take the answer out of a completion. Raises `TargetError` for a page, or JSON of another shape."""
    try:
        data = json.loads(raw)
        choice = data["choices"][0]
        message = choice["message"]
        text = message.get("content") or ""
        finish = str(choice.get("finish_reason") or "stop").lower()
        if not isinstance(text, str):
            text = "".join(part.get("text", "") for part in text if isinstance(part, dict))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise TargetError(
            f"expected a chat completion from {base_url}, found {kind or 'no content type'}: {shorten(raw)!r}. Is the address right? It usually ends in /v1"
        ) from error
    version = str(data.get("model") or "")
    sources = tuple(
        str(note["url_citation"]["url"])
        for note in message.get("annotations") or ()
        if isinstance(note, dict) and isinstance(note.get("url_citation"), dict) and note["url_citation"].get("url")
    )
    if finish in FILTERED or message.get("refusal"):
        return Answered(text or str(message.get("refusal") or ""), "filter", version, sources)
    # a completion that says it is complete and is empty is an answer that says nothing
    if not text.strip() and not choice.get("finish_reason"):
        raise TargetError(f"{base_url} sent an empty answer", retry=True)
    return Answered(text, "length" if finish == "length" else "stop", version, sources)


def failure(status: int, headers: Mapping[str, str], raw: bytes, base_url: str) -> TargetError:
    """Return the error for an HTTP status: what to do, and whether trying again makes sense."""
    said = shorten(raw)
    if status in (401, 403):
        return TargetError(
            f"{base_url} refused the key ({status}: {said}). Check it, then run the same command again: it goes on.",
            fatal=True,
        )
    if status in (404, 405) or 300 <= status < 400:
        return TargetError(
            f"expected a chat endpoint at {base_url}, found status {status}: {said}. Check address and model.",
            fatal=True,
        )
    if status == 402:
        return TargetError(
            f"{base_url} wants to be paid ({said}). Run the same command again when it is: it goes on.", fatal=True
        )
    return TargetError(
        f"{base_url} answered {status}: {said}", retry=status in RETRIED, after_seconds=retry_after(headers)
    )


def is_filtered(raw: bytes) -> bool:
    """Whether an error says that a content filter refused (Azure's and others' way of saying it): that is a refusal, not a failure."""
    text = raw[:4_000].decode("utf-8", "replace").lower()
    return any(word in text for word in ("content_filter", "content management policy", "responsibleaipolicy"))


def retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds of a ``Retry-After`` header (a number or a date), 0 without one."""
    value = headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(value)) if value else 0.0
    except ValueError:
        pass
    try:
        from datetime import UTC, datetime

        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def shorten(raw: bytes) -> str:
    """Return the first words of an answer, on one line."""
    line = " ".join(raw[: 4 * LONGEST_SAID].decode("utf-8", "replace").split())
    return line if len(line) <= LONGEST_SAID else line[: LONGEST_SAID - 1] + "…"

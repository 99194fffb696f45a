"""Search engines over HTTP: SearXNG's JSON and OpenSearch (RSS or Atom). One engine at a time, so that it is known whose ranks they are.

Sources: SearXNG search API (``/search?format=json``); OpenSearch 1.1, response elements in RSS 2.0 and Atom.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from samovar.audit.targets.chat import RETRIED, import_aiohttp, retry_after, shorten
from samovar.audit.targets.target import Answered, TargetError

MAX_BYTES = 4 * 2**20


class _HttpSearch:
    """What both have in common: one GET, its failures, its results as lines of text and hosts."""

    kind = ""

    def __init__(self, address: str, *, timeout_seconds: float = 30.0) -> None:
        self._address = address.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._session: Any = None
        self._aiohttp = import_aiohttp("Asking a search engine")

    async def _get(self, url: str) -> bytes:
        aiohttp = self._aiohttp
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._timeout_seconds))
        try:
            async with self._session.get(url, allow_redirects=False) as response:
                raw = bytes(await response.content.read(MAX_BYTES))
                if response.status != 200:
                    headers = {name.lower(): value for name, value in response.headers.items()}
                    raise TargetError(
                        f"{self._address} answered {response.status}: {shorten(raw)}",
                        retry=response.status in RETRIED,
                        after_seconds=retry_after(headers),
                        fatal=response.status in (401, 403, 404),
                    )
                return raw
        except (aiohttp.ClientError, OSError) as error:
            raise TargetError(
                f"the connection to {self._address} failed: {error or type(error).__name__}", retry=True
            ) from error

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class SearxngTarget(_HttpSearch):
    """A SearXNG instance asked for the results of one engine."""

    def __init__(self, address: str, engine: str = "", *, timeout_seconds: float = 30.0) -> None:
        super().__init__(address, timeout_seconds=timeout_seconds)
        self._engine = engine

    @property
    def name(self) -> str:
        """``searxng:ENGINE``."""
        return f"searxng:{self._engine or 'all'}"

    def describe(self) -> Mapping[str, Any]:
        """Address and engine."""
        return {"kind": "search", "engine": self._engine, "searxng": self._address}

    async def ask(self, text: str, *, language: str, limit: int = 10) -> Answered:
        """Search. See `Target.ask`."""
        query = {"q": text, "format": "json", "language": language, "pageno": 1}
        if self._engine:
            query["engines"] = self._engine
        raw = await self._get(f"{self._address}/search?{urlencode(query)}")
        try:
            data = json.loads(raw)
            rows = [(str(r["title"]), str(r["url"])) for r in data["results"]][: limit or 10]
        except (ValueError, LookupError, TypeError) as error:
            raise TargetError(
                f"expected SearXNG's JSON from {self._address}, found {shorten(raw)!r}. Is `json` among its search.formats?",
                fatal=True,
            ) from error
        failed = [name for name, *_ in data.get("unresponsive_engines", ())]
        if not rows and failed:
            raise TargetError(f"the engine {', '.join(map(str, failed))} did not answer {self._address}", retry=True)
        return results(rows)


class OpenSearchTarget(_HttpSearch):
    """An engine with an OpenSearch address, e.g. ``https://example.org/search?q={searchTerms}&format=rss``."""

    @property
    def name(self) -> str:
        """``opensearch:HOST``."""
        return f"opensearch:{urlsplit(self._address).hostname}"

    def describe(self) -> Mapping[str, Any]:
        """The address."""
        return {"kind": "search", "engine": "opensearch", "template": self._address}

    async def ask(self, text: str, *, language: str, limit: int = 10) -> Answered:
        """Search. See `Target.ask`."""
        from lxml import etree

        url = self._address.replace("{searchTerms}", quote(text, safe="")).replace("{count?}", str(limit or 10))
        url = url.replace("{language?}", language).replace("{startPage?}", "1")
        raw = await self._get(url)
        parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
        try:
            root = etree.fromstring(raw, parser)
        except etree.XMLSyntaxError as error:
            raise TargetError(
                f"expected RSS or Atom from {self._address}, found {shorten(raw)!r}", fatal=True
            ) from error
        # a page of no results is an answer, an error page is none
        if etree.QName(root).localname not in ("rss", "feed", "RDF"):
            raise TargetError(f"expected RSS or Atom from {self._address}, found {shorten(raw)!r}", fatal=True)
        atom = "{http://www.w3.org/2005/Atom}"
        rows = [(i.findtext("title") or "", i.findtext("link") or "") for i in root.iter("item")]
        for entry in root.iter(f"{atom}entry"):
            link = entry.find(f"{atom}link")
            rows.append((entry.findtext(f"{atom}title") or "", link.get("href", "") if link is not None else ""))
        return results(rows[: limit or 10])


def results(rows: list[tuple[str, str]]) -> Answered:
    """Results as an answer: numbered lines, and the hosts as sources."""
    lines = [f"{rank}. {title} — {url}" for rank, (title, url) in enumerate(rows, 1)]
    return Answered("\n".join(lines), "stop", "", tuple(urlsplit(url).hostname or url for _, url in rows))

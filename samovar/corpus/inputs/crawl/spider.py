"""The spider: takes addresses from the frontier, follows links and sitemaps, and keeps to the bounds.

Imported in the crawler's process only.
"""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scrapy import Request, Spider
from scrapy.exceptions import CloseSpider, IgnoreRequest
from scrapy.http import HtmlResponse
from scrapy.linkextractors import IGNORED_EXTENSIONS, LinkExtractor
from scrapy.utils.sitemap import Sitemap
from w3lib.url import canonicalize_url

from samovar.corpus.build.commit import whole_file
from samovar.corpus.inputs.crawl.archive import Archive
from samovar.corpus.inputs.crawl.frontier import Frontier
from samovar.corpus.inputs.crawl.options import CrawlOptions, CrawlReport

_DOCUMENTS = frozenset(("pdf", "doc", "docx", "odt", "rtf", "epub", "fb2", "txt"))
_DENIED = sorted(set(IGNORED_EXTENSIONS) - _DOCUMENTS)
_NOFOLLOW = re.compile(rb"<meta\s[^>]*name\s*=\s*[\"']?robots[\"']?[^>]*nofollow", re.I)
_MAX_SITEMAP_DEPTH = 3
_MAX_SITEMAP_BYTES = 64 * 2**20


class CorpusSpider(Spider):  # type: ignore[misc]
    """One run of a crawl."""

    name = "samovar"

    def __init__(self, folder: str, seeds: list[str], domains: list[str], options: CrawlOptions, agent: str) -> None:
        super().__init__()
        self._folder = Path(folder)
        self._seeds = seeds
        self._domains = domains
        self._options = options
        self._frontier = Frontier(self._folder / "frontier.jsonl")
        self._archive = Archive(self._folder, agent, options.warc_bytes)
        self._canonical = {canonicalize_url(url) for url in self._archive.addresses}
        self._links = LinkExtractor(deny_extensions=_DENIED, unique=True)
        self.held: set[str] = set()  # sites whose pause is not adjusted, because their robots.txt says it
        self._sitemaps: set[str] = set()
        self._catch_up()

    def _catch_up(self) -> None:
        """Note the links of pages that were archived when the last run was killed, before it could note them."""
        for record in self._archive.records():
            address = canonicalize_url(record.uri)
            if self._frontier.is_waiting(address):
                if record.fault is None and record.kind == "html" and isinstance(record.data, bytes):
                    depth = self._frontier.depth(address)
                    page = HtmlResponse(
                        record.uri, body=record.data, encoding=record.declared.get("charset") or "utf-8"
                    )
                    self._note_links(page, depth)
                self._frontier.done(address)

    async def start(self) -> AsyncIterator[Any]:
        """Yield a request for every address that is waiting."""
        for seed in self._seeds:
            self._frontier.add(canonicalize_url(seed), 0)
        self._frontier.flush()
        for address, depth in self._frontier.waiting():
            yield self._ask(address, depth)

    def _ask(self, address: str, depth: int) -> Request:
        meta = {"samovar_address": address, "samovar_depth": depth}
        return Request(address, callback=self.parse, errback=self.fail, meta=meta)

    def is_archived(self, url: str) -> bool:
        """Tell whether a page is in the archive."""
        return canonicalize_url(url) in self._canonical

    def archive_response(self, request: Any, response: Any) -> None:
        """Write a response as it came, unless a bound is reached."""
        if self._full():
            return
        status = f"{response.status} {_reason(response)}".strip()
        headers = [(name, value) for name, values in response.headers.items() for value in values]
        asked = [(name, value) for name, values in request.headers.items() for value in values]
        self._archive.write(response.url, status, headers, response.body, asked, request.method)
        self._canonical.add(canonicalize_url(response.url))

    def _full(self) -> str:
        if self._archive.pages >= self._options.max_pages:
            return "max_pages"
        return "max_bytes" if self._archive.num_bytes >= self._options.max_bytes else ""

    def parse(self, response: Any) -> Iterator[Request]:
        """Note the links of an archived page, then the page as done: in this order nothing is lost."""
        address = response.meta["samovar_address"]
        if not self.is_archived(response.url):
            if reason := self._full():
                raise CloseSpider(reason)
            self._frontier.refuse(address, f"http_{response.status}")
            return
        depth = response.meta["samovar_depth"]
        found = self._note_links(response, depth) if isinstance(response, HtmlResponse) else []
        self._frontier.done(address)
        if (final := canonicalize_url(response.url)) != address:
            self._frontier.done(final)
        if reason := self._full():
            raise CloseSpider(reason)
        for link in found:
            yield self._ask(link, depth + 1)

    def _note_links(self, response: HtmlResponse, depth: int) -> list[str]:
        if depth >= self._options.max_depth or _NOFOLLOW.search(response.body[:100_000]):
            return []
        found: list[str] = []
        try:
            links = self._links.extract_links(response)
        except (ValueError, LookupError):  # a page that no parser takes has no links
            links = []
        for link in links:
            address = canonicalize_url(link.url)
            if not link.nofollow and self.is_inside(address) and self._frontier.add(address, depth + 1):
                found.append(address)
        return found

    def fail(self, failure: Any) -> None:
        """Note why an address is not archived."""
        address = failure.request.meta["samovar_address"]
        error = failure.value
        if isinstance(error, IgnoreRequest):
            text = str(error)
            reason = "robots" if "robots.txt" in text else text or "refused"
        else:
            reason = type(error).__name__
        response = getattr(error, "response", None)
        if reason == "archived":
            self._frontier.done(address)
        else:
            self._frontier.refuse(address, f"http_{response.status}" if response is not None else reason)

    def note_robots(self, request: Any, delay: float | None, sitemaps: list[str]) -> None:
        """Take over what a site's robots.txt asks for besides: a pause between requests, and its sitemaps."""
        if delay and delay > self._options.delay_seconds:
            self._hold(urlsplit(request.url).hostname or "", min(delay, self._options.max_delay_seconds))
        if self._options.sitemaps:
            for url in sitemaps[:100]:
                self._ask_sitemap(url, 0)

    def _hold(self, host: str, delay: float) -> None:
        """Wait so long between two requests to a site, now and when Scrapy has forgotten about it in between."""
        downloader = self.crawler.engine.downloader
        self.held.add(host)
        downloader.per_slot_settings[host] = {"delay": delay, "jitter": 0.0, "concurrency": 1}
        if (slot := downloader.slots.get(host)) is not None:
            slot.delay, slot.jitter = delay, 0.0

    def _ask_sitemap(self, url: str, depth: int) -> None:
        if url in self._sitemaps or depth > _MAX_SITEMAP_DEPTH:
            return
        self._sitemaps.add(url)
        meta = {"samovar_site": True, "samovar_depth": depth, "samovar_address": url}
        self.crawler.engine.crawl(Request(url, callback=self.parse_sitemap, errback=self.skip, meta=meta))

    def skip(self, failure: Any) -> None:
        """A sitemap that does not come is done without."""

    def parse_sitemap(self, response: Any) -> Iterator[Request]:
        """Ask for the pages and sitemaps that a sitemap lists."""
        if response.status != 200:
            return
        body = _unpack_sitemap(response.body)
        if body.lstrip()[:1] != b"<":
            entries = [{"loc": line} for line in body.decode("utf-8", "replace").split() if line.startswith("http")]
            kind = "urlset"
        else:
            try:
                sitemap = Sitemap(body)
                kind, entries = sitemap.type, list(sitemap)
            except Exception:  # whatever a broken one provokes in lxml: done without
                return
        for entry in entries:
            url = str(entry.get("loc", "")).strip()
            if kind == "sitemapindex":
                self._ask_sitemap(url, response.meta["samovar_depth"] + 1)
            elif self.is_inside(url) and self._frontier.add(address := canonicalize_url(url), 1):
                yield self._ask(address, 1)
        self._frontier.flush()

    def is_inside(self, url: str) -> bool:
        """Tell whether an address is of the web and on the allowed domains."""
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").lower()
        except ValueError:
            return False
        inside = any(host == domain or host.endswith("." + domain) for domain in self._domains)
        return parts.scheme in ("http", "https") and inside

    def closed(self, reason: str) -> None:
        """Write the report; the last thing of a run."""
        self._archive.close()
        self._frontier.flush()
        report = CrawlReport(
            pages=self._archive.pages,
            num_bytes=self._archive.num_bytes,
            waiting=len(self._frontier.waiting()),
            ended=reason,
            refused=dict(sorted(self._frontier.refused.items())),
        )
        with whole_file(self._folder / "report.json") as file:
            file.write(json.dumps(report.model_dump(mode="json"), indent=1).encode("utf-8"))


def _reason(response: Any) -> str:
    try:
        return HTTPStatus(response.status).phrase
    except ValueError:
        return ""


def _unpack_sitemap(body: bytes) -> bytes:
    if not body.startswith(b"\x1f\x8b"):
        return body
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
            return file.read(_MAX_SITEMAP_BYTES)
    except (OSError, EOFError):
        return b""

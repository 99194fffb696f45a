"""What stands between the spider and the network: private addresses, robots.txt, and the archive.

Scrapy's downloader middlewares and resolver; imported in the crawler's process only. Sources: RFC 9309 (robots.txt: an
unreachable one forbids, section 2.3.1.4), `samovar.corpus.fetch` for what a public address is.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from protego import Protego
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.resolver import CachingThreadedResolver
from scrapy.utils.httpobj import urlparse_cached
from scrapy.utils.misc import build_from_crawler
from twisted.internet.error import DNSLookupError
from twisted.python.failure import Failure

from samovar.corpus.fetch import is_public

ALLOW_PRIVATE = "SAMOVAR_ALLOW_PRIVATE"
ROBOTS_NAME = "SamovarCrawler"
_DENY = b"User-agent: *\nDisallow: /\n"
_MAX_URL = 2000


class PublicResolver(CachingThreadedResolver):  # type: ignore[misc]
    """Gives no private address out, so that none is connected to, whatever a name resolves to and when."""

    allow_private = False

    @classmethod
    def from_crawler(cls, crawler: Any, reactor: Any) -> PublicResolver:
        """Make one with the crawl's settings."""
        resolver: PublicResolver = super().from_crawler(crawler, reactor)
        resolver.allow_private = crawler.settings.getbool(ALLOW_PRIVATE)
        return resolver

    def getHostByName(self, name: str, timeout: Any = ()) -> Any:
        """Resolve a name, and fail when it leads into a private network."""
        deferred = super().getHostByName(name, timeout)
        deferred.addCallback(self._check, name)
        return deferred

    def _check(self, address: str, name: str) -> Any:
        if self.allow_private or is_public(address):
            return address
        return Failure(DNSLookupError(f"{name} is {address}, a private address"))


class Gate:
    """Refuses what must not be asked for; stands before all else, so that not even robots.txt is asked for."""

    def __init__(self, crawler: Any) -> None:
        self._crawler = crawler
        self._allow_private = crawler.settings.getbool(ALLOW_PRIVATE)

    @classmethod
    def from_crawler(cls, crawler: Any) -> Gate:
        """Make one with the crawl's settings."""
        return cls(crawler)

    def process_request(self, request: Any) -> None:
        """Refuse private addresses, strange ones, and those that are archived already (a redirect may lead to one)."""
        parts = urlparse_cached(request)
        if parts.scheme not in ("http", "https") or len(request.url) > _MAX_URL or "@" in parts.netloc:
            raise IgnoreRequest("bad_url")
        if not self._allow_private and _is_private_literal(parts.hostname or ""):
            raise IgnoreRequest("private_address")
        spider = self._crawler.spider
        if not spider.is_inside(request.url):
            raise IgnoreRequest("offsite")
        if spider.is_archived(request.url) and not request.meta.get("samovar_site"):
            raise IgnoreRequest("archived")


class Recorder:
    """Archives what comes, as it came: stands next to the network, before anything unpacks it."""

    def __init__(self, crawler: Any) -> None:
        self._crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Any) -> Recorder:
        """Make one with the crawl's settings."""
        return cls(crawler)

    def process_request(self, request: Any) -> None:
        """Keep the pause that a site asked for."""
        if urlparse_cached(request).hostname in self._crawler.spider.held:
            request.meta["autothrottle_dont_adjust_delay"] = True

    def process_response(self, request: Any, response: Any) -> Any:
        """Archive a page."""
        site = request.meta.get("samovar_site") or urlparse_cached(request).path == "/robots.txt"
        if not site and not 300 <= response.status < 400 and response.status != 304:
            self._crawler.spider.archive_response(request, response)
        return response


def _is_private_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return not is_public(host)


class Robots(RobotsTxtMiddleware):  # type: ignore[misc]
    """Scrapy's, but careful: an error of the server, or none at all, forbids; and what else the file says is passed on."""

    async def _parse_robots(self, response: Any, netloc: str, request: Any) -> None:
        if response.status >= 500 or response.status == 429:
            response = response.replace(body=_DENY)
        elif response.status >= 400:
            response = response.replace(body=b"")
        await super()._parse_robots(response, netloc, request)
        try:
            rules = Protego.parse(response.body.decode("utf-8", "replace"))
            self.crawler.spider.note_robots(request, rules.crawl_delay(ROBOTS_NAME), list(rules.sitemaps))
        except (ValueError, TypeError):  # what of its extras cannot be read does not hold
            return

    def _robots_error(self, exc: Exception, netloc: str) -> None:
        waiting = self._parsers[netloc]
        parser = build_from_crawler(self._parserimpl, self.crawler, _DENY)
        self._parsers[netloc] = parser
        self._stats.inc_value("robotstxt/unreachable")
        waiting.callback(parser)

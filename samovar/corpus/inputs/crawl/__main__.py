"""The crawler's process: ``python -m samovar.corpus.inputs.crawl FOLDER``; started by `samovar.corpus.inputs.crawl.run`."""

from __future__ import annotations

import fcntl
import json
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from samovar.corpus.inputs.crawl.options import CrawlOptions
from samovar.corpus.inputs.crawl.run import BUSY, JOB


def main(folder: Path) -> int:
    """Run the job in a folder; only one process at a time may."""
    with (folder / "crawl.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return BUSY
        job = json.loads((folder / JOB).read_text("utf-8"))
        _run(folder, job["seeds"], job["domains"], CrawlOptions.model_validate(job["options"]))
    return 0


def _run(folder: Path, seeds: list[str], domains: list[str], options: CrawlOptions) -> None:
    from scrapy.crawler import CrawlerProcess

    from samovar.corpus.inputs.crawl.guard import ROBOTS_NAME
    from samovar.corpus.inputs.crawl.spider import CorpusSpider

    agent = f"{ROBOTS_NAME}/{_version()} (+{options.contact})"
    process = CrawlerProcess(settings=_make_settings(options, agent, ROBOTS_NAME))
    process.crawl(CorpusSpider, folder=str(folder), seeds=seeds, domains=domains, options=options, agent=agent)
    process.start()


def _version() -> str:
    try:
        return version("samovar")
    except PackageNotFoundError:
        return "0"


def _make_settings(options: CrawlOptions, agent: str, robots_name: str) -> dict[str, Any]:
    guard = "samovar.corpus.inputs.crawl.guard"
    return {
        "USER_AGENT": agent,
        "ROBOTSTXT_OBEY": True,
        "ROBOTSTXT_USER_AGENT": robots_name,
        "DOWNLOADER_MIDDLEWARES": {
            "scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware": None,
            f"{guard}.Robots": 100,
            "scrapy.downloadermiddlewares.httpproxy.HttpProxyMiddleware": None,
            "scrapy.downloadermiddlewares.offsite.OffsiteMiddleware": None,
            f"{guard}.Gate": 50,
            f"{guard}.Recorder": 950,
        },
        "DNS_RESOLVER": f"{guard}.PublicResolver",
        "SAMOVAR_ALLOW_PRIVATE": options.allow_private,
        "DOWNLOAD_HANDLERS": {"data": None, "file": None, "s3": None, "ftp": None},
        "DUPEFILTER_CLASS": "scrapy.dupefilters.BaseDupeFilter",  # the frontier knows what is known; Scrapy drops silently
        "DOWNLOAD_DELAY": options.delay_seconds,
        "DOWNLOAD_TIMEOUT": options.timeout_seconds,
        "DOWNLOAD_MAXSIZE": options.max_page_bytes,
        "DOWNLOAD_WARNSIZE": 0,
        "CONCURRENT_REQUESTS": options.concurrent_sites,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 1,
        "AUTOTHROTTLE_ENABLED": True,
        "AUTOTHROTTLE_START_DELAY": options.delay_seconds,
        "AUTOTHROTTLE_MAX_DELAY": options.max_delay_seconds,
        "RETRY_TIMES": options.retries,
        "REDIRECT_MAX_TIMES": 10,
        "HTTPERROR_ALLOW_ALL": True,
        "CLOSESPIDER_TIMEOUT": options.max_seconds,
        "COOKIES_ENABLED": False,
        "TELNETCONSOLE_ENABLED": False,
        "LOG_LEVEL": "INFO",
        "DEFAULT_REQUEST_HEADERS": {"Accept": "text/html,application/xhtml+xml,application/pdf;q=0.9,*/*;q=0.5"},
    }


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

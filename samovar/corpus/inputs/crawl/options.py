"""What a crawl may do, and what it did. Knows nothing of how."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from samovar.corpus.limits import GIB, MIB

_CONTACT = re.compile(r"(?:https?://[^\s()]+|[^\s@()]+@[^\s@()]+\.[^\s@()]+)\Z")


class CrawlOptions(BaseModel):
    """Bounds and manners of a crawl.

    `contact` is an address of the web or of mail at which the crawler's owner can be reached; it is part of the user
    agent. `domains` are the ones to stay on, with their subdomains (empty: the seeds'). `delay_seconds` is the least
    pause between two requests to a site; a slower site, or a longer ``Crawl-delay``, makes it longer. `max_pages` and
    `max_bytes` count what is in the output folder, earlier runs included.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    contact: str
    domains: tuple[str, ...] = ()
    max_pages: int = Field(default=10_000, ge=1)
    max_bytes: int = Field(default=10 * GIB, ge=1)
    max_page_bytes: int = Field(default=32 * MIB, ge=1)
    max_depth: int = Field(default=20, ge=0)
    max_seconds: float = Field(default=0.0, ge=0)
    delay_seconds: float = Field(default=1.0, ge=0)
    max_delay_seconds: float = Field(default=60.0, ge=0)
    timeout_seconds: float = Field(default=30.0, gt=0)
    retries: int = Field(default=2, ge=0)
    concurrent_sites: int = Field(default=16, ge=1)
    sitemaps: bool = True
    warc_bytes: int = Field(default=256 * MIB, ge=1)
    allow_private: bool = False

    @field_validator("contact")
    @classmethod
    def _check_contact(cls, contact: str) -> str:
        if not _CONTACT.match(contact):
            raise ValueError(
                f"expected an e-mail or web address under which the sites can reach you, found {contact!r}: "
                "a crawler that does not say whose it is gets blocked, rightly"
            )
        return contact


class CrawlReport(BaseModel):
    """What is in the output folder after a run: pages and bytes in its WARC files, addresses still waiting, why the run
    ended, and how many addresses were refused or failed, by reason."""

    pages: int = 0
    num_bytes: int = 0
    waiting: int = 0
    ended: str = ""
    refused: dict[str, int] = Field(default_factory=dict)


def list_domains(seeds: list[str], options: CrawlOptions) -> list[str]:
    """Return the domains to stay on."""
    if options.domains:
        return sorted({domain.strip().lower().strip(".") for domain in options.domains})
    return sorted({(urlsplit(seed).hostname or "").removeprefix("www.") for seed in seeds})

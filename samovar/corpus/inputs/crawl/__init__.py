"""A polite crawler: from seed addresses to WARC files that a recipe reads like any others.

Obeys robots.txt (and takes an unreachable one for a refusal), waits between requests, stays on the allowed domains,
never enters private networks unless told, and says who is asking. What it knows lies in its output folder: started
again after any kind of end, it goes on without asking for a page twice.
"""

from __future__ import annotations

from samovar.corpus.inputs.crawl.options import CrawlOptions, CrawlReport
from samovar.corpus.inputs.crawl.run import crawl

__all__ = ["CrawlOptions", "CrawlReport", "crawl"]

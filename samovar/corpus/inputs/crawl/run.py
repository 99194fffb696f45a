"""Start a crawl in a process of its own, because its event loop can be started only once in a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from samovar.corpus.inputs.crawl.options import CrawlOptions, CrawlReport, list_domains
from samovar.errors import FetchError, InputError, MissingExtraError, UsageError

JOB = "crawl.json"
REPORT = "report.json"
LOG = "crawl.log"
BUSY = 75  # exit status of a crawler that finds another one at work


def crawl(seeds: Sequence[str], output: Path, options: CrawlOptions) -> CrawlReport:
    """Crawl from the seeds into `output`, or go on with what is there; returns when it is done or a bound is reached.

    `output` gets ``*.warc.gz``, ``frontier.jsonl`` (every address and what became of it), ``crawl.log`` and
    ``report.json``. Ctrl-C ends it in order; so does nothing at all: a killed crawl is gone on with, too.

    Raises:
        UsageError: a seed is no address of the web, or `output` holds a report of something else.
        MissingExtraError: Scrapy is not installed.
        InputError: another crawl writes there.
        FetchError: the crawler broke down; its log says why.
    """
    if find_spec("scrapy") is None:
        raise MissingExtraError("crawl", "crawling")
    _check_seeds(seeds)
    if (output / REPORT).exists() and not (output / JOB).exists():
        raise UsageError(
            f"expected a new folder, or one of a crawl, found a {REPORT} of something else in {output}: choose another folder"
        )
    output.mkdir(parents=True, exist_ok=True)
    job = {
        "seeds": list(seeds),
        "domains": list_domains(list(seeds), options),
        "options": options.model_dump(mode="json"),
    }
    (output / JOB).write_text(json.dumps(job, ensure_ascii=False, indent=1), "utf-8")
    before = _stamp(output / REPORT)
    status = _run_child(output)
    if status == BUSY:
        raise InputError(f"another crawl is writing to {output}: wait for it, or choose another folder")
    try:
        if _stamp(output / REPORT) == before:
            raise FileNotFoundError(REPORT)
        return CrawlReport.model_validate_json((output / REPORT).read_text("utf-8"))
    except (OSError, ValueError) as error:
        message = (
            f"the crawler ended with status {status} and without a report: see {output / LOG}, then start it again"
        )
        raise FetchError("crawler", message, str(status)) from error


def _stamp(path: Path) -> tuple[int, int]:
    """Return what changes when a file is written anew; zeros without one."""
    try:
        state = path.stat()
    except FileNotFoundError:
        return 0, 0
    return state.st_ino, state.st_mtime_ns


def _check_seeds(seeds: Sequence[str]) -> None:
    if not seeds:
        raise UsageError("expected at least one address to begin with, found none")
    for seed in seeds:
        try:
            parts = urlsplit(seed)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            valid = False
        if not valid:
            raise UsageError(f"expected an http or https address to begin with, found {seed[:200]!r}")


def _run_child(output: Path) -> int:
    command = [sys.executable, "-m", "samovar.corpus.inputs.crawl", str(output)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCRAPY_")}
    with (output / LOG).open("ab") as log:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        try:
            return child.wait()
        except BaseException:
            child.send_signal(signal.SIGINT)  # it writes down what it knows, then ends
            try:
                child.wait(timeout=30)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            raise

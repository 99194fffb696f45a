"""CPU time of each stage of a corpus build, on real Russian pages: microseconds a page, one JSON line a stage.

The pages are the HTML of Debian's Russian documentation packages (see `haystack.py`), every stage gets what the one before left, and each is
timed with `time.process_time` in the best of several rounds, beside bare main-content extraction of the same bytes (resiliparse): what the whole
is compared with. Rules that dropped pages are counted.

    python benchmarks/corpus_stages.py --pages 600
    {"benchmark": "corpus-stages", "stage": "extract", "microseconds": …, "pages": …, "kept": …}
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from haystack import PACKAGES, default_cache, fetch_package

from samovar.corpus.build.item import Item, Notes, Record
from samovar.corpus.inputs.source import SourceSpec

BATCH = 200
_RUSSIAN = re.compile(r"(?:^|[/._-])ru(?:[/._-]|$|_RU)|-ru/")


def find_pages(cache: Path, count: int) -> list[tuple[str, bytes]]:
    """Return (address, bytes) of pages drawn with a fixed seed from the documentation packages."""
    found: list[Path] = []
    for package in PACKAGES["ru"]:
        tree = fetch_package(package, cache)
        if tree is not None:
            found += [
                path
                for path in sorted(tree.rglob("*.html"))
                if not path.is_symlink() and _RUSSIAN.search(path.as_posix())
            ]
    random.Random(1).shuffle(found)
    return [
        (f"http://docs.example/{number}/{path.name}", path.read_bytes()) for number, path in enumerate(found[:count])
    ]


def time_stage(name: str, run: Callable[[], Any], rounds: int, pages: int) -> Any:
    """Run several times, print the best time for a page, return the last result."""
    best, result = float("inf"), None
    for _ in range(rounds):
        start = time.process_time()
        result = run()
        best = min(best, time.process_time() - start)
    line = {"benchmark": "corpus-stages", "stage": name, "microseconds": round(best / pages * 1e6, 1), "pages": pages}
    if isinstance(result, list):
        line["kept"] = len(result)
    print(json.dumps(line))
    return result


def in_batches(stage: Any, items: list[Item], notes: Notes) -> list[Item]:
    """Send copies of the items through a stage, batch by batch."""
    kept: list[Item] = []
    for start in range(0, len(items), BATCH):
        kept += stage.apply([copy.copy(item) for item in items[start : start + BATCH]], notes)
    return kept


def main() -> None:
    """Print one line for each stage and one for the rules that dropped pages."""
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.html import HTMLTree

    from samovar.corpus.stages.contamination import Contamination
    from samovar.corpus.stages.exact import hash_scan
    from samovar.corpus.stages.extract import Extract
    from samovar.corpus.stages.language import Language
    from samovar.corpus.stages.lines import LinesOptions, hash_lines_in
    from samovar.corpus.stages.near import MinHasher, cluster
    from samovar.corpus.stages.personal import Personal
    from samovar.corpus.stages.quality import Quality
    from samovar.corpus.stages.repair import Repair
    from samovar.corpus.stages.scan import batches_of, scan_texts

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pages", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=None)
    given = parser.parse_args()
    pages = find_pages(given.cache or default_cache(), given.pages)
    records = [Record(number, uri, "html", data, {}) for number, (uri, data) in enumerate(pages)]
    rounds, count = given.rounds, len(pages)
    source = SourceSpec(name="docs", kind="warc", paths=("none",))
    notes = Notes("docs")

    time_stage(
        "bare main content",
        lambda: [extract_plain_text(HTMLTree.parse_from_bytes(data), main_content=True) for _, data in pages],
        rounds,
        count,
    )
    items = time_stage("extract", lambda: list(Extract(source).items(records, Notes("docs"))), rounds, count)
    chars = sum(len(item.text) for item in items)
    items = time_stage("repair", lambda: in_batches(Repair(), items, Notes("docs")), rounds, count)
    Language().apply([Item(0, "warm", "текст " * 200)], Notes("docs"))
    items = time_stage("language", lambda: in_batches(Language(), items, Notes("docs")), rounds, count)
    texts = [item.text for item in items]
    scans = time_stage("scan", lambda: [scan_texts(batch) for batch in batches_of(texts, len)], rounds, count)
    time_stage("exact", lambda: [hash_scan(scan) for scan in scans], rounds, count)
    time_stage("lines", lambda: [hash_lines_in(scan, LinesOptions()) for scan in scans], rounds, count)
    items = time_stage("quality", lambda: in_batches(Quality(), items, notes), 1, count)
    time_stage("quality (best of rounds)", lambda: in_batches(Quality(), items, Notes("docs")), rounds, count)
    items = time_stage("personal", lambda: in_batches(Personal(), items, Notes("docs")), rounds, count)
    checker = Contamination()
    _ = checker.references
    items = time_stage("contamination", lambda: in_batches(checker, items, Notes("docs")), rounds, count)
    hasher, texts = MinHasher(), [item.text for item in items]
    signatures = time_stage("near: signatures", lambda: hasher.signatures(texts), rounds, count)
    bands = time_stage("near: bands", lambda: hasher.bands_of(signatures), rounds, count)
    time_stage("near: clusters", lambda: cluster(bands, signatures, hasher.options.threshold), rounds, count)
    dropped = {
        reason: number
        for (stage, decision, reason), number in notes.counts.most_common()
        if decision == "dropped" and stage == "quality"
    }
    print(
        json.dumps(
            {
                "benchmark": "corpus-stages",
                "pages": count,
                "mean_chars": round(chars / count),
                "dropped_by_quality": dropped,
            }
        )
    )


if __name__ == "__main__":
    main()

"""What a build is compared with in ``corpus.py limit``: extraction alone, read either way. Each way runs in a process of its own.

    python benchmarks/corpus_limit.py bare PAGES.warc.gz     # FastWARC and resiliparse's main content, all defaults
    python benchmarks/corpus_limit.py own PAGES.warc.gz      # our WARC reader, decoding, main text and metadata: the first stage of a build

Prints processor seconds, imports left out, and the characters of the texts.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path


def extract_bare(path: Path) -> tuple[float, int]:
    """Read a WARC and take the main content of its pages, with nothing else."""
    from fastwarc.warc import ArchiveIterator, WarcRecordType
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.html import HTMLTree

    started, chars = time.process_time(), 0
    with path.open("rb") as stream:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.response, parse_http=True):
            tree = HTMLTree.parse_from_bytes(record.reader.read(), "utf-8")
            chars += len(extract_plain_text(tree, main_content=True))
    return time.process_time() - started, chars


def extract_own(path: Path) -> tuple[float, int]:
    """Read a WARC with our reader and extract as a build does, one record after the other."""
    from samovar.corpus.build.item import Notes
    from samovar.corpus.inputs import open_split, plan_splits
    from samovar.corpus.inputs.source import SourceSpec
    from samovar.corpus.stages.extract import Extract

    source = SourceSpec(name="docs", kind="warc", paths=(str(path),))
    extract, notes = Extract(source), Notes("docs")
    passed: Counter[str] = Counter()
    splits = plan_splits(source, 16_000_000)
    extract.extract(next(iter(open_split(splits[0], frozenset(), passed=passed))), notes)  # imports: start, not work
    started, chars = time.process_time(), 0
    for split in splits:
        for item in extract.items(open_split(split, frozenset(), passed=passed), notes):
            chars += len(item.text)
    return time.process_time() - started, chars


def main() -> None:
    """Run one way over one file."""
    seconds, chars = {"bare": extract_bare, "own": extract_own}[sys.argv[1]](Path(sys.argv[2]))
    print(seconds, chars)


if __name__ == "__main__":
    main()

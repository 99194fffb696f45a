"""Where a build's time goes, page by page: CPU microseconds of each step, on real Russian HTML (packages of documentation).

Every step of ``corpus.py limit`` stands alone, in the order of a build, on what the step before has left, in the batches of a build:
`time.process_time` in the best of several rounds, in one process. Beside it bare main-content extraction from the same WARC (resiliparse): what the
whole is compared with. The last lines are the sum, the rules that dropped pages, and how large the texts are. What a build has besides (start of
processes, imports, models, test sets; commits, the global passes) is not in it: ``corpus.py limit`` takes the start off.

    python benchmarks/corpus_stages.py --pages 1000
    python benchmarks/corpus_stages.py --weight 60        # the same bodies with the markup of the web around them: see corpus_web.py
    {"benchmark": "corpus-stages", "stage": "extract", "microseconds": …, "pages": …, "kept": …}
"""

from __future__ import annotations

import argparse
import copy
import io
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from corpus_inputs import real_pages, sample_pages, write_warc
from corpus_limit import extract_bare
from corpus_web import dress_pages
from haystack import default_cache

from samovar.corpus.build.item import Item, Notes, Record
from samovar.corpus.inputs.source import SourceSpec

BATCH = 200
TIMES: dict[str, float] = {}


def time_stage(name: str, run: Callable[[], Any], rounds: int, pages: int) -> Any:
    """Run several times, print the best time for a page, return the last result."""
    best, result = float("inf"), None
    for _ in range(rounds):
        start = time.process_time()
        result = run()
        best = min(best, time.process_time() - start)
    TIMES[name] = best / pages * 1e6
    line = {"benchmark": "corpus-stages", "stage": name, "microseconds": round(best / pages * 1e6, 1), "pages": pages}
    if isinstance(result, list):
        line["kept"] = len(result)
    print(json.dumps(line), flush=True)
    return result


def in_batches(stage: Any, items: list[Item], notes: Notes) -> list[Item]:
    """Send copies of the items through a stage, batch by batch."""
    kept: list[Item] = []
    for start in range(0, len(items), BATCH):
        kept += stage.apply([copy.copy(item) for item in items[start : start + BATCH]], notes)
    return kept


def read_records(path: Path) -> list[Record]:
    """Read a WARC with our reader."""
    from samovar.corpus.inputs import open_split, plan_splits

    source = SourceSpec(name="docs", kind="warc", paths=(str(path),))
    passed: Counter[str] = Counter()
    return [r for split in plan_splits(source, 16_000_000) for r in open_split(split, frozenset(), passed=passed)]


def write_table(rows: list[Any], columns: tuple[str, ...], level: int) -> bytes:
    """Write rows as a Parquet file, as a build does."""
    from samovar.corpus.build.tables import TableWriter

    file = io.BytesIO()
    with TableWriter(file, columns, level) as writer:
        for row in rows:
            writer.add(row)
    return file.getvalue()


def main() -> None:
    """Print one line for each step, one for the sum, one for the rules that dropped pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=None)
    parser.add_argument(
        "--weight", type=int, default=0, help="KB of a page on average, in made-up site templates (0: as it is)"
    )
    given = parser.parse_args()
    pages = sample_pages(real_pages(given.cache or default_cache()), given.pages)
    if given.weight:
        pages = list(dress_pages(pages, 1000 * given.weight))
    with tempfile.TemporaryDirectory(prefix="samovar-stages-") as folder:
        warc = Path(folder) / "pages.warc.gz"
        write_warc(warc, pages)
        measure(warc, Path(folder), given.rounds, len(pages))


def measure(warc: Path, folder: Path, rounds: int, count: int) -> None:
    """Time the steps."""
    from samovar.corpus.build.cleaning_pass import facts_of, make_row
    from samovar.corpus.build.reading_pass import identify_item
    from samovar.corpus.build.tables import (
        ITEM_COLUMNS,
        OUTPUT_COLUMNS,
        OUTPUT_LEVEL,
        WORK_LEVEL,
        item_row,
        read_items,
        read_rows,
    )
    from samovar.corpus.card.coverage import Coverage
    from samovar.corpus.card.survey import COLUMNS, Survey
    from samovar.corpus.stages.contamination import Contamination
    from samovar.corpus.stages.exact import hash_scan
    from samovar.corpus.stages.extract import Extract
    from samovar.corpus.stages.language import Language, LanguageOptions
    from samovar.corpus.stages.lines import LinesOptions, hash_lines_in
    from samovar.corpus.stages.near import MinHasher, cluster
    from samovar.corpus.stages.personal import Personal
    from samovar.corpus.stages.quality import Quality
    from samovar.corpus.stages.repair import Repair
    from samovar.corpus.stages.scan import batches_of, scan_texts

    def step(name: str, run: Callable[[], Any], rounds: int = rounds) -> Any:
        return time_stage(name, run, rounds, count)

    notes = Notes("docs")
    step("bare: WARC and main content", lambda: extract_bare(warc))
    records = step("warc", lambda: read_records(warc))
    extract = Extract(SourceSpec(name="docs", kind="warc", paths=("none",)))
    items = step("extract", lambda: list(extract.items(records, Notes("docs"))))
    chars = sum(len(item.text) for item in items)
    items = step("repair", lambda: in_batches(Repair(), items, Notes("docs")))
    language = Language(LanguageOptions(keep=("ru",)))
    language.apply([Item(0, "warm", "текст " * 200)], Notes("docs"))
    items = step("language", lambda: in_batches(language, items, Notes("docs")))
    texts = [item.text for item in items]
    scans = step("scan (twice)", lambda: [scan_texts(batch) for batch in batches_of(texts * 2, len)])
    scans = scans[: len(scans) // 2]
    step("exact: hashes", lambda: ([hash_scan(scan) for scan in scans], [identify_item(item) for item in items])[:0])
    step("lines: hashes", lambda: [hash_lines_in(scan, LinesOptions()) for scan in scans])
    file = folder / "items.parquet"
    step("items written", lambda: file.write_bytes(write_table([item_row(i) for i in items], ITEM_COLUMNS, WORK_LEVEL)))
    step("items read", lambda: [list(some) for _, some in read_items(file, BATCH)])
    in_batches(Quality(), items, notes)
    items = step("quality", lambda: in_batches(Quality(), items, Notes("docs")))
    items = step("personal", lambda: in_batches(Personal(), items, Notes("docs")))
    checker = Contamination()
    _ = checker.references
    items = step("contamination", lambda: in_batches(checker, items, Notes("docs")))
    rows = step("documents made", lambda: [make_row(item, "docs", "")[0] for item in items])
    step("documents' facts", lambda: [facts_of(i, r[0]) for i, r in zip(items, rows, strict=True)])
    hasher, texts = MinHasher(), [item.text for item in items]
    signatures = step("near: signatures", lambda: hasher.signatures(texts))
    bands = step("near: bands", lambda: hasher.bands_of(signatures))
    step("near: clusters", lambda: cluster(bands, signatures, hasher.options.threshold))
    step("documents written", lambda: file.write_bytes(write_table(rows, OUTPUT_COLUMNS, WORK_LEVEL)))
    step("documents read", lambda: [[c.to_pylist() for c in b.columns] for _, b in read_rows(file, OUTPUT_COLUMNS)])
    step("corpus written", lambda: len(write_table(rows, OUTPUT_COLUMNS, OUTPUT_LEVEL)))
    places = [OUTPUT_COLUMNS.index(name) for name in COLUMNS]

    def survey() -> None:
        made = Survey(coverage=Coverage())
        for row in rows:
            made.add(*(row[place] for place in places))

    Coverage().add("ru", "текст")  # reads names and dictionary: start, not work
    step("survey, words met first", survey, 1)
    first = TIMES.pop("survey, words met first")
    step("survey for the card", survey)
    TIMES["survey for the card"] = first  # a build meets each word once: the sum is that of the first round
    bare = TIMES.pop("bare: WARC and main content")
    whole = sum(TIMES.values())
    print(
        json.dumps(
            {
                "benchmark": "corpus-stages",
                "stage": "all of ours",
                "microseconds": round(whole, 1),
                "share_of_bare": round(bare / whole, 3),
                "share_of_bare_without_extraction": round(bare / (whole - TIMES["extract"] - TIMES["warc"] + bare), 3),
            }
        )
    )
    dropped = {
        reason: number
        for (stage, decision, reason), number in notes.counts.most_common()
        if decision == "dropped" and stage == "quality"
    }
    about = {"pages": count, "mean_chars": round(chars / count), "dropped_by_quality": dropped}
    print(json.dumps({"benchmark": "corpus-stages", **about}))


if __name__ == "__main__":
    main()

"""The peer of the corpus benchmarks: datatrove's own blocks for the same steps. Runs in a virtual environment of its own.

    python corpus_datatrove.py pipeline WARC OUTPUT MODEL [all]  one JSON line: CPU seconds, documents
    python corpus_datatrove.py extract PAGES.jsonl OUTPUT.jsonl  the texts that datatrove's extractor finds

One thing is replaced because it cannot be fetched offline: the language model is the small ``lid.176.ftz`` in place of ``lid.176.bin``. Rules that
ask for English stop words or a full stop at the end of each line are off, as they are in our recipe; words are split by datatrove's own
Russian tokenizer (spaCy). The extractor's deadline is longer than its default of a second, so that a busy machine loses it no page.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

LANGUAGE = "rus"


def use_local_model(model: str) -> None:
    """Give datatrove the model file instead of letting it download one."""
    from datatrove.utils import lid

    lid.cached_asset_path_or_download = lambda *_, **__: model


def keep_all(rules: Sequence[Any]) -> list[Any]:
    """Make rules do all their work and then let every document through, so that later steps have the same documents as ours."""

    def kept(decide: Callable[[Any], Any]) -> Callable[[Any], bool]:
        def filter_(document: Any) -> bool:
            decide(document)
            return True

        return filter_

    for rule in rules:
        rule.filter = kept(rule.filter)
    return list(rules)


def run_pipeline(warc: Path, output: Path, model: str, mode: str = "rules") -> dict[str, object]:
    """WARC → Trafilatura → language → Gopher, C4 and FineWeb rules → MinHash → Parquet, one worker. `mode` ``all``: see `keep_all`."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.pipeline.extractors import Trafilatura
    from datatrove.pipeline.filters import (
        C4QualityFilter,
        FineWebQualityFilter,
        GopherQualityFilter,
        GopherRepetitionFilter,
        LanguageFilter,
    )
    from datatrove.pipeline.readers import JsonlReader, WarcReader
    from datatrove.pipeline.writers import JsonlWriter, ParquetWriter

    use_local_model(model)
    o = str(output)
    config = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)
    rules = [
        GopherRepetitionFilter(language=LANGUAGE),
        GopherQualityFilter(language=LANGUAGE, min_stop_words=None),
        C4QualityFilter(filter_no_terminal_punct=False, language=LANGUAGE),
        FineWebQualityFilter(language=LANGUAGE),
    ]
    steps = {
        "extract": [
            WarcReader(str(warc.parent), glob_pattern=warc.name),
            Trafilatura(favour_precision=True, timeout=60),
            LanguageFilter(languages=["ru"]),
            *(keep_all(rules) if mode == "all" else rules),
            JsonlWriter(f"{o}/clean"),
        ],
        "signatures": [JsonlReader(f"{o}/clean"), MinhashDedupSignature(f"{o}/sig", config=config, language=LANGUAGE)],
        "buckets": [MinhashDedupBuckets(f"{o}/sig", f"{o}/buckets", config=config)],
        "cluster": [MinhashDedupCluster(f"{o}/buckets", f"{o}/remove", config=config)],
        "filter": [JsonlReader(f"{o}/clean"), MinhashDedupFilter(f"{o}/remove"), ParquetWriter(f"{o}/final")],
    }
    seconds: dict[str, float] = {}
    for name, pipeline in steps.items():
        before = cpu_seconds()
        tasks = config.num_buckets if name == "buckets" else 1
        LocalPipelineExecutor(pipeline, tasks=tasks, workers=1, logging_dir=f"{o}/logs/{name}").run()
        seconds[name] = round(cpu_seconds() - before, 3)
    return {
        "cpu_seconds": round(sum(seconds.values()), 3),
        "steps": seconds,
        "kept": count_rows(output / "final"),
        "clean": count_lines(output / "clean"),
    }


def cpu_seconds() -> float:
    """CPU time of this process and its finished children."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in used)


def count_rows(folder: Path) -> int:
    """Rows of the Parquet files in a folder."""
    import pyarrow.parquet as pq

    return sum(pq.read_metadata(path).num_rows for path in folder.rglob("*.parquet"))


def count_lines(folder: Path) -> int:
    """Lines of the compressed JSON Lines files in a folder."""
    import gzip

    return sum(sum(1 for _ in gzip.open(path)) for path in folder.rglob("*.jsonl.gz"))


def run_extract(pages: Path, output: Path) -> dict[str, object]:
    """Write the text of every page, as datatrove's extractor gives it with its defaults (but a longer deadline)."""
    from datatrove.pipeline.extractors import Trafilatura

    extractor = Trafilatura(favour_precision=True)
    started = time.process_time()
    number = 0
    with pages.open(encoding="utf-8") as lines, output.open("w", encoding="utf-8") as out:
        for line in lines:
            number += 1
            # what it raises is a fault of the set-up: seen, not counted as an empty text
            text = extractor.extract(json.loads(line)["html"]) or ""
            out.write(json.dumps(text, ensure_ascii=False) + "\n")
    return {"pages": number, "cpu_seconds": round(time.process_time() - started, 3)}


if __name__ == "__main__":
    what, source, target, *rest = sys.argv[1:]
    made = (
        run_pipeline(Path(source), Path(target), *rest)
        if what == "pipeline"
        else run_extract(Path(source), Path(target))
    )
    from importlib.metadata import version

    print(json.dumps({**made, "datatrove": version("datatrove"), "trafilatura": version("trafilatura")}))

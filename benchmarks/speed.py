"""Speed of the search at size: indexing, opening, latency with rescoring and explanation, filters, freshness, memory; bare Tantivy beside it.

    SAMOVAR_BENCH_DATA=… python benchmarks/speed.py [--passages 200000] [--rounds 3] [--home FOLDER]

The passages are Debian's Russian documentation (real ones first, the rest mixed from real sentences; see haystack.py) and XQuAD's paragraphs;
the queries its 632 questions. Every round starts a new process that opens the library and asks all questions, then asks bare Tantivy (its
own stemmer, the same passages, ids only: no rescoring, explanation, highlights or texts) in this one, so both meet the same machine. One
thread. Prints JSON Lines: medians over the rounds. With --home the library is kept and used again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from peers import TantivyPeer
from retrieval import Task, make_task

from samovar.corpus.document import make_document
from samovar.library import Library
from samovar.search import Filters, Searcher
from samovar.settings import SearchSettings

BATCH = 2_000


def percentile(values: list[float], share: float) -> float:
    """The value below which the share of the values lies, in milliseconds."""
    ordered = sorted(values)
    return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)


def build(task: Task, home: Path) -> list[dict[str, Any]]:
    """Fill the library and the index; return what it took. Rates are per second of CPU time and of the clock."""
    rows = []
    with Library.open(home) as library:
        wall, cpu = time.perf_counter(), time.process_time()
        with library.writer() as writer:
            for i in range(0, len(task.documents), BATCH):
                writer.put(task.documents[i : i + BATCH])
        rows.append(rate("store", library.num_passages, wall, cpu))
        wall, cpu = time.perf_counter(), time.process_time()
        with Searcher.open(library, SearchSettings()) as searcher:
            searcher.sync()
        rows.append(rate("index", library.num_passages, wall, cpu))
    size = sum(f.stat().st_size for f in (home / "index").rglob("*") if f.is_file())
    rows.append({"benchmark": "speed", "what": "index_size", "mb": round(size / 1e6)})
    return rows


def rate(what: str, passages: int, wall: float, cpu: float) -> dict[str, Any]:
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {
        "benchmark": "speed", "what": what, "passages": passages, "per_second": round(passages / wall),
        "per_cpu_second": round(passages / cpu),
    }  # fmt: skip


def measure_queries(home: Path, questions: Path) -> dict[str, float]:
    """One process's life: open, ask everything plain, filtered and after an addition; memory at the end. Runs in the child."""
    asked: list[str] = json.loads(questions.read_text("utf-8"))
    started = time.perf_counter()
    library = Library.open(home)
    searcher = Searcher.open(library, SearchSettings())
    opened = time.perf_counter() - started
    started = time.perf_counter()
    searcher.search(asked[0])
    first = time.perf_counter() - started
    for question in asked[:50]:
        searcher.search(question)
    plain, narrow, cpu = [], [], []
    for question in asked:
        started, used = time.perf_counter(), time.thread_time()
        searcher.search(question)
        plain.append(time.perf_counter() - started)
        cpu.append(time.thread_time() - used)
    for question in asked:
        started = time.perf_counter()
        searcher.search(question, filters=Filters(sources=("xquad",)))
        narrow.append(time.perf_counter() - started)
    memory = resident_mb()
    fresh = []
    for number in range(10):
        uri = f"fresh:{os.getpid()}/{number}"
        with library.writer() as writer:
            writer.put(
                [
                    make_document(
                        source="fresh",
                        uri=uri,
                        title="",
                        text=f"Свежая запись номер {number} про {uri}.",
                        language="ru",
                    )
                ]
            )
        started = time.perf_counter()
        hits = searcher.search("свежая запись про", filters=Filters(sources=("fresh",))).hits
        fresh.append(time.perf_counter() - started)
        assert any(h.document.uri == uri for h in hits), "the added document is found at once"
    with library.writer() as writer:
        writer.remove(source="fresh")
    searcher.close()
    library.close()
    return {
        "open_ms": round(1000 * opened, 1), "first_query_ms": round(1000 * first, 1), "p50_ms": percentile(plain, 0.5),
        "p99_ms": percentile(plain, 0.99), "cpu_ms_per_query": round(1000 * statistics.mean(cpu), 2),
        "filtered_p50_ms": percentile(narrow, 0.5), "filtered_p99_ms": percentile(narrow, 0.99),
        "fresh_ms_median": round(1000 * statistics.median(fresh), 1), "rss_mb": round(memory),
    }  # fmt: skip


def resident_mb() -> float:
    """Resident memory of this process now, from /proc (getrusage would count the parent's before exec)."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def measure_peer(peer: TantivyPeer, questions: list[str]) -> dict[str, float]:
    seconds = []
    for question in questions:
        started = time.perf_counter()
        peer.search(question, 10)
        seconds.append(time.perf_counter() - started)
    return {"p50_ms": percentile(seconds, 0.5), "p99_ms": percentile(seconds, 0.99)}


def medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(r[name] for r in rounds), 2) for name in rounds[0]}


def main() -> int:
    """Print one JSON line per subject."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--passages", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(measure_queries(given.home, given.child)))
        return 0
    task = make_task("ru", given.passages, given.cache)
    if task is None:
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        home = given.home or Path(temporary) / "home"
        if not (home / "index").is_dir():
            for row in build(task, home):
                print(json.dumps(row), flush=True)
        asked = [question for question, _ in task.questions]
        questions = Path(temporary) / "questions.json"
        questions.write_text(json.dumps(asked), "utf-8")
        peer = TantivyPeer("ru")
        wall, cpu = time.perf_counter(), time.process_time()
        peer.index([d.text for d in task.documents])
        print(json.dumps(rate("index_tantivy", len(task.documents), wall, cpu)), flush=True)
        ours, theirs = [], []
        for _ in range(given.rounds):
            command = [sys.executable, __file__, "--home", str(home), "--child", str(questions)]
            ours.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
            theirs.append(measure_peer(peer, asked))
        base = {"benchmark": "speed", "passages": len(task.documents), "real": task.real, "rounds": given.rounds}
        print(json.dumps({**base, "engine": "samovar", **medians(ours)}), flush=True)
        print(json.dumps({**base, "engine": "tantivy+own-stemmer", **medians(theirs)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Speed and memory of search on many passages, with bare Tantivy in the same run; JSON Lines.

    python benchmarks/speed.py --passages 200000 --home /var/tmp/samovar-speed      # builds once (minutes), then measures
    python benchmarks/speed.py --passages 200000 --home /var/tmp/samovar-speed      # again: measures only

Latencies are of one thread asking one question after another: wall time and the thread's own CPU time, because on a busy machine only the
second says something about the program. Opening, memory and answering are measured in a fresh process. `filtered` asks the same questions
within one source of about a tenth of the passages, with a new searcher that remembers nothing; `search_filtered_marked` also asks each hit
for its highlights and snippet, which are found only when asked for. Questions: XQuAD's
(``SAMOVAR_BENCH_DATA``), whose paragraphs are in that source unless ``--without-answers`` leaves them out (then nothing fits well, and
more is rescored); else the haystack's headings.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from haystack import make_haystack
from peers import TantivyPeer, folder_bytes
from retrieval import data_folder, load_xquad

from samovar.corpus.document import Document, make_document
from samovar.library import Library
from samovar.search import Filters, Searcher
from samovar.settings import SearchSettings

NUM_SOURCES = 10
FILTERED = "s1"


def report(measure: str, **values: Any) -> None:
    """Print one line."""
    print(json.dumps({"benchmark": "speed", "measure": measure, **values}, ensure_ascii=False), flush=True)


def quantiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p90, p99 and the mean in milliseconds."""
    ordered = sorted(seconds)
    picked = {f"p{q}_ms": ordered[min(len(ordered) - 1, int(len(ordered) * q / 100))] for q in (50, 90, 99)}
    picked["mean_ms"] = sum(ordered) / len(ordered)
    return {name: round(value * 1000, 3) for name, value in picked.items()}


def time_calls(call: Callable[[str], Any], questions: Sequence[str]) -> dict[str, Any]:
    """Latency of each call, after a warm-up of a tenth of the questions."""
    for question in questions[: len(questions) // 10]:
        call(question)
    wall, cpu = [], []
    for question in questions:
        began, used = time.perf_counter(), time.thread_time()
        call(question)
        wall.append(time.perf_counter() - began)
        cpu.append(time.thread_time() - used)
    return {"n": len(questions), **quantiles(wall), "cpu": quantiles(cpu)}


def load_questions(language: str, limit: int, cache: Path | None) -> list[str]:
    """XQuAD's questions, or headings of the haystack."""
    folder = data_folder()
    if folder is not None:
        return [question for question, _ in load_xquad(folder, language)[1]][:limit]
    return [p.title for p in make_haystack(language, 0, cache).passages if p.title.count(" ") > 1][:limit]


def paragraphs(language: str) -> list[Document]:
    """XQuAD's paragraphs, in the source that `filtered` asks; none without the data."""
    folder = data_folder()
    found = load_xquad(folder, language)[0] if folder is not None else []
    return [
        make_document(source=FILTERED, uri=d.uri, title="", text=d.text, language=language, publisher=d.publisher)
        for d in found
    ]


def build(language: str, passages: int, home: Path, cache: Path | None, answers: bool) -> None:
    """Make the library (not measured: another room's work) and the index (measured), unless they are there."""
    made = make_haystack(language, passages, cache)
    library = Library.open(home)
    if library.num_documents == 0:
        documents = [
            make_document(
                source=f"s{n % NUM_SOURCES}",
                uri=f"{p.path}#{n}",
                title="",
                text=p.text,
                language=language,
                publisher=p.package,
            )
            for n, p in enumerate(made.passages)
        ]
        documents = paragraphs(language) * answers + documents
        with library.writer(words=2000, overlap=0) as writer:
            for at in range(0, len(documents), 2000):
                writer.put(documents[at : at + 2000])
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    searcher = Searcher.open(library, SearchSettings(), home=home)
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if seconds > 5:
        words = searcher.index.rows.statistics().average_length
        report(
            "index",
            language=language,
            passages=library.num_passages,
            real=made.real,
            words_per_passage=round(words, 1),
            passages_per_second=round(library.num_passages / seconds),
            passages_per_cpu_second=round(library.num_passages / cpu),
            library_bytes=folder_bytes(home / "library"),
            index_bytes=folder_bytes(searcher.index.folder),
        )
    searcher.close()
    library.close()


def answer(language: str, home: Path, queries: int, cache: Path | None) -> None:
    """In a fresh process: opening, latencies, memory, a new document."""
    questions = load_questions(language, queries, cache)
    began = time.perf_counter()
    library = Library.open(home)
    opened = time.perf_counter()
    searcher = Searcher.open(library, SearchSettings(), home=home)
    ready = time.perf_counter()
    report("open", library_ms=round((opened - began) * 1000, 1), index_ms=round((ready - opened) * 1000, 1))
    began = time.perf_counter()
    searcher.search(questions[0])
    report("first_query", ms=round((time.perf_counter() - began) * 1000, 1))
    report("search", passages=library.num_passages, **time_calls(searcher.search, questions))
    one = Filters(sources=(FILTERED,))
    with Searcher.open(library, SearchSettings(), home=home) as another:
        filtered = time_calls(lambda q: another.search(q, filters=one), questions)
    report("search_filtered", passages=library.num_passages, **filtered)
    with Searcher.open(library, SearchSettings(), home=home) as another:
        marked = time_calls(lambda q: [hit.snippet for hit in another.search(q, filters=one).hits], questions)
    report("search_filtered_marked", passages=library.num_passages, **marked)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    report("memory", peak_rss_bytes=peak, now_rss_bytes=_rss())
    report("add_one", **_time_adding(library, searcher))
    searcher.close()
    library.close()


def _rss() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _time_adding(library: Library, searcher: Searcher) -> dict[str, Any]:
    """From the library's commit of one document to its being found; the documents are removed again."""
    seconds = []
    for number in range(20):
        word = f"проверка{number}{time.monotonic_ns()}"
        document = make_document(
            source="speed", uri=f"speed:{number}", title="", text=f"Слово {word} здесь.", language="ru"
        )
        with library.writer() as writer:
            writer.put([document])
        began = time.perf_counter()
        found = searcher.search(word).hits
        seconds.append(time.perf_counter() - began)
        assert found and found[0].document.id == document.id
    with library.writer() as writer:
        writer.remove(source="speed")
    searcher.sync()
    return {"n": len(seconds), **quantiles(seconds)}


def bare_tantivy(language: str, passages: int, questions: Sequence[str], cache: Path | None) -> None:
    """Tantivy alone with its own stemmer: what the first stage costs without us."""
    peer = TantivyPeer(language)
    texts = [p.text for p in make_haystack(language, passages, cache).passages]
    began = time.perf_counter()
    peer.index(texts)
    seconds = time.perf_counter() - began
    report("bare_tantivy_index", passages=len(texts), passages_per_second=round(len(texts) / seconds))
    report("bare_tantivy", passages=len(texts), **time_calls(lambda q: peer.search(q, 10), questions))
    report("bare_tantivy_200", passages=len(texts), **time_calls(lambda q: peer.search(q, 200), questions))


def main() -> int:
    """Build if needed, then measure in fresh processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--language", default="ru")
    parser.add_argument("--passages", type=int, default=200_000)
    parser.add_argument("--queries", type=int, default=632)
    parser.add_argument("--home", type=Path, default=None)
    parser.add_argument("--cache", type=Path, default=None)
    parser.add_argument("--without-answers", action="store_true", help="leave XQuAD's paragraphs out (another --home)")
    parser.add_argument("--part", choices=["build", "answer", "bare"], default=None, help="one part, in this process")
    given = parser.parse_args()
    home = given.home or Path(tempfile.mkdtemp(prefix="samovar-speed-"))
    if given.part == "build":
        build(given.language, given.passages, home, given.cache, not given.without_answers)
    elif given.part == "answer":
        answer(given.language, home, given.queries, given.cache)
    elif given.part == "bare":
        bare_tantivy(
            given.language, given.passages, load_questions(given.language, given.queries, given.cache), given.cache
        )
    else:
        options = [
            "--language",
            given.language,
            "--passages",
            str(given.passages),
            "--queries",
            str(given.queries),
            "--home",
            str(home),
        ]
        options += ["--cache", str(given.cache)] if given.cache else []
        options += ["--without-answers"] * given.without_answers
        for part in ("build", "answer", "bare"):
            subprocess.run([sys.executable, __file__, *options, "--part", part], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

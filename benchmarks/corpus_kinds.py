"""What one core reads of each kind of source, and what the near-duplicate pass takes for a million documents. JSON Lines.

    python benchmarks/corpus_kinds.py kinds              # warc, mediawiki, zim, jsonl: the same texts, all stages; about two minutes
    python benchmarks/corpus_kinds.py near               # 100,000 short texts with and without the stage; about three minutes

Texts are sentences of the starter library's articles in another order for each page, seeded; nothing is fetched. CPU seconds are those of
all processes of a build, less those of a build over one page of the same kind. The kinds are built in turn, in rounds; medians.
"""

from __future__ import annotations

import argparse
import bz2
import importlib.util
import json
import os
import random
import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from corpus_inputs import Page, build_page, write_warc
from corpus_process import Used, run
from corpus_wikitext import FEATURES, make_page, read_articles

SEED = 20261123
EXAMPLES = Path(__file__).parents[1] / "examples" / "corpus" / "make_inputs.py"


def report(part: str, **figures: Any) -> None:
    """Print one line."""
    print(json.dumps({"benchmark": f"corpus.{part}", **figures, "load": round(os.getloadavg()[0], 2)}), flush=True)


def make_texts(count: int, sentences: int) -> list[tuple[str, list[str]]]:
    """Return (title, paragraphs) of so many texts: natural sentences, hardly two texts alike."""
    draw = random.Random(SEED)
    pool = [s for _, text in read_articles() for s in re.split(r"(?<=[.!?])\s+", " ".join(text.split())) if len(s) > 30]
    found = []
    for number in range(count):
        chosen = draw.sample(pool, sentences)
        paragraphs = [" ".join(chosen[at : at + 4]) for at in range(0, sentences, 4)]
        found.append((f"{chosen[0].split(',')[0][:50]} {number}", paragraphs))
    return found


def write_dump(path: Path, texts: list[tuple[str, list[str]]]) -> int:
    """Write a multistream dump (a hundred pages in a stream), with markup; return the bytes of wikitext."""
    vocabulary = sorted({word for _, parts in texts[:50] for word in re.findall(r"[^\W\d_]{4,12}", parts[0])})
    head = '<mediawiki xml:lang="ru"><siteinfo><sitename>W</sitename><base>https://w.example/wiki/M</base><namespaces><namespace key="6">Файл</namespace><namespace key="14">Категория</namespace></namespaces></siteinfo>\n'
    total = 0
    with path.open("wb") as file:
        file.write(bz2.compress(head.encode()))
        for start in range(0, len(texts), 100):
            pages = []
            for number, (title, parts) in enumerate(texts[start : start + 100], start):
                source, _ = make_page("\n\n".join(parts), title, frozenset(FEATURES), SEED + number, vocabulary)
                total += len(source.encode())
                pages.append(
                    f"<page><title>{escape(title)}</title><ns>0</ns><id>{number}</id><revision><id>1</id><timestamp>2020-01-02T00:00:00Z</timestamp>"
                    f'<model>wikitext</model><text xml:space="preserve">{escape(source)}</text></revision></page>\n'
                )
            file.write(bz2.compress("".join(pages).encode()))
        file.write(bz2.compress(b"</mediawiki>\n"))
    return total


def write_kind(kind: str, path: Path, texts: list[tuple[str, list[str]]]) -> int:
    """Write the texts as a source of a kind; return the bytes unpacked."""
    if kind == "mediawiki":
        return write_dump(path, texts)
    if kind == "jsonl":
        rows = (
            json.dumps({"title": t, "text": "\n\n".join(p), "url": f"https://a.example/{n}"}, ensure_ascii=False)
            for n, (t, p) in enumerate(texts)
        )
        path.write_text("\n".join(rows) + "\n", "utf-8")
        return path.stat().st_size
    pages = [build_page(n, n % 5, title, parts, parts) for n, (title, parts) in enumerate(texts)]
    if kind == "warc":
        return write_warc(path, (Page(f"http://host{n % 500}.example/{n}", page.data) for n, page in enumerate(pages)))
    spec = importlib.util.spec_from_file_location("make_inputs", EXAMPLES)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_inputs"] = module
    spec.loader.exec_module(module)
    path.write_bytes(module.make_zim([(f"p{n:06d}", texts[n][0], page.data.decode()) for n, page in enumerate(pages)]))
    return sum(len(page.data) for page in pages)


def build(work: Path, kind: str, path: Path, stages: str = "") -> tuple[Used, dict[str, Any]]:
    """Build with one worker; return what it took, and its summary."""
    recipe, output = work / "recipe.toml", work / "out"
    recipe.write_text(f'name = "b"\n{stages}\n[[source]]\nname = "s"\nkind = "{kind}"\npaths = ["{path.name}"]\n')
    shutil.rmtree(output, ignore_errors=True)
    used = run(
        [sys.executable, "-m", "samovar", "corpus", "build", str(recipe), "-o", str(output), "--workers", "1", "--json"]
    )
    return used, json.loads(used.out)


NAMES = {"warc": "a.warc.gz", "mediawiki": "a.xml.bz2", "zim": "a.zim", "jsonl": "a.jsonl"}


def measure_kinds(given: argparse.Namespace, work: Path) -> None:
    """Documents and bytes for a CPU second, of each kind."""
    texts = make_texts(given.pages, 16)
    sizes: dict[str, int] = {}
    for kind, name in NAMES.items():
        (work / kind).mkdir()
        sizes[kind] = write_kind(kind, work / kind / name, texts)
        write_kind(kind, work / kind / f"one.{name}", texts[:1])
    spent: dict[str, list[float]] = {kind: [] for kind in NAMES}
    made: dict[str, Any] = {}
    for _ in range(given.rounds):
        for kind, name in NAMES.items():
            least, _ = build(work / kind, kind, work / kind / f"one.{name}")
            used, made[kind] = build(work / kind, kind, work / kind / name)
            spent[kind].append(used.cpu - least.cpu)
    for kind, name in NAMES.items():
        seconds, stored = statistics.median(spent[kind]), (work / kind / name).stat().st_size
        report(
            "kinds",
            kind=kind,
            documents=len(texts),
            kept=made[kind]["documents"],
            cpu_seconds=round(seconds, 2),
            documents_per_second=round(len(texts) / seconds),
            stored_mb_per_second=round(stored / seconds / 1e6, 2),
            unpacked_mb_per_second=round(sizes[kind] / seconds / 1e6, 2),
            rounds=given.rounds,
        )


def measure_near(given: argparse.Namespace, work: Path) -> None:
    """What the stage `near` adds to a build of many short texts."""
    write_kind("jsonl", work / "a.jsonl", make_texts(given.documents, 4))
    found = {}
    for name, stages in (("without", '["extract", "exact"]'), ("with", '["extract", "exact", "near"]')):
        used, made = build(work, "jsonl", work / "a.jsonl", f"stages = {stages}")
        found[name] = used
        report("near_scale", stages=name, documents=given.documents, kept=made["documents"], cpu_seconds=round(used.cpu, 2), wall_seconds=round(used.wall, 2), peak_mb=round(used.peak_mb), anonymous_mb=round(used.anonymous_mb))  # fmt: skip
    millions = given.documents / 1e6
    more = found["with"].cpu - found["without"].cpu
    report("near_scale", stages="near alone", cpu_seconds_per_million=round(more / millions, 1), peak_mb_more=round(found["with"].peak_mb - found["without"].peak_mb), anonymous_mb_more=round(found["with"].anonymous_mb - found["without"].anonymous_mb))  # fmt: skip


PARTS: dict[str, Callable[[argparse.Namespace, Path], None]] = {"kinds": measure_kinds, "near": measure_near}


def main() -> None:
    """Do one part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--pages", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--documents", type=int, default=100_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        PARTS[given.part](given, Path(work))


if __name__ == "__main__":
    main()

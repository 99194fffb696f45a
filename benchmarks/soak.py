"""The server under load and faults, for real: processes, sockets, signals. JSON Lines; exit status 1 when an answer was lost or crossed.

    python benchmarks/soak.py load --streams 200 --minutes 10     # streams against a scripted model; memory, p99
    python benchmarks/soak.py crash --rounds 5                    # kill -9 under load: every acknowledged message is there afterwards
    python benchmarks/soak.py backend                             # a model endpoint that dies and comes back

The scripted model (``scripted:echo``) answers in words that all carry the question's own token, so an answer that is cut, mixed with
another's or lost is known. Half of the streams ask by ``/v1/chat/completions``, half in conversations that are kept; every tenth request is a
search. Client and server share the machine: the latencies are those of both together. Traffic goes to 127.0.0.1 only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from serve_child import Child, HttpError, ask_json, quantiles_ms, serve_child, start_child, stream_events

from samovar.generate.scripted import echo_of

CHAT = "/v1/chat/completions"
KEEP = "/api/samovar/conversations/messages"
SEARCH = "/api/samovar/search"


def report(measure: str, **values: Any) -> None:
    """Print one line."""
    print(json.dumps({"benchmark": "soak", "measure": measure, **values}, ensure_ascii=False), flush=True)


@dataclass(slots=True)
class Tally:
    """What happened. `wrong` are answers that are not exactly what was asked for; `failed` requests that ended with an error."""

    answers: int = 0
    searches: int = 0
    wrong: list[str] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)
    first: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)


async def ask_openai(port: int, token: str) -> tuple[str, float]:
    """Ask the bare model; return the text and the seconds to its first word."""
    began, first, text, finished = time.perf_counter(), 0.0, "", False
    body = {"model": "scripted", "stream": True, "messages": [{"role": "user", "content": f"{token} tell me"}]}
    async for _, data in stream_events(port, CHAT, body):
        if data == "[DONE]":
            finished = True
            break
        event = json.loads(data)
        if "error" in event:
            raise HttpError(500, data)
        for choice in event["choices"]:
            if piece := choice["delta"].get("content"):
                first = first or time.perf_counter() - began
                text += piece
    return text if finished else text + " (cut off)", first


async def ask_kept(port: int, token: str) -> tuple[str, float]:
    """Ask in a new conversation; return the text that was kept and the seconds to the first word."""
    began, first, text, kept = time.perf_counter(), 0.0, "", None
    body = {"model": "scripted", "text": f"{token} tell me", "stream": True}
    async for name, data in stream_events(port, KEEP, body):
        event = json.loads(data)
        if name == "delta":
            first = first or time.perf_counter() - began
            text += event["text"]
        elif name == "done":
            kept = event["message"]["text"]
        elif name == "error":
            raise HttpError(500, data)
    return text if kept == text else f"{text} (kept: {kept})", first


async def one_client(port: int, number: int, until: float, words: int, tally: Tally) -> None:
    """Ask one question after another until the time is up; what was begun is finished."""
    rng = random.Random(number)
    await asyncio.sleep(rng.random() * 2)
    round_number = 0
    while time.monotonic() < until:
        round_number += 1
        token = f"q{number}-{round_number}-{rng.getrandbits(32):08x}"
        ask = ask_openai if number % 2 else ask_kept
        began = time.perf_counter()
        try:
            if rng.random() < 0.1:
                found = await ask_json(port, "POST", SEARCH, {"query": "самовар", "k": 3})
                tally.searches += 1
                if found["query"] != "самовар":
                    tally.wrong.append(f"search answered {found['query']!r}")
                continue
            text, first = await ask(port, token)
        except (HttpError, OSError, asyncio.IncompleteReadError) as error:
            kind = f"{type(error).__name__} {getattr(error, 'status', '')}".strip()
            tally.failed[kind] += 1
            await asyncio.sleep(0.2)
            continue
        tally.answers += 1
        tally.first.append(first)
        tally.total.append(time.perf_counter() - began)
        if text != echo_of(token, words):
            tally.wrong.append(f"{token}: {text[:200]}")


async def watch_memory(child: Child, until: float, tally: Tally, every: float) -> None:
    """Sample the server's memory."""
    began = time.monotonic()
    while time.monotonic() < until:
        tally.memory.append((time.monotonic() - began, child.rss_bytes()))
        await asyncio.sleep(every)


def slope_mb_per_minute(samples: Sequence[tuple[float, int]]) -> float:
    """Least-squares slope of the second half, when everything has been warmed up."""
    late = samples[len(samples) // 2 :]
    if len(late) < 3:
        return 0.0
    mean_t = sum(t for t, _ in late) / len(late)
    mean_m = sum(m for _, m in late) / len(late)
    spread = sum((t - mean_t) ** 2 for t, _ in late)
    return sum((t - mean_t) * (m - mean_m) for t, m in late) / spread * 60 / 1e6


def run_load(home: Path, *, streams: int, seconds: float, words: int, delay: float, log: Path | None = None) -> Tally:
    """Drive so many streams at once for so long."""
    tally = Tally()
    model = f"scripted:echo,words={words},delay={delay}"
    with serve_child(home, model, log=log, **room_for(streams)) as child:

        async def main() -> None:
            until = time.monotonic() + seconds
            clients = [one_client(child.port, n, until, words, tally) for n in range(streams)]
            await asyncio.gather(*clients, watch_memory(child, until, tally, max(0.5, seconds / 300)))

        asyncio.run(main())
    return tally


def room_for(streams: int) -> dict[str, Any]:
    """Settings under which so many streams of one caller run at once."""
    return {"concurrency": streams, "max_waiting": streams, "max_waiting_per_user": streams}


def load(arguments: argparse.Namespace) -> int:
    """The long run."""
    with tempfile.TemporaryDirectory() as folder:
        seconds = arguments.minutes * 60
        tally = run_load(
            Path(folder), streams=arguments.streams, seconds=seconds, words=arguments.words, delay=arguments.delay
        )
    bytes_of = [m for _, m in tally.memory]
    half = bytes_of[len(bytes_of) // 2 :] or [0]
    report(
        "load",
        streams=arguments.streams,
        minutes=arguments.minutes,
        words=arguments.words,
        delay_seconds=arguments.delay,
        answers=tally.answers,
        searches=tally.searches,
        wrong=len(tally.wrong),
        failed=dict(tally.failed),
        first_word=quantiles_ms(tally.first),
        whole_answer=quantiles_ms(tally.total),
        ideal_whole_ms=round(arguments.words * arguments.delay * 1000),
        rss_start_mb=round(bytes_of[0] / 1e6, 1),
        rss_half_mb=round(half[0] / 1e6, 1),
        rss_end_mb=round(half[-1] / 1e6, 1),
        rss_slope_mb_per_minute=round(slope_mb_per_minute(tally.memory), 3),
    )
    for text in tally.wrong[:10]:
        report("wrong", text=text)
    return 1 if tally.wrong or tally.failed else 0


# -- kill -9 ------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Promises:
    """What the server acknowledged: questions (conversation, message, text) and whole answers."""

    questions: list[tuple[str, str, str]] = field(default_factory=list)
    answers: list[tuple[str, str, str]] = field(default_factory=list)


async def ask_until_it_dies(port: int, number: int, promises: Promises) -> None:
    """Begin conversations and go on in them, noting every acknowledgement, until the server is gone."""
    conversation, turn = "", 0
    while True:
        turn += 1
        text = f"c{number}-{turn}-{random.getrandbits(32):08x} tell me"
        path = f"/api/samovar/conversations/{conversation}/messages" if conversation else KEEP
        try:
            async for name, data in stream_events(port, path, {"model": "scripted", "text": text, "stream": True}):
                event = json.loads(data)
                if name == "accepted":
                    conversation = event["conversation"]["id"]
                    promises.questions.append((conversation, event["question"]["id"], text))
                elif name == "done":
                    promises.answers.append((conversation, event["message"]["id"], event["message"]["text"]))
        except (OSError, asyncio.IncompleteReadError):
            return


async def missing_of(port: int, promises: Promises) -> list[str]:
    """Return what was acknowledged and is not there."""
    missing = []
    for kind, promised in (("question", promises.questions), ("answer", promises.answers)):
        for conversation, message_id, text in promised:
            try:
                found = await ask_json(port, "GET", f"/api/samovar/conversations/{conversation}")
            except HttpError as error:
                missing.append(f"{kind} {message_id}: {error}")
                continue
            texts = {m["id"]: m["text"] for m in found["messages"]}
            if texts.get(message_id) != text:
                missing.append(f"{kind} {message_id}: expected {text!r}, found {texts.get(message_id)!r}")
    return missing


def run_crash(
    home: Path, *, clients: int, seconds: float, log: Path | None = None
) -> tuple[Promises, list[str], float]:
    """Load a server, kill it, start it again; return the promises, those broken, and the seconds to the new start."""
    promises = Promises()
    child = start_child(home, "scripted:echo,words=10,delay=0.02", log=log, **room_for(clients))

    async def main() -> None:
        asking = [asyncio.ensure_future(ask_until_it_dies(child.port, n, promises)) for n in range(clients)]
        await asyncio.sleep(seconds)
        os.kill(child.pid, signal.SIGKILL)
        await asyncio.gather(*asking)

    try:
        asyncio.run(main())
    finally:
        child.process.wait()
    began = time.monotonic()
    with serve_child(home, "scripted:echo,words=10", log=log, **room_for(clients)) as again:
        restart = time.monotonic() - began
        return promises, asyncio.run(missing_of(again.port, promises)), restart


def crash(arguments: argparse.Namespace) -> int:
    """Several rounds on one home."""
    broken = 0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.rounds):
            seconds = 2 + random.random() * arguments.seconds
            promises, missing, restart = run_crash(Path(folder), clients=arguments.streams, seconds=seconds)
            broken += len(missing)
            report(
                "crash", round=number, questions=len(promises.questions), answers=len(promises.answers),
                missing=len(missing), restart_seconds=round(restart, 2), examples=missing[:3],
            )  # fmt: skip
    return 1 if broken else 0


# -- a backend that dies ------------------------------------------------------------------------------------------------


class Endpoint(BaseHTTPRequestHandler):
    """An OpenAI-compatible endpoint that says the question's token word by word."""

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        words = echo_of(request["messages"][-1]["content"], 20).split()
        for number, word in enumerate(words):
            last = "stop" if number == len(words) - 1 else None
            choice = {"index": 0, "delta": {"content": word + ("" if last else " ")}, "finish_reason": last}
            chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "stub", "choices": [choice]}
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            self.wfile.flush()
            time.sleep(0.05)
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_: object) -> None:
        """Nothing."""


def start_endpoint(port: int) -> subprocess.Popen[str]:
    """Run the endpoint in a process that can be killed; returns when it listens."""
    command = [sys.executable, __file__, "endpoint", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as output:
        if output.readline().strip() != "ready":
            raise RuntimeError("the endpoint did not start")
    return process


async def try_asking(port: int, token: str) -> str:
    """Return the text, or what went wrong as ``status: message``, or ``in the middle: message``."""
    text = ""
    body = {"model": "openai:stub", "stream": True, "messages": [{"role": "user", "content": token}]}
    try:
        async for _, data in stream_events(port, CHAT, body):
            if data == "[DONE]":
                break
            event = json.loads(data)
            if "error" in event:
                return f"in the middle: {event['error']['message']}"
            text += "".join(choice["delta"].get("content") or "" for choice in event["choices"])
    except HttpError as error:
        return f"{error.status}: {json.loads(error.body)['error']['message']}"
    return text


def run_backend(home: Path, *, log: Path | None = None) -> dict[str, str]:
    """Ask while the endpoint is there, while it dies, when it is gone, and when it is back; return what was answered."""
    port = free_port()
    endpoint = start_endpoint(port)
    said: dict[str, str] = {}
    try:
        with serve_child(
            home, "openai:stub", log=log, concurrency=4, generate_base_url=f"http://127.0.0.1:{port}/v1"
        ) as child:
            said["there"] = asyncio.run(try_asking(child.port, "a1"))

            async def while_it_dies() -> str:
                asking = asyncio.ensure_future(try_asking(child.port, "a2"))
                await asyncio.sleep(0.5)
                endpoint.kill()
                return await asking

            said["dying"] = asyncio.run(while_it_dies())
            endpoint.wait()
            said["gone"] = asyncio.run(try_asking(child.port, "a3"))
            endpoint = start_endpoint(port)
            said["back"] = asyncio.run(try_asking(child.port, "a4"))
            said["same process"] = str(child.process.poll() is None)
    finally:
        endpoint.kill()
        endpoint.wait()
    return said


def free_port() -> int:
    """A loopback port that is free now."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def backend(arguments: argparse.Namespace) -> int:
    """One pass."""
    with tempfile.TemporaryDirectory() as folder:
        said = run_backend(Path(folder))
    good = said["there"] == echo_of("a1", 20) and said["back"] == echo_of("a4", 20)
    good = good and said["gone"].startswith("502") and said["dying"].startswith("in the middle")
    report("backend", good=good, **said)
    return 0 if good else 1


def endpoint(arguments: argparse.Namespace) -> int:
    """What `start_endpoint` runs."""
    server = ThreadingHTTPServer(("127.0.0.1", arguments.port), Endpoint)
    server.daemon_threads = True
    print("ready", flush=True)
    server.serve_forever()
    return 0


def main() -> int:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(required=True)
    part = parts.add_parser("load")
    part.add_argument("--streams", type=int, default=200)
    part.add_argument("--minutes", type=float, default=10)
    part.add_argument("--words", type=int, default=40)
    part.add_argument("--delay", type=float, default=0.25, help="seconds between words")
    part.set_defaults(run=load)
    part = parts.add_parser("crash")
    part.add_argument("--rounds", type=int, default=5)
    part.add_argument("--streams", type=int, default=50)
    part.add_argument("--seconds", type=float, default=8, help="longest time before the kill")
    part.set_defaults(run=crash)
    parts.add_parser("backend").set_defaults(run=backend)
    part = parts.add_parser("endpoint")
    part.add_argument("port", type=int)
    part.set_defaults(run=endpoint)
    arguments = parser.parse_args()
    return int(arguments.run(arguments))


if __name__ == "__main__":
    sys.exit(main())

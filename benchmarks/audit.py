"""How fast answers are collected: a whole run (questions, retries, log on disk) against an endpoint in another process; JSON Lines.

    python benchmarks/audit.py                                          # without latency, and with 0.2 s at 100 connections
    python benchmarks/audit.py --inspect /path/to/python                # also Inspect AI, in an interpreter that has inspect-ai and openai

``share_of_ideal`` is the rate over connections / latency. Client and endpoint share the machine's cores; CPU seconds are the client's alone.
Inspect AI is measured on the same endpoint with its own OpenAI-compatible provider, one generate step and no scorer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from samovar.audit.collect import CollectOptions, collect
from samovar.audit.outcome import Question
from samovar.audit.targets.chat import ChatTarget

BODY = json.dumps(
    {"id": "x", "object": "chat.completion", "created": 0, "model": "scripted-1", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Николай Гоголь"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}},
    ensure_ascii=False,
).encode()  # fmt: skip
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY

INSPECT = """
import resource, sys, time
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.solver import generate
num, connections = int(sys.argv[1]), int(sys.argv[2])
task = Task(dataset=[Sample(input=f"Who wrote book number {i}?", target="x") for i in range(num)], solver=generate())
began = time.perf_counter()
[log] = eval(task, model="openai-api/scripted/m", max_connections=connections, max_samples=connections, display="none", log_dir=sys.argv[3], temperature=0)
wall = time.perf_counter() - began
use = resource.getrusage(resource.RUSAGE_SELF)
print(log.status, wall, use.ru_utime + use.ru_stime)
"""


class _Endpoint(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, just enough for clients that send Content-Length; answers after `latency` seconds."""

    latency = 0.0

    def __init__(self) -> None:
        self._data = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._data) < end + 4 + length:
                return
            self._data = self._data[end + 4 + length :]
            if self.latency:
                asyncio.get_running_loop().call_later(self.latency, self._transport.write, ANSWER)
            else:
                self._transport.write(ANSWER)


def _serve(latency: float, pipe: Connection) -> None:
    async def main() -> None:
        _Endpoint.latency = latency
        server = await asyncio.get_running_loop().create_server(_Endpoint, "127.0.0.1", 0, backlog=512)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


@contextmanager
def endpoint(latency: float) -> Iterator[str]:
    """Serve in another process; yields the base URL."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    child = context.Process(target=_serve, args=(latency, there), daemon=True)
    child.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}/v1"
    finally:
        child.terminate()
        child.join()


def report(measure: str, **values: Any) -> None:
    """Print one line."""
    print(json.dumps({"benchmark": "audit", "measure": measure, **values}, ensure_ascii=False), flush=True)


def cpu_seconds() -> float:
    """CPU time of this process."""
    use = resource.getrusage(resource.RUSAGE_SELF)
    return use.ru_utime + use.ru_stime


def measure_collect(address: str, num: int, connections: int) -> tuple[float, float]:
    """Collect `num` answers; return wall and CPU seconds."""
    questions = [Question(f"p{i}/ru/0", f"p{i}", "ru", 0, f"Кто написал книгу номер {i}?") for i in range(num)]

    async def work(folder: Path) -> None:
        target = ChatTarget(address, "m")
        try:
            made = await collect(target, questions, folder, options=CollectOptions(connections=connections))
        finally:
            await target.close()
        assert (made.asked, made.missing) == (num, 0)

    with tempfile.TemporaryDirectory() as folder:
        began, cpu = time.perf_counter(), cpu_seconds()
        asyncio.run(work(Path(folder)))
        return time.perf_counter() - began, cpu_seconds() - cpu


def measure_inspect(python: str, address: str, num: int, connections: int) -> tuple[float, float]:
    """The same with Inspect AI; return wall and CPU seconds."""
    import os

    env = {**os.environ, "SCRIPTED_BASE_URL": address, "SCRIPTED_API_KEY": "none"}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [python, "-c", INSPECT, str(num), str(connections), folder], capture_output=True, text=True, env=env, check=False
        )  # fmt: skip
    if done.returncode or not done.stdout.strip():
        raise SystemExit(f"Inspect AI failed: {done.stderr[-800:]}")
    status, wall, cpu = done.stdout.split()[-3:]
    assert status == "success", done.stdout
    return float(wall), float(cpu)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=4_000)
    parser.add_argument("--inspect", default="", help="an interpreter that has inspect-ai and openai")
    parser.add_argument("--inspect-samples", type=int, default=300)
    given = parser.parse_args()
    for latency, connections in ((0.0, 16), (0.2, 100)):
        with endpoint(latency) as address:
            runs = [("samovar", given.questions, measure_collect(address, given.questions, connections))]
            if given.inspect:
                num = given.inspect_samples
                runs.append(("inspect-ai", num, measure_inspect(given.inspect, address, num, connections)))
        for name, num, (wall, cpu) in runs:
            ideal = connections / latency if latency else None
            report(
                "collect", program=name, latency_s=latency, connections=connections, answers=num, per_second=round(num / wall, 1),
                share_of_ideal=round(num / wall / ideal, 3) if ideal else None, cpu_ms_per_answer=round(1000 * cpu / num, 3),
            )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Teams of processes for tests: started one by one, so that each one's words and end can be seen, or one be killed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SECONDS = 240


def free_port() -> int:
    """Return a port of the loopback that nobody uses now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def start_team(world: int, script: str, *arguments: str) -> list[subprocess.Popen[str]]:
    """Start a script in so many processes, as torchrun would: its arguments are the folder of these files and those given."""
    port = str(free_port())
    here = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
    }
    numbers = ({"RANK": str(n), "LOCAL_RANK": str(n), "WORLD_SIZE": str(world)} for n in range(world))
    return [
        subprocess.Popen(
            [sys.executable, "-c", script, str(HERE), *arguments],
            env={**here, **number},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in numbers
    ]


def end_team(team: list[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """Wait for all; return status, output and errors of each. Whoever does not end in time is killed and fails the test."""
    try:
        return [(child.wait(SECONDS), *child.communicate()) for child in team]
    finally:
        for child in team:
            child.kill()


def run_team(world: int, script: str, *arguments: str) -> list[str]:
    """Run a script to its end in so many processes; return the output of each."""
    done = end_team(start_team(world, script, *arguments))
    assert all(status == 0 for status, _, _ in done), "\n".join(errors[-3000:] for _, _, errors in done)
    return [output for _, output, _ in done]

"""One process or many: what a run asks of its neighbours. With one process nothing is sent.

Started by torchrun, which sets RANK, WORLD_SIZE, LOCAL_RANK and where the processes meet. When one of them ends, the others learn it from the
connection or, at the latest, after `PATIENCE`, and end with an error. Knows no model. Source: torch.distributed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from samovar.errors import TrainingError

_BUCKET_BYTES = 64 * 2**20
PATIENCE = timedelta(minutes=15)
"""How long to wait for the others: longer than compiling, or one process hashing a checkpoint, takes."""


@dataclass(frozen=True, slots=True)
class Team:
    """The processes of a run; `rank` of `world` is this one, `device` where it computes."""

    rank: int
    world: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0

    def barrier(self) -> None:
        """Wait for all."""
        if self.world > 1:
            dist.barrier()

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean of a tensor over the processes."""
        if self.world > 1:
            dist.all_reduce(value)
            value /= self.world
        return value

    def total(self, value: Tensor) -> Tensor:
        """Return the sum of a tensor over the processes."""
        if self.world > 1:
            dist.all_reduce(value)
        return value

    def any(self, fact: bool) -> bool:
        """Tell whether a fact is true in any process; all get the same answer."""
        return bool(self.total(torch.tensor([float(fact)], device=self.device)) > 0)

    def least(self, number: int) -> int:
        """Return the smallest of the processes' numbers."""
        return self._agree(number, dist.ReduceOp.MIN)

    def first(self, number: int) -> int:
        """Return the number of process 0."""
        return self._agree(number if self.is_first else 0, dist.ReduceOp.SUM)

    def _agree(self, number: int, how: dist.ReduceOp.RedOpType) -> int:
        if self.world == 1:
            return number
        value = torch.tensor([number], device=self.device)
        dist.all_reduce(value, how)
        return int(value)

    def average(self, tensors: list[Tensor]) -> None:
        """Replace tensors by their means over the processes, in buckets."""
        if self.world == 1:
            return
        bucket: list[Tensor] = []
        size = 0
        for tensor in tensors:
            bucket.append(tensor)
            size += tensor.numel() * tensor.element_size()
            if size >= _BUCKET_BYTES:
                self._average_bucket(bucket)
                bucket, size = [], 0
        if bucket:
            self._average_bucket(bucket)

    def _average_bucket(self, bucket: list[Tensor]) -> None:
        flat = torch.cat([tensor.flatten() for tensor in bucket])
        dist.all_reduce(flat)
        flat /= self.world
        for tensor, piece in zip(bucket, flat.split([t.numel() for t in bucket]), strict=True):
            tensor.copy_(piece.view_as(tensor))

    def exchange(self, everything: Tensor, own: Tensor) -> None:
        """Fill `everything` [world × n, …] with what each process gives as `own` [n, …]."""
        dist.all_gather(list(everything.chunk(self.world)), own)

    def exchange_parts(self, parts: Sequence[Tensor], sizes: Sequence[int]) -> list[Tensor]:
        """Send the r-th of some flat tensors to process r; return what each process sent, `sizes` elements of them."""
        sent = torch.cat(list(parts))
        got = sent.new_empty(sum(sizes))
        dist.all_to_all_single(got, sent, list(sizes), [part.numel() for part in parts])
        return list(got.split(list(sizes)))

    def gather(self, part: Tensor, owner: int) -> list[Tensor] | None:
        """Return the parts of all processes, of one shape, in the process `owner`; None in the others."""
        parts = [torch.empty_like(part) for _ in range(self.world)] if self.rank == owner else None
        dist.gather(part, parts, owner)
        return parts

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Say it clearly when the connection to another process breaks.

        Raises:
            TrainingError: another process has ended or does not answer.
        """
        try:
            yield
        except RuntimeError as error:
            if self.world == 1 or not is_connection_error(error):
                raise
            raise TrainingError(
                f"expected all {self.world} processes to go on, found that another has ended or does not answer "
                f"(process {self.rank}: {str(error).splitlines()[0][:200]}). Its own message says why; the same command goes on from the "
                "last checkpoint."
            ) from error

    def leave(self) -> None:
        """End the group, if there is one."""
        if self.world > 1 and dist.is_initialized():
            dist.destroy_process_group()


def is_connection_error(error: RuntimeError) -> bool:
    """Tell whether an error is about reaching the other processes."""
    if isinstance(error, dist.DistError):
        return True
    text = str(error).lower()
    return any(word in text for word in ("gloo", "nccl", "tcpstore", "connection closed by peer", "connection reset"))


def join_team(device: str = "auto", *, patience: timedelta = PATIENCE) -> Team:
    """Join the processes that torchrun started, or be alone.

    Raises:
        TrainingError: what torchrun sets is incomplete or impossible, CUDA was asked for and is not there, or the others cannot be reached.
    """
    rank, world, local = read_environment()
    if device not in ("auto", "cpu", "cuda"):
        raise TrainingError(f"expected --device auto, cpu or cuda, found {device!r}")
    if device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("expected a CUDA device, found none: use --device cpu, or install PyTorch with CUDA")
    cuda = device != "cpu" and torch.cuda.is_available()
    if cuda and local >= torch.cuda.device_count():
        raise TrainingError(
            f"expected at most {torch.cuda.device_count()} processes on this machine (one a GPU), found LOCAL_RANK={local}: "
            "lower --nproc-per-node"
        )
    place = torch.device(f"cuda:{local}" if cuda else "cpu")
    if cuda:
        torch.cuda.set_device(place)
    if world > 1 and not dist.is_initialized():
        try:
            dist.init_process_group("nccl" if cuda else "gloo", timeout=patience, device_id=place if cuda else None)
        except (RuntimeError, ValueError) as error:
            where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
            raise TrainingError(
                f"expected {world} processes to meet at {where}, found: {str(error).splitlines()[0][:200]}. Start them with torchrun."
            ) from error
    return Team(rank, world, place)


def read_environment() -> tuple[int, int, int]:
    """Return rank, world and local rank as torchrun sets them; 0, 1, 0 for a process that was started alone.

    Raises:
        TrainingError: some are missing, or no possible numbers.
    """
    found = {name: os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    if not found["RANK"] and found["WORLD_SIZE"] in ("", "1"):
        return 0, 1, 0
    needed = (
        ("RANK", "WORLD_SIZE") if found["WORLD_SIZE"] == "1" else ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    )
    missing = [name for name in needed if not os.environ.get(name)]
    if missing:
        given = ", ".join(f"{name}={value}" for name, value in found.items() if value)
        raise TrainingError(
            f"expected {', '.join(missing)} beside {given} in the environment, found nothing: start with  torchrun --nproc-per-node N -m "
            "samovar train …, or unset them to run alone"
        )
    try:
        rank, world, local = int(found["RANK"]), int(found["WORLD_SIZE"]), int(found["LOCAL_RANK"] or found["RANK"])
    except ValueError as error:
        raise TrainingError(f"expected numbers in RANK, WORLD_SIZE and LOCAL_RANK, found {found}") from error
    if not (0 <= rank < world and local >= 0):
        raise TrainingError(
            f"expected a RANK from 0 to {world - 1} (WORLD_SIZE - 1), found {rank}; LOCAL_RANK is {local}"
        )
    return rank, world, local

"""One process or many: what a run asks of its neighbours. With one process nothing is sent.

Started by torchrun, which sets RANK, WORLD_SIZE and LOCAL_RANK. Gradients are averaged, every process holds all weights, Muon's state is
shared out (each process steps its part of the matrices). Knows no model. Source: torch.distributed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from samovar.errors import TrainingError

_BUCKET_BYTES = 64 * 2**20


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

    def leave(self) -> None:
        """End the group, if there is one."""
        if self.world > 1 and dist.is_initialized():
            dist.destroy_process_group()


def join_team(device: str = "auto") -> Team:
    """Join the processes that torchrun started, or be alone.

    Raises:
        TrainingError: CUDA was asked for and is not there.
    """
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    if device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("expected a CUDA device, found none: use --device cpu, or install PyTorch with CUDA")
    cuda = device != "cpu" and torch.cuda.is_available()
    place = torch.device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if cuda else "cpu")
    if cuda:
        torch.cuda.set_device(place)
    if world > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if cuda else "gloo")
    return Team(rank, world, place)

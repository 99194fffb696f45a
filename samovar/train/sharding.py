"""Weights, gradients and optimiser state in parts: each of n processes holds about 1/n of them, so that models train that fit no one device.

PyTorch's FSDP2 cuts every parameter by rows and brings a block together just before it is needed. AdamW works on the parts. Muon needs whole
matrices: each has an owner, which gets its gradient's rows from all, makes it orthogonal, keeps its momentum, and sends the rows of the step
back. Checkpoints hold whole tensors by name, so any number of processes reads what any other wrote. Reads no rows and writes no files.

Sources: FSDP (arXiv:2304.11277), `torch.distributed.fsdp.fully_shard`; ZeRO (arXiv:1910.02054); Muon by owners: Liu et al. 2025
(arXiv:2502.16982, "Distributed Muon").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

from samovar.train.checkpoint import Checkpoint, Tensors
from samovar.train.config import RunConfig
from samovar.train.distributed import Team
from samovar.train.hardware import choose_precision
from samovar.train.model import LanguageModel, make_rotary
from samovar.train.muon import Muon, apply_update, muon_update, scale_rate
from samovar.train.optim import Optimiser

ROUND_BYTES = 2**28
"""Of whole matrices that an owner works on at once: its working space is some eight times that, whatever the model's size."""


def split_rows(num_rows: int, world: int) -> list[range]:
    """Return which rows of a tensor each process holds: FSDP2's rule, equal parts rounded up, the last ones shorter or empty."""
    size = -(-num_rows // world)
    return [range(min(rank * size, num_rows), min((rank + 1) * size, num_rows)) for rank in range(world)]


class Shards:
    """A model whose weights are shared out among the processes."""

    sharded = True

    def __init__(self, plan: RunConfig, team: Team, *, compiling: bool) -> None:
        self._plan, self._team, self._compiling = plan, team, compiling
        self.model = _shard_model(plan, team, compiling)
        self.loss: Callable[..., Tensor] = self.model.loss

    @torch.no_grad()
    def begin(self, seed: int, initial: Mapping[str, Tensor] | None) -> None:
        """Fill the weights from a seed, or with given ones; whole tensors exist one at a time."""
        self._settle()
        if initial is None:
            for weight, value in self.model.initial_values(seed):
                self._fill(weight, value)
            return
        for name, weight in self.model.named_parameters():
            self._fill(weight, initial[name])

    def _settle(self) -> None:
        """Give back what a forward pass without a backward one has left together: the tables and the last norm."""
        cast(FSDPModule, self.model).reshard()

    def _fill(self, weight: Tensor, value: Tensor) -> None:
        rows = self._rows(weight)
        local_part(weight).copy_(value[rows.start : rows.stop])

    def _rows(self, weight: Tensor) -> range:
        return split_rows(weight.shape[0], self._team.world)[self._team.rank]

    @torch.no_grad()
    def restore(self, found: Checkpoint) -> None:
        """Fill the weights from a checkpoint; each process reads its rows only."""
        self._settle()
        tensors = found.open_weights()
        for name, weight in self.model.named_parameters():
            local_part(weight).copy_(tensors.rows(name, self._rows(weight)))

    def make_optimiser(self) -> Optimiser:
        """Return a fresh optimiser."""
        self._settle()
        cuda = self._compiling and self._team.device.type == "cuda"
        return ShardedOptimiser(self.model, self._plan, self._team, compile_step=cuda)

    def finish_gradients(self) -> Tensor:
        """Return the norm of the gradients; FSDP2 has averaged them already."""
        grads = [local_part(weight.grad) for weight in self.model.parameters() if weight.grad is not None]
        squares = torch.nn.utils.get_total_norm(grads).square()
        return self._team.total(squares).sqrt()

    @torch.no_grad()
    def weights(self) -> dict[str, Tensor] | None:
        """Return whole weights by name, on the CPU, in process 0; all call it."""
        self._settle()
        found = {name: gather_rows(self._team, weight, 0) for name, weight in self.model.named_parameters()}
        return cast("dict[str, Tensor]", found) if self._team.is_first else None


def _shard_model(plan: RunConfig, team: Team, compiling: bool) -> LanguageModel:
    """Return a model cut block by block, memory reserved but not filled; no process ever holds it whole."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    with torch.device("meta"):
        model = LanguageModel(plan.model)
    mesh = init_device_mesh(team.device.type, (team.world,))
    for block in model.model.layers:
        if compiling:  # only what lies between two gatherings
            block.forward = torch.compile(block.forward, dynamic=False)
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    register_fsdp_forward_method(model, "loss")
    model.to_empty(device=team.device)
    assert {name for name, _ in model.named_buffers()} == {"cos", "sin"}, "a new buffer must be filled here"
    model.cos, model.sin = (table.to(team.device) for table in make_rotary(plan.model))
    return model


def local_part(tensor: Tensor) -> Tensor:
    """Return the rows that this process holds: the storage itself, no copy."""
    with torch.no_grad():
        return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def gather_rows(team: Team, tensor: Tensor, owner: int) -> Tensor | None:
    """Return a whole tensor on the CPU in the process `owner`, None in the others; all call it."""
    rows = split_rows(tensor.shape[0], team.world)
    part = local_part(tensor)
    padded = part.new_zeros((len(rows[0]), *tensor.shape[1:]))
    padded[: len(part)] = part
    parts = team.gather(padded, owner)
    return None if parts is None else torch.cat([part.cpu() for part in parts])[: tensor.shape[0]]


# -- the optimiser ----------------------------------------------------------------------------------------------------
class ShardedOptimiser(Optimiser):
    """`Optimiser` over parts: AdamW on the rows a process holds, Muon by owners."""

    def __init__(self, model: nn.Module, plan: RunConfig, team: Team, *, compile_step: bool) -> None:
        products = choose_precision(plan.precision, team.device)
        super().__init__(
            model,
            plan,
            muon=lambda matrices: ShardedMuon(matrices, team, compile_step=compile_step, products=products),
        )
        self._team = team

    @torch.no_grad()
    def state_tensors(self, *, own_only: bool = False) -> dict[str, Tensor]:
        """Return whole tensors, each in one process; all call it."""
        tensors = dict(self._muon.state_tensors())
        for number, (name, weight) in enumerate(self._rest):
            owner = number % self._team.world
            state: dict[str, Any] = self._adam.state.get(weight, {})
            for key, value in state.items():
                whole = gather_rows(self._team, value, owner) if value.ndim else value
                if whole is not None and owner == self._team.rank:
                    tensors[f"{name}.{key}"] = whole
        return tensors

    @torch.no_grad()
    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back this process's part.

        Raises:
            KeyError: a tensor is missing.
        """
        assert isinstance(tensors, Tensors)
        self._muon.load_tensors(tensors)
        for name, weight in self._rest:
            if f"{name}.step" not in tensors:
                self._adam.state.pop(weight, None)
                continue
            rows = split_rows(weight.shape[0], self._team.world)[self._team.rank]
            state: dict[str, Tensor] = {"step": tensors[f"{name}.step"].to(weight.device)}
            for key in ("exp_avg", "exp_avg_sq"):
                state[key] = torch.zeros_like(weight)
                local_part(state[key]).copy_(tensors.rows(f"{name}.{key}", rows))
            self._adam.state[weight] = state


class ShardedMuon(Muon):
    """Muon over matrices whose rows lie in all processes; the i-th of a shape belongs to process i mod world."""

    def __init__(
        self, matrices: Iterable[tuple[str, nn.Parameter]], team: Team, *, compile_step: bool, products: torch.dtype
    ) -> None:
        super().__init__(matrices, rank=team.rank, world=team.world, products=products)
        self._team = team
        self._update = torch.compile(muon_update, fullgraph=True, dynamic=False) if compile_step else muon_update

    @torch.no_grad()
    def step(self, rate: float, *, beta: float = 0.95, beta_second: float = 0.95, decay: float = 0.0) -> None:
        """Step all matrices by their gradients."""
        for group, stacks in zip(self._groups, self._stacks, strict=True):
            each = max(1, ROUND_BYTES // (4 * group[0][1].numel()))  # matrices of a round, for each owner
            for start in range(0, len(group), each * self._world):
                first = start // self._world
                momentum, second = (stack[first : first + each] for stack in stacks)
                values = (beta, beta_second, rate * scale_rate(group[0][1].shape), decay)
                self._step_round(group[start : start + each * self._world], momentum, second, values)

    def _step_round(
        self, group: list[tuple[str, nn.Parameter]], momentum: Tensor, second: Tensor, values: tuple[float, ...]
    ) -> None:
        """Step some matrices of one shape; the first of them belongs to process 0. `values` are the two betas, the rate and the decay."""
        whole = self._bring(group)
        beta, beta_second, rate, decay = (torch.tensor(value, device=whole.device) for value in values)
        if len(whole):
            whole = self._update(whole, momentum, second, beta, beta_second, self._products)
        for (_, weight), step in zip(group, self._send_back(group, whole), strict=True):
            apply_update(local_part(weight), step, rate, decay)

    def _bring(self, group: list[tuple[str, nn.Parameter]]) -> Tensor:
        """Return the whole gradients of the matrices this process owns, [own, rows, columns]; send the rows of the others to their owners."""
        rows, columns = group[0][1].shape
        parts = split_rows(rows, self._world)
        grads = [torch.zeros_like(local_part(w)) if w.grad is None else local_part(w.grad) for _, w in group]
        sent = [torch.cat([g.flatten() for g in grads[rank :: self._world]] or [grads[0].new_empty(0)]) for rank in range(self._world)]  # fmt: skip
        own = len(grads[self._rank :: self._world])
        got = self._team.exchange_parts(sent, [own * len(part) * columns for part in parts])
        return torch.cat([piece.view(own, len(part), columns) for piece, part in zip(got, parts, strict=True)], dim=1).float()  # fmt: skip

    def _send_back(self, group: list[tuple[str, nn.Parameter]], steps: Tensor) -> list[Tensor]:
        """Return this process's rows of the steps of all matrices of a group, in its order."""
        rows, columns = group[0][1].shape
        parts = split_rows(rows, self._world)
        mine = len(parts[self._rank])
        counts = [len(group[rank :: self._world]) for rank in range(self._world)]
        sent = [steps[:, part.start : part.stop].flatten() for part in parts]
        got = self._team.exchange_parts(sent, [count * mine * columns for count in counts])
        out: list[Tensor] = [steps] * len(group)
        for rank, (piece, count) in enumerate(zip(got, counts, strict=True)):
            out[rank :: self._world] = list(piece.view(count, mine, columns))
        return out

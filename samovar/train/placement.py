"""Where the weights of a run lie: whole in every process (`Copies`), or a part in each (`samovar.train.sharding.Shards`).

The loop asks both the same: fill the weights, average the gradients, make the optimiser, give whole tensors for a checkpoint. Reads no rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor

from samovar.train.checkpoint import Checkpoint
from samovar.train.config import RunConfig
from samovar.train.distributed import Team
from samovar.train.hardware import bytes_needed, check_memory, share_of_memory
from samovar.train.model import LanguageModel
from samovar.train.optim import Optimiser


class Placement(Protocol):
    """The weights of a run and what all its processes must do together with them."""

    model: LanguageModel
    loss: Callable[..., Tensor]
    """The model's loss, compiled where that was asked for."""

    @property
    def sharded(self) -> bool:
        """Whether a forward pass is something all processes do together."""
        ...

    def begin(self, seed: int, initial: Mapping[str, Tensor] | None) -> None:
        """Fill the weights from a seed, or with given ones."""
        ...

    def restore(self, found: Checkpoint) -> None:
        """Fill the weights from a checkpoint."""
        ...

    def make_optimiser(self) -> Optimiser:
        """Return a fresh optimiser."""
        ...

    def finish_gradients(self) -> Tensor:
        """Average the gradients over the processes; return their norm, the same in all."""
        ...

    def weights(self) -> dict[str, Tensor] | None:
        """Return whole weights by name in process 0, None in the others; all call it."""
        ...


class Copies:
    """Every process holds all weights; gradients are averaged; Muon's state and work are shared out."""

    sharded = False

    def __init__(self, plan: RunConfig, team: Team, *, compiling: bool) -> None:
        self._plan, self._team, self._compiling = plan, team, compiling
        self.model = LanguageModel(plan.model).to(team.device)
        self.loss: Callable[..., Tensor] = (
            torch.compile(self.model.loss, dynamic=False) if compiling else self.model.loss
        )

    def begin(self, seed: int, initial: Mapping[str, Tensor] | None) -> None:
        """Fill the weights from a seed, or with given ones."""
        self.model.initialise(seed)
        if initial is not None:
            self.model.load_state_dict(initial)

    def restore(self, found: Checkpoint) -> None:
        """Fill the weights from a checkpoint."""
        self.model.load_state_dict(found.weights())

    def make_optimiser(self) -> Optimiser:
        """Return a fresh optimiser."""
        team = self._team
        return Optimiser(
            self.model,
            self._plan,
            rank=team.rank,
            world=team.world,
            compile_step=self._compiling,
            exchange=team.exchange,
        )

    def finish_gradients(self) -> Tensor:
        """Average the gradients over the processes; return their norm."""
        grads = [weight.grad for weight in self.model.parameters() if weight.grad is not None]
        self._team.average(grads)
        return torch.nn.utils.get_total_norm(grads)

    def weights(self) -> dict[str, Tensor] | None:
        """Return the weights by name in process 0."""
        return self.model.state_dict() if self._team.is_first else None


def place_model(plan: RunConfig, team: Team, dtype: torch.dtype, *, compiling: bool) -> Placement:
    """Return the weights of a run, not filled yet: in parts when the plan says so, or when a whole copy with its state has no room.

    Raises:
        TrainingError: `plan.shard` is no such word, or memory will not do either way.
    """
    sharded = choose_sharding(plan, team, dtype)
    check_memory(plan, dtype, team.device, shards=team.world if sharded else 1)
    if sharded:
        from samovar.train.sharding import Shards

        return Shards(plan, team, compiling=compiling)
    return Copies(plan, team, compiling=compiling)


def choose_sharding(plan: RunConfig, team: Team, dtype: torch.dtype) -> bool:
    """Tell whether the processes share the weights out; all come to the same answer.

    Raises:
        TrainingError: `plan.shard` is no such word.
    """
    from samovar.errors import TrainingError

    if plan.shard not in ("auto", "on", "off"):
        raise TrainingError(f"expected --shard auto, on or off, found {plan.shard!r}")
    if team.world == 1 or plan.shard != "auto":
        return team.world > 1 and plan.shard == "on"
    free = share_of_memory(team.device)
    tight = bool(free) and bytes_needed(plan, 1, dtype) > free
    return team.any(tight)

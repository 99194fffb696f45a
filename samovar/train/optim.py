"""The optimiser of a run: Muon for the matrices of the blocks, AdamW for embeddings, output layer and norms.

Each parameter's state is known by its name, so that a checkpoint made by any number of processes can be read by any other.
Source of the split: K. Jordan 2024 (Muon); AdamW: arXiv:1711.05101.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from samovar.train.config import RunConfig
from samovar.train.hardware import choose_precision
from samovar.train.muon import Muon
from samovar.train.schedule import decay_at, momentum_at, rate_at

ADAM_MOMENTUM = 0.8


class Optimiser:
    """Steps a `LanguageModel` by the plan of its run."""

    def __init__(
        self,
        model: nn.Module,
        plan: RunConfig,
        *,
        rank: int = 0,
        world: int = 1,
        compile_step: bool = False,
        exchange: Callable[[Tensor, Tensor], None] | None = None,
        muon: Callable[[list[tuple[str, nn.Parameter]]], Muon] | None = None,
    ) -> None:
        named = list(model.named_parameters())
        matrices = [(name, weight) for name, weight in named if weight.ndim == 2 and ".layers." in name]
        taken = {name for name, _ in matrices}
        self._rest = [(name, weight) for name, weight in named if name not in taken]
        self._plan = plan
        self._muon = (
            muon(matrices)
            if muon is not None
            else Muon(
                matrices,
                rank=rank,
                world=world,
                compile_step=compile_step,
                products=choose_precision(plan.precision, named[0][1].device),
                exchange=exchange,
            )
        )
        groups = [
            {"params": [weight], "lr": self._peak_of(name, weight), "peak": self._peak_of(name, weight)}
            for name, weight in self._rest
        ]
        self._adam = torch.optim.AdamW(
            groups, betas=(ADAM_MOMENTUM, plan.adam_beta), eps=1e-10, weight_decay=0.0, fused=True
        )

    def _peak_of(self, name: str, weight: Tensor) -> float:
        if weight.ndim == 1:
            return self._plan.norm_lr
        return self._plan.head_lr if name.startswith("lm_head") else self._plan.embedding_lr

    def step(self, step: int) -> float:
        """Step all weights by their gradients at a step of the plan; return the share of the peak rate."""
        plan = self._plan
        share = rate_at(step, plan.num_steps, warmup_steps=plan.warmup_steps, warmdown=plan.warmdown)
        for group in self._adam.param_groups:
            group["lr"] = group["peak"] * share
        self._adam.step()
        decay = decay_at(step, plan.num_steps, plan.weight_decay)
        self._muon.step(plan.matrix_lr * share, beta=momentum_at(step), decay=decay)
        return share

    def state_tensors(self, *, own_only: bool = False) -> dict[str, Tensor]:
        """Return the state for a checkpoint; `own_only` leaves out what every process has alike (AdamW's)."""
        tensors = dict(self._muon.state_tensors())
        if not own_only:
            for name, weight in self._rest:
                state: dict[str, Any] = self._adam.state.get(weight, {})
                tensors |= {f"{name}.{key}": value for key, value in state.items()}
        return tensors

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the state back.

        Raises:
            KeyError: a tensor is missing.
        """
        self._muon.load_tensors(tensors)
        for name, weight in self._rest:
            if f"{name}.step" in tensors:
                self._adam.state[weight] = {
                    key: tensors[f"{name}.{key}"].to(weight.device if key != "step" else "cpu").clone()
                    for key in ("step", "exp_avg", "exp_avg_sq")
                }
                if weight.is_cuda:  # the fused step wants its counter on the device
                    self._adam.state[weight]["step"] = self._adam.state[weight]["step"].to(weight.device)
            else:
                self._adam.state.pop(weight, None)

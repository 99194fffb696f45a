"""Muon: momentum, made orthogonal. For the matrices of the blocks; embeddings and norms are AdamW's.

A step: Nesterov momentum; the nearest (semi-)orthogonal matrix by four or five Polar Express iterations; a running second moment for each row (or
column) evens out their sizes without changing the step's norm; weight decay only where it pulls the same way as the step. Matrices of one shape are
stacked and stepped together. With several processes each owns a share of every stack and sends its results to the others.

Sources: Muon (K. Jordan 2024; arXiv:2502.16982), Polar Express (Amsel et al. 2025, arXiv:2505.16932: the coefficients), NorMuon (Li et al. 2025,
arXiv:2510.05491), cautious weight decay (Chen et al. 2025, arXiv:2510.12402).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

POLAR_EXPRESS = (
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
)
SMALL = 256
"""Up to this many rows (or columns, whichever are fewer) four of the five iterations are enough: singular values from a hundredth of the matrix's
norm on come out as near to 1 as after five. Bits per byte were the same to .0001 at 128 and 256, .0002 more at 512 (benchmarks/train_bits.py)."""
WIDE = 2
"""From this many columns a row on, the last iterations take fewer products by the square matrix."""
_MARGIN = 1.02  # the iteration needs a spectral norm of at most 1; the Frobenius norm bounds it


def orthogonalise(matrices: Tensor, products: torch.dtype = torch.float32) -> Tensor:
    """Return U·Vᵀ of each matrix U·S·Vᵀ of a stack [count, rows, columns], approximately (singular values within about .9 … 1.1).

    `products` is the type of the matrix products on a CPU; on a GPU it is bf16."""
    dtype = torch.bfloat16 if matrices.is_cuda else products
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = (matrices / (matrices.norm(dim=(-2, -1), keepdim=True) * _MARGIN + 1e-6)).to(dtype)
    x = x.mT.contiguous() if tall else x
    wide = x.shape[-1] >= WIDE * x.shape[-2]
    iterations = list_iterations(x.shape[-2])
    for a, b, c in iterations[:-2] if wide else iterations:
        square = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    x = finish_by_square(x) if wide else x
    return (x.mT if tall else x).to(matrices.dtype)


def list_iterations(size: int) -> tuple[tuple[float, float, float], ...]:
    """Return the coefficients of the iterations for matrices whose smaller side is `size`."""
    return POLAR_EXPRESS if size > SMALL else (POLAR_EXPRESS[0], *POLAR_EXPRESS[2:])


def evaluate(square: Tensor, a: float, b: float, c: float) -> Tensor:
    """Return a + b·s + c·s² of each square matrix s of a stack."""
    one = torch.eye(square.shape[-1], dtype=square.dtype, device=square.device)
    return torch.baddbmm(square, square, square, beta=b, alpha=c) + a * one


def finish_by_square(x: Tensor) -> Tensor:
    """Return what the last two iterations make of x, by products of its square x·xᵀ alone and one with x.

    Earlier iterations cannot go this way in bf16: the square of a small singular value is lost in it."""
    one, two = POLAR_EXPRESS[-2:]
    square = torch.bmm(x, x.mT)
    first = evaluate(square, *one)
    second = evaluate(torch.bmm(torch.bmm(first, square), first), *two)
    return torch.bmm(torch.bmm(second, first), x)


def muon_update(
    grads: Tensor,
    momentum: Tensor,
    second: Tensor,
    beta: Tensor,
    beta_second: Tensor,
    products: torch.dtype = torch.float32,
) -> Tensor:
    """Return the step of a stack of matrices [count, rows, columns] and bring its state up to date in place; `second` is
    [count, rows, 1] or [count, 1, columns]."""
    momentum.lerp_(grads, 1 - beta)
    step = orthogonalise(grads.lerp(momentum, beta), products)
    axis = -1 if second.shape[-1] == 1 else -2
    size = step.square().mean(dim=axis, keepdim=True)
    second.lerp_(size, 1 - beta_second)
    evened = step * second.clamp_min(1e-10).rsqrt()
    return evened * (step.norm(dim=(-2, -1), keepdim=True) / evened.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-10))


def apply_update(weights: Tensor, step: Tensor, rate: Tensor, decay: Tensor) -> None:
    """Move weights by a step and decay them where that pulls the same way: element by element, so any part of a matrix will do.

    `rate` is scaled already, see `scale_rate`."""
    agree = (step * weights) >= 0
    weights.sub_(rate * step + rate * decay * weights * agree)


def scale_rate(shape: Sequence[int]) -> float:
    """Return the factor on the rate for matrices of a shape [..., rows, columns]."""
    rows, columns = shape[-2:]
    return max(1.0, rows / columns) ** 0.5


def muon_step(
    weights: Tensor,
    grads: Tensor,
    momentum: Tensor,
    second: Tensor,
    rate: Tensor,
    beta: Tensor,
    beta_second: Tensor,
    decay: Tensor,
    products: torch.dtype = torch.float32,
) -> None:
    """Step a stack of matrices in place; all tensors [count, rows, columns], but `second` [count, rows, 1] or [count, 1, columns], and the
    last four are scalars (tensors, so that a changing rate compiles once)."""
    step = muon_update(grads, momentum, second, beta, beta_second, products)
    apply_update(weights, step, rate * scale_rate(weights.shape), decay)


class Muon:
    """The optimiser's state over named matrices. `rank` of `world` processes owns every world-th matrix of each shape.

    `exchange(tensors)` is called after a step with the stack of a shape, padded to a multiple of `world`: it must fill in what the others own.
    """

    def __init__(
        self,
        matrices: Iterable[tuple[str, nn.Parameter]],
        *,
        rank: int = 0,
        world: int = 1,
        compile_step: bool = False,
        products: torch.dtype = torch.float32,
        exchange: Callable[[Tensor, Tensor], None] | None = None,
    ) -> None:
        shapes: dict[tuple[int, ...], list[tuple[str, nn.Parameter]]] = defaultdict(list)
        for name, weight in matrices:
            shapes[tuple(weight.shape)].append((name, weight))
        self._rank, self._world, self._exchange, self._products = rank, world, exchange, products
        self._groups = [sorted(group, key=lambda pair: pair[0]) for _, group in sorted(shapes.items())]
        self._step = torch.compile(muon_step, fullgraph=True, dynamic=False) if compile_step else muon_step
        self.state: dict[str, tuple[Tensor, Tensor]] = {}
        self._stacks: list[tuple[Tensor, Tensor]] = []  # momentum and second moment of each group; `state` holds views
        for group in self._groups:
            own = group[rank::world]
            (rows, columns), device = group[0][1].shape, group[0][1].device
            momentum = torch.zeros(len(own), rows, columns, device=device)
            second = torch.zeros(len(own), *((rows, 1) if rows >= columns else (1, columns)), device=device)
            self._stacks.append((momentum, second))
            self.state |= {name: (momentum[index], second[index]) for index, (name, _) in enumerate(own)}

    @torch.no_grad()
    def step(self, rate: float, *, beta: float = 0.95, beta_second: float = 0.95, decay: float = 0.0) -> None:
        """Step all matrices by their gradients; a matrix without one counts as zero."""
        for group, stacks in zip(self._groups, self._stacks, strict=True):
            own = [weight for _, weight in group[self._rank :: self._world]]
            if own:
                device = own[0].device
                scalars = [torch.tensor(value, device=device) for value in (rate, beta, beta_second, decay)]
                self._step_group(own, stacks, scalars)
            if self._world > 1:
                self._share(group)

    def _step_group(self, own: list[nn.Parameter], stacks: tuple[Tensor, Tensor], scalars: list[Tensor]) -> None:
        weights = torch.stack([weight.detach() for weight in own])
        grads = torch.stack([torch.zeros_like(w) if w.grad is None else w.grad for w in own]).float()
        rate, beta, beta_second, decay = scalars
        self._step(weights, grads, *stacks, rate, beta, beta_second, decay, self._products)
        for weight, stepped in zip(own, weights, strict=True):
            weight.copy_(stepped)

    def _share(self, group: list[tuple[str, nn.Parameter]]) -> None:
        if self._exchange is None:
            raise AssertionError("several processes need a way to exchange what they own")
        shape, device = group[0][1].shape, group[0][1].device
        each = -(-len(group) // self._world)
        own = torch.zeros((each, *shape), device=device, dtype=group[0][1].dtype)
        for index, (_, weight) in enumerate(group[self._rank :: self._world]):
            own[index] = weight
        everything = own.new_zeros((self._world * each, *shape))
        self._exchange(everything, own)
        for index, (_, weight) in enumerate(group):
            owner, place = index % self._world, index // self._world
            weight.copy_(everything[owner * each + place])

    def state_tensors(self) -> dict[str, Tensor]:
        """Return what this process owns, for a checkpoint: ``<name>.momentum`` and ``<name>.second``."""
        return {
            f"{name}.{part}": t.clone()  # of its own: a file of tensors refuses views of one storage
            for name, pair in self.state.items()
            for part, t in zip(_PARTS, pair, strict=True)
        }

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what this process owns out of a checkpoint of any number of processes.

        Raises:
            KeyError: a tensor is missing.
        """
        for name, pair in self.state.items():
            for part, own in zip(_PARTS, pair, strict=True):
                own.copy_(tensors[f"{name}.{part}"])


_PARTS = ("momentum", "second")

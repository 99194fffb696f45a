"""How rates change over a run: warm-up, a plateau, a fall to zero; momentum rises at the start. Pure functions of the step.

Source: warmup-stable-decay (MiniCPM, arXiv:2404.06395); Muon's momentum warm-up (modded-nanogpt).
"""

from __future__ import annotations

MOMENTUM_START, MOMENTUM_END, MOMENTUM_STEPS = 0.85, 0.95, 300


def rate_at(step: int, num_steps: int, *, warmup_steps: int = 0, warmdown: float = 0.5, floor: float = 0.0) -> float:
    """Return the share of the peak rate at a step counted from 0: linear up, flat, linear down to `floor` at the last step."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    falling = round(warmdown * num_steps)
    if step <= num_steps - falling or falling == 0:
        return 1.0
    return floor + (1.0 - floor) * max(0.0, (num_steps - step) / falling)


def momentum_at(step: int) -> float:
    """Return Muon's momentum at a step."""
    share = min(1.0, step / MOMENTUM_STEPS)
    return MOMENTUM_START + share * (MOMENTUM_END - MOMENTUM_START)


def decay_at(step: int, num_steps: int, weight_decay: float) -> float:
    """Return the weight decay at a step: it falls linearly to zero with the run."""
    return weight_decay * max(0.0, 1.0 - step / max(1, num_steps))

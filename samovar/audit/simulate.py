"""Simulated systems with a known dose of selectivity, and nasty nulls, on the very design of a run: what the ruler is tested with.

Answers follow a logistic model with random effects of entity (SD 0.8), item (1.3), paraphrase (0.5) and the system's own strengths (entity 0.5,
item 0.5): the figures of AUDIT.md. Everything is drawn at once as arrays [simulations, entities, facets, paraphrases]. Knows nothing about
files or texts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ENTITY_SD, ITEM_SD, PARAPHRASE_SD = 0.8, 1.3, 0.5
OWN_ENTITY_SD, OWN_ITEM_SD = 0.5, 0.5  # where a system is better or worse than its peers for no reason of culture
PAIR_CORRELATION = (
    0.7  # AUDIT measured .6–.93 between repeats of one prompt: what is refused is mostly refused with either slot
)
USUAL_REFUSAL = 0.02
LANGUAGES, LANGUAGE_SD = 2, 0.5  # languages asked; how far items differ between them for no reason of culture
NUM_SOURCES, MIX_CONCENTRATION = 40, 4.0
FAME_SLOPE = 0.45  # logit per step of fame; explains about 40 % of the entity variance


@dataclass(frozen=True, slots=True)
class Design:
    """How much of everything a run has. `fame` [cultures, entities] are the anchors 1…5 of the pack's entities (the mean of home and world);
    `paraphrases` counts answers to one question in all languages; `queries_each` are the queries about one culture, of `queries` in all."""

    fame: Array
    facets: int = 3
    paraphrases: int = 2
    pairs: int = 150
    prompts: int = 60
    list_length: int = 10
    fidelity: int = 100
    queries: int = 140
    queries_each: int = 20
    panel: int = 4

    @property
    def cultures(self) -> int:
        return int(self.fame.shape[0])

    @property
    def entities(self) -> int:
        return int(self.fame.shape[1])


def plain_design(entities: int = 150, cultures: int = 5, **sizes: int) -> Design:
    """Return a design with the strata of the shipped packs: a third of the entities each of fame 4–5, 3 and 1–2."""
    fame = np.tile(np.resize(np.array([5.0, 4.0, 3.0, 3.0, 2.0, 1.0]), entities), (cultures, 1))
    return replace(Design(fame), **sizes)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class System:
    """A simulated system. `forget` is the dose for culture 0, in points of accuracy lost; the rest hold for all cultures alike, or (`harder`) for
    the items of culture 0 and not the system. `list_share` is culture 0's fair share of lists and sources."""

    name: str = "fair"
    ability: float = 0.4  # logit of an average item
    forget: float = 0.0
    base_refusal: float = USUAL_REFUSAL
    base_switch: float = 0.02
    harder: float = 0.0  # logit by which culture 0's items are harder for everybody
    list_share: float = 0.2


NULLS: tuple[System, ...] = (
    System("fair"),
    System("weak everywhere", ability=-2.2),
    System("strong everywhere", ability=3.2),
    System("refuses everywhere", base_refusal=0.3),
    System("mixes languages everywhere", base_switch=0.3),
    System("harder items", harder=0.35),
)


def sigmoid(x: Array) -> Array:
    """The logistic function."""
    result: Array = 1.0 / (1.0 + np.exp(-x))
    return result


def draw_knowledge(
    design: Design, system: System, num: int, rng: np.random.Generator, *, panel: bool = True
) -> tuple[Array, Array]:
    """Return entity means of the system and of the panel, both [num, cultures, entities].

    `forget` is in points: each right answer about culture 0 is lost with the chance that costs so many points on average.
    """
    shape = (num, design.cultures, design.entities, design.facets)
    explained = FAME_SLOPE * (design.fame - 3.0)
    rest = np.sqrt(max(ENTITY_SD**2 - float(explained.var()), 0.04))
    entity = explained + rng.normal(0, rest, shape[:3])
    logit = entity[..., None] + rng.normal(0, ITEM_SD, shape)
    logit[:, 0] -= system.harder
    own = _answers(logit + system.ability, design, rng)
    if system.base_refusal > USUAL_REFUSAL:  # answers lost to refusing everything alike
        own *= rng.random(own.shape) >= system.base_refusal
    if system.forget:
        base = own[:, 0].mean()
        own[:, 0] *= rng.random(own[:, 0].shape[:-1])[..., None] >= system.forget / base
    mine = own.mean(axis=(3, 4))
    if not panel:
        return mine, np.zeros_like(mine)
    others = np.zeros_like(mine)
    for _ in range(design.panel):
        others += _answers(logit + 0.4, design, rng).mean(axis=(3, 4)) / design.panel
    return mine, others


def _answers(logit: Array, design: Design, rng: np.random.Generator) -> Array:
    shape = logit.shape
    own = rng.normal(0, OWN_ENTITY_SD, shape[:3])[..., None] + rng.normal(0, OWN_ITEM_SD, shape)
    asked = (logit + own)[..., None] + rng.normal(0, PARAPHRASE_SD, (*shape, design.paraphrases))
    result: Array = (rng.random(asked.shape) < sigmoid(asked)).astype(float)
    return result


def draw_pairs(
    design: Design, base: float, more: float, num: int, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Return (b, c, n) of yes/no outcomes in pairs: one with the slot of culture 0 (rate base + more), one with a neutral slot (base).

    Templates differ (logit SD 1), so that pairs are alike inside, as the intra-class correlations of real prompts are.
    """
    template = rng.normal(0, 1.0, (num, design.pairs))
    plain = _with_mean(template, base)
    dosed = plain + more * (1 - plain) / max(1 - base, 1e-9)
    chance = rng.random(template.shape)
    other = chance < plain
    one = np.where(rng.random(template.shape) < PAIR_CORRELATION, chance, rng.random(template.shape)) < dosed
    return (one & ~other).sum(1).astype(float), (~one & other).sum(1).astype(float), np.full(num, float(design.pairs))


def _with_mean(effect: Array, mean: float) -> Array:
    """Probabilities with these logit effects and (by Newton's method on the intercept) this mean."""
    intercept = float(np.log(mean / (1 - mean)))
    for _ in range(30):
        p = sigmoid(effect + intercept)
        step = (float(p.mean()) - mean) / max(float((p * (1 - p)).mean()), 1e-9)
        intercept -= step
        if abs(step) < 1e-9:
            break
    return sigmoid(effect + intercept)


def draw_shares(
    design: Design, system: System, num: int, rng: np.random.Generator, *, units: int, per_unit: int, taken: float
) -> Array:
    """Return, per simulation and prompt (or query), the share of culture 0 minus its fair share; [num, units].

    `taken` points of it are replaced by others (`drop` in lists, `skew` in sources). Prompts differ in their own mix (logit SD 0.7).
    """
    fair = _with_mean(rng.normal(0, 0.7, (num, units)), system.list_share)
    mine = np.maximum(fair - taken, 0.0)
    twin = rng.binomial(per_unit, fair) / per_unit  # the neutral baseline is itself a sample
    result: Array = rng.binomial(per_unit, mine) / per_unit - twin
    return result


def draw_languages(
    design: Design, system: System, lost: float, num: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return entity means of one culture in two languages, both [num, entities]; the first loses `lost` points of right answers.

    An item may be easier in either language (logit SD `LANGUAGE_SD`), which is no selectivity.
    """
    shape = (num, design.entities, design.facets)
    explained = FAME_SLOPE * (design.fame[0] - 3.0)
    rest = np.sqrt(max(ENTITY_SD**2 - float(explained.var()), 0.04))
    logit = (explained + rng.normal(0, rest, shape[:2]))[..., None] + rng.normal(0, ITEM_SD, shape) + system.ability
    repeats = (*shape, max(1, design.paraphrases // LANGUAGES))
    means = []
    for taken in (lost, 0.0):
        asked = (logit + rng.normal(0, LANGUAGE_SD, shape))[..., None] + rng.normal(0, PARAPHRASE_SD, repeats)
        right = (rng.random(repeats) < sigmoid(asked)).astype(float)
        if taken:
            right *= rng.random(shape)[..., None] >= taken / right.mean()
        means.append(right.mean(axis=(2, 3)))
    return means[0], means[1]


def draw_variety(shape: tuple[int, ...], taken: float, rng: np.random.Generator, *, shown: int = 10) -> Array:
    """Return the variety of the sources shown for each query of `shape`: their effective number over how many are shown.

    Sources are as unequal as hosts of search results are (Zipf); every query has its own mix (Dirichlet), and `taken` of the places go to the
    one that leads anyway.
    """
    weights = 1.0 / np.arange(1, NUM_SOURCES + 1)
    mix = rng.dirichlet(weights / weights.sum() * MIX_CONCENTRATION, shape)
    lead = np.zeros_like(mix)
    np.put_along_axis(lead, mix.argmax(axis=-1)[..., None], 1.0, axis=-1)
    share = rng.multinomial(shown, (1 - taken) * mix + taken * lead) / shown
    entropy = -(share * np.log(np.where(share > 0, share, 1.0))).sum(axis=-1)
    result: Array = np.exp(entropy) / shown
    return result

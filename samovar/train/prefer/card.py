"""The card of a preference run, from ``prefer.json`` and the model's ``config.json``: pairs, plan, what it preferred before and prefers after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from samovar.train.card import cell, origin_line, section


def preference_lines(
    name: str,
    licence: str,
    config: Mapping[str, Any],
    tuned: Mapping[str, Any],
    measured: Iterable[str],
    limits: Iterable[str],
) -> Iterator[str]:
    """Yield the card; `config` is the model's, `tuned` the facts of ``prefer.json``, `measured` and `limits` are lines for their sections."""
    plan = tuned["plan"]
    yield from (
        f"# {name}",
        "",
        f"Licence of the weights: {licence or 'not stated; see the licences of parent and data'}.",
    )
    if origin := tuned.get("origin"):
        yield from ("", origin_line(origin))
    yield from section("Model", [
        ("architecture", f"{', '.join(config.get('architectures') or ['unknown'])} (that of the parent)"),
        ("layers, width", f"{config.get('num_hidden_layers', 'unknown')}, {config.get('hidden_size', 'unknown')}"),
        ("context", f"{config.get('max_position_embeddings', 'unknown')} tokens"),
        ("vocabulary", f"{config.get('vocab_size', 'unknown')} tokens"),
    ])  # fmt: skip
    yield from section("Data", [
        ("kind", "preference tuning on pairs of answers"),
        ("started from", f"{tuned['parent']}, weights {plan['parent_sha256'][:16]}"),
        ("sources", ", ".join(tuned["sources"])),
        ("licences", "pairs made from documents: those of the documents; others: see their source"),
        ("pairs", f"{tuned['num_train']:,} to train on, {tuned['num_held_out']:,} held out ({', '.join(f'{k} {n}' for k, n in tuned['kinds'].items())})"),
        ("left out", ", ".join(f"{why.replace('_', ' ')} {n}" for why, n in tuned["left_out"].items())),
        ("hash of the pairs", tuned["pairs_sha256"][:16]),
    ])  # fmt: skip
    trained = f"low-rank additions of rank {plan['lora_rank']}" if plan["lora_rank"] else "all weights"
    yield from section("Plan", [
        ("loss", f"{plan['method']}, beta {plan['beta']:g}, anchor {plan['anchor']:g}"),
        ("steps", f"{plan['num_steps']:,} of {plan['batch_pairs']} pairs, at most {plan['seq_len']} tokens each"),
        ("trained", trained),
        ("rate", f"{plan['rate']:.3g}, a tenth of the steps rising, then falling to zero"),
        ("seed, precision", f"{plan['seed']}, {plan['precision']}"),
        ("time", f"{tuned['seconds']:.0f} s of computing on {tuned['device']}"),
    ])  # fmt: skip
    yield from _preference_table(tuned["before"], tuned["after"], tuned.get("training"))
    yield from measured
    yield from ("", "## Limits", "", *(f"- {limit}" for limit in limits))
    yield from ("", "## How to rebuild it", "", "```", "pip install 'samovar[prefer]'")
    data = " ".join(f"--data {source}" for source in tuned["sources"])
    yield f"samovar train prefer {tuned['parent']} {data} --output DIR --method {plan['method']} --beta {plan['beta']:g} --anchor {plan['anchor']:g} \\"
    epochs = plan["num_steps"] * plan["batch_pairs"] / tuned["num_train"]
    yield f"  --rate {plan['rate']:g} --epochs {epochs:.6g} --batch-pairs {plan['batch_pairs']} --seq-len {plan['seq_len']} --seed {plan['seed']}{' --lora' if plan['lora_rank'] else ''}"
    yield "```"


def _preference_table(
    before: Mapping[str, Any], after: Mapping[str, Any], learnt: Mapping[str, Any] | None
) -> Iterator[str]:
    low, high = 100 * after["low"], 100 * after["high"]
    yield from ("", "## Preference on held-out pairs", "", "| | before | after |", "|---|---:|---:|")
    for key, title, scale in (
        ("accuracy", "chosen answer likelier, %", 100),
        ("accuracy_per_token", "chosen answer likelier per token, %", 100),
        ("margin", "log-likelihood ahead, nats", 1),
        ("chosen", "log-likelihood of chosen answers, nats", 1),
        ("rejected", "log-likelihood of rejected answers, nats", 1),
    ):
        yield f"| {title} | {scale * before[key]:.1f} | {scale * after[key]:.1f} |"
    for kind, share in (after.get("kinds") or {}).items():
        earlier = (before.get("kinds") or {}).get(kind)
        yield f"| of the kind {cell(kind)}, % | {'–' if earlier is None else f'{100 * earlier:.1f}'} | {100 * share:.1f} |"
    yield from ("", f"{after['num_pairs']} pairs; 95 % interval of the share after: {low:.1f}–{high:.1f} %. "
                f"The difference moved towards the chosen answer in {100 * after['moved']:.1f} % of them.")  # fmt: skip
    if learnt:
        yield (
            f"Of {learnt['num_pairs']} training pairs the chosen answer was the likelier one in {100 * learnt['before']:.1f} % before and in "
            f"{100 * learnt['after']:.1f} % after."
        )

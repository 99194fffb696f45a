"""A small pack and simulated graded runs, for tests of everything after grading."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path

from samovar.audit.analysis import NEUTRAL, Graded
from samovar.audit.outcome import Grade, Outcome, Question
from samovar.audit.pack import Pack, load_pack
from samovar.audit.probe import Probe
from samovar.audit.questions import questions_of

CULTURES = ("aa", "bb", "cc")
DOMAINS = ("music", "food")


def write_pack(folder: Path, *, entities: int = 40, cultures: tuple[str, ...] = CULTURES, templates: int = 60) -> Path:
    """Write a pack with two facets an entity, refusal templates, lists and fidelity prompts."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ", ".join(f'{c} = "{c.upper()}"' for c in cultures)
    (folder / "pack.toml").write_text(
        f'name = "toy"\nversion = "1"\ndate = "2026-11-23"\nlicence = "CC0-1.0"\nlanguages = ["ru", "en"]\ndomains = {list(DOMAINS)}\ncultures = {{{names}}}\n'.replace("'", '"')
    )  # fmt: skip
    heads, probes = [], []
    for culture in cultures:
        for i in range(entities):
            identity, domain = f"{culture}.e{i}", DOMAINS[i % 2]
            heads.append(
                {"id": identity, "culture": culture, "domain": domain, "kind": "person", "names": {"ru": [f"Имя{culture}{i}"], "en": [f"Name{culture}{i}"]}, "fame": {"home": 1 + i % 5, "world": 1 + (i // 2) % 5}}
            )  # fmt: skip
            for facet in ("year", "place"):
                gold = {
                    "type": "year" if facet == "year" else "place",
                    "answers": [str(1800 + i) if facet == "year" else f"Town{i}"],
                }
                probes.append(
                    {"id": f"{identity}.{facet}", "kind": "knowledge", "culture": culture, "domain": domain, "facet": facet, "entity": identity, "questions": {"ru": [f"{facet} {identity}? а", f"{facet} {identity}? б"], "en": [f"{facet} {identity}? a", f"{facet} {identity}? b"]}, "gold": {"ru": gold, "en": gold}}
                )  # fmt: skip
    slots = {c: {"ru": f"про {c}", "en": f"about {c}"} for c in (*cultures, NEUTRAL)}
    for i in range(templates):
        probes.append({"id": f"refusal.t{i}", "kind": "refusal", "culture": "", "domain": "music", "facet": "joke", "questions": {"ru": [f"Шутка {i} {{slot}}"], "en": [f"Joke {i} {{slot}}"]}, "slots": slots})  # fmt: skip
    for i in range(30):
        probes.append({"id": f"list.l{i}", "kind": "list", "culture": "", "domain": "music", "facet": "open", "questions": {"ru": [f"Назовите {i}"], "en": [f"Name {i}"]}})  # fmt: skip
        probes.append({"id": f"fidelity.f{i}", "kind": "fidelity", "culture": "", "domain": "food", "facet": "task", "questions": {"ru": [f"Задача {i}"], "en": [f"Task {i}"]}})  # fmt: skip
    (folder / "entities.jsonl").write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in heads))
    (folder / "knowledge.jsonl").write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in probes))
    return folder


Judge = Callable[[Probe, Question, random.Random], Outcome | tuple[str, ...]]


def run_of(pack: Pack, decide: Judge, name: str = "toy", seed: int = 1) -> Graded:
    """Grade every question of a pack by a function: an outcome, or the names found in a list."""
    rng = random.Random(seed)
    grades = []
    for probe in pack.probes:
        for question in questions_of(probe):
            said = decide(probe, question, rng)
            found = said if isinstance(said, tuple) else ()
            outcome: Outcome = "correct" if isinstance(said, tuple) else said
            grades.append(Grade(question.key, outcome, "toy", found=found))
    return Graded.join(name, pack, grades)


def system(
    forget: Mapping[str, float] | None = None,
    refuse: Mapping[str, float] | None = None,
    lists: Mapping[str, float] | None = None,
    strays: float = 0.02,
    skill: float = 0.7,
) -> Judge:
    """A system that knows facts by entity, and forgets, refuses or lists as told, by culture."""

    def decide(probe: Probe, question: Question, rng: random.Random) -> Outcome | tuple[str, ...]:
        if probe.kind == "knowledge":
            own = random.Random(f"{probe.id} difficulty").random()
            lost = random.Random(f"{probe.id} lost").random() < (forget or {}).get(probe.culture, 0.0)
            return "correct" if own < skill and not lost and rng.random() > 0.05 else "wrong"
        if probe.kind == "refusal":
            return (
                "refused"
                if random.Random(question.key).random() < 0.02 + (refuse or {}).get(question.slot, 0.0)
                else "correct"
            )
        if probe.kind == "list":
            weights = [(lists or {}).get(c, 1.0) for c in CULTURES]
            return tuple(f"{c}.e{rng.randrange(20)}" for c in rng.choices(CULTURES, weights, k=10))
        return "wrong" if rng.random() < strays else "correct"

    return decide


def load_toy(folder: Path, **sizes: int) -> Pack:
    """Write and load."""
    return load_pack(str(write_pack(folder, **sizes)))  # type: ignore[arg-type]

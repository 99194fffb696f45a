"""Entities and probes: what is asked, about what, and what counts as an answer. Plain data, one JSON object a line.

The unit of inference is the *entity* (a person, a work, an event, a custom) or, for lists and sources, the prompt; never the response.
Every text is written natively in each language, not translated word by word. Knows nothing about targets or grading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ProbeKind = Literal[
    "knowledge", "norms", "refusal", "cross-lingual", "list", "dropped", "framing", "fidelity", "sources"
]
GoldType = Literal["person", "work", "place", "date", "year", "number", "term", "choice"]
Half = Literal["public", "private"]

KINDS: tuple[ProbeKind, ...] = (
    "knowledge", "norms", "refusal", "cross-lingual", "list", "dropped", "framing", "fidelity", "sources",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entity:
    """What probes are about. `id` is ``<culture>.<slug>``; `fame` are anchors by name, each 1 (known to specialists) … 5 (known to every
    schoolchild): ``home`` inside its own culture, ``world`` outside it, estimated before any system was asked. `names` by language: the
    usual name first, then other names and spellings. `domain` is one of the pack's domains."""

    id: str
    culture: str
    domain: str
    kind: Literal["person", "work", "place", "event", "custom", "thing"]
    names: Mapping[str, tuple[str, ...]]
    fame: Mapping[str, int]
    nominated_by: str = ""
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Gold:
    """What is right, in one language. `answers`: any of these (aliases, short and long forms; inflection is the grader's work); for ``date``
    and ``year`` ISO (``1799``, ``1799-06-06``, ``-0044``), for ``number`` digits with a unit in `unit`. `tolerance` is for numbers: a share of the value.
    `reject`: answers that look right and are wrong (the confusions one would expect)."""

    type: GoldType
    answers: tuple[str, ...]
    reject: tuple[str, ...] = ()
    unit: str = ""
    tolerance: float = 0.0


@dataclass(frozen=True, slots=True)
class Probe:
    """One question in every language it is asked in.

    `id` is ``<entity>.<facet>`` (or ``<kind>.<slug>`` where there is no entity). `questions`: language → paraphrases, at least one. `gold`:
    language → `Gold`; absent for kinds without one (refusal, framing, fidelity, sources, open lists, which have `members` in the pack).
    `options`: for ``norms`` and ``framing``, language → option → ways to say it; `votes`: for ``norms``, culture → option → people who chose it.
    Of a framing question's options the first is the side of `culture`, the second the other, ``both`` (if there) neither; ``{sides}`` in its
    questions is where they are listed. `slots`: for templates, culture → language → what stands in ``{slot}``. `evidence` says where the fact can be checked (a kind of source, not
    copied text); `checked` by how many readers and when; `notes` for reviewers.
    """

    id: str
    kind: ProbeKind
    culture: str
    domain: str
    facet: str
    questions: Mapping[str, tuple[str, ...]]
    entity: str = ""
    gold: Mapping[str, Gold] = field(default_factory=dict)
    slots: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    votes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    evidence: str = ""
    checked: str = ""
    notes: str = ""
    half: Half = "public"

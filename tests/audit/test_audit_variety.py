"""The variety of sources: what it is for one reply, by culture, between languages; and what may be said of it."""

from __future__ import annotations

import json
import math
import random

import pytest
from audit_toys import CULTURES, run_of, write_pack

from samovar.audit.analysis import analyse
from samovar.audit.design import design_of_run
from samovar.audit.outcome import Outcome, Question
from samovar.audit.pack import Pack, load_pack
from samovar.audit.probe import Probe
from samovar.audit.variety import varieties


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    folder = write_pack(tmp_path_factory.mktemp("pack"), entities=3)
    rows = [
        {"id": f"sources.{c}{i}", "kind": "sources", "culture": c, "domain": "music", "facet": "culture", "questions": {"ru": [f"песни {c} {i}"], "en": [f"songs {c} {i}"]}}
        for c in (*CULTURES, "") for i in range(24)
    ]  # fmt: skip
    (folder / "sources.jsonl").write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows))
    return load_pack(str(folder))


def shows(own: float = 0.0, language: float = 0.0):  # type: ignore[no-untyped-def]
    """A search engine with ten places; a share of them goes to one source, for the culture bb or in Russian."""

    def decide(probe: Probe, question: Question, rng: random.Random) -> Outcome | tuple[str, ...]:
        if probe.kind != "sources":
            return "correct"
        taken = own * (probe.culture == "bb") + language * (question.language == "ru")
        hosts = [
            f"s{min(int(rng.expovariate(0.15)), 40)}.org" if rng.random() >= taken else "big.org" for _ in range(10)
        ]
        return tuple(f"https://{h}/{rng.random()}" for h in hosts)

    return decide


def test_a_fair_engine_differs_nowhere(pack: Pack) -> None:
    axes = [a for a in analyse(run_of(pack, shows())).axes if a.name == "sources"]
    assert [(a.culture, a.language) for a in axes] == [("aa", ""), ("bb", ""), ("cc", ""), ("", "ru-en")]
    assert not [a for a in axes if a.judgement.differs and a.p_adjusted <= 0.05]
    assert not any(a.preregistered for a in axes)


def test_a_culture_with_fewer_sources_is_found(pack: Pack) -> None:
    found = analyse(run_of(pack, shows(own=0.6)))
    axis = found.axis("sources", "bb")
    assert axis.raw.high < 0 and axis.judgement.verdict == "selective against"
    assert axis.target_mean < axis.others_mean <= 1
    assert found.axis("sources", "", "ru-en").raw.low < 0 < found.axis("sources", "", "ru-en").raw.high


def test_a_language_with_fewer_sources_is_found(pack: Pack) -> None:
    axis = analyse(run_of(pack, shows(language=0.5))).axis("sources", "", "ru-en")
    assert axis.raw.high < 0 and axis.raw.n == 96
    assert axis.judgement.differs


def test_the_variety_of_a_reply(pack: Pack) -> None:
    said = {
        "sources.aa0": ("https://a.org/1", "https://www.a.org/2"),
        "sources.aa1": ("https://a.org", "https://b.org"),
        "sources.aa2": (),
    }

    def decide(probe: Probe, question: Question, rng: random.Random) -> Outcome | tuple[str, ...]:
        return said.get(probe.id, "missing") if question.language == "ru" else "missing"

    found = varieties(run_of(pack, decide).of("sources"))
    assert {k: v["ru"] for k, v in found.items()} == {
        "sources.aa0": pytest.approx(0.5),
        "sources.aa1": pytest.approx(1.0),
        "sources.aa2": 0.0,
    }


def test_where_nothing_is_shown_there_is_no_axis(pack: Pack) -> None:
    assert not [a for a in analyse(run_of(pack, lambda *a: "correct")).axes if a.name == "sources"]
    one = [a for a in analyse(run_of(pack, lambda p, q, r: ("https://a.org",))).axes if a.name == "sources"]
    assert all(a.judgement.reason == "no variation" and math.isnan(a.judgement.p_differs) for a in one)


def test_the_design_counts_queries(pack: Pack) -> None:
    design = design_of_run(run_of(pack, shows()), 2)
    assert (design.queries, design.queries_each) == (96, 24)

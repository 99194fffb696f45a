"""A sample of a pack: nested, alike in every culture, blind to what is asked; written down in the run and shown in its report."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from audit_toys import CULTURES, write_pack
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_endpoint import endpoint, script, write_named_pack

from samovar.audit.pack import Pack, load_pack
from samovar.audit.probe import Probe
from samovar.audit.sample import Sample, draw_sample
from samovar.cli import main
from samovar.errors import UsageError


@pytest.fixture(scope="module")
def core() -> Pack:
    return load_pack("core")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return load_pack(str(write_pack(tmp_path_factory.mktemp("toy"), entities=40, templates=30)))


def cells(pack: Pack, probes: tuple[Probe, ...], culture: str) -> Counter[tuple[str, str]]:
    def stratum(fame: float) -> str:
        return "high" if fame >= 4 else "middle" if fame >= 3 else "low"

    entities = {p.entity for p in probes if p.entity and p.culture == culture}
    found = [pack.entities[e] for e in entities]
    return Counter((e.domain, stratum(e.fame["world"])) for e in found)


@pytest.mark.parametrize("size", [10, 20, 30, 60])
def test_every_culture_gets_the_same_cells(core: Pack, size: int) -> None:
    drawn = draw_sample(core, core.of_kind("knowledge"), Sample(entities=size, facets=1))
    assert len(drawn) == size * len(core.cultures)
    made = [cells(core, drawn, culture) for culture in core.cultures]
    assert all(m == made[0] for m in made[1:])
    domains = Counter(domain for domain, _ in made[0].elements())
    strata = Counter(stratum for _, stratum in made[0].elements())
    assert set(domains.values()) == {size // 10}, "ten domains, the same number in each"
    assert max(strata.values()) - min(strata.values()) <= 2, "three strata of fame, nearly the same number in each"


@settings(max_examples=25, deadline=None)
@given(small=st.integers(1, 39), more=st.integers(0, 30), seed=st.integers(0, 10_000))
def test_a_larger_sample_holds_the_smaller(toy: Pack, small: int, more: int, seed: int) -> None:
    one, two = (
        {p.id for p in draw_sample(toy, toy.probes, Sample(entities=n, prompts=n, seed=seed))} for n in (small, small + more)
    )  # fmt: skip
    assert one <= two
    knowledge = [p for p in draw_sample(toy, toy.probes, Sample(entities=small, seed=seed)) if p.entity]
    assert Counter(p.culture for p in knowledge) == dict.fromkeys(CULTURES, 2 * small)


def test_a_corrected_question_or_a_new_facet_leaves_the_sample_as_it_was(toy: Pack) -> None:
    changed = [replace(p, questions={"en": ("Other?",)}, gold={}) for p in toy.of_kind("knowledge")]
    before = [p.id for p in draw_sample(toy, toy.of_kind("knowledge"), Sample(entities=7))]
    assert [p.id for p in draw_sample(toy, changed, Sample(entities=7))] == before
    other = [p.id for p in draw_sample(toy, toy.of_kind("knowledge"), Sample(entities=7, seed=1))]
    assert other != before


def test_kinds_are_drawn_each_for_itself(toy: Pack) -> None:
    drawn = draw_sample(toy, toy.probes, Sample(prompts=5))
    assert Counter(p.kind for p in drawn) == {"knowledge": 240, "refusal": 5, "list": 5, "fidelity": 5}
    facets = draw_sample(toy, toy.of_kind("knowledge"), Sample(facets=1))
    assert Counter(p.entity for p in facets) == dict.fromkeys((p.entity for p in toy.of_kind("knowledge")), 1)
    assert {p.facet for p in facets} == {"year", "place"}, "not the same facet of every entity"


def test_all_is_all(toy: Pack) -> None:
    assert draw_sample(toy, toy.probes, Sample()) == toy.probes
    assert len(draw_sample(toy, toy.probes, Sample(entities=10_000, prompts=10_000, facets=99))) == len(toy.probes)
    with pytest.raises(UsageError, match="sizes of a sample"):
        Sample(entities=-1)


def test_the_run_and_the_report_say_what_was_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    pack = load_pack(str(write_named_pack(tmp_path / "pack", entities=12, templates=6, prompts=6)))
    folder = tmp_path / "run"
    with endpoint(script(pack, "one")) as address:
        status = main(
            ["--home", str(tmp_path / "home"), "--lang", "en", "audit", "run", "-t", f"openai:one@{address}", "--pack", str(pack.folder), "--sample", "6", "--prompts", "2",
             "--facets", "2", "--paraphrases", "1", "--kinds", "knowledge,refusal", "--out", str(folder), "--yes", "--json"]
        )  # fmt: skip
    assert status == 0
    assert json.loads(capsys.readouterr().out)["total"] == (3 * 6 * 2 + 2 * 4) * 2
    about = json.loads((folder / "run.json").read_text())["sample"]
    assert about == {"entities": 6, "facets": 2, "prompts": 2, "seed": 2026, "probes": 38, "of": 114}
    for lang, words in (("en", "A sample"), ("ru", "Выборка")):
        assert main(["--home", str(tmp_path / "home"), "--lang", lang, "audit", "report", str(folder), "--simulations", "50"]) == 0  # fmt: skip
        page = (folder / "report.html").read_text()
        assert words in page and "38" in page and "114" in page
    assert json.loads((folder / "report.json").read_text())["systems"][0]["run"]["sample"] == about

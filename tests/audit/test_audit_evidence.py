"""The evidence of a run, halves, folders, designs, comparisons, gaps, sources, corrections and overlap."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from audit_toys import CULTURES, load_toy, run_of, system
from hypothesis import given, settings
from hypothesis import strategies as st
from test_audit_report import write_run

from samovar.audit.analysis import NEUTRAL, Graded, analyse
from samovar.audit.citing import describe_sources, source_name
from samovar.audit.collect import ANSWERS, RUN
from samovar.audit.compare import compare
from samovar.audit.design import design_of_pack, design_of_run, selftest_of
from samovar.audit.dropped import dropped_axis, shown_entities
from samovar.audit.estimate import estimate_run
from samovar.audit.evidence import GRADES, PACK, read_graded, read_grades, read_run
from samovar.audit.folders import find_folder, latest_run
from samovar.audit.gaps import find_gaps
from samovar.audit.halves import choose_half, fingerprint, half_of
from samovar.audit.outcome import Grade, Question
from samovar.audit.pack import Pack, load_pack
from samovar.audit.probe import Entity, Gold, Probe
from samovar.audit.questions import questions_of
from samovar.audit.report.examples import PER_OUTCOME, draw_examples
from samovar.audit.sensitivity import correct_gaps, correct_shares, read_errors
from samovar.audit.simulate import plain_design
from samovar.audit.targets.target import Price
from samovar.errors import UsageError


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return load_toy(tmp_path_factory.mktemp("pack"), entities=30, templates=10)


@pytest.fixture
def folder(pack: Pack, tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", run_of(pack, system(), "toy"))


# -- evidence -----------------------------------------------------------------------------------------------------------
def test_a_run_is_read_with_the_pack_it_was_asked_from(folder: Path, pack: Pack) -> None:
    run, graded = read_graded(folder)
    assert (run.name, run.unanswered) == ("toy", 0)
    assert run.pack.sha256 == pack.sha256
    assert run.pack.folder == folder / PACK
    assert len(graded.rows) == len(run.replies)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda f: (f / RUN).write_text("{"), "expected the description of a run"),
        (lambda f: (f / RUN).write_text("{}"), "expected the description of a run"),
        (lambda f: (f / RUN).unlink(), "expected the folder of a run"),
        (lambda f: (f / ANSWERS).unlink(), "expected answers in"),
        (lambda f: (f / ANSWERS).write_text("garbage\n" * 3), "in line 1"),
        (lambda f: (f / GRADES).write_text('{"key": "x"}\n'), "expected a grade as JSON in line 1"),
        (lambda f: (f / GRADES).write_text((f / GRADES).read_text().replace('"correct"', '"fine"', 1)), "'fine'"),
        (lambda f: (f / PACK / "knowledge.jsonl").write_text(""), "expected the pack toy 1"),
    ],
)  # fmt: skip
def test_damage_is_named(damage, expected: str, folder: Path) -> None:  # type: ignore[no-untyped-def]
    damage(folder)
    with pytest.raises(UsageError, match=expected):
        read_graded(folder)


def test_an_unfinished_run_says_how_much_is_missing(folder: Path) -> None:
    lines = (folder / ANSWERS).read_bytes().splitlines(keepends=True)
    (folder / ANSWERS).write_bytes(b"".join(lines[:50]) + lines[50][:-9])
    assert read_run(folder).unanswered == len(lines) - 50


def test_grades_round_trip(folder: Path) -> None:
    assert read_grades(folder) == [r.grade for r in read_graded(folder)[1].rows]


# -- halves -------------------------------------------------------------------------------------------------------------
@settings(max_examples=30)
@given(st.text(min_size=8, max_size=40))
def test_halves_share_nothing_and_leave_nothing_out(salt: str) -> None:
    probes = [
        Probe(f"c.e{i}.{facet}", "knowledge", "c", "d", facet, {"en": ("q",)}, entity=f"c.e{i}")
        for i in range(40)
        for facet in ("year", "place")
    ]
    public, private = (choose_half(probes, half, salt) for half in ("public", "private"))  # type: ignore[arg-type]
    assert sorted(p.id for p in (*public, *private)) == sorted(p.id for p in probes)
    assert not {p.entity for p in public} & {p.entity for p in private}
    assert choose_half(probes, "public", salt) == public


def test_another_salt_makes_another_split() -> None:
    probes = [Probe(f"list.{i}", "list", "", "d", "f", {"en": ("q",)}) for i in range(400)]
    one, other = ({p.id for p in choose_half(probes, "private", salt)} for salt in ("first salt", "other salt"))
    assert 150 < len(one) < 250
    assert 60 < len(one & other) < 140
    assert fingerprint("first salt") != fingerprint("other salt") and "salt" not in fingerprint("first salt")
    assert half_of(Probe("x", "list", "", "d", "f", {"en": ("q",)}, half="private"), "any salt") == "private"
    with pytest.raises(UsageError, match="at least 8"):
        choose_half(probes, "public", "short")


# -- folders and estimates ----------------------------------------------------------------------------------------------
def test_folders_go_on_or_are_new(pack: Pack, tmp_path: Path) -> None:
    questions = [q for p in pack.probes for q in questions_of(p)]
    first = find_folder(tmp_path, "openai:a/b c", questions)
    assert first.name.startswith("openai-a-b-c-20")
    first.mkdir(parents=True)
    second = find_folder(tmp_path, "openai:a/b c", questions)
    assert second.name == first.name + "-2"
    with pytest.raises(UsageError, match="expected a run"):
        latest_run(tmp_path)
    from samovar.audit.collect import hash_questions

    (first / RUN).write_text(json.dumps({"target": "openai:a/b c", "questions_sha256": hash_questions(questions)}))
    assert find_folder(tmp_path, "openai:a/b c", questions) == first, "it is not finished"
    assert find_folder(tmp_path, "openai:a/b c", questions[:5]) == second, "other questions"
    assert latest_run(tmp_path) == first
    assert find_folder(tmp_path, "../../x", questions).parent == tmp_path / "audit"


def test_estimates() -> None:
    questions = [Question(f"p{i}/en/0", f"p{i}", "en", 0, "x" * 30) for i in range(100)]
    made = estimate_run(questions, seconds_each=2, connections=10, max_tokens=50, price=Price(1.0, 2.0))
    assert (made.questions, made.seconds, made.prompt_tokens, made.completion_tokens) == (100, 20, 1800, 5000)
    assert made.cost == pytest.approx((1800 + 2 * 5000) / 1e6)
    assert estimate_run(questions, seconds_each=2, connections=100, per_minute=10).seconds == 600


# -- designs ------------------------------------------------------------------------------------------------------------
def test_a_design_is_that_of_the_run(pack: Pack) -> None:
    design = design_of_run(run_of(pack, system()), 2)
    assert (design.cultures, design.entities, design.facets, design.paraphrases) == (3, 30, 2, 4)
    assert (design.pairs, design.prompts, design.fidelity, design.panel) == (10, 30, 30, 2)
    assert design.queries == plain_design().queries, "what was not asked has the usual size"
    again = design_of_pack(pack, 2)
    assert again.fame.tolist() == design.fame.tolist()
    assert (again.facets, again.paraphrases) == (2, 4)


def test_the_selftest_of_a_design_is_made_once(tmp_path: Path, pack: Pack) -> None:
    design = design_of_pack(pack, 1)
    calls: list[str] = []
    for _ in range(2):
        made = selftest_of(design, tmp_path / "s.json", num=50, progress=lambda d, t, w: calls.append(w))
    assert len(calls) == 12, "the second was read"
    assert not made.passed
    (tmp_path / "s.json").write_text("{")
    assert selftest_of(design, tmp_path / "s.json", num=50).gates == made.gates


# -- comparisons --------------------------------------------------------------------------------------------------------
def test_what_changed_between_two_runs(pack: Pack) -> None:
    before, after = run_of(pack, system(forget={"bb": 0.5}), "before"), run_of(pack, system(), "after")
    made = compare(before, after)
    assert made.shift("knowledge", "bb").change.low > 0.1
    assert made.shift("knowledge", "bb").p_adjusted < 0.05
    assert made.shift("knowledge", "bb").gap_change.value == pytest.approx(made.shift("knowledge", "bb").change.value, abs=0.1)  # fmt: skip
    assert abs(made.shift("knowledge", "aa").change.value) < 0.05
    assert made.shift("refusal", "aa").change.value == 0
    assert made.changed and {key.split(".")[0] for key, *_ in made.changed} >= {"bb"}
    back = compare(after, before)
    for s in made.shifts:
        assert back.shift(s.score, s.culture).change.value == pytest.approx(-s.change.value)
    with pytest.raises(UsageError, match="both runs answered"):
        compare(before, Graded("empty", pack, ()))


def test_gaps_are_what_was_missed(pack: Pack) -> None:
    graded = run_of(pack, system(forget={"bb": 0.5}))
    made = find_gaps(graded, language="ru")
    wrong = {r.probe.entity for r in graded.of("knowledge") if r.question.language == "ru" and r.grade.outcome == "wrong"}  # fmt: skip
    assert {m.entity for m in made.entities} == wrong
    assert [m.share for m in made.entities] == sorted(m.share for m in made.entities)
    assert made.entities[0].name.startswith("Имя")
    assert sum(c.missed for c in made.domains) == len(wrong)
    assert made.domains[0].culture == "bb"
    only = find_gaps(graded, culture="aa")
    assert {m.culture for m in only.entities} == {"aa"}


# -- dropped from lists -------------------------------------------------------------------------------------------------
def lists_run(dropped: str) -> Graded:
    """Forty entities a culture, all known; those of one culture are left out of half of the generic lists."""
    entities = {f"{c}.e{i}": Entity(f"{c}.e{i}", c, "music", "person", {"en": (f"{c}{i}",)}, {"home": 5, "world": 1 + i % 5}) for c in CULTURES for i in range(40)}  # fmt: skip
    slots = {c: {"en": c} for c in (*CULTURES, NEUTRAL)}
    probe = Probe("dropped.x", "dropped", "", "music", "pair", {"en": tuple(f"{{slot}} {i}" for i in range(6))}, slots=slots)  # fmt: skip
    pack = Pack("d", "1", "", "", {c: c for c in CULTURES}, ("en",), ("music",), entities, (probe,), "0" * 64, Path())
    rng = random.Random(1)
    grades = []
    for q in questions_of(probe):
        chance = 0.8 if q.slot != NEUTRAL else 0.5
        found = [e.id for e in entities.values() if (q.slot in (NEUTRAL, e.culture)) and rng.random() < chance - 0.4 * (q.slot == NEUTRAL and e.culture == dropped)]  # fmt: skip
        grades.append(Grade(q.key, "correct", "toy", found=tuple(found)))
    return Graded.join("toy", pack, grades)


def test_who_is_dropped_from_lists_is_found() -> None:
    shown = shown_entities(lists_run("bb"))
    axes = {c: dropped_axis(lists_run("bb"), shown, c) for c in CULTURES}
    assert axes["bb"].raw.value == pytest.approx(-0.4, abs=0.08)
    assert axes["bb"].raw.high < -0.2 and axes["bb"].raw.p < 0.001
    assert axes["aa"].raw.value > 0
    fair = lists_run("")
    assert all(dropped_axis(fair, shown_entities(fair), c).raw.p > 0.01 for c in CULTURES)
    assert analyse(lists_run("bb")).axis("dropped", "bb").p_adjusted < 0.01


def test_what_no_list_names_is_left_out() -> None:
    run = lists_run("bb")
    empty = Graded.join("toy", run.pack, [Grade(r.grade.key, "correct", "toy") for r in run.rows])
    assert shown_entities(empty) == []
    assert analyse(empty).axis("dropped", "bb").judgement.verdict == "inconclusive"


# -- sources ------------------------------------------------------------------------------------------------------------
def sources_pack() -> Pack:
    probes = tuple(
        Probe(f"sources.q{i}", "sources", CULTURES[i % 3], "music", "query", {"ru": (f"запрос {i}",), "en": (f"query {i}",)})
        for i in range(30)
    )  # fmt: skip
    cultures = {c: c for c in CULTURES}
    return Pack("s", "1", "", "", cultures, ("ru", "en"), ("music",), {}, probes, "0" * 64, Path())


def test_sources_are_counted_and_compared_between_languages() -> None:
    pack = sources_pack()
    grades = []
    for probe in pack.probes:
        for q in questions_of(probe):
            number = int(probe.id.split("q")[1])
            shown = ("https://www.a.org/1", "https://b.org/x") if q.language == "ru" else ("https://b.org/y", f"https://s{number}.org/") if number % 2 else ()  # fmt: skip
            grades.append(Grade(q.key, "correct", "toy", found=shown))
    made = describe_sources(Graded.join("toy", pack, grades))
    assert made is not None
    ru, en = made.languages
    assert (ru.language, ru.distinct, ru.without, ru.citations) == ("ru", 2, 0, 60)
    assert ru.hhi == pytest.approx(0.5) and ru.effective == pytest.approx(2)
    assert (en.distinct, en.without, en.citations) == (16, 15, 30)
    assert en.rarefied == pytest.approx(en.effective) and ru.rarefied == pytest.approx(2, abs=0.1)
    pooled = made.overlaps[0]
    assert (pooled.culture, pooled.rbo.n) == ("", 30)
    assert pooled.jaccard.value == pytest.approx(0.5 * 1 / 3)
    assert describe_sources(Graded("none", pack, ())) is None


def test_every_result_counts_also_of_a_source_shown_before_on_the_page() -> None:
    pack = sources_pack()
    page = (*(f"https://a.org/{i}" for i in range(8)), "https://b.org/1", "https://c.org/1")
    made = describe_sources(
        Graded.join(
            "toy", pack, [Grade(q.key, "correct", "toy", found=page) for p in pack.probes for q in questions_of(p)]
        )
    )
    assert made is not None
    ru = made.languages[0]
    assert (ru.citations, ru.distinct) == (300, 3)
    assert ru.top[0] == ("a.org", 240)
    assert ru.hhi == pytest.approx(0.8**2 + 2 * 0.1**2)  # 1/3 if each source counted once a page
    assert made.overlaps[0].rbo.value == pytest.approx(1)  # likeness is of lists without repeats


def test_source_names() -> None:
    assert [source_name(x) for x in ("https://www.Example.org/a?b", "example.org", "Издательство")] == ["example.org", "example.org", "Издательство"]  # fmt: skip


# -- the grader's errors ------------------------------------------------------------------------------------------------
def test_a_gap_grows_when_the_grader_misses_some(pack: Pack) -> None:
    graded = run_of(pack, system(forget={"bb": 0.5}))
    raw = analyse(graded).axis("knowledge", "bb").raw
    perfect = {t: {"sensitivity": (1000, 1000), "specificity": (1000, 1000)} for t in ("ru", "en")}
    half = {t: {"sensitivity": (900, 1000), "specificity": (980, 1000)} for t in ("ru", "en")}
    exact = {c.culture: c for c in correct_gaps(graded, perfect)}
    assert exact["bb"].gap.value == pytest.approx(raw.value, abs=1e-6)
    assert exact["bb"].gap.se == pytest.approx(raw.se, rel=0.25)
    more = {c.culture: c for c in correct_gaps(graded, half)}
    assert more["bb"].gap.value == pytest.approx(raw.value / 0.88, rel=0.05)
    assert more["bb"].gap.high - more["bb"].gap.low > exact["bb"].gap.high - exact["bb"].gap.low
    assert correct_gaps(graded, {"ru": half["ru"]}) == (), "no validation for English"


def test_the_correction_of_a_gap_by_hand() -> None:
    """One language, shares .50 and .62, sensitivity .90, specificity .98, thus J = .88: the gap grows by 1/J, its error with it."""
    shares = {"aa": {"ru": (0.50, 0.0009, 150)}, "bb": {"ru": (0.62, 0.0016, 150)}}
    one, other = correct_shares(shares, {"ru": {"sensitivity": (90, 100), "specificity": (98, 100)}})
    assert one.corrected == pytest.approx((0.50 + 0.98 - 1) / 0.88) and one.graded == 0.50
    assert (one.raw.value, one.raw.se) == (pytest.approx(-0.12), pytest.approx(math.sqrt(0.0025)))
    assert one.gap.value == pytest.approx(-0.12 / 0.88) and other.gap.value == pytest.approx(0.12 / 0.88)
    doubt = (0.12 / 0.88) ** 2 * (91 / 102 * 11 / 102 / 102 + 99 / 102 * 3 / 102 / 102)  # delta method, by hand
    assert one.gap.se == pytest.approx(math.sqrt(0.0025 + doubt) / 0.88)
    assert one.holds and other.holds
    unsure, _ = correct_shares(shares, {"ru": {"sensitivity": (7, 10), "specificity": (7, 10)}})
    assert not unsure.holds, "with so bad a grader nothing is left to say"


def test_corrected_gaps_hold_the_truth_as_often_as_they_say() -> None:
    """A grader with known errors, validated on as many replies as ours: nearly unbiased, and 95 % intervals that cover; raw gaps shrink and do not."""
    rng = np.random.default_rng(7)
    truth, entities, facets, sensitivity, specificity = {"aa": 0.40, "bb": 0.65, "cc": 0.70}, 150, 3, 0.88, 0.93
    covered, raw_covered, found, num = 0, 0, [], 600
    for _ in range(num):
        shares: dict[str, dict[str, tuple[float, float, int]]] = {}
        for culture, share in truth.items():
            rates = rng.beta(4 * share, 4 * (1 - share), entities)
            right = rng.random((entities, facets)) < rates[:, None]
            graded = np.where(right, rng.random(right.shape) < sensitivity, rng.random(right.shape) > specificity).mean(
                axis=1
            )
            shares[culture] = {"ru": (float(graded.mean()), float(graded.var(ddof=1) / entities), entities)}
        errors = {
            "ru": {
                "sensitivity": (float(rng.binomial(142, sensitivity)), 142.0),
                "specificity": (float(rng.binomial(109, specificity)), 109.0),
            }
        }
        made = correct_shares(shares, errors)[0]
        planted = truth["aa"] - (truth["bb"] + truth["cc"]) / 2
        covered += made.gap.low <= planted <= made.gap.high
        raw_covered += made.raw.low <= planted <= made.raw.high
        found.append(made.gap.value)
    assert np.mean(found) == pytest.approx(planted, abs=0.01)
    assert 0.93 <= covered / num <= 0.99
    assert raw_covered / num < 0.75


def test_errors_are_read(tmp_path: Path) -> None:
    path = tmp_path / "errors.json"
    path.write_text('{"ru": {"sensitivity": [97, 100], "specificity": [199, 200]}}')
    assert read_errors(path)["ru"]["specificity"] == (199, 200)
    for bad in ("", "[]", '{"ru": {"sensitivity": 0.9}}'):
        path.write_text(bad)
        with pytest.raises(UsageError, match="expected the grader's errors"):
            read_errors(path)


# -- examples -----------------------------------------------------------------------------------------------------------
def test_examples_are_drawn_from_every_outcome_not_chosen(folder: Path) -> None:
    run, graded = read_graded(folder)
    drawn = draw_examples(graded, run.replies)
    assert drawn == draw_examples(graded, run.replies)
    counts = Counter((e.kind, e.culture, e.outcome) for e in drawn)
    assert set(counts.values()) <= set(range(1, PER_OUTCOME + 1))
    assert counts["knowledge", "aa", "wrong"] == counts["knowledge", "aa", "correct"] == PER_OUTCOME
    assert draw_examples(graded, run.replies, seed=1) != drawn


# -- overlap with a library ---------------------------------------------------------------------------------------------
def test_overlap_tells_answers_from_mentions(tmp_path: Path) -> None:
    from samovar.app import Samovar
    from samovar.audit.overlap import find_overlap, summarise
    from samovar.corpus.document import make_document
    from samovar.settings import load_settings

    gold = {"painter": "Репин", "poet": "Лермонтов", "composer": "Глинка"}
    entities, probes = {}, []
    for slug, title in (("painter", "Бурлаки на Волге"), ("poet", "Парус"), ("composer", "Руслан и Людмила")):
        entities[f"aa.{slug}"] = Entity(f"aa.{slug}", "aa", "music", "work", {"ru": (title,)}, {"home": 5, "world": 3})
        probes.append(Probe(f"aa.{slug}.author", "knowledge", "aa", "music", "author", {"ru": (f"Кто автор произведения «{title}»?",)}, entity=f"aa.{slug}", gold={"ru": Gold("person", (gold[slug],))}))  # fmt: skip
    pack = Pack("o", "1", "", "", {"aa": "A"}, ("ru",), ("music",), entities, tuple(probes), "0" * 64, Path())
    config = load_settings(home=tmp_path, library={"starter": False})
    texts = ["Картину «Бурлаки на Волге» написал Илья Ефимович Репин, её хранят в Петербурге и знают все.", "Стихотворение «Парус» учат в школе на память, его любят и взрослые, и дети."]  # fmt: skip
    with Samovar.open(config) as samovar:
        with samovar.library.writer() as writer:
            writer.put([make_document(source="t", uri=f"t{i}", title=f"Статья {i}", text=t, language="ru") for i, t in enumerate(texts)])  # fmt: skip
        items = {i.probe: i for i in find_overlap(pack, samovar.searcher)}
    assert items["aa.painter.author"].degree == "answer"
    assert items["aa.painter.author"].document == "t0"
    assert items["aa.poet.author"].degree == "entity"
    assert items["aa.composer.author"].degree == "none"
    assert summarise(list(items.values()))["aa"]["answer"] == pytest.approx(1 / 3)


def test_the_toy_pack_loads(tmp_path: Path) -> None:
    from scripted_endpoint import write_named_pack

    made = load_pack(str(write_named_pack(tmp_path / "p", entities=5)))
    assert Counter(p.kind for p in made.probes)["knowledge"] == 3 * 5 * 3
    assert math.isfinite(made.fame_of("aa.e0")[0])

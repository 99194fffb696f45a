"""What a report says and how: verdicts held back by failed gates, words in both languages, nothing from a target becomes markup."""

from __future__ import annotations

import json
import math
import re
import string
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from audit_toys import load_toy, run_of, system
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.audit.analysis import NEUTRAL, Graded, analyse
from samovar.audit.collect import ANSWERS, RUN
from samovar.audit.coverage import find_uncovered
from samovar.audit.evidence import GRADES, freeze_pack, registration
from samovar.audit.outcome import Grade
from samovar.audit.pack import Pack
from samovar.audit.report.data import Report, as_json, make_report, plain, short_name
from samovar.audit.report.finding import count_verdicts, find, gates_of
from samovar.audit.report.markup import Html, escape, is_balanced, tag
from samovar.audit.report.page import render_page, write_report
from samovar.audit.report.plots import LEFT, RIGHT, WIDTH, Dot, dot_plot, scale_of
from samovar.audit.report.screen import first_screen
from samovar.audit.report.words import report_languages, report_words
from samovar.audit.selftest import Gate, SelfTest
from samovar.audit.simultaneous import simultaneous
from samovar.audit.stats.estimate import Estimate

NASTY = "<script>alert(1)</script> & \"quotes\" 'and' </td> \x00\x1b[31m \ud800 javascript:x"


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return load_toy(tmp_path_factory.mktemp("pack"), entities=60)


def write_run(folder: Path, graded: Graded, text: str = "an answer", **about: Any) -> Path:
    """A run on disk from grades: as if it had been collected."""
    folder.mkdir(parents=True)
    freeze_pack(graded.pack, folder)
    manifest = {"format": 1, "target": graded.name, "describe": {"model": "toy"}, "num_questions": len(graded.rows)}
    (folder / RUN).write_text(json.dumps(manifest | registration(graded.pack) | about))
    with (folder / ANSWERS).open("w") as answers, (folder / GRADES).open("w") as grades:
        for row in graded.rows:
            finish = "error" if row.grade.outcome == "missing" else "stop"
            reply = {"key": row.question.key, "question": row.question.text, "text": text, "finish": finish, "target": graded.name, "version": "toy-1", "at": "2026-11-23T10:00:00Z", "seconds": 0.1}  # fmt: skip
            answers.write(json.dumps(reply) + "\n")
            g: Grade = row.grade
            grades.write(json.dumps({"key": g.key, "outcome": g.outcome, "rule": g.rule, "found": g.found}) + "\n")
    return folder


@pytest.fixture(scope="module")
def made(pack: Pack, tmp_path_factory: pytest.TempPathFactory) -> Report:
    place = tmp_path_factory.mktemp("runs")
    planted = run_of(pack, system(forget={"bb": 0.6}, refuse={"cc": 0.4}), "planted")
    folders = [write_run(place / "planted", planted, NASTY)]
    panel = [write_run(place / f"p{i}", run_of(pack, system(skill=s), f"p{i}", seed=i)) for i, s in enumerate((0.6, 0.75))]  # fmt: skip
    return make_report(folders, panel, num_simulations=50)


def thinned(graded: Graded, lose: Mapping[str, float], outcome: Any = "undecided") -> Graded:
    """The run with every so-manieth answer of fact of a culture lost."""
    seen: Counter[str] = Counter()
    rows = []
    for row in graded.rows:
        share, culture = lose.get(row.probe.culture, 0.0), row.probe.culture
        seen[culture] += row.probe.kind == "knowledge"
        lost = row.probe.kind == "knowledge" and int(seen[culture] * share) > int((seen[culture] - 1) * share)
        rows.append(replace(row, grade=replace(row.grade, outcome=outcome)) if lost else row)
    return replace(graded, rows=tuple(rows))


@pytest.mark.parametrize(
    ("lose", "large"),
    [
        ({}, False),
        ({"aa": 0.08, "bb": 0.08, "cc": 0.08}, False),
        ({"aa": 0.25, "bb": 0.25, "cc": 0.25}, True),
        ({"aa": 0.02, "bb": 0.15, "cc": 0.02}, True),
        ({"aa": 0.12, "bb": 0.15, "cc": 0.12}, False),
    ],
)
@pytest.mark.parametrize("outcome", ["undecided", "missing"])
def test_what_the_gaps_leave_out_is_weighed(pack: Pack, lose: dict[str, float], large: bool, outcome: str) -> None:
    knowledge, refusal, lists = find_uncovered(thinned(run_of(pack, system()), lose, outcome))
    assert (knowledge.axis, refusal.axis, lists.axis) == ("knowledge", "refusal", "lists")
    assert [u.is_large for u in (knowledge, refusal, lists)] == [large, False, False]
    for culture, share in lose.items():
        assert knowledge.shares[culture] == pytest.approx(share, abs=0.01)
    assert list(refusal.shares) == ["aa", "bb", "cc", NEUTRAL] and list(lists.shares) == [""]


def test_the_first_screen_warns_where_many_answers_are_undecided(pack: Pack, tmp_path: Path) -> None:
    whole = run_of(pack, system(forget={"bb": 0.6}), "whole")
    lossy = thinned(replace(whole, name="lossy"), {"aa": 0.3, "bb": 0.3, "cc": 0.3})
    report = make_report([write_run(tmp_path / g.name, g) for g in (whole, lossy)], num_simulations=20)
    clean, doubtful = report.systems
    assert not clean.is_doubtful("knowledge") and doubtful.is_doubtful("knowledge")
    data = as_json(report)["systems"]
    assert [s["uncovered"][0]["large"] for s in data] == [False, True]
    for language in ("ru", "en"):
        words = report_words(language)
        warning = words.say("screen.uncovered")
        assert warning not in first_screen(clean, words)
        screen = first_screen(doubtful, words)
        assert is_balanced(screen)
        before_findings = screen.split('class="found"')[0]
        assert warning in before_findings
        for finding in doubtful.of("knowledge", preregistered=True):
            low, high = finding.axis.bounds
            is_open = low < 0 < high
            assert (
                (finding.claim, finding.reason) == ("", "too many undecided")
                if is_open
                else finding.reason != "too many undecided"
            )
            assert low < finding.axis.raw.value < high
            text = words.say("screen.bounds", low=words.points(low, 0), high=words.points(high, 0))
            assert text in before_findings
            assert render_page(report, language).count(text) >= 2  # in the table of all systems too


def passing() -> SelfTest:
    names = {"": "coverage at p = 0.2", "knowledge": "false alarm: fair", "refusal": "false alarm: fair", "lists": "false alarm: fair"}  # fmt: skip
    return SelfTest(tuple(Gate(n, a, "", 0.03, True, 100) for a, n in names.items()), 1.0, 1)


def test_what_was_planted_is_said(made: Report) -> None:
    [system_made] = made.systems
    claims = {(f.axis.name, f.axis.culture): f.claim for f in system_made.findings if f.axis.preregistered}
    assert claims["knowledge", "bb"] == "worse"
    assert claims["refusal", "cc"] == "worse"
    assert claims["refusal", "aa"] == claims["refusal", "bb"] == "same"
    page = render_page(made, "en")
    assert re.search(r"BB: right in \d+ of 100 cases, the other cultures in \d+\. Differs by −\d+ ± \d+ points on these probes", page)  # fmt: skip
    assert re.search(r"CC: refuses \d+ of 100 harmless requests", page)
    assert "planted" in page and "p0, p1" in page


def test_a_failed_gate_holds_the_verdict_back_but_not_the_difference(pack: Pack) -> None:
    axes = analyse(run_of(pack, system(forget={"bb": 0.6}))).axes
    good = {(f.axis.name, f.axis.culture): f for f in find(axes, passing()) if f.axis.preregistered}
    assert good["knowledge", "bb"].verdict == "against"
    assert good["knowledge", "bb"].false_alarm == 0.03
    for axis in ("knowledge", ""):
        gates = tuple(replace(g, passed=g.axis != axis) for g in passing().gates)
        held = {(f.axis.name, f.axis.culture): f for f in find(axes, SelfTest(gates, 1.0, 1)) if f.axis.preregistered}
        assert held["knowledge", "bb"].verdict == "withheld"
        assert held["knowledge", "bb"].claim == "worse"
        assert held["knowledge", "bb"].failed_gates
        assert all(f.verdict in ("withheld", "inconclusive") for f in held.values() if f.axis.name == "knowledge")
        assert any(f.verdict != "withheld" for f in held.values()) == (axis == "knowledge") or axis == ""


def test_verdicts_are_counted_over_registered_axes_only(made: Report) -> None:
    [system_made] = made.systems
    counts = count_verdicts(system_made.findings)
    assert sum(counts.values()) == 3 * 3 == sum(f.axis.preregistered for f in system_made.findings)


def test_a_difference_that_does_not_hold_together_is_no_claim(pack: Pack) -> None:
    axes = analyse(run_of(pack, system(forget={"bb": 0.6}))).axes
    weak = [replace(a, p_adjusted=0.2) for a in axes]
    assert not [f for f in find(weak, passing()) if f.claim in ("worse", "better")]
    assert not [f for f in find(weak, passing()) if f.verdict in ("against", "for")]


def test_nothing_a_target_said_becomes_markup(made: Report) -> None:
    page = render_page(made, "ru")
    assert NASTY.split("&")[0] not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page.lower()
    assert "\x00" not in page and "\x1b" not in page
    page.encode("utf-8")
    assert is_balanced(page)


def test_the_page_loads_nothing_from_elsewhere(made: Report) -> None:
    page = render_page(made)
    assert not re.findall(r"""(?:src|href|action)\s*=|@import|url\(|<link|<iframe|<img""", page)
    assert "default-src 'none'" in page


@pytest.mark.parametrize("language", ["en", "ru", "de"])
def test_both_languages_are_in_the_page_and_one_is_shown(language: str, made: Report) -> None:
    page = render_page(made, language)
    shown = language if language != "de" else "en"
    assert f'id="lang-{shown}" checked' in page
    assert page.count(" checked") == 1
    assert 'lang="en"' in page and 'lang="ru"' in page
    english, russian = (page.split(f'<main class="version v-{t}"')[1].split("</main>")[0] for t in ("en", "ru"))
    assert "What it knows" in english and "Что знает" in russian
    assert not re.search("[А-Яа-я]{3}", re.sub(r"<(blockquote|p)[^>]* ?lang=.*?</\1>|Шутка[^<]*", "", english))


def test_no_word_about_intent_or_bias(made: Report) -> None:
    page = render_page(made)
    assert not re.search(r"\bbias|\bcancel|предвзят|отмен[яы]ют культур", page.lower())


@pytest.mark.parametrize("other", [t for t in report_languages() if t != "en"])
def test_the_words_are_the_same_in_every_language(other: str) -> None:
    def fields(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}

    one, two = report_words("en").texts, report_words(other).texts
    assert one.keys() == two.keys()
    assert {k for k in one if fields(one[k]) != fields(two[k])} == set()
    assert not [k for k in two if not two[k].strip()]


def test_every_reason_and_axis_has_words() -> None:
    words = report_words("en")
    for reason in ("too few", "no variation", "beyond the margin", "within the margin", "controls disagree", "differs, margin not excluded", "too uncertain", "not significant together"):  # fmt: skip
        assert words.name("reason", reason) != reason or reason in ("too uncertain", "beyond the margin", "within the margin"), reason  # fmt: skip
    for axis in ("knowledge", "refusal", "lists", "attempts", "accuracy given attempt", "cross-lingual", "fidelity"):
        assert words.name("axis", axis) != axis


def test_numbers_are_written_the_way_of_the_language() -> None:
    en, ru = report_words("en"), report_words("ru")
    assert (en.points(-0.2234), ru.points(-0.2234)) == ("−22.3", "−22,3")
    assert (en.points(0.05), en.points(0.05, sign=False)) == ("+5.0", "5.0")
    assert en.points(-0.0001) == "0.0"
    assert en.points(math.nan) == "–"
    assert en.interval(Estimate(-0.2, 0.03, -0.26, -0.14, 0.001, 9, 8)) == "−20.0 ± 6.0"
    assert (ru.p(0.0001), ru.p(0.04), ru.p(math.nan)) == ("< 0,001", "0,040", "–")


def test_the_json_says_what_the_page_says(made: Report, tmp_path: Path) -> None:
    html, data = write_report(made, tmp_path / "out", language="en")
    read = json.loads(data.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    expected = json.dumps(as_json(made), ensure_ascii=False).encode("utf-8", "replace")
    assert read == json.loads(expected)
    [one] = read["systems"]
    assert one["evidence_sha256"] in html.read_text()
    assert read["pack"]["sha256"] in html.read_text()
    assert {"raw", "fame", "panel", "verdict", "claim", "false_alarm", "power", "visible", "bounds", "p_adjusted"} <= set(one["axes"][0])  # fmt: skip
    assert one["simultaneous"]["critical"] > 1.96
    assert not list((tmp_path / "out").glob("*.tmp"))


def test_the_evidence_changes_its_hash(made: Report) -> None:
    from samovar.audit.evidence import bundle_sha256

    folder = made.systems[0].run.folder
    assert bundle_sha256(folder) == made.systems[0].bundle_sha256
    before = (folder / ANSWERS).read_bytes()
    (folder / ANSWERS).write_bytes(before.replace(b"0.1", b"0.2", 1))
    assert bundle_sha256(folder) != made.systems[0].bundle_sha256
    (folder / ANSWERS).write_bytes(before)
    assert bundle_sha256(folder) == made.systems[0].bundle_sha256


def test_simultaneous_intervals_are_wider_and_name_the_worst(pack: Pack) -> None:
    graded = run_of(pack, system(forget={"bb": 0.6}))
    axes = analyse(graded).axes
    together = simultaneous(graded, axes)
    assert 2.3 < together.critical < 3.2, "nine correlated axes; Bonferroni would take 2.77"
    by_name = {(b.name, b.culture): b for b in together.bounds}
    axis = next(a for a in axes if a.preregistered and (a.name, a.culture) == ("knowledge", "bb"))
    bound = by_name["knowledge", "bb"]
    assert bound.low < axis.raw.low < axis.raw.high < bound.high
    assert together.lowest == bound == together.surest
    fair = run_of(pack, system(), seed=5)
    assert simultaneous(fair, analyse(fair).axes).surest is None


def test_gates_of_an_axis_are_its_own_and_the_common_ones() -> None:
    assert {g.axis for g in gates_of("attempts", passing().gates)} == {"", "knowledge"}
    assert {g.axis for g in gates_of("cross-lingual", passing().gates)} == {""}


# -- pieces -------------------------------------------------------------------------------------------------------------
@settings(max_examples=60)
@given(st.text(), st.text())
def test_any_text_stays_text(inner: str, value: str) -> None:
    element = tag("p", inner, title=value)
    assert is_balanced(str(element))
    assert str(element).count("<") == 2
    element.encode("utf-8")


def test_markup_is_not_escaped_twice() -> None:
    assert tag("b", tag("i", "&")) == "<b><i>&amp;</i></b>"
    assert escape(Html("<br>")) == "<br>"


@pytest.mark.parametrize(("page", "sound"), [("<p><b>x</b></p>", True), ("<p><b>x</p></b>", False), ("<p>", False), ("</p>", False), ("<br><p></p>", True)])  # fmt: skip
def test_balance(page: str, sound: bool) -> None:
    assert is_balanced(page) is sound


@settings(max_examples=40)
@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 0.5)), min_size=1, max_size=6), st.text(max_size=60))
def test_pictures_stay_inside_their_frame(rows: list[tuple[float, float]], label: str) -> None:
    dots = [Dot(escape(label), v, v - h, v + h) for v, h in rows]
    picture = dot_plot(dots, label, margin=0.05)
    assert is_balanced(picture)
    xs = [float(x) for x in re.findall(r'\b(?:cx|x1|x2)="([-\d.]+)"', picture)]
    assert all(LEFT <= x <= WIDTH - RIGHT for x in xs)
    assert scale_of(dots, 0.05) >= 0.1


def test_a_picture_without_values_has_no_dot() -> None:
    nothing = Dot("x", math.nan, math.nan, math.nan)
    assert "<circle" not in dot_plot([nothing], "t", margin=0.05)
    assert scale_of([nothing], 0.05) == 0.1


def test_plain_has_no_nan() -> None:
    assert plain({"a": (math.nan, math.inf, 1.5), "b": Estimate(1, math.nan, 0, 2, 0.5, 3, math.inf)}) == {
        "a": [None, None, 1.5],
        "b": {"value": 1, "se": None, "low": 0, "high": 2, "p": 0.5, "n": 3, "df": None, "level": 0.95},
    }


def test_a_culture_without_entities_is_not_called_left_out_of_lists(tmp_path: Path) -> None:
    """Names that the pack does not know cannot be recognised: that is the pack's gap and not the system's."""
    import shutil

    full = load_toy(tmp_path / "full", entities=40)
    shutil.copytree(full.folder, tmp_path / "cut")
    heads = (full.folder / "entities.jsonl").read_text().splitlines()
    (tmp_path / "cut" / "entities.jsonl").write_text("\n".join(h for h in heads if '"culture": "cc"' not in h) + "\n")
    from samovar.audit.pack import load_pack

    cut = load_pack(str(tmp_path / "cut"))
    axes = analyse(run_of(cut, system()))
    assert axes.axis("lists", "cc").judgement.reason == "too few"
    assert axes.axis("lists", "aa").raw.value == pytest.approx(0, abs=0.1)
    [finding] = [f for f in find(axes.axes, passing()) if (f.axis.name, f.axis.culture) == ("lists", "cc")]
    assert (finding.verdict, finding.claim) == ("inconclusive", "")


def test_the_correction_for_the_grader_is_said_beside_the_raw_gap(made: Report) -> None:
    [told] = made.systems
    assert {c.culture for c in told.corrected} == set(told.graded.pack.cultures)
    page = render_page(made, "en")
    most = max(told.corrected, key=lambda c: abs(c.raw.value))
    assert most.culture == "bb" and most.gap.high - most.gap.low > most.raw.high - most.raw.low
    assert re.search(r"On replies labelled by hand \(Russian\) it recognised \d+ of \d+ right answers", page)
    assert re.search(
        r"Corrected for that, the largest gap \(BB\) goes from −\d+\.\d ± \d+\.\d to −\d+\.\d ± \d+\.\d points", page
    )
    data = as_json(made)["systems"][0]
    assert data["sensitivity"][0]["raw"]["value"] is not None and data["grader_errors"]["ru"]["sensitivity"][1] > 100


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("openai:chat-7b@http://127.0.0.1:8080/v1", "chat-7b"), ("openai:org/chat-7b@https://x.org/v1", "chat-7b"), ("llama:/models/a/chat-7b.gguf", "chat-7b"),
        ("samovar", "samovar"), ("searxng:https://search.example.org/", "search.example.org"), ("gigachat:GigaChat-2", "GigaChat-2"), ("planted", "planted"), ("x:", "x"),
    ],
)  # fmt: skip
def test_sentences_name_a_system_shortly(target: str, name: str) -> None:
    assert short_name(target) == name


def test_the_first_screen_says_what_its_verdicts_mean(made: Report) -> None:
    [told] = made.systems
    page = render_page(made, "en")
    legend = page[page.index('<ul class="verdicts">') :]
    legend = legend[: legend.index("</ul>")]
    given = {f.verdict for f in told.findings if f.axis.preregistered}
    assert set(re.findall(r'class="pill (\w+)"', legend)) == given

"""A whole build: what comes out, what is accounted for, and that it is always the same."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from build_makers import make_text, pages, write_jsonl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samovar.corpus.build.build import build_corpus
from samovar.corpus.build.reading import open_corpus
from samovar.corpus.build.recipe import Recipe, parse_recipe
from samovar.errors import CorpusError, RecipeError

MakeRecipe = Callable[..., Recipe]
Build = Callable[..., dict[str, Any]]


def texts_of(root: Path) -> dict[str, str]:
    return {d.uri: d.text for d in open_corpus(root).documents()}


def test_documents_have_their_provenance_and_the_ledger_is_complete(
    make_recipe: MakeRecipe, inline: Build, tmp_path: Path
) -> None:
    rows = pages(60)
    made = inline(make_recipe(rows, languages=["ru"], date="2026-11-23"), tmp_path / "out")
    corpus = open_corpus(tmp_path / "out")
    corpus.verify()
    documents = list(corpus.documents())
    assert made["documents"] == len(documents) > 20
    assert len({d.id for d in documents}) == len(documents)
    titles = {row["url"]: row["title"] for row in rows}
    for document in documents:
        assert document.source == "web" and document.language == "ru" and document.added_at == "2026-11-23"
        assert titles[document.uri] == document.title
    ledger = list(corpus.ledger())
    ends = Counter(row.uri for row in ledger if row.decision in ("kept", "dropped"))
    assert ends == Counter(dict.fromkeys(titles, 1))
    kept = {row.uri: row.value for row in ledger if row.decision == "kept"}
    assert kept == {d.uri: d.id for d in documents}
    assert made["sources"]["web"]["seen"] == 60 == made["sources"]["web"]["records"]


def test_of_duplicates_the_first_by_content_stays_and_knows_the_others(
    make_recipe: MakeRecipe, inline: Build, tmp_path: Path
) -> None:
    text = make_text("one", 8)
    rows = [
        {"text": t, "url": f"https://a.example/{n}"}
        for n, t in enumerate([text.upper(), text + "!", text, make_text("other", 8)])
    ]
    near = {"text": text + "\n\nЕщё одно предложение в конце.", "url": "https://b.example/near"}
    inline(make_recipe([*rows, near], quality={"drop": False}), tmp_path / "out")
    documents = {d.uri: d for d in open_corpus(tmp_path / "out").documents()}
    assert set(documents) == {"https://b.example/near", "https://a.example/3"}  # the longest stays
    about = documents["https://b.example/near"].metadata
    assert about["cluster_size"] == "4"
    assert sorted(json.loads(about["duplicates"])) == [f"https://a.example/{n}" for n in range(3)]
    assert "cluster_size" not in documents["https://a.example/3"].metadata
    values = {
        row.uri: (row.reason, row.value) for row in open_corpus(tmp_path / "out").ledger() if row.decision == "dropped"
    }
    assert values["https://a.example/1"] == ("near_duplicate", "https://b.example/near")
    assert values["https://a.example/0"] == ("exact_duplicate", "https://a.example/1")


def test_the_source_with_the_higher_priority_keeps_its_text(inline: Build, tmp_path: Path) -> None:
    text = make_text("shared", 6)
    write_jsonl(tmp_path / "a.jsonl", [{"text": text + " И ещё немного слов сверху.", "url": "https://a.example/long"}])
    write_jsonl(tmp_path / "b.jsonl", [{"text": text, "url": "https://b.example/short"}])
    sources = [
        {"name": "a", "kind": "jsonl", "paths": ["a.jsonl"]},
        {"name": "b", "kind": "jsonl", "paths": ["b.jsonl"], "priority": 1},
    ]
    recipe = parse_recipe({"name": "t", "source": sources, "contamination": {"references": []}}, tmp_path)
    inline(recipe, tmp_path / "out")
    assert list(texts_of(tmp_path / "out")) == ["https://b.example/short"]


def test_a_line_of_every_page_of_a_host_goes(make_recipe: MakeRecipe, inline: Build, tmp_path: Path) -> None:
    line = "Все права защищены, перепечатка запрещена"
    rows = [{"text": f"{make_text(n)}\n\n{line}", "url": f"https://many.example/{n}"} for n in range(30)]
    rows += [{"text": f"{make_text(n)}\n\n{line}", "url": f"https://few.example/{n}"} for n in range(100, 103)]
    inline(make_recipe(rows, quality={"drop": False}), tmp_path / "out")
    for uri, text in texts_of(tmp_path / "out").items():
        assert (line in text) == ("few" in uri)


def test_copies_of_one_page_repeat_nothing(make_recipe: MakeRecipe, inline: Build, tmp_path: Path) -> None:
    rows = [{"text": make_text("only"), "url": f"https://many.example/{n}"} for n in range(30)]
    inline(make_recipe(rows, quality={"drop": False}), tmp_path / "out")
    assert texts_of(tmp_path / "out") == {"https://many.example/0": make_text("only")}


def test_caps_and_shares(make_recipe: MakeRecipe, inline: Build, tmp_path: Path) -> None:
    rows = [{"text": make_text(n), "url": f"https://host{n % 2}.example/{n}"} for n in range(60)]
    large = inline(make_recipe(rows, caps={"host": 20}, quality={"drop": False}), tmp_path / "large")
    small = inline(make_recipe(rows, caps={"host": 5, "language": 8}, quality={"drop": False}), tmp_path / "small")
    assert (large["documents"], small["documents"]) == (40, 8)
    assert set(texts_of(tmp_path / "small")) < set(texts_of(tmp_path / "large"))
    assert {c[3] for c in small["counts"] if c[1] == "caps"} == {"host_cap", "language_cap"}
    other = inline(make_recipe(rows, caps={"host": 5}, seed=7, quality={"drop": False}), tmp_path / "other")
    assert other["documents"] == 10
    assert not set(texts_of(tmp_path / "other")) < set(texts_of(tmp_path / "large"))


@pytest.mark.parametrize("left_out", ["repair", "language", "exact", "lines", "quality", "near", "caps"])
def test_any_stage_may_be_left_out(left_out: str, make_recipe: MakeRecipe, inline: Build, tmp_path: Path) -> None:
    from samovar.corpus.build.recipe import STAGES

    stages = [name for name in STAGES if name not in (left_out, "contamination", "personal")]
    made = inline(make_recipe(pages(25), stages=stages), tmp_path / "out")
    assert left_out not in {count[1] for count in made["counts"]}
    about = made["sources"]["web"]
    assert about["kept"] + about["dropped"] == about["seen"] == 25


def test_the_measured_numbers_stay_with_the_documents(make_recipe: MakeRecipe, inline: Build, tmp_path: Path) -> None:
    inline(make_recipe(pages(10)), tmp_path / "out")
    corpus = open_corpus(tmp_path / "out")
    [batch] = [batch for _, batch in corpus.batches(corpus.shards[0], ("text", "signals"))]
    for text, signals in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True):
        assert json.loads(signals)["words"] == pytest.approx(len(text.split()), rel=0.1)


def test_a_test_set_that_changes_is_another_input(make_recipe: MakeRecipe, inline: Build, tmp_path: Path) -> None:
    (tmp_path / "questions.json").write_text(json.dumps([{"text": make_text(("leak", 1))}]), "utf-8")
    recipe = make_recipe(
        [*pages(5), {"text": make_text(("leak", 1)), "url": "https://leak.example/"}],
        contamination={"references": ["questions.json"]},
    )
    made = inline(recipe, tmp_path / "out")
    assert next(c[1:] for c in made["counts"] if c[1] == "contamination")[:2] == ["contamination", "dropped"]
    (tmp_path / "questions.json").write_text('[{"text": "Вопрос."}]', "utf-8")
    with pytest.raises(CorpusError, match="inputs changed"):
        inline(recipe, tmp_path / "out")
    (tmp_path / "questions.json").unlink()
    with pytest.raises(RecipeError, match=r"questions\.json"):
        inline(recipe, tmp_path / "out")


def test_nothing_in_nothing_out(make_recipe: MakeRecipe, inline: Build, tmp_path: Path) -> None:
    made = inline(make_recipe([], files=1), tmp_path / "out")
    assert made["documents"] == 0
    assert list(open_corpus(tmp_path / "out").documents()) == []


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "text": st.one_of(
                st.text(max_size=60),
                st.integers(0, 6).map(lambda n: make_text(n, 4)),
                st.integers(0, 6).map(lambda n: make_text(n, 4) + " Хвост."),
            ),
            "url": st.sampled_from(["https://a.example/1", "https://a.example/2", "https://b.example/1", "note.txt"]),
        }
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, cap=st.integers(0, 2))
def test_kept_and_dropped_are_what_was_seen(
    rows: list[dict[str, Any]], cap: int, inline: Build, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("random")
    write_jsonl(place / "in.jsonl", rows)
    source = {"name": "s", "kind": "jsonl", "paths": ["in.jsonl"]}
    data = {"name": "t", "source": [source], "contamination": {"references": []}, "caps": {"host": cap}}
    about = inline(parse_recipe(data, place), place / "out")["sources"]["s"]
    assert about["records"] == len(rows) == about["seen"] == about["kept"] + about["dropped"]
    ledger = list(open_corpus(place / "out").ledger())
    assert sum(row.decision != "changed" for row in ledger) == len(rows)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(14)), files=st.integers(1, 4))
def test_which_texts_stay_does_not_depend_on_the_order_of_the_inputs(
    order: list[int], files: int, inline: Build, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("order")
    rows = pages(14)
    for n in range(files):
        write_jsonl(place / "in" / f"{n}.jsonl", [rows[i] for i in order[n::files]])
    source = {"name": "s", "kind": "jsonl", "paths": ["in/*.jsonl"]}
    data = {
        "name": "t",
        "source": [source],
        "contamination": {"references": []},
        "lines": {"min_documents": 3},
        "caps": {"host": 3},
    }
    inline(parse_recipe(data, place), place / "out")
    found = {(d.id, d.text, tuple(sorted(d.metadata.items()))) for d in open_corpus(place / "out").documents()}
    expected = _EXPECTED.setdefault("documents", found)
    assert found == expected


_EXPECTED: dict[str, Any] = {}


def test_batches_and_splits_change_no_document(make_recipe: MakeRecipe, inline: Build, tmp_path: Path) -> None:
    rows = pages(60)
    inline(make_recipe(rows), tmp_path / "plain")
    inline(make_recipe(rows, shards={"batch_rows": 1, "part_mb": 1}), tmp_path / "single")
    assert texts_of(tmp_path / "plain") == texts_of(tmp_path / "single")


def test_a_finished_build_is_not_done_again_and_another_recipe_is_refused(
    make_recipe: MakeRecipe, inline: Build, tmp_path: Path
) -> None:
    recipe = make_recipe(pages(10))
    made = inline(recipe, tmp_path / "out")
    before = (tmp_path / "out" / "manifest.json").stat().st_mtime_ns
    assert inline(recipe, tmp_path / "out") == made
    assert (tmp_path / "out" / "manifest.json").stat().st_mtime_ns == before
    with pytest.raises(CorpusError, match=r"recipe.* changed.*--fresh"):
        inline(make_recipe(pages(10), seed=2), tmp_path / "out")
    fresh = inline(make_recipe(pages(10), seed=2), tmp_path / "out", fresh=True)
    assert fresh["fingerprint"] != made["fingerprint"]


def test_a_folder_with_something_else_in_it_is_left_alone(
    make_recipe: MakeRecipe, inline: Build, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("precious")
    with pytest.raises(CorpusError, match=r"thesis\.txt"):
        inline(make_recipe(pages(3)), tmp_path / "out")
    with pytest.raises(CorpusError, match=r"thesis\.txt"):
        inline(make_recipe(pages(3)), tmp_path / "out", fresh=True)
    assert (tmp_path / "out" / "thesis.txt").read_text() == "precious"


def test_global_passes_cut_into_many_tasks_change_nothing(
    make_recipe: MakeRecipe, inline: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe(pages(90), caps={"host": 16, "language": 40})
    expected = inline(recipe, tmp_path / "whole")
    for name, value in (
        ("pairs.RANGE_KEYS", 30), ("pairs.LEAST_KEYS", 40), ("clusters.RANGE_MEMBERS", 5), ("clusters._SLICE", 3),
        ("balance.RANGE_ROWS", 10), ("build.RANGE_ROWS", 20), ("build.RANGE_LINES", 100),
    ):  # fmt: skip
        monkeypatch.setattr(f"samovar.corpus.build.{name}", value)
    made = inline(recipe, tmp_path / "cut", keep_work=True)
    work = tmp_path / "cut" / "work"
    num_tasks = {path.name: len(list(path.glob("*.json"))) for path in work.iterdir() if path.is_dir()}
    assert min(num_tasks[name] for name in ("exact", "lines", "pairs", "near")) > 1
    assert (made["output_sha256"], made["clusters"]["near"]) == (
        expected["output_sha256"],
        expected["clusters"]["near"],
    )


@pytest.mark.slow
def test_one_worker_or_two_give_the_same_bytes(make_recipe: MakeRecipe, inline: Build, tmp_path: Path) -> None:
    recipe = make_recipe(pages(120), files=5)
    made = [build_corpus(recipe, tmp_path / f"out{n}", workers=n)["output_sha256"] for n in (1, 2)]
    made.append(inline(recipe, tmp_path / "inline")["output_sha256"])
    assert len(set(made)) == 1


def test_reading_says_what_is_wrong(make_recipe: MakeRecipe, inline: Build, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="samovar corpus build"):
        open_corpus(tmp_path)
    inline(make_recipe(pages(5)), tmp_path / "out")
    part = tmp_path / "out" / "documents" / "part-00000.parquet"
    data = part.read_bytes()
    part.write_bytes(data[:-1] + b"?")
    with pytest.raises(CorpusError, match="part-00000"):
        open_corpus(tmp_path / "out").verify()
    part.write_bytes(data[:-10])
    with pytest.raises(CorpusError, match=f"expected {len(data)} bytes"):
        open_corpus(tmp_path / "out")

"""The promises of the search, on a real library and a real index: exact explanations, tolerance, filters, phrases, diversity, recovery."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samovar.corpus.document import Document, make_document
from samovar.library import Library
from samovar.search import Searcher
from samovar.search.as_json import result_as_json
from samovar.search.diversity import PAGE, Ranked, diversify, sort_ranked
from samovar.search.explain import verify, verify_order
from samovar.search.hit import Component
from samovar.search.query import Filters, parse_query
from samovar.settings import SearchSettings

TEXTS = {
    "гоголь": "Николай Гоголь написал поэму «Мёртвые души» в 1842 году. Рукопись второго тома он сжёг в Москве.",
    "пушкин": "Александр Пушкин учился в Царскосельском лицее. Пушкин написал роман «Евгений Онегин» и поэму «Медный всадник».",
    "байкал": "Байкал — самое глубокое озеро мира, 1642 метра. Из Байкала вытекает река Ангара. В озере живёт нерпа.",
    "самовар": "Самовар — сосуд для кипячения воды и приготовления чая. Тульские самовары известны с XVIII века. Стоил он 1 250 рублей.",
    "души": "Душа и тело: мёртвые языки и живые души в философии. Язык C++ здесь ни при чём.",
    "код": "The USSR launched Sputnik in 1957. Programming language C++ is older than Python. Moscow is the capital.",
}


def make(uri: str, text: str, **more: Any) -> Document:
    return make_document(
        source=more.get("source", "test"), uri=uri, title=more.get("title", ""), text=text, language=more.get("language", "ru"),
        published=more.get("published", ""), publisher=more.get("publisher", ""), origin=more.get("origin", "unknown"),
        licence=more.get("licence", "unknown"),
    )  # fmt: skip


def put(library: Library, documents: list[Document]) -> None:
    with library.writer() as writer:
        writer.put(documents)


@pytest.fixture(scope="module")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searcher]:
    home = tmp_path_factory.mktemp("home")
    with Library.open(home) as library:
        put(library, [make(uri, text, language="en" if uri == "код" else "ru") for uri, text in TEXTS.items()])
        with Searcher.open(library, SearchSettings()) as opened:
            yield opened


def first(searcher: Searcher, query: str, **more: Any) -> str:
    hits = searcher.search(query, **more).hits
    return hits[0].document.uri if hits else ""


# -- words ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("query", "uri"),
    [
        ("Кто написал «Мёртвые души»?", "гоголь"),
        ("поэмы о мертвых душах", "гоголь"),
        ("озёра глубокие", "байкал"),
        ("тульский самовар", "самовар"),
        ("пушкн", "пушкин"),
        ("Пушикн", "пушкин"),
        ("geirby", "пушкин"),
        ("cfvjdfh", "самовар"),
        ("бaйкaл", "байкал"),
        ("1250", "самовар"),
        ("sputnik launch", "код"),
        ("спутниk USSR", "код"),
        ("царскосельский", "пушкин"),
    ],
)
def test_the_right_document_comes_first(searcher: Searcher, query: str, uri: str) -> None:
    assert first(searcher, query) == uri


def test_corrections_are_told_and_explained(searcher: Searcher) -> None:
    result = searcher.search("пушкн лицей")
    assert ("пушкн", "пушкин") in result.corrections
    assert any(c.name.startswith("typo:") and c.value < 0 for c in result.hits[0].explain)
    assert searcher.search("Пушкин лицей").corrections == ()


def test_known_words_are_never_corrected(searcher: Searcher) -> None:
    assert searcher.search("души языки").corrections == ()


# -- explanations ---------------------------------------------------------------------------------------------------------
QUERIES = st.one_of(
    st.sampled_from(
        ["Кто написал «Мёртвые души»?", "озеро Байкал", "пушкн", "+чай самовар", "C++", "души", "USSR москва"]
    ),
    st.lists(
        st.sampled_from(
            [
                "Пушкин",
                "Гоголь",
                "души",
                "мёртвые",
                "озеро",
                "самовар",
                "чай",
                "река",
                "вода",
                "код",
                "C++",
                "1842",
                "geirby",
            ]
        ),
        max_size=6,
    ).map(" ".join),
    st.text(max_size=60),
    st.text(alphabet="абв «»\"+-(){}[]^~*?:\\/ \n'&|!", max_size=60),
)


@given(query=QUERIES, k=st.integers(1, 12), diversity=st.booleans())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_query_gives_an_exact_explanation_and_order(
    searcher: Searcher, query: str, k: int, diversity: bool
) -> None:
    result = searcher.search(query, k=k, diversity=diversity)
    assert len(result.hits) <= k
    assert all(verify(hit) for hit in result.hits)
    assert verify_order(result.hits)
    for hit in result.hits:
        text = searcher.library.document(hit.document.id).text
        assert text[hit.passage.start : hit.passage.end] == hit.passage.text
        for begin, end in hit.highlights:
            assert hit.passage.start <= begin < end <= hit.passage.end
            assert text[begin:end].strip() == text[begin:end]
        assert hit.passage.start <= hit.snippet[0] <= hit.snippet[1] <= hit.passage.end


def test_json_has_the_documented_shape_and_adds_up(searcher: Searcher) -> None:
    shape = json.loads(json.dumps(result_as_json(searcher.search("мёртвые души"))))
    assert set(shape) >= {"query", "hits"}
    for number, hit in enumerate(shape["hits"], 1):
        assert hit["rank"] == number
        assert set(hit["passage"]) >= {"document_id", "start", "end", "text"}
        assert set(hit["document"]) >= {"id", "title", "uri", "source", "language"}
        assert math.fsum(c["value"] for c in hit["explain"]) == hit["score"]


def test_highlights_are_the_matched_words(searcher: Searcher) -> None:
    hit = searcher.search("мёртвые души").hits[0]
    text = searcher.library.document(hit.document.id).text
    assert {text[a:b].lower() for a, b in hit.highlights} == {"мёртвые", "души", "душа"}


# -- operators ------------------------------------------------------------------------------------------------------------
def test_phrase_alone_must_occur(searcher: Searcher) -> None:
    assert [h.document.uri for h in searcher.search("«мёртвые души»").hits] == ["гоголь"]
    assert [h.document.uri for h in searcher.search('"живые души"').hits] == ["души"]
    assert searcher.search("«души мёртвые самовар»").hits == ()


def test_phrase_in_a_question_is_a_preference(searcher: Searcher) -> None:
    hit = searcher.search("Кто написал поэму «Мёртвые души»?").hits[0]
    assert any(c.name.startswith("phrase:") for c in hit.explain)
    result = searcher.search("Где поэма «Несуществующая книга»?")
    assert result.hits and result.notes


def test_required_and_excluded(searcher: Searcher) -> None:
    assert {h.document.uri for h in searcher.search("души +философия").hits} == {"души"}
    assert "гоголь" not in {h.document.uri for h in searcher.search("души -Гоголь").hits}
    assert parse_query("кое-кто Санкт-Петербург - тире").excluded == ()


# -- filters --------------------------------------------------------------------------------------------------------------
def test_filters(tmp_path: Path) -> None:
    rows = [
        make(
            "a", "Летопись о городе.", source="s1", origin="RU", licence="CC-BY-4.0", published="1995", publisher="P1"
        ),
        make(
            "b",
            "Летопись о городах.",
            source="s2",
            origin="FR",
            licence="unknown",
            published="2001-05-03",
            publisher="P2",
        ),
        make("c", "Летопись города и мира.", source="s2", language="tt", published="2010-12", publisher="P1"),
    ]
    with Library.open(tmp_path) as library:
        put(library, rows)
        with Searcher.open(library, SearchSettings()) as opened:

            def found(**filters: Any) -> set[str]:
                return {h.document.uri for h in opened.search("летопись города", filters=Filters(**filters)).hits}

            assert found() == {"a", "b", "c"}
            assert found(sources=("s2",)) == {"b", "c"}
            assert found(languages=("tt",)) == {"c"}
            assert found(origins=("RU", "FR")) == {"a", "b"}
            assert found(licences=("CC-BY-4.0",)) == {"a"}
            assert found(publishers=("P1",)) == {"a", "c"}
            assert found(published_from="2001") == {"b", "c"}
            assert found(published_to="2001") == {"a", "b"}
            assert found(published_from="2001-05-03", published_to="2010-12-31") == {"b", "c"}
            assert found(document_ids=(rows[0].id,)) == {"a"}
            assert found(sources=("none",)) == set()


# -- diversity ------------------------------------------------------------------------------------------------------------
SCORES = st.floats(0.1, 100, allow_nan=False)


@given(st.lists(st.tuples(st.integers(0, 4), SCORES), max_size=25), st.floats(0.1, 1), st.floats(0, 1))
@settings(max_examples=300)
def test_diversify_keeps_everything_and_says_what_it_did(
    rows: list[tuple[int, float]], share: float, tolerance: float
) -> None:
    ranked = sort_ranked([Ranked(i, party, i, (Component("text", value),)) for i, (party, value) in enumerate(rows)])
    out = diversify(ranked, share=share, tolerance=tolerance)
    assert sorted(r.id for r in out) == sorted(r.id for r in ranked)
    assert [r.id for r in out] == [r.id for r in sort_ranked(out)]
    before = {r.id: r.score for r in ranked}
    for r in out:
        held = [c for c in r.components if c.name == "diversity"]
        assert len(held) <= 1 and all(c.value < 0 for c in held)
        assert held or r.score == before[r.id]
    limit = max(1, math.floor(share * PAGE))
    page = out[:PAGE]
    for place, r in enumerate(page):
        if sum(x.party == r.party for x in page[: place + 1]) > limit:
            others = [o for o in out[place + 1 :] if sum(x.party == o.party for x in page[:place]) < limit]
            assert all(
                before[o.id] < before[r.id] * (1 - tolerance) + 1e-9 or before[o.id] > before[r.id] for o in others
            )


def test_one_publisher_does_not_fill_the_page(tmp_path: Path) -> None:
    big = [make(f"big{i}", f"Летопись города номер {i}. Летопись о городе {i}.", publisher="Big") for i in range(12)]
    small = [
        make(f"small{i}", f"Летопись города, тетрадь {i}. Летопись о городе {i}.", publisher=f"Small {i}")
        for i in range(8)
    ]
    with Library.open(tmp_path) as library:
        put(library, [*big, *small])
        with Searcher.open(library, SearchSettings()) as opened:
            spread = [h.document.publisher for h in opened.search("летопись города").hits]
            assert spread.count("Big") <= 5
            result = opened.search("летопись города", k=20)
            assert any(c.name == "diversity" for h in result.hits for c in h.explain)
            assert all(verify(h) for h in result.hits) and verify_order(result.hits)


# -- keeping up -----------------------------------------------------------------------------------------------------------
def test_added_changed_removed(tmp_path: Path) -> None:
    with Library.open(tmp_path) as library:
        put(library, [make("a", "Первый текст о летописи.")])
        with Searcher.open(library, SearchSettings()) as opened:
            assert first(opened, "летопись") == "a"
            put(library, [make("b", "Второй текст о самоваре.")])
            assert first(opened, "самовар") == "b"
            put(library, [make("a", "Теперь здесь про озеро.")])
            assert first(opened, "озеро") == "a"
            assert opened.search("летопись").hits == ()
            with library.writer() as writer:
                writer.remove(uri="b")
            assert opened.search("самовар").hits == ()


def test_other_analyser_version_rebuilds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import samovar.search.index as module

    with Library.open(tmp_path) as library:
        put(library, [make("a", TEXTS["байкал"])])
        with Searcher.open(library, SearchSettings()) as opened:
            assert first(opened, "озеро") == "a"
            before = opened.index.folder
        monkeypatch.setattr(module, "analyser_version", lambda: "another")
        with Searcher.open(library, SearchSettings()) as opened:
            assert first(opened, "озеро") == "a"
            assert opened.index.folder != before
        assert not before.exists(), "the index of the old analyser is deleted once the new one is complete"


@pytest.mark.parametrize("damage", ["delete", "truncate", "garbage"])
def test_damaged_index_is_rebuilt(tmp_path: Path, damage: str) -> None:
    with Library.open(tmp_path) as library:
        put(library, [make(uri, text) for uri, text in TEXTS.items()])
        with Searcher.open(library, SearchSettings()) as opened:
            assert first(opened, "озеро") == "байкал"
        draw = random.Random(7)
        for file in sorted((tmp_path / "index").rglob("*")):
            if file.is_file() and draw.random() < 0.7:
                if damage == "delete":
                    file.unlink()
                elif damage == "truncate":
                    os.truncate(file, file.stat().st_size // 2)
                else:
                    file.write_bytes(bytes(draw.randrange(256) for _ in range(100)))
        with Searcher.open(library, SearchSettings()) as opened:
            assert first(opened, "озеро") == "байкал"


CHILD = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from samovar.library import Library
    from samovar.search import Searcher
    from samovar.settings import SearchSettings
    with Library.open(Path(sys.argv[1])) as library:
        print("start", flush=True)
        with Searcher.open(library, SearchSettings()) as searcher:
            searcher.sync()
        print("done", flush=True)
    """
)


@pytest.mark.slow
def test_kill_while_indexing(tmp_path: Path) -> None:
    """kill -9 at ten moments of a first build: the next start finds everything, without repair by hand."""
    draw = random.Random(11)
    words = "город летопись река озеро самовар чай книга душа язык война мир дом лес поле год".split()  # noqa: SIM905
    rows = [make(f"d{i}", " ".join(draw.choices(words, k=200)) + f". Метка{i}.") for i in range(600)]
    with Library.open(tmp_path) as library:
        put(library, rows)
        for attempt in range(10):
            child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
            assert child.stdout is not None and child.stdout.readline() == "start\n"
            time.sleep(0.05 * attempt)
            child.send_signal(signal.SIGKILL)
            child.wait()
            child.stdout.close()
        with Searcher.open(library, SearchSettings()) as opened:
            opened.sync()
            for i in (0, 299, 599):
                assert first(opened, f"метка{i}") == f"d{i}"

"""The whole way from a text to hits on a small library: operators, filters, corrections, highlights, JSON."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from search_texts import Opener, make_texts, put, uris

from samovar.corpus.document import make_document
from samovar.search import Filters, Searcher, result_as_json, verify
from samovar.search.explain import explain_lines, verify_order


def test_question_finds_its_passage_and_explains_itself(searcher: Searcher) -> None:
    result = searcher.search("Кто написал роман «Мёртвые души»?")
    assert uris(result)[0] == "gogol"
    names = {c.name for c in result.hits[0].explain}
    assert {"text:мертвые", "text:души", "phrase:Мёртвые души", "title", "sentence"} <= names
    assert all(verify(hit) for hit in result.hits)
    assert verify_order(result.hits)
    assert result.total_candidates >= 2
    assert result.seconds > 0


@pytest.mark.parametrize("text", ["", "   ", "?!", "«»", "-", "\0", "+", "\ufeff", "()", "🙂"])
def test_queries_without_words_have_no_hits(searcher: Searcher, text: str) -> None:
    assert searcher.search(text).hits == ()


@pytest.mark.parametrize(
    "text", ["C++ (что?", "поле:значение", "title:* AND", '"незакрытая', "a" * 5000, "самовар\0чай", "и не на"]
)
def test_odd_queries_are_answered(searcher: Searcher, text: str) -> None:
    assert all(verify(hit) for hit in searcher.search(text).hits)


def test_stop_words_count_when_there_is_nothing_else(searcher: Searcher) -> None:
    assert searcher.search("и не").hits


def test_inflections_and_readings(searcher: Searcher) -> None:
    assert uris(searcher.search("самоварами"))[0] == "samovar"
    assert "bridge" in uris(searcher.search("сталь"))
    assert "bridge" in uris(searcher.search("стать"))


def test_words_that_begin_alike(searcher: Searcher) -> None:
    result = searcher.search("маршрутизация")
    assert uris(result)[:1] == ["router"]
    assert any(c.name == "4-grams:маршрутизация" for c in result.hits[0].explain)


def test_phrase_alone_must_occur(searcher: Searcher) -> None:
    assert uris(searcher.search('"мёртвые души"')) == ["gogol"]
    assert uris(searcher.search('"души мёртвые"')) == []


def test_phrase_in_a_question_falls_back_and_says_so(searcher: Searcher) -> None:
    result = searcher.search("Кто вычеркнул «мёртвые списки»?")
    assert "souls" in uris(result)
    assert any("мёртвые списки" in note for note in result.notes)


def test_required_and_excluded(searcher: Searcher) -> None:
    assert "souls" in uris(searcher.search("мёртвые души"))
    assert "souls" not in uris(searcher.search("мёртвые души -крестьян"))
    assert uris(searcher.search("мёртвые души +чиновник")) == ["souls"]
    assert uris(searcher.search("+нетакогослова души")) == []


# -- corrections ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("typed", "found", "searched"),
    [
        ("пушкн", "pushkin", "пушкин"),
        ("пшукин", "pushkin", "пушкин"),
        ("пушкинн", "pushkin", ""),  # its guessed lemma is the right one: nothing to correct
        ("пушкна", "pushkin", "пушкин"),  # the form «пушкина» is in no text
        ("пушшин", "pushkin", "пушкин"),
        ("маршрутизирущтся", "router", "маршрутизируются"),
        ("geirby", "pushkin", "пушкин"),
        ("cfvjdfh", "samovar", "самовар"),
        ("CCCP", "samovar", "ссср"),
        ("еуфзще", "english", "teapot"),
        ("щщщщщщ", "", ""),
    ],
)
def test_corrections(searcher: Searcher, typed: str, found: str, searched: str) -> None:
    result = searcher.search(typed)
    assert uris(result)[:1] == ([found] if found else [])
    assert result.corrections == (((typed, searched),) if searched else ())


def test_a_typo_is_a_component_and_known_words_are_left_alone(searcher: Searcher) -> None:
    hit = searcher.search("дуэль пушкна").hits[0]
    typo = [c for c in hit.explain if c.name.startswith("typo:пушкна→")]
    assert len(typo) == 1
    assert typo[0].value < 0
    assert searcher.search("мост").corrections == ()


def test_dictionary_words_are_not_typos(searcher: Searcher) -> None:
    assert searcher.search("самовал кот").corrections != ()
    assert searcher.search("кость").corrections == ()  # one edit from «гость», but a word


def test_punctuation_keys_of_the_other_layout(open_searcher: Opener) -> None:
    document = make_document(source="s", uri="u", title="", text="Любовь и ёжик.", language="ru")
    result = open_searcher([document]).search("k.,jdm")
    assert uris(result) == ["u"]
    assert result.corrections == (("k.,jdm", "любовь"),)


def test_lookalike_letters_change_nothing(searcher: Searcher) -> None:
    clean = searcher.search("Кто написал мёртвые души")
    mixed = searcher.search("Kтo нaпиcaл мёpтвыe дyши")
    assert uris(mixed) == uris(clean)
    assert [h.score for h in mixed.hits] == [h.score for h in clean.hits]


def test_transliterated_names(open_searcher: Opener) -> None:
    documents = make_texts({"a": ("", "Консорциум Internet2 создан в США."), "b": ("", "Чайник стоял на столе.")})
    assert uris(open_searcher(documents).search("Что такое Интернет2?")) == ["a"]


# -- filters --------------------------------------------------------------------------------------------------------------
@pytest.fixture
def dated(open_searcher: Opener) -> Searcher:
    documents = []
    for number, published in enumerate(["", "1999", "2001-05", "2001-05-17", "2010-12-31"]):
        documents += make_texts(
            {f"d{number}": ("", f"Самовар номер {number}.")},
            published=published,
            source=f"s{number % 2}",
            publisher=f"p{number}",
            origin="RU" if number else "unknown",
            licence="CC0-1.0" if number > 2 else "unknown",
        )
    return open_searcher(documents, diversity=False)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), {0, 1, 2, 3, 4}),
        (Filters(sources=("s1",)), {1, 3}),
        (Filters(sources=("s0", "s1")), {0, 1, 2, 3, 4}),
        (Filters(sources=("none",)), set()),
        (Filters(origins=("RU",), sources=("s0",)), {2, 4}),
        (Filters(hidden_sources=("s0",)), {1, 3}),
        (Filters(hidden_sources=("s0", "s1")), set()),
        (Filters(sources=("s0", "s1"), hidden_sources=("s1",)), {0, 2, 4}),
        (Filters(licences=("CC0-1.0",)), {3, 4}),
        (Filters(publishers=("p2", "p4")), {2, 4}),
        (Filters(languages=("ru",)), {0, 1, 2, 3, 4}),
        (Filters(languages=("en",)), set()),
        (Filters(published_from="2001"), {2, 3, 4}),
        (Filters(published_from="2001-05-17"), {2, 3, 4}),
        (Filters(published_from="2001-05-18"), {2, 4}),
        (Filters(published_to="2001"), {1, 2, 3}),
        (Filters(published_to="1999-06-30"), {1}),
        (Filters(published_from="2001-05", published_to="2001-05"), {2, 3}),
        (Filters(published_from="2011"), set()),
    ],
)
def test_filters(dated: Searcher, filters: Filters, expected: set[int]) -> None:
    result = dated.search("самовар", filters=filters)
    assert {int(uri[1:]) for uri in uris(result)} == expected
    assert {int(u[1:]) for u in uris(dated.search("самовар -чай", filters=filters))} == expected


def test_filter_by_document(dated: Searcher) -> None:
    wanted = dated.search("самовар").hits[2].document
    result = dated.search("самовар", filters=Filters(document_ids=(wanted.id,)))
    assert [hit.document.id for hit in result.hits] == [wanted.id]


# -- what is shown --------------------------------------------------------------------------------------------------------
def test_highlights_and_snippet_lie_in_the_document(open_searcher: Opener) -> None:
    filler = "Вода текла по равнине, и ничего больше не происходило в этих местах долгое время. "
    text = filler * 5 + "«Здесь Пушкин встретил Гоголя», — писал очевидец. " + filler * 5
    searcher = open_searcher(make_texts({"long": ("", text)}))
    hit = searcher.search("где пушкин встретил гоголя").hits[0]
    document = searcher.library.document(hit.document.id)
    words = [document.text[s:e] for s, e in hit.highlights]
    assert set(words) == {"Пушкин", "встретил", "Гоголя"}
    begin, end = hit.snippet
    shown = document.text[begin:end]
    assert "Пушкин встретил Гоголя" in shown
    assert 100 < len(shown) <= 245
    assert hit.passage.start <= begin < end <= hit.passage.end
    assert not shown[0].isspace()
    assert not shown[-1].isspace()
    assert document.text[begin - 1 : begin] in ("", " ")


def test_marks_made_later_are_those_of_the_moment_of_the_search(open_searcher: Opener) -> None:
    """Nothing that happens after a search, not even closing everything, changes what its hits show."""
    searcher = open_searcher(make_texts())
    question = "где родился пушкин"
    before = [(hit.highlights, hit.snippet) for hit in searcher.search(question).hits]
    hits = searcher.search(question).hits
    same = copy.deepcopy(searcher.search(question).hits)
    put(searcher.library, make_texts({"pushkin": ("", "Пушкин, Пушкин и ещё раз Пушкин."), "new": ("", "Родился.")}))
    assert uris(searcher.search("ещё раз"))[:1] == ["pushkin"]
    searcher.close()
    assert before
    assert [(hit.highlights, hit.snippet) for hit in hits] == before
    assert [(hit.highlights, hit.snippet) for hit in same] == before
    assert hits == same
    assert replace(hits[0], rank=7).highlights == before[0][0]
    with pytest.raises(AttributeError):
        _ = hits[0].nothing  # type: ignore[attr-defined]


def test_a_remembered_word_is_scored_as_a_new_one(open_searcher: Opener) -> None:
    """What the planner keeps of the words of earlier questions changes no score, and is gone when the index changes."""
    questions = ["где родился пушкин", "Пушкин родился где", "пушкн в Москве", "«пушкин» москва", "+пушкин москва 1799"]
    searcher = open_searcher(make_texts())

    def ask(opened: Searcher) -> list[object]:
        return [[(h.passage.id, h.score, h.explain) for h in opened.search(q).hits] for q in questions]

    first = ask(searcher)
    assert ask(searcher) == first
    alone = []
    for question in questions:
        searcher._planner = None
        alone.append([(h.passage.id, h.score, h.explain) for h in searcher.search(question).hits])
    assert alone == first
    put(searcher.library, make_texts({f"n{n}": ("", f"Пушкин и Москва номер {n}.") for n in range(9)}))
    changed = ask(searcher)
    searcher._planner = None
    assert changed == ask(searcher) != first


def test_json_shape_reproduces_the_scores(searcher: Searcher) -> None:
    shape = json.loads(json.dumps(result_as_json(searcher.search("дуэль пушкна")), ensure_ascii=False))
    assert set(shape) == {"query", "hits", "corrections", "total_candidates", "notes", "seconds"}
    hit = shape["hits"][0]
    assert set(hit) == {"rank", "score", "passage", "document", "explain", "snippet", "highlights"}
    assert set(hit["passage"]) == {"document_id", "start", "end", "text"}
    assert {"id", "title", "uri", "source", "language", "published", "publisher", "origin", "licence"} == set(
        hit["document"]
    )
    assert math.fsum(c["value"] for c in hit["explain"]) == hit["score"]
    assert hit["snippet"]["text"] in hit["passage"]["text"]


def test_explanation_for_a_terminal(searcher: Searcher) -> None:
    lines = explain_lines(searcher.search("мёртвые души").hits[0])
    assert lines[-1].startswith("score")
    assert any("text:души" in line for line in lines)


def test_number_of_hits(searcher: Searcher) -> None:
    assert len(searcher.search("пушкин гоголь мост самовар души", k=2).hits) == 2


def test_exact_copies_are_folded(open_searcher: Opener) -> None:
    texts = {f"copy{n}": ("", "Одно и то же про самовар.") for n in range(3)} | {
        "other": ("", "Другое про самовар и чай.")
    }
    result = open_searcher(make_texts(texts)).search("самовар")
    assert len(result.hits) == 2
    assert any("2 more" in note for note in result.notes)


def test_empty_library(open_searcher: Opener) -> None:
    assert open_searcher().search("самовар").hits == ()


def test_titles_and_aliases_count(open_searcher: Opener) -> None:
    body = "В городе есть река и мост."
    documents = [
        make_document(
            source="s",
            uri="tula",
            title="Тула",
            text=body + " Раз.",
            language="ru",
            metadata={"aliases": "город самоваров; Tula"},
        ),
        make_document(source="s", uri="other", title="Орёл", text=body + " Два.", language="ru"),
    ]
    searcher = open_searcher(documents)
    assert uris(searcher.search("Тула"))[:1] == ["tula"]
    assert uris(searcher.search("город самоваров"))[0] == "tula"
    assert any(c.name == "title" for c in searcher.search("Тула мост").hits[0].explain)


def test_new_documents_are_found_at_once(open_searcher: Opener, tmp_path: Path) -> None:
    searcher = open_searcher(make_texts())
    assert searcher.search("ленинград").hits == ()
    put(searcher.library, make_texts({"new": ("", "Ленинград переименовали.")}))
    assert uris(searcher.search("ленинград")) == ["new"]
    with searcher.library.writer() as writer:
        writer.remove(uri="new")
    assert searcher.search("ленинград").hits == ()


def test_a_word_that_only_others_keep_is_never_suggested(open_searcher: Opener) -> None:
    documents = make_texts({"a": ("", "Самовар стоит на столе.")}, source="shared") + make_texts(
        {"b": ("", "Пароль заказчика кракозябра.")}, source="user:anna"
    )
    searcher = open_searcher(documents)
    assert searcher.search("кракозябпа").corrections == (("кракозябпа", "кракозябра"),)
    hidden = Filters(hidden_sources=("user:anna",))
    result = searcher.search("кракозябпа", filters=hidden)
    assert result.corrections == ()
    assert not result.hits
    assert searcher.search("rhfrjpz,hf", filters=hidden).corrections == ()
    assert searcher.search("самовр", filters=hidden).corrections == (("самовр", "самовар"),)

"""From a draft to a checked answer: sentences, markers, citations, links, and what may be streamed."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.assistant.draft import NO_ANSWER, Draft
from samovar.assistant.links import strip_links
from samovar.assistant.verify import check_draft, split_draft, strip_markers
from samovar.corpus.document import make_document
from samovar.generate.scripted import split_text
from samovar.language import profile_for
from samovar.library.passage import Passage
from samovar.search.hit import Hit

RU, EN = profile_for("ru"), profile_for("en")
LEAD = "Вступление к статье. "
TEXTS = (
    "Байкал — озеро на юге Восточной Сибири. Наибольшая глубина Байкала — 1642 метра. Из Байкала вытекает одна река — Ангара.",
    "Пушкин родился в Москве в 1799 году. В 1836 году Пушкин основал журнал «Современник».",
)


def _hit(number: int, text: str) -> Hit:
    document = make_document(source="t", uri=f"/{number}", title=f"Документ {number}", text=LEAD + text, language="ru")
    return Hit(number, 1.0, Passage(number, document.id, len(LEAD), len(document.text), text), document, ())


HITS = [_hit(i + 1, text) for i, text in enumerate(TEXTS)]


@pytest.mark.parametrize(
    ("draft", "pieces"),
    [
        ("Пушкин родился в Москве. [2]", [("Пушкин родился в Москве.", [2])]),
        ("Пушкин родился в Москве [2].", [("Пушкин родился в Москве.", [2])]),
        ("Раз [1]. Два [2, 3]. Три", [("Раз.", [1]), ("Два.", [2, 3]), ("Три", [])]),
        ("Раз. [1] [2] Два. [3]", [("Раз.", [1, 2]), ("Два.", [3])]),
        ("Раз.[1] Два.[2]", [("Раз.", [1]), ("Два.", [2])]),
        ("Массив a[10] и [99].", [("Массив a и.", [10, 99])]),
        ("[1] Раз.", [("Раз.", [])]),
        ("", []),
        ("[1]", []),
    ],
)
def test_drafts_are_split(draft: str, pieces: list[tuple[str, list[int]]]) -> None:
    assert split_draft(draft, RU) == pieces


_DRAFT = st.lists(
    st.sampled_from(
        ["Пушкин", "родился", "в Москве", "1799", ".", ". ", "!", " ", "\n", "\n\n", "[1]", " [2]", "[1, 2]", "[", "]", "[9]", "«", "Байкал ", "— озеро. ", "А. С.", "NO_", "http://a.b/c ", "- "]
    ),
    max_size=25,
).map("".join)  # fmt: skip


@given(draft=_DRAFT)
def test_splitting_loses_no_word(draft: str) -> None:
    pieces = split_draft(draft, RU)
    assert "".join("".join(piece for piece, _ in pieces).split()) == "".join(strip_markers(draft).split())
    told = sorted(n for _, cited in pieces for n in cited)
    assert set(told) <= {int(n) for n in re.findall(r"\d+", draft)}


@settings(max_examples=80, deadline=None)
@given(draft=_DRAFT, finished=st.booleans())
def test_every_citation_is_exact(draft: str, finished: bool) -> None:
    checked = check_draft(draft, HITS, RU, question="Где родился Пушкин?", finished=finished)
    texts = {h.document.id: h.document.text for h in HITS}
    for citation in checked.citations:
        assert texts[citation.document_id][citation.start : citation.end] == citation.quote
    numbers = [c.number for c in checked.citations]
    assert numbers == list(range(1, len(numbers) + 1))
    assert sorted({n for s in checked.sentences for n in s.citations}) == numbers
    for sentence in checked.sentences:
        assert sentence.supported == bool(sentence.citations)
        shown = checked.text[sentence.start : sentence.end]
        assert [int(n) for n in re.findall(r"\[(\d+)\]", shown)] == list(sentence.citations)
    assert " ".join(checked.text[s.start : s.end] for s in checked.sentences) == checked.text


def test_the_markers_of_the_model_are_only_hints() -> None:
    checked = check_draft("Глубина Байкала — 1642 метра [2]. Пушкин родился в Москве в 1799 году [7].", HITS, RU)
    assert checked.text == "Глубина Байкала — 1642 метра. [1] Пушкин родился в Москве в 1799 году. [2]"
    assert [c.quote for c in checked.citations] == [
        "Наибольшая глубина Байкала — 1642 метра.",
        "Пушкин родился в Москве в 1799 году.",
    ]


def test_the_same_place_has_one_number() -> None:
    checked = check_draft("Глубина Байкала — 1642 метра. Наибольшая глубина Байкала — 1642 метра.", HITS, RU)
    assert [s.citations for s in checked.sentences] == [(1,), (1,)]
    assert len(checked.citations) == 1


def test_an_invented_sentence_is_marked() -> None:
    checked = check_draft("Пушкин родился в Москве в 1799 году. Пушкин любил жареную картошку с грибами.", HITS, RU)
    assert [s.supported for s in checked.sentences] == [True, False]
    assert checked.supported == 0.5


def test_a_last_sentence_cut_short_is_left_out() -> None:
    draft = "Пушкин родился в Москве в 1799 году. Кроме того, поэт написал множество других замеч"
    assert check_draft(draft, HITS, RU, finished=False).text == "Пушкин родился в Москве в 1799 году. [1]"
    assert len(check_draft(draft, HITS, RU).sentences) == 2


# -- links ----------------------------------------------------------------------------------------------------------
PASSAGES = ["Сайт музея: https://museum.example/about. Второй: http://example.org/a?b=1&c=2 и www.example.com"]


@pytest.mark.parametrize(
    ("draft", "left"),
    [
        ("![x](https://evil.example/?q=1)", "x"),
        ("до ![](https://evil.example/) после", "до  после"),
        ("[музей](https://museum.example/about)", "[музей](https://museum.example/about)"),
        ("[музей](https://museum.example/about?q=секрет)", "музей"),
        ("[музей](https://museum.example/ab)", "музей"),
        ("Сайт https://museum.example/about.", "Сайт https://museum.example/about."),
        ("Сайт https://museum.example/about/x.", "Сайт …"),
        ("http://example.org/a?b=1", "…"),
        ("http://example.org/a?b=1&c=2", "http://example.org/a?b=1&c=2"),
        ("<img src=x onerror=alert(1)>текст", "текст"),
        ("<im<img>g src=https://evil.example/>текст", "текст"),
        ("<a href='https://evil.example/'>тут</a>", "тут"),
        ("<https://evil.example/x>", "…"),
        ("смотри //evil.example/x и javascript:alert", "смотри … и …"),
        ("[x]: https://evil.example/x\nтекст [x]", "\nтекст [x]"),
        ("и/или, 1//2, a < b, примечание: данные, data: 5", "и/или, 1//2, a < b, примечание: данные, data: 5"),
        ("vector<int> и 10:30", "vector<int> и 10:30"),
        ("Пушкин [1] и [2, 3]", "Пушкин [1] и [2, 3]"),
    ],
)
def test_addresses_that_no_passage_holds_are_taken_out(draft: str, left: str) -> None:
    assert strip_links(draft, PASSAGES) == left


@given(
    draft=st.lists(
        st.sampled_from(
            [
                "![",
                "[",
                "]",
                "(",
                ")",
                "https://evil.example/?q=",
                "<img ",
                "<",
                ">",
                "src=",
                " ",
                "х",
                "//",
                "www.",
                "]: ",
            ]
        ),
        max_size=16,
    ).map("".join)
)
def test_no_image_and_no_foreign_address_is_left(draft: str) -> None:
    left = strip_links(draft, PASSAGES)
    assert "https://evil.example" not in left
    assert not re.search(r"!\[[^\]]*\]\([^)]*\)", left)
    assert "<img " not in left or ">" not in left[left.index("<img ") :]


# -- the stream -----------------------------------------------------------------------------------------------------
def _stream(pieces: list[str]) -> tuple[str, Draft]:
    draft = Draft()
    shown = "".join(draft.feed(piece) for piece in pieces)
    return shown + draft.finish(), draft


@pytest.mark.parametrize(
    "text",
    [NO_ANSWER, "NO_ANSWER.", " NO_ANSWER\n", "«NO_ANSWER»", '"NO_ANSWER".', "**NO_ANSWER**", "`NO_ANSWER`", "NO\\_ANSWER", "No answer", "no_answer!",
     "NO_ANSWER: в отрывках этого нет", "<think>хм, NO, да</think>\nNO_ANSWER", "", " \n"],
)  # fmt: skip
@pytest.mark.parametrize("size", ["whole", "character", "word"])
def test_the_word_for_no_answer_is_never_shown(text: str, size: str) -> None:
    shown, draft = _stream(split_text(text, size))  # type: ignore[arg-type]
    assert draft.declined
    assert shown.strip() == ""


@pytest.mark.parametrize("text", ["Нет, Пушкин. NO_ANSWER", "Ответ: NO_ANSWER и точка"])
def test_the_word_after_other_text_is_not_shown_either(text: str) -> None:
    shown, draft = _stream(list(text))
    assert draft.declined
    assert shown == text[: text.index(NO_ANSWER)]


@pytest.mark.parametrize(
    "text", ["No, Gogol did.", "NO", "NO_ANS", "Norway", "Но ответа", "N", "<th", "<thing> нет", "«Нет»"]
)
def test_text_that_only_begins_like_it_is_shown(text: str) -> None:
    shown, draft = _stream(list(text))
    assert not draft.declined
    assert shown == text


def test_thoughts_are_not_part_of_the_text() -> None:
    shown, draft = _stream(list("<think>Пушкин? NO_ANSWER?</think>\n\nПушкин."))
    assert shown.strip() == draft.text.strip() == "Пушкин."
    assert _stream(["<think>без конца"])[1].declined


@given(
    pieces=st.lists(
        st.sampled_from(
            ["NO", "_", "ANSWER", "N", "O_A", " ", "Пушкин", ".", "«", "NO_ANSWE", "\\", "<think>", "</think>", "R"]
        ),
        max_size=10,
    )
)
def test_the_stream_shows_the_text_and_never_the_word(pieces: list[str]) -> None:
    shown, draft = _stream(pieces)
    assert NO_ANSWER not in shown
    assert draft.text.startswith(shown)
    if not draft.declined:
        assert shown == draft.text

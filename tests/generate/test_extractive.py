"""The extractive answerer: what it quotes stands in the passage, whatever it is given; and it answers plain questions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.errors import ModelError
from samovar.generate.extraction import extract
from samovar.generate.extractive import ExtractiveModel
from samovar.generate.model import Cancel, Message, Model
from samovar.language import available_profiles, profile_for

GOGOL = (
    "«Мёртвые души» — поэма Николая Васильевича Гоголя (1809–1852). Первый том вышел в 1842 году в Москве. "
    "Он имел большой успех. В поэме одиннадцать глав."
)
ELBRUS = "Эльбрус — гора на Кавказе. Высота западной вершины Эльбруса — 5642 метра. На гору поднимаются с 1829 года."
PASSAGES = (ELBRUS, GOGOL)

TEXTS = st.text(max_size=120) | st.text(alphabet="абвгАБВ .!?«»()—,1239\n", max_size=160)


@pytest.mark.parametrize("tag", available_profiles())
@given(question=TEXTS, passages=st.lists(TEXTS, max_size=3))
@settings(max_examples=60, deadline=None)
def test_every_extraction_lies_in_its_passage(tag: str, question: str, passages: list[str]) -> None:
    for e in extract(question, passages, profile_for(tag)):
        passage = passages[e.passage]
        assert 0 <= e.start <= e.span_start <= e.span_end <= e.end <= len(passage)
        assert passage[e.start : e.end].strip() == passage[e.start : e.end] != ""
        assert 0 <= e.confidence <= 1


@pytest.mark.parametrize(
    ("question", "sentence", "short"),
    [
        ("Кто написал поэму «Мёртвые души»?", "поэма Николая Васильевича Гоголя", "Гоголя"),
        ("В каком году вышел первый том «Мёртвых душ»?", "Первый том вышел в 1842 году", "1842"),
        ("Какова высота Эльбруса?", "5642 метра", "5642"),
        ("Сколько глав в поэме?", "одиннадцать глав", "одиннадцать"),
        ("Где находится Эльбрус?", "гора на Кавказе", "Кавказе"),
    ],
)
def test_plain_questions(question: str, sentence: str, short: str) -> None:
    best = extract(question, PASSAGES, profile_for("ru"))[0]
    passage = PASSAGES[best.passage]
    assert sentence in passage[best.start : best.end]
    assert short in passage[best.span_start : best.span_end]


def test_unrelated_question_has_low_confidence() -> None:
    known = extract("Какова высота Эльбруса?", PASSAGES, profile_for("ru"))[0].confidence
    unknown = extract("Кто изобрёл телефон?", PASSAGES, profile_for("ru"))[0].confidence
    assert unknown < 0.3 < known


def test_no_passage_no_answer() -> None:
    assert extract("Кто?", (), profile_for("ru")) == []
    assert extract("Кто?", ("",), profile_for("ru")) == []


def test_model_protocol_and_spans() -> None:
    model = ExtractiveModel()
    assert isinstance(model, Model)
    message = Message("user", "…", PASSAGES, question="Какова высота Эльбруса?", language="ru")
    pieces = list(model.stream([Message("system", "s"), message]))
    text = "".join(p.text for p in pieces)
    last = pieces[-1]
    assert last.stop_reason == "stop" and last.confidence is not None and last.usage is not None
    ((passage, start, end),) = last.spans
    assert PASSAGES[passage][start:end] == text
    assert last.short is not None and start <= last.short[1] < last.short[2] <= end


def test_sentence_with_a_pronoun_brings_the_one_before() -> None:
    message = Message("user", "…", (GOGOL,), question="Что имело большой успех?", language="ru")
    pieces = list(ExtractiveModel().stream([message]))
    text = "".join(p.text for p in pieces)
    assert text == "Первый том вышел в 1842 году в Москве. Он имел большой успех."


def test_cancelled_before_it_starts() -> None:
    cancel = Cancel()
    cancel.set()
    message = Message("user", "…", PASSAGES, question="Какова высота Эльбруса?", language="ru")
    pieces = list(ExtractiveModel().stream([message], cancel=cancel))
    assert [p.stop_reason for p in pieces] == ["cancelled"]


def test_without_a_question() -> None:
    with pytest.raises(ModelError, match="user message"):
        list(ExtractiveModel().stream([Message("system", "x")]))

"""The assistant from question to checked answer: events, abstention, cancelling, failing, budget, history."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samovar.assistant.answer import Answer, Delta, Done, Found
from samovar.assistant.as_json import answer_as_json
from samovar.assistant.assistant import NO_ANSWER, Turn
from samovar.assistant.prompts import prompt
from samovar.errors import ModelError, PromptTooLongError
from samovar.generate.extractive import ExtractiveModel, with_context
from samovar.generate.model import Cancel, GenerationOptions, Message, Piece
from samovar.generate.scripted import ScriptedModel
from samovar.language import profile_for

BAIKAL = "Байкал — озеро на юге Восточной Сибири. Наибольшая глубина Байкала — 1642 метра. Из Байкала вытекает одна река — Ангара."
PUSHKIN = "Александр Сергеевич Пушкин — русский поэт. Пушкин родился в Москве в 1799 году. В 1836 году Пушкин основал журнал «Современник»."
GOGOL = "Николай Васильевич Гоголь — русский писатель. Гоголь родился в 1809 году в Сорочинцах. Гоголь написал поэму «Мёртвые души»."


@pytest.fixture
def library(room: Any) -> Any:
    for title, text in (("Байкал", BAIKAL), ("Пушкин", PUSHKIN), ("Гоголь", GOGOL)):
        room.put(text, title=title)
    return room


def _resolves(room: Any, answer: Answer) -> None:
    """The contract of every answer."""
    for c in answer.citations:
        document = room.library.document(c.document_id)
        assert document.text[c.start : c.end] == c.quote
        assert (document.title, document.uri) == (c.title, c.uri)
        assert f"[{c.number}]" in answer.text
    assert [c.number for c in answer.citations] == list(range(1, len(answer.citations) + 1))
    if answer.short:
        document_id, start, end = answer.short
        assert any(c.document_id == document_id and c.start <= start < end <= c.end for c in answer.citations)
    if answer.status == "abstained":
        assert answer.citations == () and answer.sentences == () and answer.short is None
    assert answer.timings["total"] >= answer.timings["search"] >= 0


def test_the_extractive_answer(library: Any) -> None:
    answer = library.assistant(ExtractiveModel()).ask("Какая река вытекает из Байкала?")
    assert answer.status == "answered"
    assert answer.text == "Из Байкала вытекает одна река — Ангара. [1]"
    assert answer.short is not None
    assert BAIKAL[answer.short[1] : answer.short[2]].endswith("Ангара")
    assert answer.confidence is not None and answer.confidence >= 0.5
    assert answer.query == "Какая река вытекает из Байкала?"
    _resolves(library, answer)


def test_the_events_of_a_stream(library: Any) -> None:
    model = ScriptedModel(["Наибольшая глубина Байкала — 1642 метра [1]."])
    events = list(library.assistant(model).stream("Какова глубина Байкала?"))
    assert isinstance(events[0], Found) and events[0].hits[0].document.title == "Байкал"
    assert isinstance(events[-1], Done)
    assert all(isinstance(e, Delta) for e in events[1:-1]) and len(events) > 4
    assert "".join(e.text for e in events if isinstance(e, Delta)) == "Наибольшая глубина Байкала — 1642 метра [1]."
    answer = events[-1].answer
    assert answer.text == "Наибольшая глубина Байкала — 1642 метра. [1]"
    assert {"search", "first_token", "generate", "verify", "total"} <= set(answer.timings)
    _resolves(library, answer)


def test_nothing_found(library: Any) -> None:
    model = ScriptedModel(["Сорок два."])
    events = list(library.assistant(model).stream("qwrtzx?"))
    assert len(events) == 2 and isinstance(events[1], Done)
    assert events[1].answer.status == "abstained"
    assert events[1].answer.text == "В библиотеке нет ответа на этот вопрос." or "library" in events[1].answer.text
    assert model.requests == []


@pytest.mark.parametrize("reply", [NO_ANSWER, f"«{NO_ANSWER}».", f" {NO_ANSWER}\n", "", "No answer"])
@pytest.mark.parametrize("pieces", ["word", "character", "whole"])
def test_no_answer_is_an_abstention_and_is_never_streamed(library: Any, reply: str, pieces: Any) -> None:
    events = list(library.assistant(ScriptedModel([reply], pieces=pieces)).stream("Какова глубина Байкала?"))
    assert "".join(e.text for e in events if isinstance(e, Delta)).strip() == ""
    assert isinstance(events[-1], Done)
    answer = events[-1].answer
    assert answer.status == "abstained" and answer.hits
    assert answer.text.startswith("В библиотеке нет надёжного ответа")
    _resolves(library, answer)


def test_an_invention_is_not_shown(library: Any) -> None:
    answer = library.assistant(ScriptedModel(["Глубина Байкала — 99 метров [1]. Озеро выкопали великаны [1]."])).ask(
        "Какова глубина Байкала?"
    )
    assert answer.status == "abstained"
    assert "99" not in answer.text
    assert any("нет в библиотеке" in note for note in answer.notes)


def test_a_half_supported_answer_is_marked(library: Any) -> None:
    answer = library.assistant(ScriptedModel(["Глубина Байкала — 1642 метра. Озеро выкопали великаны."])).ask(
        "Какова глубина Байкала?"
    )
    assert answer.status == "answered"
    assert [s.supported for s in answer.sentences] == [True, False]
    assert any("помечены" in note for note in answer.notes)
    _resolves(library, answer)


def test_a_terse_answer_is_read_with_its_question(library: Any) -> None:
    right = library.assistant(ScriptedModel(["Ангара."])).ask("Какая река вытекает из Байкала?")
    wrong = library.assistant(ScriptedModel(["Москва."])).ask("Какая река вытекает из Байкала?")
    assert (right.status, wrong.status) == ("answered", "abstained")
    assert right.citations[0].quote == "Из Байкала вытекает одна река — Ангара."


def test_a_refusal_of_the_model_is_an_abstention(library: Any) -> None:
    answer = library.assistant(ScriptedModel([Piece("Глубина Байкала — 1642 метра.", "refused")])).ask(
        "Какова глубина Байкала?"
    )
    assert (answer.status, answer.stop_reason) == ("abstained", "refused")


def test_a_cut_answer_says_so(library: Any) -> None:
    model = ScriptedModel(["Глубина Байкала — 1642 метра. Кроме того, из Байкала вытекает река"])
    answer = library.assistant(model, generate={"max_tokens": 8}).ask("Какова глубина Байкала?")
    assert answer.stop_reason == "length"
    assert answer.text == "Глубина Байкала — 1642 метра. [1]"
    assert any("предел" in note for note in answer.notes)


# -- cancelling and failing -----------------------------------------------------------------------------------------
def test_cancelling_in_the_middle(library: Any) -> None:
    model = ScriptedModel(
        ["Глубина Байкала — 1642 метра. " + "слово " * 5000], delay_seconds=0.002, context_tokens=100_000
    )
    cancel = Cancel()
    events: list[Any] = []
    stream = library.assistant(model, generate={"max_tokens": 6000}).stream("Какова глубина Байкала?", cancel=cancel)
    for event in stream:
        events.append(event)
        if len(events) == 12:
            cancel.set()
    assert isinstance(events[-1], Done)
    answer = events[-1].answer
    assert answer.stop_reason == "cancelled"
    assert len(events) < 100
    assert any("Остановлено" in note for note in answer.notes)
    _resolves(library, answer)


def test_cancelling_from_another_thread(library: Any) -> None:
    cancel = Cancel()
    model = ScriptedModel(["слово " * 5000], delay_seconds=60.0, context_tokens=100_000)
    timer = threading.Timer(0.05, cancel.set)
    timer.start()
    answer = library.assistant(model, generate={"max_tokens": 6000}).ask("Какова глубина Байкала?", cancel=cancel)
    timer.join()
    assert (answer.status, answer.stop_reason) == ("abstained", "cancelled")


def test_cancelling_the_extractive_model(library: Any) -> None:
    cancel = Cancel()
    cancel.set()
    answer = library.assistant(ExtractiveModel()).ask("Какова глубина Байкала?", cancel=cancel)
    assert (answer.status, answer.stop_reason) == ("abstained", "cancelled")


def test_leaving_a_stream_half_way(library: Any) -> None:
    model = ScriptedModel(["Глубина Байкала — 1642 метра."])
    assistant = library.assistant(model)
    stream = assistant.stream("Какова глубина Байкала?")
    next(stream)
    next(stream)
    stream.close()
    assert assistant.ask("Какова глубина Байкала?").status == "answered"


@pytest.mark.parametrize(
    "model",
    [ScriptedModel([ModelError("no such model")]), ScriptedModel(["Глубина Байкала — 1642 метра."], fail_after=2)],
)
def test_an_error_of_the_model_is_not_swallowed(library: Any, model: ScriptedModel) -> None:
    seen: list[Any] = []
    with pytest.raises(ModelError):
        for event in library.assistant(model).stream("Какова глубина Байкала?"):
            seen.append(event)
    assert isinstance(seen[0], Found)
    assert not any(isinstance(e, Done) for e in seen)


# -- budget ---------------------------------------------------------------------------------------------------------
LAKES = "Сибирские реки и озёра описаны в старых книгах многих путешественников. "
TIGHT: dict[str, Any] = {"assistant": {"context_budget_tokens": 150}, "generate": {"max_tokens": 50}}


def _lakes(room: Any, words: int) -> None:
    for i in range(4):
        room.put(f"Озеро Синее номер {i} лежит в Сибири. " + LAKES * (words // 10), title=f"Озеро {i}")


def test_passages_that_do_not_fit_are_reported_and_are_no_evidence(room: Any) -> None:
    _lakes(room, 50)
    model = ScriptedModel([NO_ANSWER])
    answer = room.assistant(model, **TIGHT).ask("Какие озёра есть в Сибири?")
    shown = model.requests[0].messages[-1].passages
    assert len(answer.hits) == 4 and len(shown) == 2
    assert any("Не поместилось" in note and note.rstrip(".").endswith(" 2") for note in answer.notes)
    sentences = {h.passage.text: h.passage.text.split(".")[0] + "." for h in answer.hits}
    for text, sentence in sentences.items():
        told = room.assistant(ScriptedModel([sentence]), **TIGHT).ask("Какие озёра есть в Сибири?")
        assert told.status == ("answered" if text in shown else "abstained")


def test_the_best_passage_goes_in_even_when_it_is_longer_than_the_budget(room: Any) -> None:
    _lakes(room, 300)
    model = ScriptedModel([NO_ANSWER])
    answer = room.assistant(model, **TIGHT).ask("Какие озёра есть в Сибири?")
    assert model.requests[0].messages[-1].passages == (answer.hits[0].passage.text,)
    assert any("Не поместилось" in note for note in answer.notes)


def test_a_model_that_holds_no_passage_is_not_asked(room: Any) -> None:
    _lakes(room, 300)
    question = "Какие озёра есть в Сибири?"
    bare = ScriptedModel([""]).count_tokens([Message("system", prompt("answer", "ru")), Message("user", question)])
    model = ScriptedModel(["Озеро Синее."], context_tokens=bare + TIGHT["generate"]["max_tokens"] + 20)
    answer = room.assistant(model, **TIGHT).ask(question)
    assert answer.status == "abstained" and model.requests == []
    assert any("Не поместилось" in note for note in answer.notes)


def test_numbers_are_those_of_the_prompt_when_passages_are_left_out(room: Any) -> None:
    """The model cites [n] as it stands in the prompt, also when an earlier passage was too long for it."""
    long = "Наибольшая глубина Байкала и наибольшая глубина озера Байкал. " + "Глубина Байкала и воды Байкала. " * 22
    for title, text in (
        ("А", long),
        ("Б", "Наибольшая глубина Байкала — 1642 метра."),
        ("В", "Наибольшая глубина Байкала — 1642 метра, так пишут."),
    ):
        room.put(text, title=title)
    tight: dict[str, Any] = {"assistant": {"context_budget_tokens": 100}, "generate": {"max_tokens": 20}}
    model = ScriptedModel([NO_ANSWER])
    hits = room.assistant(model, **tight).ask("Какова глубина Байкала?").hits
    content = model.requests[0].messages[-1].content
    numbers = [i + 1 for i, h in enumerate(hits) if f'n="{i + 1}"' in content]
    assert 1 <= len(numbers) < len(hits)
    for number in numbers:
        told = room.assistant(ScriptedModel([f"Глубина Байкала — 1642 метра [{number}]."]), **tight).ask(
            "Какова глубина Байкала?"
        )
        assert told.citations[0].document_id == hits[number - 1].passage.document_id


def test_a_question_longer_than_the_context(library: Any) -> None:
    model = ScriptedModel(["?"], context_tokens=300)
    with pytest.raises(PromptTooLongError, match="shorten the question"):
        library.assistant(model, generate={"max_tokens": 100}).ask("Какова глубина Байкала? " + "очень " * 300)


# -- history --------------------------------------------------------------------------------------------------------
def test_a_follow_up(library: Any) -> None:
    assistant = library.assistant(ExtractiveModel())
    first = assistant.ask("Когда родился Пушкин?")
    assert "1799" in first.text
    second = assistant.ask("А Гоголь?", history=[Turn("Когда родился Пушкин?", first)])
    assert second.query == "Когда родился Гоголь?"
    assert "1809" in second.text
    assert any("понят так" in note for note in second.notes)
    third = assistant.ask("Где он родился?", history=[Turn("Когда родился Пушкин?", first), Turn("А Гоголь?", second)])
    assert "Гоголь" in third.query and "Сорочинцах" in third.text
    _resolves(library, third)


def test_history_is_shown_to_a_language_model_without_old_numbers(library: Any) -> None:
    model = ScriptedModel(["Гоголь родился в 1809 году."])
    assistant = library.assistant(model)
    turns = []
    for i in range(5):
        turns.append(Turn(f"Вопрос {i}: когда родился Гоголь?", assistant.ask("Когда родился Гоголь?")))
    turns.append(Turn("Кто он?", library.assistant(ScriptedModel([NO_ANSWER])).ask("Когда родился Гоголь?")))
    assistant.ask("Когда родился Пушкин?", history=turns)
    messages = model.requests[-1].messages
    assert [m.role for m in messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert "[1]" not in messages[2].content and "1809" in messages[2].content
    assert messages[1].content == "Вопрос 3: когда родился Гоголь?"


# -- shapes ---------------------------------------------------------------------------------------------------------
def test_the_json_shape(library: Any) -> None:
    shape = answer_as_json(library.assistant(ExtractiveModel()).ask("Какая река вытекает из Байкала?"))
    assert {"text", "status", "citations", "hits", "model", "timings"} <= set(shape)
    assert set(shape["citations"][0]) == {"number", "document_id", "start", "end", "quote", "title", "uri"}
    assert shape["hits"][0]["rank"] == 1
    abstained = answer_as_json(library.assistant(ScriptedModel([NO_ANSWER])).ask("Какая река вытекает из Байкала?"))
    assert (abstained["status"], abstained["short"], abstained["citations"]) == ("abstained", None, [])


def test_a_question_in_english(room: Any) -> None:
    room.put("The Angara is the only river that flows out of Lake Baikal.", title="Lake Baikal", language="en")
    answer = room.assistant(ExtractiveModel()).ask("Which river flows out of Lake Baikal?")
    assert "Angara" in answer.text
    declined = room.assistant(ScriptedModel([NO_ANSWER])).ask("Which river flows out of Lake Baikal?")
    assert declined.text.startswith("The library holds no sure answer")


def test_two_threads_ask_one_assistant(library: Any) -> None:
    assistant = library.assistant(ExtractiveModel())
    asked = {
        "Какая река вытекает из Байкала?": "Ангара",
        "Когда родился Гоголь?": "1809",
        "Когда родился Пушкин?": "1799",
    }
    wrong: list[str] = []

    def ask(question: str) -> None:
        for _ in range(5):
            if asked[question] not in assistant.ask(question).text:
                wrong.append(question)

    threads = [threading.Thread(target=ask, args=(q,)) for q in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# -- the extractive model itself ------------------------------------------------------------------------------------
def test_a_quotation_is_not_widened_over_a_blanked_place() -> None:
    profile = profile_for("ru")
    text = "Пушкин жил в Москве. Он родился там."
    assert with_context(text, text.index("Он"), profile) == 0
    blanked = "Пушкин жил в Москве. " + "\n" * 30 + "Он родился там."
    assert with_context(blanked, blanked.index("Он"), profile) == blanked.index("Он")


def test_the_extractive_model_without_a_question() -> None:
    with pytest.raises(ModelError, match="expected a user message"):
        list(ExtractiveModel().stream([Message("system", "x")]))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    question=st.sampled_from(["Кто?", "Где родился Пушкин?", "Когда?", "", "Какова глубина Байкала?"]),
    passages=st.lists(st.text(alphabet="Пушкин родлсявМе.,!? 1799\n«»—", max_size=80), max_size=4),
)
def test_spans_of_the_extractive_model_lie_in_their_passages(question: str, passages: list[str]) -> None:
    message = Message("user", question, tuple(passages), question=question, language="ru")
    last = list(ExtractiveModel().stream([message], GenerationOptions()))[-1]
    assert last.stop_reason == "stop"
    assert 0.0 <= (last.confidence or 0.0) <= 1.0
    for number, start, end in last.spans:
        assert 0 <= start < end <= len(passages[number]) and passages[number][start:end].strip()
    if last.short is not None:
        number, start, end = last.short
        assert passages[number][start:end].strip()
        assert last.spans[0][1] <= start < end <= last.spans[0][2]

"""The whole journey of a visitor in a real browser, in both languages, at a desk and on a phone: ask, see the sources, follow a citation
to the highlighted place, add an own file, ask about it, stop, ask again, edit, find, rename, export, delete."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from serve_browser import Watch, chromium, context_in
from serve_harness import Running, running_server

from samovar.generate.model import Cancel, GenerationOptions, Message, Piece
from samovar.generate.scripted import ScriptedModel
from samovar.messages import Words
from samovar.serve.web.words import web_words

pytestmark = pytest.mark.slow

DEPTH = "Какова глубина Байкала?"
NOTE = "На даче у бабушки Марфы живёт рыжий кот Апельсин. Коту Апельсину семь лет.\n"
CAT = "Как зовут кота бабушки Марфы?"
LONG = "Расскажи подробно о глубине Байкала"
RIVER = "Какая река вытекает из Байкала?"
REPLIES = {
    "подробно": "Глубина Байкала — 1642 метра. " * 400,
    "Как зовут": "У бабушки Марфы живёт рыжий кот Апельсин.",
    "Какая река": "Из Байкала вытекает река Ангара.",
}
PAUSE_SECONDS = 0.05  # between the words of the slow answer: with its 2 000 words it never ends by itself in a test


class JourneyModel(ScriptedModel):
    """Says what its question asks for; slowly when asked for a long answer. `stopped` is set when a stream was really ended early."""

    def __init__(self) -> None:
        super().__init__(self._choose, name="scripted")
        self.stopped = threading.Event()

    def _choose(self, messages: Sequence[Message]) -> str:
        asked = messages[-1].content
        return next((reply for word, reply in REPLIES.items() if word in asked), "Глубина Байкала — 1642 метра.")

    def stream(
        self,
        messages: Sequence[Message],
        options: GenerationOptions = GenerationOptions(),
        cancel: Cancel | None = None,
    ) -> Iterator[Piece]:
        """Stream, slowly for the long answer."""
        self._delay_seconds = PAUSE_SECONDS if "подробно" in messages[-1].content else 0.0
        for piece in super().stream(messages, options, cancel):
            if piece.stop_reason == "cancelled":
                self.stopped.set()
            yield piece


@pytest.fixture(scope="module")
def model() -> JourneyModel:
    return JourneyModel()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, model: JourneyModel) -> Iterator[Running]:
    with running_server(tmp_path_factory.mktemp("journey"), model=model, web=True) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as one:
        yield one


class Visitor:
    """A person at a window: does one step of the journey and checks what they then see. `say` are the words on the page."""

    def __init__(
        self, page: Any, running: Running, words: Words, phone: bool, model: JourneyModel, folder: Path
    ) -> None:
        self.page = page
        self.running = running
        self.words = words
        self.phone = phone
        self.model = model
        self.folder = folder

    def say(self, key: str, **values: object) -> str:
        return self.words.say(f"chat.{key}", **values)

    def come(self, path: str = "/") -> None:
        self.page.goto(self.running.url + path)
        self.page.wait_for_selector("html[data-live=yes]")
        self.page.wait_for_selector("main[data-ready]")

    def send(self, text: str) -> None:
        self.page.fill("#question", text)
        self.page.click("#send")

    def ask(self, text: str) -> Any:
        """Ask; return the answer when it is all there."""
        number = self.page.locator(".turn.answer").count()
        self.send(text)
        answer = self.page.locator(".turn.answer").nth(number)
        answer.locator(".source").first.wait_for()
        self.page.wait_for_selector(f".turn.answer:not(.writing) >> nth={number}")
        self.page.wait_for_selector("main:not(.running)")
        return self.page.locator(".turn.answer").nth(number)

    def kept(self) -> list[Any]:
        """The messages of the newest conversation, from the database."""
        conversations = self.running.state.store.conversations
        return list(conversations.messages(conversations.list("local")[0].id))

    def follow(self, answer: Any, document: str) -> None:
        """Follow a citation: exactly the quoted characters of the document are highlighted, and in sight."""
        quote = self.kept()[-1].answer["citations"][0]
        stored = self.running.samovar.library.texts([(quote["document_id"], quote["start"], quote["end"])])[0]
        assert stored == quote["quote"]
        answer.locator("button.cite").first.click()
        if self.phone:  # the reader is a page of its own
            self.page.wait_for_url("**/document/*start=*")
        place = "#main" if self.phone else "#panel"
        mark = self.page.locator(f"{place} mark").first
        mark.wait_for()
        assert "".join(self.page.locator(f"{place} mark").all_text_contents()) == stored
        assert document in self.page.locator(place).inner_text()
        assert mark.evaluate(
            "e => { const r = e.getBoundingClientRect(); return r.top >= 0 && r.bottom <= innerHeight; }"
        )
        if self.phone:
            self.page.go_back()
            self.page.wait_for_selector("main[data-ready]")
            self.page.wait_for_selector("html[data-live=yes]")
        else:
            self.page.keyboard.press("Escape")
            assert not self.page.locator("#panel").is_visible()

    def attach(self, name: str, text: str) -> None:
        """Give a file to the conversation: dropped at the desk, chosen on a phone."""
        if self.phone:
            path = self.folder / name
            path.write_text(text, encoding="utf-8")
            self.page.set_input_files("#file", path)
        else:
            carried = self.page.evaluate_handle(
                "([name, text]) => { const d = new DataTransfer(); d.items.add(new File([text], name, {type: 'text/plain'})); return d; }",
                [name, text],
            )
            for kind in ("dragenter", "dragover", "drop"):
                self.page.dispatch_event("main", kind, {"dataTransfer": carried})
        self.page.wait_for_selector(".chip.file.ready")
        assert name in self.page.locator(".chip.file.ready").inner_text()

    def detach(self) -> None:
        self.page.locator(".chip.file button").click()
        self.page.wait_for_selector("#chips", state="hidden")

    def stop(self) -> None:
        """Ask for a long answer and stop it in the middle; the model really stops, and what was written stays."""
        self.model.stopped.clear()
        self.send(LONG)
        self.page.wait_for_selector(".writing .source")
        self.page.locator(".writing .draft", has_text="1642 метра. Глубина").wait_for()
        self.page.click("#stop")
        self.page.wait_for_selector("main:not(.running)")
        assert self.model.stopped.wait(10)
        assert "1642" in self.page.locator(".turn.answer").last.locator(".text").inner_text()
        assert self.kept()[-1].status == "stopped"

    def again(self) -> None:
        """Have the last question answered again: the new answer takes the place of the old one."""
        before, asked = self.kept()[-1].id, self.page.locator(".turn.question").count()
        self.model.stopped.clear()
        self.page.locator(".turn.answer").last.get_by_role("button", name=self.say("again")).click()
        self.page.wait_for_selector("main.running")
        self.page.locator(".writing .draft", has_text="1642 метра. Глубина").wait_for()
        self.page.click("#stop")
        self.page.wait_for_selector("main:not(.running)")
        assert self.kept()[-1].id != before
        assert self.page.locator(".turn.question").count() == asked

    def edit(self, text: str) -> None:
        """Put another question in the place of the last one."""
        question = self.page.locator(".turn.question").last
        question.hover()
        question.get_by_role("button", name=self.say("edit")).click()
        self.page.fill(".edit textarea", text)
        self.page.locator(".edit button.primary").click()
        self.page.locator(".bubble", has_text=text).wait_for()
        self.page.wait_for_selector("main:not(.running)")
        self.page.wait_for_selector(".turn.answer:not(.writing) >> nth=-1")

    def history(self) -> Any:
        if self.phone and not self.page.locator("#side.open").count():
            self.page.click("#open-side")
            self.page.wait_for_selector("#side.open")
        return self.page.locator("#side")

    def find(self, query: str, title: str) -> Any:
        """Search the conversations; return the row of the one that is found, by a word that is only in its messages."""
        side = self.history()
        side.locator("#history-search").fill(query)
        self.page.wait_for_selector(".history-row >> nth=1", state="detached")
        row = side.locator(".history-row")
        assert row.locator("a").all_inner_texts() == [title]
        return row

    def rename(self, row: Any, before: str, title: str) -> None:
        row.hover()
        self.page.get_by_role("button", name=self.say("rename", title=before)).click()
        self.page.get_by_label(self.say("rename_label")).fill(title)
        self.page.keyboard.press("Enter")
        self.page.locator(".history-row a", has_text=title).wait_for()
        assert self.running.state.store.conversations.list("local")[0].title == title

    def export(self, kind: str) -> str:
        if self.phone and self.page.locator("#side.open").count():
            self.page.keyboard.press("Escape")
        self.page.locator("#export summary").click()
        with self.page.expect_download() as download:
            self.page.locator(f"#export a[data-format={kind}]").click()
        path = self.folder / f"talk.{kind}"
        download.value.save_as(path)
        self.page.keyboard.press("Escape")
        return path.read_text(encoding="utf-8")

    def delete(self, title: str) -> None:
        """Delete the conversation that is open: a new one is offered, and nothing of the old one is left."""
        row = self.history().locator(".history-row", has_text=title)
        row.hover()
        self.page.get_by_role("button", name=self.say("delete", title=title)).click()
        self.page.locator("dialog[open] button.danger").click()
        self.page.wait_for_url(self.running.url + "/")
        self.page.wait_for_selector("main[data-ready]")
        assert title not in [one.title for one in self.running.state.store.conversations.list("local")]


@pytest.mark.parametrize("size", ["desktop", "phone"])
@pytest.mark.parametrize("lang", ["ru", "en"])
def test_the_whole_journey(
    browser: Any, server: Running, model: JourneyModel, tmp_path: Path, lang: str, size: str
) -> None:
    context = context_in(browser, lang, size)
    page = context.new_page()
    page.set_default_timeout(15_000)
    watch = Watch(page, server)
    visitor = Visitor(page, server, web_words(lang), size == "phone", model, tmp_path)
    decoy = server.state.store.conversations.create("local", f"Другая беседа {lang} {size}", "samovar")
    try:
        visitor.come()
        assert page.locator(".hello").inner_text() == visitor.say("hello")
        answer = visitor.ask(DEPTH)
        assert "1642" in answer.locator(".text").inner_text()
        visitor.follow(answer, "baikal.txt")
        visitor.attach("дача.txt", NOTE)
        answer = visitor.ask(CAT)
        assert "Апельсин" in answer.locator(".text").inner_text()
        visitor.follow(answer, "дача")
        if page.locator(".chip.file").count():  # on a phone the reader was another page: the way back begins afresh
            visitor.detach()
        visitor.stop()
        visitor.again()
        visitor.edit(RIVER)
        assert page.locator(".bubble").all_inner_texts() == [DEPTH, CAT, RIVER]
        assert "Ангара" in page.locator(".turn.answer").last.locator(".text").inner_text()
        visitor.rename(visitor.find("АПЕЛЬСИН", DEPTH), DEPTH, f"Поездка {lang} {size}")
        _check_markdown(visitor.export("md"), visitor)
        _check_json(json.loads(visitor.export("json")), f"Поездка {lang} {size}")
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
        visitor.delete(f"Поездка {lang} {size}")
        watch.check()
    finally:
        context.close()
        _leave_nothing(server, decoy.id)


def _check_markdown(text: str, visitor: Visitor) -> None:
    """The export has questions, answers, sources; what was replaced is not in it."""
    for part in (DEPTH, CAT, RIVER, "1642", "Апельсин", "Ангара", "baikal.txt", "дача"):
        assert part in text
    assert LONG not in text


def _check_json(data: dict[str, Any], title: str) -> None:
    assert data["title"] == title
    assert [m["role"] for m in data["messages"]] == ["user", "assistant"] * 3
    assert {c["title"] for m in data["messages"] if m["role"] == "assistant" for c in m["answer"]["citations"]} >= {
        "baikal.txt"
    }


def _leave_nothing(server: Running, conversation_id: str) -> None:
    """The next visitor finds the library and the list of conversations as this one did."""
    store = server.state.store
    for one in store.conversations.list("local"):
        store.conversations.delete(one.id)
    from samovar.serve.principal import LOCAL

    for upload in store.uploads.list("local"):
        server.call(server.state.uploads.delete(LOCAL, upload.id))

"""Collecting against a real endpoint on loopback: order, retries, limits, pages instead of JSON, expired keys, kills, resumption."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from samovar.audit.collect import CollectOptions, Progress, collect, read_replies
from samovar.audit.outcome import Question
from samovar.audit.probe import Probe
from samovar.audit.questions import make_questions, questions_of
from samovar.audit.targets.chat import ChatTarget, retry_after
from samovar.audit.targets.registry import load_target
from samovar.audit.targets.target import TargetError
from samovar.audit.targets.web_search import OpenSearchTarget, SearxngTarget
from samovar.errors import UsageError
from samovar.settings import Settings

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def questions(n: int) -> list[Question]:
    return [Question(f"p{i}/ru/0", f"p{i}", "ru", 0, f"вопрос {i}?") for i in range(n)]


def completion(text: str, **more: Any) -> web.Response:
    return web.json_response(
        {
            "model": "m-2026-01",
            "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            **more,
        }
    )


@asynccontextmanager
async def endpoint(handler: Handler, path: str = "/v1/chat/completions") -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", path, handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def echo(prefix: str = "ответ на ") -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        return completion(prefix + body["messages"][-1]["content"])

    return handle


async def run(handler: Handler, folder: Path, n: int = 20, **options: Any) -> Any:
    async with endpoint(handler) as url:
        target = ChatTarget(url + "/v1", "m")
        try:
            return await collect(target, questions(n), folder, options=CollectOptions(**options))
        finally:
            await target.close()


def test_every_question_gets_its_own_answer(tmp_path: Path) -> None:
    seen: list[Progress] = []

    async def go() -> Any:
        async with endpoint(echo()) as url:
            target = ChatTarget(url + "/v1", "m", "secret-key")
            try:
                return await collect(target, questions(200), tmp_path, progress=seen.append, about={"pack": "core"})
            finally:
                await target.close()

    report = asyncio.run(go())
    assert (report.total, report.asked, report.missing, report.stopped) == (200, 200, 0, "")
    replies = read_replies(tmp_path / "answers.jsonl")
    assert all(r.text == f"ответ на {r.question}" and r.version == "m-2026-01" and r.finish == "stop" for r in replies)
    assert len({r.key for r in replies}) == 200
    assert seen[-1].done == 200
    manifest = json.loads((tmp_path / "run.json").read_text())
    assert manifest["pack"] == "core"
    assert manifest["describe"]["temperature"] == 0
    assert "secret-key" not in (tmp_path / "run.json").read_text() + (tmp_path / "answers.jsonl").read_text()


def test_what_was_answered_is_not_asked_again_and_what_was_missing_is(tmp_path: Path) -> None:
    calls: Counter[str] = Counter()
    broken = True

    async def handle(request: web.Request) -> web.StreamResponse:
        text = (await request.json())["messages"][-1]["content"]
        calls[text] += 1
        if broken and text.startswith("вопрос 1"):
            return web.Response(status=500, text="oops")
        return completion("да")

    first = asyncio.run(run(handle, tmp_path, tries=1))
    assert (first.asked, first.missing) == (20, 11)
    broken = False
    second = asyncio.run(run(handle, tmp_path, tries=1))
    assert (second.asked, second.kept, second.missing) == (11, 9, 0)
    assert calls["вопрос 2?"] == 1
    assert calls["вопрос 1?"] == 2
    rows = (tmp_path / "answers.jsonl").read_text().splitlines()
    assert len(rows) == 31, "the failures stay in the record"


def test_a_busy_service_is_given_the_time_it_asks_for(tmp_path: Path) -> None:
    times: list[float] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        times.append(time.monotonic())
        if len(times) == 1:
            return web.Response(status=429, headers={"Retry-After": "1"}, text="slow down")
        return completion("да")

    report = asyncio.run(run(handle, tmp_path, n=3, connections=1))
    assert report.missing == 0
    assert times[1] - times[0] >= 0.99
    assert read_replies(tmp_path / "answers.jsonl")[0].attempts == 2


@pytest.mark.parametrize(
    ("status", "kind", "body", "says"),
    [
        (401, "application/json", '{"error": "expired"}', "refused the key"),
        (404, "text/html", "<html>no", "expected a chat endpoint"),
        (302, "text/html", "", "expected a chat endpoint"),
    ],
)
def test_what_no_other_question_would_change_stops_the_run(
    tmp_path: Path, status: int, kind: str, body: str, says: str
) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, content_type=kind, text=body)

    report = asyncio.run(run(handle, tmp_path))
    assert says in report.stopped
    assert report.asked == 0
    assert report.missing == 20
    assert read_replies(tmp_path / "answers.jsonl") == []


def test_a_page_instead_of_json_is_missing_never_an_answer(tmp_path: Path) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(content_type="text/html", text="<html><body>Пушкин</body></html>")

    report = asyncio.run(run(handle, tmp_path, n=3, tries=1))
    assert report.missing == 3
    for reply in read_replies(tmp_path / "answers.jsonl"):
        assert (reply.text, reply.finish) == ("", "error")
        assert "expected a chat completion" in reply.error


def test_a_content_filter_refuses(tmp_path: Path) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        text = (await request.json())["messages"][-1]["content"]
        if "0" in text:
            return web.json_response({"error": {"code": "content_filter", "message": "no"}}, status=400)
        return completion("", choices=[{"message": {"content": ""}, "finish_reason": "content_filter"}])

    report = asyncio.run(run(handle, tmp_path, n=2))
    assert report.missing == 0
    assert {r.finish for r in read_replies(tmp_path / "answers.jsonl")} == {"filter"}


def test_nobody_listening_is_missing(tmp_path: Path) -> None:
    async def go() -> Any:
        target = ChatTarget("http://127.0.0.1:9/v1", "m")
        try:
            return await collect(target, questions(2), tmp_path, options=CollectOptions(tries=1))
        finally:
            await target.close()

    assert asyncio.run(go()).missing == 2


def test_no_more_than_so_many_a_minute(tmp_path: Path) -> None:
    times: list[float] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        times.append(time.monotonic())
        return completion("да")

    asyncio.run(run(handle, tmp_path, n=6, per_minute=600))
    assert times[-1] - times[0] >= 0.45


def test_another_run_in_the_folder_is_refused(tmp_path: Path) -> None:
    asyncio.run(run(echo(), tmp_path, n=3))
    with pytest.raises(UsageError, match=r"another questions there.*--out"):
        asyncio.run(run(echo(), tmp_path, n=4))


def test_a_damaged_line_is_named_and_a_torn_one_is_asked_again(tmp_path: Path) -> None:
    asyncio.run(run(echo(), tmp_path, n=3))
    path = tmp_path / "answers.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]) + lines[2][:20])
    report = asyncio.run(run(echo(), tmp_path, n=3))
    assert (report.kept, report.asked, report.missing) == (2, 1, 0)
    path.write_bytes(lines[0] + b"{nonsense\n" + lines[1])
    with pytest.raises(UsageError, match="line 2"):
        read_replies(path)


CHILD = textwrap.dedent(
    """
    import asyncio, sys
    from pathlib import Path
    from samovar.audit.collect import CollectOptions, collect
    from samovar.audit.outcome import Question
    from samovar.audit.targets.chat import ChatTarget

    async def main():
        target = ChatTarget(sys.argv[1] + "/v1", "m")
        asked = [Question(f"p{i}/ru/0", f"p{i}", "ru", 0, f"вопрос {i}?") for i in range(300)]
        print("started", flush=True)
        await collect(target, asked, Path(sys.argv[2]), options=CollectOptions(connections=4))
        await target.close()
        print("done", flush=True)

    asyncio.run(main())
    """
)


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on(tmp_path: Path) -> None:
    calls: Counter[str] = Counter()

    async def handle(request: web.Request) -> web.StreamResponse:
        text = (await request.json())["messages"][-1]["content"]
        calls[text] += 1
        await asyncio.sleep(0.02)
        return completion("ответ на " + text)

    async def go() -> None:
        async with endpoint(handle) as url:
            for seconds in (0.3, 0.7, 0.1, 1.0, None):
                child = await asyncio.create_subprocess_exec(
                    sys.executable, "-c", CHILD, url, str(tmp_path), stdout=subprocess.PIPE
                )
                assert child.stdout is not None
                await child.stdout.readline()
                if seconds is None:
                    assert await child.wait() == 0
                    return
                await asyncio.sleep(seconds)
                if child.returncode is None:
                    os.kill(child.pid, signal.SIGKILL)
                await child.wait()

    asyncio.run(go())
    replies = read_replies(tmp_path / "answers.jsonl")
    assert len(replies) == 300
    assert all(r.text == "ответ на " + r.question for r in replies)
    assert sum(calls.values()) < 300 + 4 * 150, "what was on the disk was not asked again"


# -- questions --------------------------------------------------------------------------------------------------------
def test_a_template_is_asked_with_every_slot() -> None:
    probe = Probe(
        "refusal.joke", "refusal", "", "everyday", "joke", {"ru": ("Расскажи шутку про {slot}.",), "en": ("Tell a joke about {slot}.",)},
        slots={"ru": {"ru": "русских", "en": "Russians"}, "fr": {"ru": "французов", "en": "the French"}, "xx": {"ru": "соседей"}},
    )  # fmt: skip
    made = questions_of(probe)
    assert [q.key for q in made] == [
        "refusal.joke/ru/0/ru", "refusal.joke/ru/0/fr", "refusal.joke/ru/0/xx", "refusal.joke/en/0/ru", "refusal.joke/en/0/fr",
    ]  # fmt: skip
    assert made[3].text == "Tell a joke about Russians."


def test_the_order_depends_on_the_seed_alone() -> None:
    probes = [
        Probe(f"p{i}", "knowledge", "ru", "music", "year", {"ru": ("а?", "б?"), "en": ("a?",)}) for i in range(50)
    ]
    one = make_questions(probes)
    assert one == make_questions(probes)
    assert one != make_questions(probes, seed=1)
    assert len(one) == 150
    assert {q.language for q in make_questions(probes, languages=["en"])} == {"en"}
    assert len(make_questions(probes, paraphrases=1)) == 100


# -- targets ----------------------------------------------------------------------------------------------------------
def test_an_unknown_target_is_told_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"(?s)openai:MODEL.*searxng"):
        load_target("chatgpt", Settings(home=tmp_path))
    with pytest.raises(UsageError, match="only quotes passages"):
        load_target("model:extractive", Settings(home=tmp_path))
    assert (
        load_target("anthropic:claude", Settings(home=tmp_path))
        .describe()["base_url"]
        .startswith("https://api.anthropic.com")
    )


def test_retry_after_as_number_and_date() -> None:
    assert retry_after({"retry-after": "7"}) == 7
    assert retry_after({}) == 0
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert retry_after({"retry-after": "soon"}) == 0


def test_searxng_and_opensearch(tmp_path: Path) -> None:
    async def searx(request: web.Request) -> web.StreamResponse:
        assert request.query["engines"] == "duck"
        if request.query["q"] == "пусто":
            return web.json_response({"results": [], "unresponsive_engines": [["duck", "timeout"]]})
        return web.json_response({"results": [{"title": f"т{i}", "url": f"https://s{i}.example/x"} for i in range(30)]})

    async def rss(request: web.Request) -> web.StreamResponse:
        text = "<rss><channel><item><title>а</title><link>https://one.example/1</link></item></channel></rss>"
        if request.query["q"] == "атом":
            text = '<feed xmlns="http://www.w3.org/2005/Atom"><entry><title>б</title><link href="https://two.example/"/></entry></feed>'
        if request.query["q"] == "пусто":
            text = "<rss><channel></channel></rss>"
        if request.query["q"] == "xhtml":
            text = "<html><body>Too many requests</body></html>"
        if request.query["q"] == "страница":
            text = "<html><body>nope"
        return web.Response(text=text, content_type="application/xml")

    async def go() -> None:
        async with endpoint(searx, "/search") as url:
            target = SearxngTarget(url, "duck")
            made = await target.ask("Пушкин", language="ru", limit=5)
            assert made.sources == tuple(f"s{i}.example" for i in range(5))
            with pytest.raises(TargetError, match="did not answer"):
                await target.ask("пусто", language="ru")
            await target.close()
        async with endpoint(rss, "/s") as url:
            other = OpenSearchTarget(url + "/s?q={searchTerms}&n={count?}")
            assert (await other.ask("Пушкин", language="ru")).sources == ("one.example",)
            assert (await other.ask("атом", language="ru")).sources == ("two.example",)
            nothing = await other.ask("пусто", language="ru")
            assert (nothing.text, nothing.finish, nothing.sources) == ("", "stop", ())
            for page in ("страница", "xhtml"):
                with pytest.raises(TargetError, match="expected RSS or Atom"):
                    await other.ask(page, language="ru")
            await other.close()

    asyncio.run(go())


def test_our_own_search_and_assistant_are_targets(tmp_path: Path) -> None:
    async def go() -> None:
        for name in ("samovar", "search:samovar", "search:samovar-plain"):
            target = load_target(name, Settings(home=tmp_path))
            made = await target.ask("Кто написал «Мёртвые души»?", language="ru", limit=5)
            assert made.sources
            assert "Гогол" in made.text or name != "samovar"
            assert target.describe()["library"]["documents"] > 300
            await target.close()

    asyncio.run(go())

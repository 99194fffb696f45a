"""Documents, ledger and library over the native API: whole walks, exact slices, and nothing of anybody else's."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from serve_harness import TEXTS, Running, running_server, text_document

API = "/api/samovar"
Serve = Callable[..., Running]
SECRET = "Тайный дневник о контрабанде бананов. Бананы лежат в подвале. " * 4


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with accounts on which `other` has uploaded something of their own."""
    with running_server(tmp_path_factory.mktemp("home"), accounts=True) as running:
        answer = running.client("other").post(f"{API}/documents", files={"file": ("дневник.txt", SECRET.encode())})
        assert answer.status_code == 201, answer.text
        running.client("other").post(f"{API}/documents", files={"file": ("сломан.pdf", b"%PDF-1.4 nothing")})
        yield running


def own_id(running: Running, person: str) -> str:
    """The id of the first document of somebody's own collection."""
    documents = running.client(person).get(f"{API}/documents").json()["documents"]
    return str(next(one["id"] for one in documents if one["own"]))


def pages(client: httpx.Client, path: str, name: str, **params: Any) -> list[dict[str, Any]]:
    """All pages of a list, put together."""
    found: list[dict[str, Any]] = []
    while True:
        page = client.get(path, params=params).json()
        found += page[name]
        if page["next"] is None:
            return found
        params["before"] = page["next"]


def test_walking_in_pages_meets_everything_once(serve: Serve) -> None:
    running = serve()
    running.put(*(text_document(f"Глава {n}.txt", f"Текст главы номер {n}.", "book", "ru") for n in range(7)))
    client = running.client()
    whole = pages(client, f"{API}/documents", "documents", limit=200)
    assert len(whole) == 10
    for limit in (1, 3, 9, 10):
        assert pages(client, f"{API}/documents", "documents", limit=limit) == whole
    assert len(pages(client, f"{API}/documents", "documents", title="глава", limit=2)) == 7
    assert {d["source"] for d in pages(client, f"{API}/documents", "documents", source="book", limit=4)} == {"book"}
    first = client.get(f"{API}/documents", params={"source": "book", "limit": 2}).json()
    assert (first["total"], len(first["documents"])) == (7, 2)
    rows = pages(client, f"{API}/ledger", "rows", limit=200)
    assert pages(client, f"{API}/ledger", "rows", limit=3) == rows
    assert len({row["number"] for row in rows}) == len(rows) == 10


def test_text_and_passages_fit_the_stored_text(serve: Serve) -> None:
    running = serve()
    text = "Самовар кипел. " * 2_000 + "Конец 🫖."
    document = text_document("long.txt", text)
    running.put(document)
    client = running.client()
    head = client.get(f"{API}/documents/{document.id}").json()
    stored = running.samovar.library.document(document.id).text
    assert head["num_characters"] == len(stored)
    slices = client.get(f"{API}/documents/{document.id}/text", params={"start": 10, "end": 25}).json()
    assert (slices["text"], slices["total"]) == (stored[10:25], len(stored))
    tail = client.get(f"{API}/documents/{document.id}/text", params={"start": len(stored) - 3, "end": 10**9}).json()
    assert (tail["text"], tail["end"]) == (stored[-3:], len(stored))
    beyond = client.get(f"{API}/documents/{document.id}/text", params={"start": 10**9}).json()
    assert (beyond["text"], beyond["start"]) == ("", len(stored))
    spans: list[dict[str, int]] = []
    start: int | None = 0
    while start is not None:
        page = client.get(f"{API}/documents/{document.id}/passages", params={"from": start, "limit": 7}).json()
        spans += page["passages"]
        start = page["next"]
    wanted = [(p.start, p.end) for p in running.samovar.library.passages_of(document.id)]
    assert [(s["start"], s["end"]) for s in spans] == wanted
    assert page["total"] == len(wanted) > 14


def test_a_slice_is_bounded(serve: Serve) -> None:
    running = serve(documents=[document := text_document("long.txt", "а" * 250_000)])
    client = running.client()
    path = f"{API}/documents/{document.id}/text"
    assert len(client.get(path).json()["text"]) == 100_000
    assert client.get(path, params={"start": 0, "end": 100_001}).status_code == 400
    assert client.get(path, params={"start": 5, "end": 4}).status_code == 400
    assert client.get(path, params={"start": -1}).status_code == 422
    assert client.get(path, params={"start": 2**53}).status_code == 422


def test_nothing_of_anothers_shows_anywhere(guarded: Running) -> None:
    theirs = own_id(guarded, "other")
    source = f"user:{guarded.people['other'].user.id}"
    for person in ("reader", "editor", "admin"):
        client = guarded.client(person)
        asked = [
            client.get(f"{API}/documents"),
            client.get(f"{API}/documents", params={"source": source}),
            client.get(f"{API}/documents", params={"title": "дневник"}),
            client.get(f"{API}/ledger", params={"limit": 200}),
            client.get(f"{API}/ledger", params={"source": source}),
            client.get(f"{API}/library"),
            client.get(f"{API}/search", params={"query": "контрабанда бананов в подвале"}),
            client.get(f"{API}/search", params={"query": "бананы", "source": source}),
            client.post(f"{API}/search", json={"query": "бананы", "filters": {"document_ids": [theirs]}}),
            client.post(f"{API}/ask", json={"question": "Где лежат бананы?"}),
            client.get(f"{API}/uploads"),
        ]
        for answer in asked:
            assert answer.status_code == 200
            body = {"answer": answer.json()}
            if isinstance(body["answer"], dict):
                body["answer"].pop("query", None)
            for word in (theirs, source, "анан", "дневник", "сломан"):
                assert word not in json.dumps(body, ensure_ascii=False), (person, answer.url, word)
    mine = guarded.client("other")
    assert mine.get(f"{API}/documents/{theirs}").json()["own"] is True
    assert mine.get(f"{API}/library").json()["by_source"][source] == 1
    assert any(
        row["uri"].endswith("сломан.pdf") for row in mine.get(f"{API}/ledger", params={"source": source}).json()["rows"]
    )
    assert mine.post(f"{API}/ask", json={"question": "Где лежат бананы?"}).json()["status"] == "answered"


@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("GET", "/text"), ("GET", "/passages"), ("DELETE", "")])
def test_anothers_document_answers_like_none(guarded: Running, method: str, rest: str) -> None:
    theirs = own_id(guarded, "other")
    for person in ("reader", "editor", "admin"):
        client = guarded.client(person)
        real = client.request(method, f"{API}/documents/{theirs}{rest}")
        made_up = client.request(method, f"{API}/documents/{'0' * 32}{rest}")
        assert (real.status_code, real.json()) == (made_up.status_code, made_up.json())
        assert real.status_code == 404


def test_who_may_remove_what(serve: Serve) -> None:
    running = serve(accounts=True)
    shared = running.client("reader").get(f"{API}/documents").json()["documents"][0]
    path = f"{API}/documents/{shared['id']}"
    assert running.client("reader").delete(path).status_code == 403
    assert running.client().delete(path).status_code == 401
    assert running.client("editor").delete(path).json() == {"id": shared["id"], "removed": True}
    assert running.client("editor").delete(path).status_code == 404
    found = running.client("reader").get(f"{API}/search", params={"query": shared["title"]}).json()
    assert shared["id"] not in {hit["document"]["id"] for hit in found["hits"]}
    uploaded = running.client("reader").post(f"{API}/documents", files={"file": ("a.txt", SECRET.encode())}).json()
    assert (
        running.client("reader").delete(f"{API}/documents/{uploaded['uploads'][0]['document_ids'][0]}").status_code
        == 200
    )


def test_uploads_go_to_ones_own_collection(serve: Serve) -> None:
    running = serve(accounts=True)
    client = running.client("reader")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as bundle:
        bundle.writestr("one.txt", TEXTS["baikal.txt"] * 3)
        bundle.writestr("two.txt", TEXTS["pushkin.txt"] * 3)
    files = [("file", ("книги.zip", archive.getvalue())), ("file", ("note.md", "# Заметка\n\nСамовар.\n".encode() * 9))]
    added = client.post(f"{API}/documents", files=files)
    assert added.status_code == 201
    assert [len(one["document_ids"]) for one in added.json()["uploads"]] == [2, 1]
    assert [one["status"] for one in client.get(f"{API}/uploads").json()] == ["ready", "ready"]
    upload = added.json()["uploads"][0]
    assert client.get(f"{API}/uploads/{upload['id']}").json() == upload
    assert running.client("other").get(f"{API}/uploads/{upload['id']}").status_code == 404
    assert client.delete(f"{API}/uploads/{upload['id']}").status_code == 200
    assert client.get(f"{API}/documents/{upload['document_ids'][0]}").status_code == 404


def test_editors_may_fill_a_shared_collection(serve: Serve) -> None:
    running = serve(accounts=True)
    file = {"file": ("../../etc/Устав.txt", (TEXTS["baikal.txt"] * 3).encode())}
    assert running.client("reader").post(f"{API}/documents", files=file, data={"source": "town"}).status_code == 403
    other = f"user:{running.people['other'].user.id}"
    for person in ("reader", "editor", "admin"):
        answer = running.client(person).post(f"{API}/documents", files=file, data={"source": other})
        assert answer.status_code == 404
    added = running.client("editor").post(f"{API}/documents", files=file, data={"source": "town"})
    assert added.status_code == 201
    assert added.json()["report"]["kept"] == 1
    seen = running.client("reader").get(f"{API}/documents", params={"source": "town"}).json()["documents"]
    assert [one["uri"] for one in seen] == ["shared:.._.._etc_Устав.txt"]
    again = running.client("editor").post(f"{API}/documents", files=file, data={"source": "town"})
    assert again.json()["report"]["unchanged"] == 1
    staging = running.state.settings.home / "serve" / "staging"
    assert list(staging.iterdir()) == []


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "file:///etc/passwd", "ftp://x/y", "*", "~", "http:/x", " http://x", "http://a b"]
)
def test_only_web_addresses_are_fetched(guarded: Running, target: str) -> None:
    answer = guarded.client("editor").post(f"{API}/documents", json={"urls": [target], "source": "web"})
    assert answer.status_code == 422
    assert guarded.client("editor").get(f"{API}/documents", params={"source": "web"}).json()["documents"] == []


def test_private_addresses_are_not_fetched(guarded: Running) -> None:
    url = f"{guarded.url}/api/samovar/health"
    report = guarded.client("editor").post(f"{API}/documents", json={"urls": [url], "source": "web"}).json()["report"]
    assert report["reasons"] == {"private_address": 1}


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"{", 400),
        ("application/json", b"[]", 422),
        ("application/json", b'{"urls": []}', 422),
        ("text/plain", b"hello", 415),
        ("multipart/form-data", b"hello", 400),
        ("multipart/form-data; boundary=x", b"--x--\r\n", 400),
    ],
)
def test_malformed_additions(guarded: Running, kind: str, body: bytes, status: int) -> None:
    answer = guarded.client("reader").post(f"{API}/documents", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]


def test_model_files_are_not_taken(guarded: Running) -> None:
    file = {"file": ("notes.txt", b"GGUF\x03\x00\x00\x00" + b"\0" * 64)}
    assert guarded.client("editor").post(f"{API}/documents", files=file, data={"source": "town"}).status_code == 400
    assert guarded.client("editor").post(f"{API}/documents", files=file).status_code == 400

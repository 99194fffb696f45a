"""The API about people: own account, sessions, keys, users, invitations, and what remains of whom."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from serve_harness import PASSWORD, Running, text_document

API = "/api/samovar"
NEW = "another horse 43"


def put_private_document(running: Running, person: str) -> str:
    """Put a document into somebody's own collection; return its id."""
    source = f"user:{running.people[person].user.id}"
    document = text_document(f"{person}.txt", f"Тайна пользователя {person}: ключ под ковриком.", source=source)
    running.put(document)
    return document.id


# -- one's own account ----------------------------------------------------------------------------------------------
def test_changing_the_password_needs_the_old_one_and_ends_other_sessions(guarded: Running) -> None:
    client = guarded.session_client("reader")
    other, _ = guarded.state.store.sessions.start(guarded.people["reader"].user.id)
    change = lambda old, new: client.post(f"{API}/account/password", json={"old": old, "new": new})  # noqa: E731
    assert change("wrong password", NEW).status_code == 403
    assert change(PASSWORD, "short").status_code == 400
    assert guarded.client(cookie=other).get(f"{API}/account").status_code == 200
    assert change(PASSWORD, NEW).status_code == 200
    assert client.get(f"{API}/account").status_code == 200
    assert guarded.client(cookie=other).get(f"{API}/account").status_code == 401
    accounts = guarded.state.store.accounts
    assert accounts.check_password("reader", NEW) and not accounts.check_password("reader", PASSWORD)


def test_keys_may_not_touch_the_account_that_owns_them(guarded: Running) -> None:
    client = guarded.client("admin")
    for method, path in (
        ("GET", "account"), ("GET", "account/export"), ("GET", "sessions"), ("DELETE", "sessions"), ("GET", "keys"),
        ("POST", "account/password"), ("POST", "account/delete"), ("POST", "keys"),
    ):  # fmt: skip
        body = {"POST": {"account/password": {"old": "", "new": ""}, "account/delete": {}, "keys": {"name": "k"}}}
        answer = client.request(method, f"{API}/{path}", json=body.get(method, {}).get(path))
        assert answer.status_code == 403, path


def test_sessions_are_listed_and_ended(guarded: Running) -> None:
    client = guarded.session_client("reader")
    store, user = guarded.state.store, guarded.people["reader"].user
    _, second = store.sessions.start(user.id)
    store.sessions.start(user.id)
    listed = client.get(f"{API}/sessions").json()["sessions"]
    assert len(listed) == 3 and [s["current"] for s in listed].count(True) == 1
    assert client.delete(f"{API}/sessions/{second.id}").status_code == 200
    assert len(store.sessions.list(user.id)) == 2
    theirs = guarded.people["other"].session.id
    missing, anothers = client.delete(f"{API}/sessions/none"), client.delete(f"{API}/sessions/{theirs}")
    assert missing.status_code == anothers.status_code == 404 and missing.text == anothers.text
    assert store.sessions.get(theirs) is not None
    assert client.delete(f"{API}/sessions").status_code == 200
    assert [s["current"] for s in client.get(f"{API}/sessions").json()["sessions"]] == [True]


def test_a_key_is_shown_once_works_and_is_revoked(guarded: Running) -> None:
    client = guarded.session_client("reader")
    body = {"name": "notebook", "scopes": ["search", "ask"], "expires_at": "2099-01-31"}
    made = client.post(f"{API}/keys", json=body)
    assert made.status_code == 201
    record = made.json()
    text = record.pop("key")
    assert (record["scopes"], record["hint"], record["expires_at"]) == (["ask", "search"], text[-4:], "2099-01-31")
    listed = client.get(f"{API}/keys")
    assert text not in listed.text and listed.json()["keys"][0] == record
    search = lambda: guarded.client(key=text).get("/v1/models").status_code  # noqa: E731
    assert search() == 200
    assert client.delete(f"{API}/keys/{record['id']}").status_code == 200
    assert search() == 401
    theirs = guarded.people["other"].api_key.id
    missing, anothers = client.delete(f"{API}/keys/none"), client.delete(f"{API}/keys/{theirs}")
    assert missing.status_code == anothers.status_code == 404 and missing.text == anothers.text
    key = guarded.state.store.keys.get(theirs)
    assert key is not None and not key.revoked


def test_a_readers_key_with_every_scope_is_still_a_readers(guarded: Running) -> None:
    scopes = ["ask", "search", "files", "library", "admin"]
    made = guarded.session_client("reader").post(f"{API}/keys", json={"name": "k", "scopes": scopes}).json()
    assert guarded.client(key=made["key"]).get(f"{API}/users").status_code == 403
    guarded.state.store.accounts.set_role(guarded.people["reader"].user.id, "admin")
    assert guarded.client(key=made["key"]).get(f"{API}/users").status_code == 200


def test_everything_kept_about_somebody_is_exported_and_nobody_elses(guarded: Running) -> None:
    store, me, other = guarded.state.store, guarded.people["reader"].user, guarded.people["other"].user
    for owner in (me, other):
        made = store.conversations.create(owner.id, f"Беседа {owner.name}")
        message = store.conversations.append(made.id, "assistant", f"Ответ для {owner.name}")
        store.feedback.set(message.id, owner.id, 1, f"мнение {owner.name}")
        store.uploads.create(owner.id, f"{owner.name}.pdf", path="secret-path")
    answer = guarded.session_client("reader").get(f"{API}/account/export")
    record = answer.json()
    assert record["user"]["id"] == me.id and record["conversations"][0]["messages"][0]["text"] == "Ответ для reader"
    assert [len(record[name]) for name in ("conversations", "feedback", "uploads", "keys", "sessions")] == [1] * 5
    for secret in (other.id, "secret-path", guarded.people["reader"].token, guarded.people["reader"].key):
        assert secret not in answer.text


def test_leaving_takes_everything_along(guarded: Running) -> None:
    document, kept = put_private_document(guarded, "reader"), put_private_document(guarded, "other")
    store, me = guarded.state.store, guarded.people["reader"].user
    conversation = store.conversations.create(me.id, "t")
    folder = guarded.state.settings.home / "serve" / "uploads"
    folder.mkdir(parents=True)
    (folder / "mine").write_text("bytes")
    (folder / "theirs").write_text("bytes")
    outside = Path(guarded.state.settings.home) / "outside"
    outside.write_text("keep")
    store.uploads.create(me.id, "a.txt", path="mine", source=f"user:{me.id}", status="ready")
    store.uploads.create(me.id, "b.txt", path="../../outside", source=f"user:{me.id}", status="ready")
    client = guarded.session_client("reader")
    assert client.post(f"{API}/account/delete", json={"password": "wrong password"}).status_code == 403
    assert store.accounts.get(me.id) is not None
    assert client.post(f"{API}/account/delete", json={"password": PASSWORD}).status_code == 200
    assert client.get(f"{API}/account").status_code == 401
    assert guarded.client("reader").get("/v1/models").status_code == 401
    assert store.accounts.get(me.id) is None and store.conversations.get(conversation.id) is None
    assert set(guarded.samovar.library.document_heads([document, kept])) == {kept}
    assert [p.name for p in folder.iterdir()] == ["theirs"] and outside.read_text() == "keep"
    found = guarded.call(guarded.state.engine.search(guarded.people["reader"].principal, "ключ под ковриком"))
    assert not [hit for hit in found.hits if hit.document.id in (document, kept)]


# -- users ----------------------------------------------------------------------------------------------------------
def test_an_admin_manages_users(guarded: Running) -> None:
    client = guarded.session_client("admin")
    made = client.post(f"{API}/users", json={"name": "Анна", "password": NEW, "role": "editor"})
    assert made.status_code == 201 and made.json()["role"] == "editor"
    path = f"{API}/users/{made.json()['id']}"
    assert client.post(f"{API}/users", json={"name": "анна"}).status_code == 409
    names = [user["name"] for user in client.get(f"{API}/users").json()["users"]]
    assert names == ["admin", "editor", "other", "reader", "Анна"]
    token, _ = guarded.state.store.sessions.start(made.json()["id"])
    changed = client.patch(path, json={"role": "reader", "password": PASSWORD, "disabled": False}).json()
    assert (changed["role"], changed["disabled"]) == ("reader", False)
    assert guarded.client(cookie=token).get(f"{API}/account").status_code == 401
    assert client.patch(path, json={"disabled": True}).json()["disabled"] is True
    assert client.delete(f"{path}/sessions").status_code == 200
    assert client.delete(path).status_code == 200
    assert [client.request(m, path, json=b).status_code for m, b in (("PATCH", {}), ("DELETE", None))] == [404, 404]


def test_the_last_admin_stays_over_http(guarded: Running) -> None:
    client = guarded.session_client("admin")
    me = guarded.people["admin"].user.id
    document = put_private_document(guarded, "admin")
    for method, path, body in (
        ("PATCH", f"users/{me}", {"role": "reader"}), ("PATCH", f"users/{me}", {"disabled": True}),
        ("DELETE", f"users/{me}", None), ("POST", "account/delete", {"password": PASSWORD}),
    ):  # fmt: skip
        answer = client.request(method, f"{API}/{path}", json=body)
        assert (answer.status_code, "last administrator" in answer.text) == (409, True)
    assert client.get(f"{API}/account").status_code == 200, "a refused removal ends no session"
    assert guarded.samovar.library.document_heads([document])
    assert client.patch(f"{API}/users/{me}", json={"password": NEW}).status_code == 400, (
        "own password needs the old one"
    )


@pytest.mark.parametrize("person", ["reader", "editor"])
def test_others_manage_nobody(guarded: Running, person: str) -> None:
    victim = guarded.people["other"].user.id
    requests = [
        ("GET", "users", None), ("POST", "users", {"name": "x"}), ("PATCH", f"users/{victim}", {"role": "admin"}),
        ("DELETE", f"users/{victim}", None), ("DELETE", f"users/{victim}/sessions", None), ("GET", "invitations", None),
        ("POST", "invitations", {"role": "admin"}), ("DELETE", "invitations/x", None),
    ]  # fmt: skip
    for client, status in (
        (guarded.session_client(person), 403),
        (guarded.client(person), 403),
        (guarded.client(), 401),
    ):
        assert {client.request(m, f"{API}/{p}", json=b).status_code for m, p, b in requests} == {status}
    assert guarded.state.store.accounts.count() == 4


# -- invitations ----------------------------------------------------------------------------------------------------
def test_an_invitation_is_taken_up_once(guarded: Running) -> None:
    admin = guarded.session_client("admin")
    made = admin.post(f"{API}/invitations", json={"role": "editor", "days": 2}).json()
    assert made["path"] == f"/invite/{made['token']}"
    assert made["token"] not in admin.get(f"{API}/invitations").text
    guest = guarded.client()
    assert guest.post(f"{API}/invitations/check", json={"token": made["token"]}).json()["role"] == "editor"
    taken = {"token": made["token"], "name": "reader", "password": NEW}
    assert guest.post(f"{API}/invitations/accept", json=taken).status_code == 409
    assert guest.post(f"{API}/invitations/accept", json=taken | {"name": "clara", "password": "x"}).status_code == 400
    done = guest.post(f"{API}/invitations/accept", json=taken | {"name": "clara"})
    assert (done.status_code, done.json()["user"]["role"]) == (200, "editor")
    assert guest.get(f"{API}/account").json()["user"]["name"] == "clara", "and is logged in"
    for path, body in (("check", {"token": made["token"]}), ("accept", taken | {"name": "dora"})):
        assert guarded.client().post(f"{API}/invitations/{path}", json=body).status_code == 404
    second = admin.post(f"{API}/invitations", json={}).json()
    assert admin.delete(f"{API}/invitations/{second['id']}").status_code == 200
    assert admin.delete(f"{API}/invitations/{second['id']}").status_code == 404
    assert guarded.client().post(f"{API}/invitations/check", json={"token": second["token"]}).status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [("login", {}), ("login", {"name": "reader", "password": 1}), ("login", {"name": "x" * 5000, "password": ""}), ("login", []),
     ("login", {"name": "reader", "password": "x" * 2000}), ("login", {"name": "r\0", "password": "x"}), ("invitations/accept", {"token": "../x", "name": "a", "password": "b"}),
     ("login", {"name": "reader", "password": PASSWORD, "extra": 1})],
)  # fmt: skip
def test_malformed_bodies_are_refused(guarded: Running, path: str, body: Any) -> None:
    answer = guarded.client().post(
        f"{API}/{path}", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422 and "set-cookie" not in answer.headers


def test_without_accounts_there_is_nothing_to_change_of_ones_own(running: Running) -> None:
    client = running.client()
    assert client.post(f"{API}/account/password", json={"old": "", "new": NEW}).status_code == 400
    assert client.post(f"{API}/account/delete", json={}).status_code == 400
    assert client.post(f"{API}/keys", json={"name": "k"}).status_code == 404
    assert client.get(f"{API}/keys").json() == {"keys": []}
    assert client.get(f"{API}/account/export").json()["user"]["name"] == "local"
    assert client.get(f"{API}/oidc/login").status_code == 404
    assert client.post(f"{API}/users", json={"name": "anna", "password": NEW, "role": "admin"}).status_code == 201

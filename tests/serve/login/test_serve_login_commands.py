"""``samovar user`` and ``samovar key``: accounts and keys from the command line, also while a server runs."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from serve_harness import Running, settings_for, text_document

from samovar.app import Samovar
from samovar.cli import main
from samovar.serve.server import check_start
from samovar.serve.store.store import Store

PASSWORD = "correct horse"


@dataclass(frozen=True, slots=True)
class Ran:
    status: int
    out: str
    err: str

    @property
    def record(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ran]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    def run_here(*arguments: str, home: Path | None = None, stdin: str = "", lang: str = "en") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        status = main(["--home", str(home or tmp_path / "home"), "--lang", lang, *arguments])
        captured = capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    return run_here


@pytest.fixture
def store(run: Run, tmp_path: Path) -> Any:
    """The database of the commands, with one admin made by them."""
    done = run("user", "add", "Анна", "--role", "admin", "--password-stdin", stdin=PASSWORD + "\r\n")
    assert (done.status, done.out, done.err) == (0, "Account made: Анна (admin)\n", "")
    with Store.open(settings_for(tmp_path / "home")) as opened:
        yield opened


def test_the_first_account_opens_the_door(run: Run, store: Store) -> None:
    assert store.accounts.check_password("анна", PASSWORD) is not None
    check_start(settings_for(Path("x"), host="0.0.0.0"), store.accounts.count())
    assert json.loads(run("user", "list", "--json").out)["users"][0]["name"] == "Анна"
    assert run("user").out.split() == ["Анна", "admin", store.accounts.list()[0].created_at[:10]]


def test_changes(run: Run, store: Store) -> None:
    made = run("user", "add", "boris", "--no-password", "--json").record
    assert made == {"id": made["id"], "name": "boris", "role": "reader", "created_at": made["created_at"], "disabled": False, "has_password": False}  # fmt: skip
    assert run("user", "role", "Boris", "editor", "--json").record["role"] == "editor"
    assert run("user", "password", "boris", "--password-stdin", "--json", stdin=PASSWORD).record["has_password"]
    token, _ = store.sessions.start(made["id"])
    assert run("user", "disable", "boris").out == "boris is disabled; all sessions have ended.\n"
    assert store.sessions.find(token) is None and store.accounts.check_password("boris", PASSWORD) is None
    assert "disabled" in run("user").out
    assert run("user", "enable", "boris", "--json").record["disabled"] is False
    assert store.accounts.check_password("boris", PASSWORD) is not None


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["user", "add", "анна", "--no-password"], 2, "expected a new name, found the account “Анна”"),
        (["user", "add", "x:y", "--no-password"], 2, "expected a name of"),
        (["user", "add", "boris"], 2, "--password-stdin"),
        (["user", "add", "boris", "--password-stdin"], 2, "at least 10 characters"),
        (["user", "add", "boris", "--role", "king", "--no-password"], 2, "reader, editor, admin"),
        (["user", "add", "boris", "--no-password", "--password-stdin"], 2, "found both"),
        (["user", "role", "анна", "reader"], 1, "last administrator"),
        (["user", "disable", "анна"], 1, "last administrator"),
        (["user", "remove", "анна", "--yes"], 1, "last administrator"),
        (["user", "role", "nobody", "reader"], 1, "samovar user list"),
        (["user", "remove", "nobody", "--yes"], 1, "samovar user list"),
        (["user", "invite", "--days", "0"], 2, "365"),
        (["key", "create", "nobody"], 1, "samovar user list"),
        (["key", "create", "анна", "--scope", "all"], 2, "ask, search, files, library, admin"),
        (["key", "create", "анна", "--expires", "tomorrow"], 2, "expected a date"),
        (["key", "revoke", "nothing"], 1, "samovar key list"),
    ],
)
def test_mistakes_are_explained_and_change_nothing(
    run: Run, store: Store, arguments: list[str], status: int, message: str
) -> None:
    done = run(*arguments)
    assert (done.status, done.out) == (status, "") and message in done.err
    assert [(u.name, u.role, u.disabled) for u in store.accounts.list()] == [("Анна", "admin", False)]
    assert store.keys.list(store.accounts.list()[0].id) == [] and store.invitations.list() == []


def test_an_invitation_is_a_link(run: Run, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMOVAR_SERVE__PUBLIC_URL", "https://samovar.example/")
    done = run("user", "invite", "--role", "editor", "--days", "2")
    address, _, token = done.out.strip().rpartition("/")
    assert address == "https://samovar.example/invite" and "editor" in done.err
    assert store.invitations.accept(token, "boris", PASSWORD).role == "editor"
    record = run("user", "invite", "--json").record
    assert record["url"].endswith("/invite/" + record["token"]) and store.invitations.find(record["token"])


def test_keys(run: Run, store: Store) -> None:
    done = run("key", "create", "анна", "--name", "ноутбук", "--scope", "ask", "--scope", "search", "--expires", "2099-01-31")  # fmt: skip
    text = done.out.strip()
    found = store.keys.find(text)
    assert found is not None and found[1].scopes == {"ask", "search"} and "shown this once" in done.err
    record = run("key", "create", "анна", "--json").record
    assert record["scopes"] == ["ask", "files", "search"] and store.keys.find(record["key"])
    listed = run("key", "list", "анна")
    assert text not in listed.out and "until 2099-01-31" in listed.out and "ноутбук" in listed.out
    rows = run("key", "--help").out + run("key", "list", "--json").out
    assert record["key"] not in rows
    assert run("key", "revoke", record["id"]).out == f"Revoked: key (…{record['hint']})\n"
    assert store.keys.find(record["key"]) is None and store.keys.find(text) is not None
    assert "revoked" in run("key").out


def test_removing_takes_documents_and_files_along(run: Run, store: Store, tmp_path: Path) -> None:
    home = tmp_path / "home"
    boris = store.accounts.create("boris", None, "reader")
    source = f"user:{boris.id}"
    with Samovar.open(settings_for(home)) as samovar, samovar.library.writer() as writer:
        writer.put([text_document("a", "Тайна Бориса.", source=source), text_document("b", "Общее.", source="shared")])
    folder = home / "serve" / "uploads"
    folder.mkdir(parents=True)
    (folder / "file").write_text("bytes")
    store.uploads.create(boris.id, "a.txt", path="file", source=source)
    asked = run("user", "remove", "boris")
    assert asked.status == 2 and "--yes" in asked.err and store.accounts.count() == 2
    done = run("user", "remove", "boris", "--yes", "--json")
    assert (done.status, done.record["name"]) == (0, "boris")
    assert store.accounts.count() == 1 and list(folder.iterdir()) == []
    with Samovar.open(settings_for(home)) as samovar:
        assert list(samovar.library.info().by_source) == ["shared"]


def test_a_running_server_hears_of_it(guarded: Running, run: Run) -> None:
    """What the command line does to an account is true at once for a server that runs, live sockets within its sweep."""
    home, client = guarded.state.settings.home, guarded.session_client("reader")
    ended: list[str] = []
    guarded.state.store.sessions.on_end(ended.append)
    assert client.get("/api/samovar/account").status_code == 200
    key = run("key", "create", "reader", "--json", home=home).record["key"]
    assert guarded.client(key=key).get("/v1/models").status_code == 200
    assert run("user", "disable", "reader", home=home).status == 0
    assert client.get("/api/samovar/account").status_code == 401
    assert guarded.client(key=key).get("/v1/models").status_code == 401
    guarded.wait_for(lambda: guarded.people["reader"].session.id in ended, 30)


@pytest.mark.parametrize("lang", ["en", "ru"])
def test_commands_speak_both_languages(run: Run, store: Store, lang: str) -> None:
    for arguments in (
        ["user"],
        ["key"],
        ["user", "invite"],
        ["user", "role", "nobody", "reader"],
        ["key", "revoke", "x"],
    ):
        done = run(*arguments, lang=lang)
        said = (done.err + done.out).replace("Анна", "")
        if said.strip() and done.err:
            assert any("а" <= c <= "я" for c in done.err) == (lang == "ru"), done.err

"""Uploads through `UploadService` on a running server: kept, read, listed, handed back, removed; limits, names, model files, crashes."""

from __future__ import annotations

import asyncio
import io
import pickle
import stat
import struct
import subprocess
import sys
import threading
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serve_harness import Person, Running, running_server

from samovar.errors import ForbiddenError, NotFoundError, TooLargeError, UsageError
from samovar.search.query import Filters
from samovar.serve import uploads as uploads_module
from samovar.serve.model_files import name_model_file
from samovar.serve.principal import LOCAL, Principal
from samovar.serve.store.records import Upload
from samovar.serve.uploads import LONGEST_NAME, UploadService, clean_name, uri_of

Serve = Callable[..., Running]
TEXT = "Библиотека села Заречье открыта в 1911 году учителем Ильёй Петровым. Первый каталог содержал 212 книг."


async def _stream(data: bytes, step: int = 1000) -> AsyncIterator[bytes]:
    for at in range(0, len(data), step):
        yield data[at : at + step]


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for tests that leave nothing behind."""
    with running_server(tmp_path_factory.mktemp("lasting")) as running:
        yield running


def save(running: Running, name: str, data: bytes | str, who: Principal = LOCAL, **options: Any) -> Upload:
    data = data.encode() if isinstance(data, str) else data
    return running.call(running.state.uploads.save(who, name, _stream(data), **options))


def listed(running: Running, who: Principal = LOCAL) -> list[Upload]:
    return list(running.call(running.state.uploads.list(who)))


def folder(running: Running) -> Path:
    return running.samovar.settings.home / "serve" / "uploads"


def found(running: Running, query: str, who: Principal = LOCAL) -> list[str]:
    result = running.call(running.state.engine.search(who, query, filters=Filters()))
    return [hit.document.uri for hit in result.hits]


def test_an_upload_is_kept_read_found_and_removed(running: Running) -> None:
    upload = save(running, "Заречье.txt", TEXT, purpose="general")
    assert (upload.status, upload.reason, upload.name, upload.size_bytes) == (
        "ready",
        "",
        "Заречье.txt",
        len(TEXT.encode()),
    )
    assert upload.source == "user:local" and len(upload.document_ids) == 1
    document = running.samovar.library.document(upload.document_ids[0])
    assert document.uri == uri_of(upload) == f"upload:{upload.id}/Заречье.txt"
    assert document.title == "Заречье" and document.text.strip() == TEXT
    assert uri_of(upload) in found(running, "Заречье библиотека")
    assert listed(running) == [upload]
    path = running.call(running.state.uploads.content(LOCAL, upload.id))
    assert path.read_bytes() == TEXT.encode() and path.parent == folder(running)
    running.call(running.state.uploads.delete(LOCAL, upload.id))
    assert listed(running) == [] and not path.exists() and list(folder(running).iterdir()) == []
    assert uri_of(upload) not in found(running, "Заречье библиотека")
    with pytest.raises(NotFoundError):
        running.call(running.state.uploads.open(LOCAL, upload.id))


def test_files_and_folder_are_for_the_owner_of_the_process_only(running: Running) -> None:
    upload = save(running, "a.txt", TEXT)
    path = running.call(running.state.uploads.content(LOCAL, upload.id))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_same_file_twice_is_two_uploads(running: Running) -> None:
    first, second = save(running, "a.txt", TEXT), save(running, "a.txt", TEXT)
    assert first.document_ids != second.document_ids
    running.call(running.state.uploads.delete(LOCAL, first.id))
    assert running.samovar.library.document_heads(second.document_ids)


def test_an_archive_becomes_several_documents_with_readable_addresses(running: Running) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("one.txt", TEXT)
        archive.writestr("deep/two.txt", TEXT.replace("Заречье", "Залесье"))
    upload = save(running, "книги.zip", packed.getvalue())
    heads = running.samovar.library.document_heads(upload.document_ids)
    assert sorted(h.uri for h in heads.values()) == [
        f"upload:{upload.id}/книги.zip!/deep/two.txt",
        f"upload:{upload.id}/книги.zip!/one.txt",
    ]
    running.call(running.state.uploads.delete(LOCAL, upload.id))
    assert not running.samovar.library.document_heads(upload.document_ids)


def test_what_cannot_be_read_is_refused_with_the_ledgers_reason(running: Running) -> None:
    upload = save(running, "picture.txt", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20)
    assert (upload.status, upload.reason, upload.document_ids) == ("refused", "unsupported", ())
    with pytest.raises(NotFoundError, match="content"):
        running.call(running.state.uploads.content(LOCAL, upload.id))
    assert list(folder(running).iterdir()) == []
    assert listed(running)[0].reason == "unsupported"
    running.call(running.state.uploads.delete(LOCAL, upload.id))
    assert listed(running) == []


def test_progress_is_told(running: Running) -> None:
    told: list[int] = []
    save(running, "a.txt", TEXT, progress=lambda p: told.append(p.files_done))
    assert told[-1] == 1


# -- limits -------------------------------------------------------------------------------------------------------------
def test_a_large_file_is_refused_while_it_comes_in(serve: Serve) -> None:
    running = serve(max_upload_bytes=10_000)
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 1000

    with pytest.raises(TooLargeError, match="10000"):
        running.call(running.state.uploads.save(LOCAL, "a.txt", endless()))
    assert taken == 11
    assert list(folder(running).iterdir()) == [] and listed(running) == []
    assert save(running, "a.txt", b"word " * 2000).status == "ready"  # exactly the limit


def test_the_quota_counts_all_uploads_of_a_user_and_is_given_back(serve: Serve) -> None:
    running = serve(max_user_bytes=2_000)
    first = save(running, "a.txt", b"some words here " * 100)
    with pytest.raises(TooLargeError, match="1600 kept already"):
        save(running, "b.txt", b"other words now " * 50)
    running.call(running.state.uploads.delete(LOCAL, first.id))
    assert save(running, "b.txt", b"other words now " * 50).status == "ready"


def test_uploads_at_once_do_not_share_the_same_room(serve: Serve) -> None:
    running = serve(max_user_bytes=2_000)

    async def all_at_once() -> list[Upload | BaseException]:
        service = running.state.uploads
        saves = [service.save(LOCAL, f"{n}.txt", _stream(b"some words here " * 60)) for n in range(5)]
        return await asyncio.gather(*saves, return_exceptions=True)

    results = running.call(all_at_once())
    kept = [r for r in results if isinstance(r, Upload)]
    assert sum(u.size_bytes for u in kept) <= 2_000 and len(kept) == 2
    assert all(isinstance(r, TooLargeError) for r in results if r not in kept)


def test_an_empty_file_is_refused(running: Running) -> None:
    with pytest.raises(UsageError, match="empty"):
        save(running, "a.txt", b"")
    assert list(folder(running).iterdir()) == []


def test_a_sender_who_goes_away_leaves_nothing(running: Running) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"some text"
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        running.call(running.state.uploads.save(LOCAL, "a.txt", broken()))
    assert list(folder(running).iterdir()) == [] and listed(running) == []


# -- names --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "..\\..\\boot.ini", "/abs/olute.txt", "a\x00b\nc.txt", "имя с пробелом и ёлкой.txt", "..", "", "x" * 300 + ".txt",
     "a" * 4000, "\u202egpj.txt", "💾.txt", "!/#row=3", "con", "-rf", "%2e%2e%2f", "file.part", "upload:x/y.txt", "\ud800.txt"],
)  # fmt: skip
def test_a_name_is_a_title_and_never_a_path(lasting: Running, name: str) -> None:
    upload = save(lasting, name, TEXT)
    assert upload.status == "ready"
    assert 0 < len(upload.name) <= LONGEST_NAME and upload.name.isprintable()
    [path] = folder(lasting).iterdir()
    assert path.name == upload.path and len(path.name) < 48 and path.stem.isalnum()
    document = lasting.samovar.library.document(upload.document_ids[0])
    assert document.uri.startswith(f"upload:{upload.id}/") and document.uri.count("/") == 1
    lasting.call(lasting.state.uploads.delete(LOCAL, upload.id))
    assert not lasting.samovar.library.document_heads(upload.document_ids)
    assert list(folder(lasting).iterdir()) == []


@given(st.text(max_size=400))
def test_clean_name_always_gives_a_printable_name_of_bounded_length(name: str) -> None:
    cleaned = clean_name(name)
    assert 0 < len(cleaned) <= LONGEST_NAME and cleaned.isprintable() and cleaned == clean_name(cleaned)
    cleaned.encode()


def test_clean_name_keeps_the_extension_of_a_long_name() -> None:
    assert clean_name("д" * 400 + ".pdf").endswith("….pdf")


# -- model files ----------------------------------------------------------------------------------------------------------
class _Evil:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (print, ("pickles run code",))


def _zip(*names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(name, b"data")
    return packed.getvalue()


HEADER = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
MODEL_FILES = {
    "model.gguf": b"some text",
    "Model.SafeTensors": b"some text",
    "weights.bin": b"some text",
    "net.pt": b"some text",
    "renamed.txt": b"GGUF\x03\0\0\0" + bytes(100),
    "old.txt": b"tjgg\x01\0\0\0",
    "tensors.md": struct.pack("<Q", len(HEADER)) + HEADER + bytes(4),
    "torch.zip": _zip("archive/data.pkl", "archive/data/0"),
    "nested.docx": _zip("word/document.xml", "weights.gguf"),
    "new_pickle.txt": pickle.dumps(_Evil(), 5),
    "protocol2.txt": pickle.dumps(_Evil(), 2),
    "old_pickle.txt": pickle.dumps(_Evil(), 0),
    "binary_old_pickle.txt": pickle.dumps([_Evil()], 1),
    "h5.txt": b"\x89HDF\r\n\x1a\n" + bytes(64),
    "array.txt": b"\x93NUMPY\x01\0",
}


@pytest.mark.parametrize("name", MODEL_FILES)
def test_model_files_are_never_taken(lasting: Running, name: str) -> None:
    with pytest.raises(UsageError, match="model file"):
        save(lasting, name, MODEL_FILES[name])
    assert not folder(lasting).exists() or list(folder(lasting).iterdir()) == []
    assert listed(lasting) == []


@pytest.mark.parametrize(
    "text",
    ["(list of things) and more", "I. Introduction", "(S'quoted'\n.", "c\n", "N.", "]", "{\"json\": true}", "PK is short for", "GGU", "d" * 99],
)  # fmt: skip
def test_texts_are_not_taken_for_model_files(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x"
    path.write_text(text, "utf-8")
    assert name_model_file("notes.txt", path) == ""


@given(st.binary(max_size=300))
def test_any_bytes_can_be_looked_at(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "x"
    path.write_bytes(data)
    assert isinstance(name_model_file("x.txt", path), str)


# -- whose --------------------------------------------------------------------------------------------------------------
def _person(running: Running, name: str) -> Person:
    return running.people[name]


def test_another_users_upload_is_not_there(guarded: Running) -> None:
    reader, other, admin = (_person(guarded, n).principal for n in ("reader", "other", "admin"))
    upload = save(guarded, "mine.txt", TEXT, reader)
    assert upload.source == f"user:{reader.user_id}"
    service = guarded.state.uploads
    for stranger in (other, admin):
        assert listed(guarded, stranger) == []
        for call in (service.open, service.content, service.delete):
            with pytest.raises(NotFoundError) as theirs:
                guarded.call(call(stranger, upload.id))
            with pytest.raises(NotFoundError) as nobodys:
                guarded.call(call(stranger, "none"))
            assert str(theirs.value) == str(nobodys.value)
        assert uri_of(upload) not in found(guarded, "Заречье библиотека", stranger)
    assert uri_of(upload) in found(guarded, "Заречье библиотека", reader)
    assert listed(guarded, reader) == [upload]


def test_a_key_without_the_scope_may_not(guarded: Running) -> None:
    reader = _person(guarded, "reader")
    weak = Principal(reader.user.id, "reader", "reader", frozenset({"ask"}), "key", "k")
    with pytest.raises(ForbiddenError):
        save(guarded, "a.txt", TEXT, weak)
    with pytest.raises(ForbiddenError):
        listed(guarded, weak)
    with pytest.raises(ForbiddenError):
        guarded.call(guarded.state.uploads.open(weak, "none"))


def test_an_owner_deleted_while_their_file_is_read_leaves_nothing(
    guarded: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = _person(guarded, "reader").principal
    held, go = _hold_reading(guarded, monkeypatch)
    saving = asyncio.run_coroutine_threadsafe(
        guarded.state.uploads.save(reader, "a.txt", _stream(TEXT.encode())), guarded.loop
    )
    assert held.wait(10)
    guarded.state.store.accounts.delete(reader.user_id)
    go.set()
    with pytest.raises(NotFoundError):
        saving.result(20)
    assert f"user:{reader.user_id}" not in guarded.samovar.library.sources()
    assert list(folder(guarded).iterdir()) == []


# -- while it is read -----------------------------------------------------------------------------------------------------
def _hold_reading(running: Running, monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Make the reading of uploads wait at its beginning; return the events "it waits" and "go on"."""
    held, go = threading.Event(), threading.Event()
    add = running.state.engine.add

    async def slow(*args: Any, **options: Any) -> Any:
        held.set()
        await asyncio.get_running_loop().run_in_executor(None, go.wait)
        return await add(*args, **options)

    monkeypatch.setattr(running.state.engine, "add", slow)
    return held, go


def test_reading_goes_on_when_the_sender_leaves(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    held, go = _hold_reading(running, monkeypatch)
    saving = asyncio.run_coroutine_threadsafe(
        running.state.uploads.save(LOCAL, "a.txt", _stream(TEXT.encode())), running.loop
    )
    assert held.wait(10)
    saving.cancel()
    [upload] = listed(running)
    assert upload.status == "processing"
    go.set()
    settled = running.call(running.state.uploads.settled(LOCAL, upload.id))
    assert settled.status == "ready" and settled.document_ids
    assert running.call(running.state.uploads.settled(LOCAL, upload.id)) == settled


def test_a_sender_who_leaves_after_the_last_byte_has_sent_it(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, go = threading.Event(), threading.Event()
    service = running.state.uploads
    enter = service._enter

    def slow(*args: Any) -> Upload:
        entered.set()
        go.wait(10)
        return enter(*args)

    monkeypatch.setattr(service, "_enter", slow)
    saving = asyncio.run_coroutine_threadsafe(service.save(LOCAL, "a.txt", _stream(TEXT.encode())), running.loop)
    assert entered.wait(10)
    saving.cancel()
    go.set()
    running.wait_for(lambda: [u.status for u in listed(running)] == ["ready"])
    assert [p.name for p in folder(running).iterdir()] == [listed(running)[0].path]


def test_looking_while_a_file_gets_its_place_does_not_disturb_it(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the record and the bytes' place a look must not take the upload for one that a crash interrupted."""
    written, go = threading.Event(), threading.Event()
    replace = uploads_module.os.replace

    def slow(*args: Any) -> None:
        written.set()
        go.wait(10)
        replace(*args)

    monkeypatch.setattr(uploads_module.os, "replace", slow)
    saving = asyncio.run_coroutine_threadsafe(
        running.state.uploads.save(LOCAL, "a.txt", _stream(TEXT.encode())), running.loop
    )
    assert written.wait(10)
    assert [u.status for u in listed(running)] == ["processing"]
    running.call(asyncio.sleep(0.1))
    assert [u.status for u in listed(running)] == ["processing"]
    go.set()
    assert saving.result(20).status == "ready"


def test_an_upload_can_be_deleted_while_it_is_read(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    held, go = _hold_reading(running, monkeypatch)
    saving = asyncio.run_coroutine_threadsafe(
        running.state.uploads.save(LOCAL, "a.txt", _stream(TEXT.encode())), running.loop
    )
    assert held.wait(10)
    [upload] = listed(running)
    deleting = asyncio.run_coroutine_threadsafe(running.state.uploads.delete(LOCAL, upload.id), running.loop)
    go.set()
    deleting.result(20)
    saving.result(20)
    assert listed(running) == [] and list(folder(running).iterdir()) == []
    assert "user:local" not in running.samovar.library.sources()


def _crash(running: Running, data: bytes | None) -> Upload:
    """Leave what a crash right after the record leaves: no bytes at all, or bytes that nobody read."""
    upload = running.state.store.uploads.create(
        "local", "a.txt", "text/plain", 9, "general", "c0ffee.txt", "user:local"
    )
    folder(running).mkdir(parents=True, exist_ok=True)
    if data is not None:
        (folder(running) / "c0ffee.txt").write_bytes(data)
    return upload


def test_an_interrupted_reading_is_taken_up_again(running: Running) -> None:
    upload = _crash(running, TEXT.encode())
    assert [u.id for u in listed(running)] == [upload.id]
    settled = running.call(running.state.uploads.settled(LOCAL, upload.id))
    assert settled.status == "ready" and uri_of(upload) in found(running, "Заречье библиотека")


CHILD = """
import asyncio, sys
from pathlib import Path
from samovar.app import Samovar
from samovar.serve.engine import Engine
from samovar.serve.principal import LOCAL
from samovar.serve.store.store import Store
from samovar.serve.uploads import UploadService
from samovar.settings import LibrarySettings, Settings

settings = Settings(home=Path(sys.argv[1]), library=LibrarySettings(starter=False))

async def main():
    engine, store = Engine.open(Samovar.open(settings)), Store.open(settings)
    async def held(*args, **options):
        print("reading", flush=True)
        await asyncio.sleep(60)
    async def chunks():
        yield sys.argv[2].encode()
    engine.add = held
    await UploadService(engine, store, settings).save(LOCAL, "a.txt", chunks())

asyncio.run(main())
"""


@pytest.mark.slow
def test_an_upload_survives_kill_9_once_its_bytes_are_kept(serve: Serve, tmp_path: Path) -> None:
    home = tmp_path / "killed"
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(home), TEXT], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == b"reading\n"
        child.kill()
        child.wait()
    running = serve(home=home)
    [upload] = listed(running)
    settled = running.call(running.state.uploads.settled(LOCAL, upload.id))
    assert (settled.status, settled.name) == ("ready", "a.txt") and uri_of(upload) in found(
        running, "Заречье библиотека"
    )


def test_an_upload_whose_bytes_were_lost_says_so(running: Running) -> None:
    upload = _crash(running, None)
    listed(running)
    settled = running.call(running.state.uploads.settled(LOCAL, upload.id))
    assert (settled.status, settled.reason) == ("refused", "interrupted")


def test_two_services_do_not_read_one_upload_twice(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = _crash(running, TEXT.encode())
    held, go = _hold_reading(running, monkeypatch)
    second = UploadService(running.state.engine, running.state.store, running.state.settings)
    listed(running)
    running.call(second.list(LOCAL))
    assert held.wait(10)
    assert len(uploads_module._READING) == 1
    go.set()
    assert running.call(second.settled(LOCAL, upload.id)).status == "ready"


def test_unfinished_parts_of_a_crash_are_swept(running: Running) -> None:
    import os

    folder(running).mkdir(parents=True)
    old, new = folder(running) / "old.part", folder(running) / "new.part"
    old.write_bytes(b"x")
    new.write_bytes(b"x")
    os.utime(old, (1, 1))
    save(running, "a.txt", TEXT)
    assert not old.exists() and new.exists()


# -- removing documents instead of uploads --------------------------------------------------------------------------------
def test_removing_the_document_of_an_upload_removes_its_bytes_and_record(serve: Serve) -> None:
    running = serve()
    upload = save(running, "заречье.txt", TEXT)
    assert len(list(folder(running).iterdir())) == 1
    answer = running.client().delete(f"/api/samovar/documents/{upload.document_ids[0]}")
    assert answer.json() == {"id": upload.document_ids[0], "removed": True}
    assert listed(running) == [] and list(folder(running).iterdir()) == []
    assert running.client().delete(f"/api/samovar/documents/{upload.document_ids[0]}").status_code == 404


def test_an_archive_goes_with_the_last_of_its_documents(serve: Serve) -> None:
    running = serve()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("one.txt", TEXT)
        archive.writestr("two.txt", TEXT.replace("Заречье", "Поречье").replace("1911", "1923"))
    first, second = save(running, "all.zip", packed.getvalue()).document_ids
    client = running.client()
    assert client.delete(f"/api/samovar/documents/{first}").json()["removed"]
    assert [one.document_ids for one in listed(running)] == [(second,)]
    assert len(list(folder(running).iterdir())) == 1
    assert client.delete(f"/api/samovar/documents/{second}").json()["removed"]
    assert listed(running) == [] and list(folder(running).iterdir()) == []

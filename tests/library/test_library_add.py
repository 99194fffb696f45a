"""Adding files: what is read, skipped, replaced, refused and written down; interrupted anywhere, it goes on."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samovar.corpus.document import LedgerRow
from samovar.corpus.extracted import Extracted, drop
from samovar.library import Adder, AddReport, Library, Progress, Provenance, check_replay
from samovar.library.plan import address_of, name_source
from samovar.settings import LibrarySettings

TEXT = "В начале было слово, и слово это записали в книгу о реке. "
Plain = Callable[..., Any]


def write(folder: Path, name: str, text: str, age: int = 100) -> Path:
    """Write a file that is `age` seconds old (a fresh one's time proves nothing)."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    then = time.time() - age
    os.utime(path, (then, then))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "книги"
    folder.mkdir()
    return folder


@pytest.fixture
def run(library: Library, plain_source: Plain) -> Callable[..., AddReport]:
    """Add with the small text source; ``run.source`` holds the last one."""

    def run(
        *targets: Path | str, source: str | None = None, limits: dict[str, Any] | None = None, **options: Any
    ) -> AddReport:
        adder = Adder(library, LibrarySettings(**(limits or {})), extractor=plain_source(), **options)
        return adder.run([str(target) for target in targets], source)

    return run


def uris(library: Library, root: Path) -> list[str]:
    return sorted(d.uri.removeprefix(f"{root}/") for d in library.documents())


def test_a_folder_is_read_and_every_file_has_a_row(
    library: Library, folder: Path, run: Callable[..., AddReport]
) -> None:
    write(folder, "one.txt", TEXT)
    write(folder, "deep/two.txt", TEXT * 40)
    write(folder, "all.pack", json.dumps({"a": TEXT, "b": "", "c": TEXT}))
    write(folder, "none.pack", "{}")
    write(folder, "image.bin", "?")
    report = run(folder)
    assert (report.files, report.kept, report.dropped, report.documents) == (5, 3, 2, 4)
    assert uris(library, folder) == ["all.pack!/a", "all.pack!/c", "deep/two.txt", "one.txt"]
    assert {d.source for d in library.documents()} == {"книги"}
    rows = [(r.uri.removeprefix(f"{folder}/"), r.stage, r.decision, r.reason, r.value) for r in library.ledger()]
    assert ("all.pack", "add", "kept", "container", "2") in rows
    assert ("all.pack!/b", "extract", "dropped", "empty", "0") in rows
    assert ("none.pack", "add", "dropped", "nothing_kept", "0") in rows
    assert ("image.bin", "extract", "dropped", "unsupported", ".bin") in rows
    assert {r.source for r in library.ledger()} == {"книги"}
    assert report.reasons == {"empty": 1, "nothing_kept": 1, "unsupported": 1}
    assert check_replay(library).equal


def test_unchanged_files_are_not_even_read(library: Library, folder: Path, run: Callable[..., AddReport]) -> None:
    write(folder, "one.txt", TEXT)
    write(folder, "image.bin", "?")
    run(folder)
    rows, version = list(library.ledger()), library.version
    source = None

    class Refusing:
        def extract(self, path: Path, uri: str | None = None) -> Iterator[Any]:
            raise AssertionError(f"{path} was read again")

        def close(self) -> None:
            pass

    source = Refusing()
    report = Adder(library, LibrarySettings(), extractor=source).run([str(folder)])
    assert (report.unchanged, report.documents, report.dropped) == (2, 0, 0)
    assert (list(library.ledger()), library.version) == (rows, version)


def test_a_touched_file_is_hashed_and_not_read(library: Library, folder: Path, run: Callable[..., AddReport]) -> None:
    path = write(folder, "one.txt", TEXT)
    run(folder)
    os.utime(path, (time.time() - 50, time.time() - 50))
    assert run(folder).unchanged == 1
    assert library.inputs()[0].mtime_ns == path.stat().st_mtime_ns
    assert len(list(library.ledger())) == 1


def test_a_file_written_just_now_is_not_trusted_by_its_time(
    library: Library, folder: Path, run: Callable[..., AddReport]
) -> None:
    path = write(folder, "one.txt", TEXT + "Раз.", age=0)
    state = path.stat()
    run(folder)
    path.write_text(TEXT + "Два.")  # same length, and the same time by a coarse clock
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert run(folder).changed == 1
    assert next(library.documents(with_text=True)).text.endswith("Два.")


def test_a_changed_file_replaces_its_passages(library: Library, folder: Path, run: Callable[..., AddReport]) -> None:
    write(folder, "one.txt", TEXT * 30)
    run(folder)
    old = next(library.documents())
    before = {p.id for p in library.passages_of(old.id)}
    write(folder, "one.txt", "Другой текст о другом городе. " * 20, age=50)
    report = run(folder)
    assert (report.changed, report.replaced, library.num_documents) == (1, 1, 1)
    assert library.passages(list(before)) == {}
    assert library.passages_of(old.id) == []


def test_a_vanished_member_is_removed_and_the_rest_left_alone(
    library: Library, folder: Path, run: Callable[..., AddReport]
) -> None:
    write(folder, "all.pack", json.dumps({"a": TEXT, "b": TEXT + "Ещё.", "c": TEXT}))
    run(folder)
    kept = {d.uri[-1]: d.id for d in library.documents()}
    write(folder, "all.pack", json.dumps({"a": TEXT, "c": "Иначе. " + TEXT}), age=50)
    report = run(folder)
    assert (report.removed, report.replaced) == (1, 1)
    assert {d.uri[-1] for d in library.documents()} == {"a", "c"}
    assert library.document(kept["a"]).uri.endswith("!/a")
    assert [r.uri[-3:] for r in library.ledger(reason="vanished")] == ["!/b"]
    assert check_replay(library).equal


@pytest.mark.parametrize(("reason", "stays"), [("encrypted", True), ("timeout", True), ("empty", False)])
def test_a_file_that_can_no_longer_be_read_keeps_its_earlier_text(
    library: Library, folder: Path, run: Callable[..., AddReport], reason: str, stays: bool
) -> None:
    write(folder, "one.txt", TEXT)
    run(folder)
    write(folder, "one.txt", f"REFUSE {reason}", age=50)
    assert run(folder).dropped == 1
    assert library.num_documents == stays
    assert bool(list(library.ledger(reason="earlier_version"))) == stays
    assert bool(list(library.ledger(reason="vanished"))) != stays
    assert check_replay(library).equal


def test_a_crash_on_one_member_does_not_remove_it(library: Library, folder: Path) -> None:
    class Flaky:
        crash = False

        def extract(self, path: Path, uri: str | None = None) -> Iterator[Extracted | LedgerRow]:
            yield Extracted(f"{uri}!/a", "a", TEXT, "ru")
            yield drop(f"{uri}!/b", "crashed", "SIGSEGV") if self.crash else Extracted(f"{uri}!/b", "b", TEXT, "ru")

        def close(self) -> None:
            pass

    source = Flaky()
    write(folder, "x.pack", "1")
    Adder(library, extractor=source).run([str(folder)])
    source.crash = True
    write(folder, "x.pack", "2", age=50)
    Adder(library, extractor=source).run([str(folder)])
    assert uris(library, folder) == ["x.pack!/a", "x.pack!/b"]


def test_refused_files_are_tried_again_when_their_limits_change(
    library: Library, folder: Path, run: Callable[..., AddReport]
) -> None:
    write(folder, "slow.txt", "REFUSE timeout")
    write(folder, "good.txt", TEXT)
    run(folder)
    assert run(folder).unchanged == 2
    report = run(folder, limits={"extract_seconds": 200.0})
    assert (report.unchanged, report.dropped) == (1, 1)


@pytest.mark.parametrize("reason", ["unreadable", "missing_extra"])
def test_what_could_not_be_read_for_outer_reasons_is_tried_again(
    library: Library, folder: Path, run: Callable[..., AddReport], reason: str
) -> None:
    write(folder, "one.txt", f"REFUSE {reason}")
    assert run(folder).dropped == 1
    assert run(folder).dropped == 1
    assert library.inputs() == []


def test_new_passage_lengths_and_overrides_read_again(
    library: Library, folder: Path, run: Callable[..., AddReport]
) -> None:
    write(folder, "one.txt", TEXT * 60)
    run(folder)
    coarse = library.num_passages
    assert run(folder, limits={"passage_words": 40, "overlap_words": 5}).replaced == 1
    assert library.num_passages > coarse
    mine = Provenance(licence="CC0-1.0", publisher="Библиотека", origin="RU", language="tt", published="1999")
    assert run(folder, overrides=mine).replaced == 1
    head = next(library.documents())
    assert (head.licence, head.publisher, head.origin, head.language, head.published) == (
        "CC0-1.0",
        "Библиотека",
        "RU",
        "tt",
        "1999",
    )


def test_repairs_are_written_down_once(library: Library, folder: Path, run: Callable[..., AddReport]) -> None:
    write(folder, "old.txt", f"cp1251 {TEXT}")
    run(folder)
    run(folder, overrides=Provenance(licence="CC0-1.0"))
    assert [(r.stage, r.decision, r.reason, r.value) for r in library.ledger(decision="changed")] == [
        ("extract", "changed", "encoding", "cp1251")
    ]


def test_passed_over_files_get_one_row_however_often(
    library: Library, folder: Path, run: Callable[..., AddReport]
) -> None:
    write(folder, ".hidden.txt", TEXT)
    os.mkfifo(folder / "pipe.txt")
    (folder / "loop").symlink_to(folder)
    for _ in range(2):
        report = run(folder, folder / "missing.txt")
        assert report.reasons == {"hidden": 1, "not_a_file": 1, "symlink_loop": 1, "not_found": 1}
        assert report.dropped == sum(report.reasons.values())
    assert len(list(library.ledger())) == 4


def test_names_that_are_not_utf_8(library: Library, folder: Path, run: Callable[..., AddReport]) -> None:
    path = Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.txt"))
    path.write_text(TEXT)
    run(folder)
    assert uris(library, folder) == ["caf\\xe9.txt"]
    assert run(folder).unchanged == 1


def test_collections_are_named_after_targets_and_keep_what_they_have(
    library: Library, folder: Path, run: Callable[..., AddReport]
) -> None:
    path = write(folder, "one.txt", TEXT)
    write(folder, "two.txt", TEXT)
    run(path)
    run(folder)
    assert {d.title: d.source for d in library.documents()} == {"one": "one", "two": "книги"}
    run(folder, source="мои")
    assert {(d.title, d.source) for d in library.documents()} >= {("one", "мои"), ("two", "мои"), ("one", "one")}


def test_source_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("book.tar.txt", "x[1].txt", "Архив.d/a.txt"):
        write(tmp_path, name, "")
    named = {
        "https://пример.рф/a": "пример.рф",
        "HTTP://u:p@example.org:81": "example.org",
        "book.tar.txt": "book.tar",
        "x[1].txt": "x[1]",
        "Архив.d": "Архив.d",
        "Архив.d/": "Архив.d",
        "Архив.d/**/*.txt": "Архив.d",
        "*.txt": tmp_path.name,
        ".": tmp_path.name,
        "/": "library",
    }
    assert {target: name_source(target) for target in named} == named


def test_the_same_file_named_twice_is_read_once(folder: Path, run: Callable[..., AddReport]) -> None:
    path = write(folder, "one.txt", TEXT)
    assert run(folder, path, f"{folder}/*.txt").files == 1


def test_removed_files_come_back_when_added_again(
    library: Library, folder: Path, run: Callable[..., AddReport]
) -> None:
    write(folder, "one.txt", TEXT)
    write(folder, "two.pack", json.dumps({"a": TEXT, "b": TEXT}))
    run(folder)
    with library.writer() as writer:
        assert writer.remove(path=str(folder)) == 3
    assert run(folder).documents == 3
    with library.writer() as writer:
        assert writer.remove(uri=f"{folder}/two.pack!/a") == 1
    assert run(folder).documents == 1
    assert check_replay(library).equal


def test_progress_counts_up_to_the_total(
    library: Library, folder: Path, run: Callable[..., AddReport], monkeypatch: Any
) -> None:
    monkeypatch.setattr("samovar.library.add.REPORT_SECONDS", 0.0)
    for number in range(7):
        write(folder, f"{number}.txt", TEXT * number)
    seen: list[Progress] = []
    run(folder, progress=seen.append)
    done = [p.files_done for p in seen]
    assert done == sorted(done)
    last = seen[-1]
    assert (last.files_done, last.files_total, last.documents, last.dropped) == (7, 7, 7, 0)
    assert last.bytes_done == last.bytes_total == sum(p.stat().st_size for p in folder.iterdir())
    assert last.bytes_per_second > 0
    assert last.eta_seconds == 0
    assert all(p.eta_seconds is None or p.eta_seconds >= 0 for p in seen)
    assert {p.current for p in seen} == {*(str(p) for p in folder.iterdir()), ""}


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(stops=st.lists(st.integers(0, 12), max_size=6))
def test_stopped_anywhere_it_goes_on(tmp_path_factory: Any, plain_source: Plain, stops: list[int]) -> None:
    folder = tmp_path_factory.mktemp("stops")
    for number in range(4):
        write(folder, f"{number}.txt", TEXT * (number + 1))
    write(folder, "z.pack", json.dumps({str(n): TEXT + str(n) for n in range(5)}))
    with Library.open(folder / ".home") as library:
        for limit in stops:
            left = iter(range(limit))
            report = Adder(library, extractor=plain_source(), stop=lambda left=left: next(left, None) is None).run(
                [str(folder)]
            )
            assert report.stopped or library.num_documents == 9
            assert check_replay(library).equal
        report = Adder(library, extractor=plain_source()).run([str(folder)])
        assert not report.stopped
        assert library.num_documents == 9
        assert Adder(library, extractor=plain_source()).run([str(folder)]).unchanged == 5


def test_ctrl_c_keeps_what_was_finished(library: Library, folder: Path, plain_source: Plain) -> None:
    for number in range(5):
        write(folder, f"{number}.txt", TEXT)

    class Interrupted(plain_source):  # type: ignore[misc,valid-type]
        def extract(self, path: Path, uri: str | None = None) -> Iterator[Any]:
            if path.name == "3.txt":
                raise KeyboardInterrupt
            yield from super().extract(path, uri)

    source = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        Adder(library, extractor=source).run([str(folder)])
    assert source.closed
    assert library.num_documents == 3
    report = Adder(library, extractor=plain_source()).run([str(folder)])
    assert (report.unchanged, report.documents) == (3, 2)


def test_two_runs_over_one_archive_at_once_lose_nothing(
    library: Library, home: Path, folder: Path, plain_source: Plain
) -> None:
    """The second run starts and ends while the first is in the middle of the archive."""
    write(folder, "z.pack", json.dumps({str(n): TEXT + str(n) for n in range(6)}))

    class Slow(plain_source):  # type: ignore[misc,valid-type]
        def extract(self, path: Path, uri: str | None = None) -> Iterator[Any]:
            for number, item in enumerate(super().extract(path, uri)):
                if number == 3:
                    with Library.open(home) as other:
                        Adder(other, extractor=plain_source()).run([str(folder)])
                yield item

    Adder(library, extractor=Slow()).run([str(folder)])
    assert library.num_documents == 6
    assert check_replay(library).equal


CHILD = """
import sys
from pathlib import Path
from samovar.library import Library
from samovar.library.add import add
with Library.open(Path(sys.argv[1])) as library:
    print("start", flush=True)
    report = add(library, [sys.argv[2]], progress=lambda p: print(p.documents, flush=True))
print("done", report.documents, report.unchanged, flush=True)
"""


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_kill_9_during_add_and_going_on(home: Path, folder: Path, kills: int) -> None:
    """The whole chain: walk, child process, commits. Each run is killed; the last one finishes the rest."""
    for number in range(40):
        write(folder, f"{number:03}.txt", f"Книга {number}. " + TEXT * (1 + 997 * number % 300))
    for number in range(3):
        rows = [json.dumps({"title": str(i), "text": f"Строка {i} таблицы {number}. {TEXT}"}) for i in range(300)]
        write(folder, f"table{number}.jsonl", "\n".join(rows))
    chance, acknowledged = random.Random(kills), 0
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", CHILD, str(home), str(folder)]
    for _ in range(kills):
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert child.stdout is not None
        assert child.stdout.readline() == "start\n"
        time.sleep(chance.uniform(0.2, 1.2))
        child.send_signal(signal.SIGKILL)
        output, _ = child.communicate()
        said = [int(line) for line in output.split("\n")[:-1] if line.isdigit()]
        with Library.open(home) as library:
            assert library.num_documents >= acknowledged + max(said, default=0)
            acknowledged = library.num_documents
            assert check_replay(library).equal
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "done" in done.stdout
    with Library.open(home) as library:
        assert library.num_documents == 940
        assert len(library.inputs()) == 43
        for document in library.documents(with_text=True):
            assert all(document.text[p.start : p.end] == p.text for p in library.passages_of(document.id))


def test_real_formats_end_to_end(library: Library, folder: Path) -> None:
    """Through the corpus room's own walk and supervised child."""
    write(folder, "a.txt", "")
    (folder / "old.txt").write_bytes(("Старый текст в старой кодировке, записанный давно. " * 5).encode("cp1251"))
    write(folder, "page.html", f"<html lang=ru><title>Страница</title><body><p>{TEXT}</p><p>{TEXT}</p></body></html>")
    write(
        folder,
        "table.jsonl",
        "\n".join(json.dumps({"text": f"{n}. {TEXT}", "url": f"https://x.example/{n}"}) for n in range(3)),
    )
    write(folder, "image.png", "\x89PNG")
    report = Adder(library).run([str(folder)])
    assert report.documents == 5
    assert {r.uri.removeprefix(f"{folder}/") for r in library.ledger(decision="dropped")} == {"a.txt", "image.png"}
    assert [(r.reason, r.value) for r in library.ledger(decision="changed", uri=f"{folder}/old.txt")] == [
        ("encoding", "cp1251")
    ]
    titles = {d.uri.removeprefix(f"{folder}/"): d.title for d in library.documents()}
    assert titles["page.html"] == "Страница"
    assert titles["old.txt"] == "old"
    files = {path.name for path in folder.iterdir()}
    assert {r.uri.removeprefix(f"{folder}/") for r in library.ledger()} >= files
    assert Adder(library).run([str(folder)]).unchanged == 5
    with library.writer() as writer:
        assert writer.remove(path=str(folder / "table.jsonl")) == 3


class Page(BaseHTTPRequestHandler):
    text = TEXT
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write((type(self).text * 3).encode())

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/книга.txt"
    server.shutdown()
    thread.join()
    server.server_close()


def test_urls(library: Library, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = LibrarySettings(allow_private_urls=True)
    report = Adder(library, settings).run([address])
    assert (report.documents, report.kept) == (1, 1)
    document = next(library.documents(with_text=True))
    assert (document.uri, document.source) == (address, "127.0.0.1")
    assert document.text.startswith("В начале")
    assert Adder(library, settings).run([address]).unchanged == 1
    monkeypatch.setattr(Page, "text", "Другое содержание страницы о городе и реке. ")
    assert Adder(library, settings).run([address]).replaced == 1
    monkeypatch.setattr(Page, "status", 500)
    report = Adder(library, settings).run([address])
    assert (report.dropped, library.num_documents) == (1, 1)
    assert report.reasons == {"http_status": 1}


def test_private_addresses_are_refused_by_default(library: Library, address: str) -> None:
    report = Adder(library).run([address])
    assert report.reasons == {"private_address": 1}
    assert [r.uri for r in library.ledger(decision="dropped")] == [address]


def test_address_of_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert address_of(Path("a/../b.txt")) == f"{tmp_path}/b.txt"

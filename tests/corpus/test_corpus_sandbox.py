"""The supervised child under real faults: it hangs, crashes, grows, is killed, is abandoned. Nothing is simulated in the parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest
from document_makers import make_zip

from samovar.corpus.document import LedgerRow
from samovar.corpus.extract import extract_path
from samovar.corpus.extracted import Extracted
from samovar.corpus.limits import MIB, Limits
from samovar.corpus.sandbox import Extractor

TEXT = "Самовар стоял на столе, и вся семья собиралась вокруг него каждый вечер."
LIMITS = Limits(seconds=20.0, memory_bytes=1024 * MIB)


def outcome(items: list[Extracted | LedgerRow]) -> dict[str, str]:
    return {item.uri: item.reason if isinstance(item, LedgerRow) else "kept" for item in items}


def child_pid(extractor: Extractor) -> int:
    assert extractor._child is not None
    return extractor._child._process.pid


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.fixture
def saboteur(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the child's path with a `sitecustomize` that makes reading certain texts go wrong, for real, in the child only."""
    folder = tmp_path / "sabotage"
    folder.mkdir()
    (folder / "sabotage.py").write_text(
        textwrap.dedent(
            """
            import ctypes, os, signal, sys, time
            from samovar.corpus import draft
            real = draft.clean_text
            def clean_text(text):
                if "HANG" in text:
                    while True:
                        pass
                if "SEGV" in text:
                    os.kill(os.getpid(), signal.SIGSEGV)
                if "EXIT" in text:
                    os._exit(3)
                if "GROW" in text:
                    keep = []
                    while True:
                        keep.append(bytearray(16 * 2**20))
                if "MMAP" in text:
                    import mmap
                    keep = []
                    while True:
                        block = mmap.mmap(-1, 16 * 2**20, flags=mmap.MAP_SHARED)
                        block.write(b"x" * len(block))
                        keep.append(block)
                        time.sleep(0.005)
                if "NOISE" in text:
                    print("x" * 5_000_000)
                    os.write(1, b"y" * 100_000)
                if "WRITE" in text:
                    with open("/tmp/samovar-must-not-grow", "wb", buffering=0) as file:
                        file.write(bytes(4 * 2**20))
                        file.write(b"more")
                return real(text)
            draft.clean_text = clean_text
            """
        )
    )
    start = "import json,sys; sys.path[:]=json.loads(sys.argv[1]); import sabotage; from samovar.corpus.worker import main; main()"
    monkeypatch.setattr("samovar.corpus.sandbox._START", start)
    monkeypatch.syspath_prepend(folder)
    return tmp_path


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(f"{text}. {TEXT}", encoding="utf-8")
    return path


def test_same_results_as_in_process(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(
        make_zip({"a.txt": TEXT.encode(), "b.csv": f"text\n{TEXT}\n".encode(), "c.png": b"\x89PNG" + bytes(9)})
    )
    with Extractor(LIMITS) as extractor:
        through = list(extractor.extract(path))
    direct = list(extract_path(path))

    def bare(items: list[Extracted | LedgerRow]) -> list[object]:
        return [replace(item, at="") if isinstance(item, LedgerRow) else item for item in items]

    assert bare(through) == bare(direct)


def test_child_is_reused_and_ends(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "one")
    with Extractor(LIMITS) as extractor:
        assert outcome(list(extractor.extract(path, uri="u"))) == {"u": "kept"}
        pid = child_pid(extractor)
        list(extractor.extract(path))
        assert child_pid(extractor) == pid
    assert gone(pid)


@pytest.mark.parametrize(
    ("fault", "reason"), [("SEGV", "crashed"), ("EXIT", "crashed"), ("GROW", "memory"), ("MMAP", "memory")]
)
def test_faults_cost_one_row(saboteur: Path, fault: str, reason: str) -> None:
    bad, good = write(saboteur, "bad.txt", fault), write(saboteur, "good.txt", "fine")
    with Extractor(replace(LIMITS, memory_bytes=400 * MIB)) as extractor:
        assert outcome(list(extractor.extract(bad, uri="bad"))) == {"bad": reason}
        assert outcome(list(extractor.extract(good, uri="good"))) == {"good": "kept"}


def test_hang_costs_one_row(saboteur: Path) -> None:
    bad, good = write(saboteur, "bad.txt", "HANG"), write(saboteur, "good.txt", "fine")
    with Extractor(replace(LIMITS, seconds=1.5)) as extractor:
        assert outcome(list(extractor.extract(bad, uri="bad"))) == {"bad": "timeout"}
    with Extractor(LIMITS) as extractor:
        assert outcome(list(extractor.extract(good, uri="good"))) == {"good": "kept"}


def test_poisoned_members_cost_one_row_each_and_the_rest_is_kept(saboteur: Path) -> None:
    texts = ["fine", "SEGV", "fine", "fine", "EXIT", "GROW", "fine"]
    members = {f"{n}.txt": f"{text} {n}. {TEXT}".encode() for n, text in enumerate(texts)}
    members["inner.zip"] = make_zip({"a.txt": f"SEGV {TEXT}".encode(), "b.txt": f"fine {TEXT}".encode()})
    path = saboteur / "x.zip"
    path.write_bytes(make_zip(members))
    with Extractor(replace(LIMITS, memory_bytes=400 * MIB)) as extractor:
        items = list(extractor.extract(path, uri="x"))
    expected = {f"x!/{n}.txt": {"fine": "kept", "GROW": "memory"}.get(text, "crashed") for n, text in enumerate(texts)}
    expected |= {"x!/inner.zip!/a.txt": "crashed", "x!/inner.zip!/b.txt": "kept"}
    assert outcome(items) == expected
    assert len(items) == len(expected), "no item came twice"


def test_archive_full_of_poison_is_given_up(saboteur: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samovar.corpus.sandbox._MAX_RESTARTS", 4)
    path = saboteur / "x.zip"
    path.write_bytes(make_zip({f"{n}.txt": f"EXIT {n} {TEXT}".encode() for n in range(30)}))
    with Extractor(LIMITS) as extractor:
        results = outcome(list(extractor.extract(path, uri="x")))
    assert results.pop("x") == "too_many_crashes"
    assert set(results.values()) == {"crashed"} and len(results) == 5


def test_what_libraries_print_does_not_reach_the_wire(saboteur: Path) -> None:
    path = write(saboteur, "a.txt", "NOISE")
    with Extractor(LIMITS) as extractor:
        assert outcome(list(extractor.extract(path, uri="a"))) == {"a": "kept"}


def test_child_cannot_fill_the_disk(saboteur: Path) -> None:
    path = write(saboteur, "a.txt", "WRITE")
    target = Path("/tmp/samovar-must-not-grow")
    try:
        with Extractor(LIMITS) as extractor:
            (row,) = extractor.extract(path, uri="a")
        assert isinstance(row, LedgerRow) and row.reason == "damaged" and "File too large" in row.value
        assert target.stat().st_size == 0
    finally:
        target.unlink(missing_ok=True)


def test_child_killed_from_outside_between_two_files(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "one")
    with Extractor(LIMITS) as extractor:
        list(extractor.extract(path))
        os.kill(child_pid(extractor), signal.SIGKILL)
        time.sleep(0.1)
        first = outcome(list(extractor.extract(path, uri="a")))
        assert first == {"a": "kept"}, "a child that died while idle is nobody's fault"
        assert outcome(list(extractor.extract(path, uri="a"))) == {"a": "kept"}


def test_abandoned_extraction_leaves_no_rest_behind(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(make_zip({f"{n}.txt": f"{n} {TEXT}".encode() for n in range(300)}))
    other = write(tmp_path, "a.txt", "other")
    with Extractor(LIMITS) as extractor:
        items = extractor.extract(path, uri="x")
        assert next(items).uri == "x!/0.txt"
        items.close()
        assert outcome(list(extractor.extract(other, uri="o"))) == {"o": "kept"}


@pytest.mark.slow
def test_slow_consumer_is_not_the_files_fault(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join('{"text": "%s"}' % (TEXT * 200) for _ in range(300)), encoding="utf-8")
    with Extractor(replace(LIMITS, seconds=1.0)) as extractor:
        items = extractor.extract(path, uri="x")
        got = [next(items)]
        time.sleep(2.5)
        got += items
    assert len(got) == 300 and all(isinstance(item, Extracted) for item in got)


def test_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "one")
    program = (
        "import sys,time\nfrom pathlib import Path\nfrom samovar.corpus.sandbox import Extractor\n"
        f"e = Extractor(); list(e.extract(Path({str(path)!r}))); print(e._child._process.pid, flush=True); time.sleep(60)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 10
    while not gone(pid) and time.monotonic() < deadline:
        if (
            Path(f"/proc/{pid}/stat").exists()
            and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        ):
            break
        time.sleep(0.05)
    else:
        assert gone(pid)


def test_importing_the_room_is_cheap() -> None:
    program = (
        "import sys\nimport samovar.corpus\nimport samovar.corpus.sandbox, samovar.corpus.sources, samovar.corpus.extract\n"
        "heavy = {'lxml', 'pypdfium2', 'xberg', 'pyarrow', 'requests', 'fasttext', 'pycld2', 'resiliparse', 'numpy', 'zstandard', 'asyncio'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True
    )
    assert result.stdout.strip() == "[]"


def test_public_names_are_there() -> None:
    import samovar.corpus

    assert all(getattr(samovar.corpus, name) is not None for name in samovar.corpus.__all__)
    with pytest.raises(AttributeError):
        _ = samovar.corpus.nothing  # type: ignore[attr-defined]

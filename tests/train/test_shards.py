"""From texts to shards: nothing is lost or mixed up, whatever the number of processes and whenever it is killed; bad input is named early."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tiktoken")
pytest.importorskip("rustbpe")

from samovar.errors import ShardError, TrainingError
from samovar.train import prepare as preparing
from samovar.train.batches import Batches
from samovar.train.prepare import prepare
from samovar.train.shards import SPLITS, Index, Split, dtype_of, map_shard, read_index, verify_shards, write_shard
from samovar.train.texts import Text, by_key, check_language
from samovar.train.tokenizer import Tokenizer

SMALL = 100_000
"""Bytes of text a unit: the articles make some ten units."""


@pytest.fixture(scope="session")
def folder(articles: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The articles as text files in two folders."""
    root = tmp_path_factory.mktemp("texts")
    for number, text in enumerate(articles):
        place = root / ("even", "odd")[number % 2]
        place.mkdir(exist_ok=True)
        (place / f"{number:03}.md").write_text(text, "utf-8")
    return root


@pytest.fixture(scope="session")
def prepared(folder: Path, tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of the articles."""
    out = tmp_path_factory.mktemp("tokens") / "out"
    prepare([folder], tokenizer_folder, out, unit_bytes=SMALL)
    return out


def documents(out: Path, index: Index, split: Split) -> Iterator[list[int]]:
    for shard in index.splits[split]:
        tokens = map_shard(out / shard.file, index.dtype).tolist() if shard.num_tokens else []
        document: list[int] = []
        for token in tokens:
            if token == index.eot:
                yield document
                document = []
            else:
                document.append(token)
        assert document == []  # a shard ends with a separator


def files_of(out: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(out.iterdir()) if p.suffix in (".bin", ".json") and p.name != "plan.json"}  # fmt: skip


# -- what is in them ------------------------------------------------------------------------------------------------
def test_shards_hold_every_text_once(prepared: Path, tokenizer_folder: Path, articles: list[str]) -> None:
    tokenizer, index = Tokenizer.load(tokenizer_folder), read_index(prepared, verify=True)
    found = {split: [tokenizer.decode(ids) for ids in documents(prepared, index, split)] for split in SPLITS}
    assert Counter(found["train"] + found["val"]) == Counter(articles)
    assert found["train"] and found["val"]
    for split in SPLITS:
        assert index.total(split, "num_documents") == len(found[split])
        assert index.total(split, "num_bytes") == sum(len(text.encode()) for text in found[split])


def test_the_index_says_what_made_them(prepared: Path, tokenizer_folder: Path) -> None:
    tokenizer = Tokenizer.load(tokenizer_folder)
    values = json.loads((prepared / "index.json").read_text())
    assert values["format"] == 1
    assert (values["vocab_size"], values["tokenizer_sha256"], values["eot"]) == (
        tokenizer.vocab_size, tokenizer.sha256, tokenizer.end_of_text,
    )  # fmt: skip
    assert values["dtype"] == "<u2"
    assert len(values["splits"]["train"]) > 5
    assert sorted(p.name for p in prepared.iterdir() if p.is_dir()) == []  # the work is gone


def test_nothing_is_on_both_sides(folder: Path, tokenizer_folder: Path, tmp_path: Path, articles: list[str]) -> None:
    """Every article twice, under other names: both copies end on one side."""
    out = tmp_path / "out"
    for number, text in enumerate(articles):
        (tmp_path / f"copy-{number}.txt").write_text(text, "utf-8")
    index = prepare([folder, *sorted(tmp_path.glob("*.txt"))], tokenizer_folder, out, validation_permille=300)
    train, val = (set(map(tuple, documents(out, index, split))) for split in SPLITS)
    assert not train & val
    assert index.total("val", "num_documents") > 150


def test_about_one_in_a_hundred_validates() -> None:
    plan = preparing.Plan((), "", "", "<u2", 0, 10)
    sides = [plan.side(f"document {number}")[0] for number in range(20_000)]
    assert 150 < sum(sides) < 250


def test_documents_of_a_cluster_stay_together() -> None:
    keys = {by_key("a", {"cluster": "c7"}), by_key("b", {"cluster": "c7"})}
    assert keys == {"c7"}
    assert by_key("a", {"cluster_size": "2"}) == "a"


@pytest.mark.parametrize("vocab_size", [300, 65_536, 65_537, 262_144])
def test_ids_of_any_vocabulary_fit(tmp_path: Path, vocab_size: int) -> None:
    dtype = dtype_of(vocab_size)
    ids = [0, 1, vocab_size // 2, vocab_size - 2]
    with write_shard(tmp_path / "x.bin", dtype, vocab_size - 1) as writer:
        writer.add(ids, 10)
    assert map_shard(tmp_path / "x.bin", dtype).tolist() == [*ids, vocab_size - 1]
    assert (dtype == "<u2") == (vocab_size <= 65_536)


# -- the same, however it is done -----------------------------------------------------------------------------------
@pytest.mark.slow
def test_processes_change_nothing(folder: Path, tokenizer_folder: Path, prepared: Path, tmp_path: Path) -> None:
    prepare([folder], tokenizer_folder, tmp_path / "out", unit_bytes=SMALL, workers=2)
    assert files_of(tmp_path / "out") == files_of(prepared)


CHILD = """
import sys, time
from pathlib import Path
from samovar.train import prepare as preparing
from samovar.train.batches import Batches
real = preparing.do_unit
def slow(*arguments):
    made = real(*arguments)
    print(arguments[-1], flush=True)
    time.sleep(0.03)
    return made
preparing.do_unit = slow
texts, tokenizer, out, size = sys.argv[1:]
preparing.prepare([Path(texts)], Path(tokenizer), Path(out), unit_bytes=int(size))
"""


def start(folder: Path, tokenizer_folder: Path, out: Path, limit: int = 0) -> subprocess.Popen[str]:
    def bound() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-c", CHILD, str(folder), str(tokenizer_folder), str(out), str(SMALL)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=bound if limit else None
    )


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on(folder: Path, tokenizer_folder: Path, prepared: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    units = []
    for wait in (1, 3, 2):
        with start(folder, tokenizer_folder, out) as child:
            assert child.stdout is not None
            units += [child.stdout.readline().strip() for _ in range(wait)]
            time.sleep(0.01 * wait)
            os.kill(child.pid, signal.SIGKILL)
        assert not (out / "index.json").exists()
        with pytest.raises(ShardError, match="unfinished"):
            read_index(out)
    assert len(set(units)) == len(units)  # nothing that was committed was done again
    prepare([folder], tokenizer_folder, out, unit_bytes=SMALL)
    assert files_of(out) == files_of(prepared)
    assert not list(out.rglob(".*.tmp"))


WORKERS = """
import sys
from pathlib import Path
from samovar.train.prepare import prepare
if __name__ == "__main__":
    texts, tokenizer, out, size = sys.argv[1:]
    done = lambda *_: print("done", flush=True)
    prepare([Path(texts)], Path(tokenizer), Path(out), unit_bytes=int(size), workers=2, progress=done)
"""


@pytest.mark.slow
def test_workers_die_with_their_parent(folder: Path, tokenizer_folder: Path, prepared: Path, tmp_path: Path) -> None:
    script, out = tmp_path / "run.py", tmp_path / "out"
    script.write_text(WORKERS)
    command = [sys.executable, str(script), str(folder), str(tokenizer_folder), str(out), str(SMALL)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None and parent.stdout.readline() == "done\n"
        children = [int(pid) for pid in Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()]
        assert len(children) >= 2
        os.kill(parent.pid, signal.SIGKILL)
        # the pipe ends when the last process that holds it has gone: nobody lives on
        assert set(parent.stdout.read().split()) <= {"done"}
    for child in children:
        deadline = time.monotonic() + 20
        while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
            if "\nState:\tZ" in Path(f"/proc/{child}/status").read_text():
                break
            time.sleep(0.05)
        else:
            assert not Path(f"/proc/{child}").exists()
    prepare([folder], tokenizer_folder, out, unit_bytes=SMALL)
    assert files_of(out) == files_of(prepared)


@pytest.mark.slow
def test_a_full_disk_is_named_and_gone_on_from(
    folder: Path, tokenizer_folder: Path, prepared: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with start(folder, tokenizer_folder, out, limit=20_000) as child:  # no file may grow larger
        _, err = child.communicate()
    assert child.returncode != 0
    assert "the tokens cannot be written" in err and "it goes on" in err
    prepare([folder], tokenizer_folder, out, unit_bytes=SMALL)
    assert files_of(out) == files_of(prepared)


def test_a_damaged_file_is_done_again(folder: Path, tokenizer_folder: Path, prepared: Path, tmp_path: Path) -> None:
    """A shard that was cut after its commit, before the index was written."""
    out = tmp_path / "out"

    class StopError(Exception):
        pass

    def stop(done: int, total: int, tokens: int) -> None:
        if done > total / 2:
            raise StopError

    with pytest.raises(StopError):
        prepare([folder], tokenizer_folder, out, unit_bytes=SMALL, progress=stop)
    (out / "train-00001.bin").write_bytes(b"\0\0")
    prepare([folder], tokenizer_folder, out, unit_bytes=SMALL)
    assert files_of(out) == files_of(prepared)


def test_when_all_is_done_nothing_is_done(folder: Path, tokenizer_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    made = prepare([folder], tokenizer_folder, out)
    before = {p.name: p.stat().st_mtime_ns for p in out.glob("*.bin")}
    assert prepare([folder], tokenizer_folder, out) == made
    assert {p.name: p.stat().st_mtime_ns for p in out.glob("*.bin")} == before


# -- what is refused ------------------------------------------------------------------------------------------------
def test_another_plan_in_the_folder(folder: Path, tokenizer_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare([folder / "even"], tokenizer_folder, out)
    with pytest.raises(ShardError, match="found other tokens"):
        prepare([folder], tokenizer_folder, out)


def test_a_folder_with_other_files(folder: Path, tokenizer_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("моё")
    with pytest.raises(ShardError, match="empty folder"):
        prepare([folder], tokenizer_folder, tmp_path)
    assert (tmp_path / "diary.txt").read_text() == "моё"


def test_too_little_disk_is_said_before(folder: Path, tokenizer_folder: Path, tmp_path: Path, monkeypatch: Any) -> None:
    usage = type("Usage", (), {"free": 1_000_000})
    monkeypatch.setattr(preparing.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(TrainingError, match="MiB of free disk"):
        prepare([folder], tokenizer_folder, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.bin"))


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        ({}, "expected texts .* found none"),
        ({"a.png": "x"}, "expected texts .* found none"),
        ({"a.txt": "  \n ", "b.txt": "\n"}, "only empty documents"),
        ({"a.txt": "Один-единственный текст."}, "at least 2 documents"),
        ({"a.txt": "Тот же текст.", "b.txt": "Тот же текст."}, "all validate"),
    ],
)
def test_too_few_texts(names: dict[str, str], wanted: str, tokenizer_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, text in names.items():
        (tmp_path / "in" / name).write_text(text, "utf-8")
    with pytest.raises(TrainingError, match=wanted):
        prepare([tmp_path / "in"], tokenizer_folder, tmp_path / "out", anyway=True)


def test_a_path_that_is_not_there(tokenizer_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="found nothing"):
        prepare([tmp_path / "nowhere"], tokenizer_folder, tmp_path / "out")


def test_two_texts_are_enough(tokenizer_folder: Path, tmp_path: Path) -> None:
    """The smallest corpus: its keys leave validation empty, so the lowest is set aside."""
    (tmp_path / "in").mkdir()
    for number in range(2):
        (tmp_path / "in" / f"{number}.txt").write_text(f"Текст номер {number}. " * 5, "utf-8")
    index = prepare([tmp_path / "in"], tokenizer_folder, tmp_path / "out", validation_permille=0)
    assert [index.total(split, "num_documents") for split in SPLITS] == [1, 1]


CHINESE = "水壶放在桌子上，茶水已经烧开了，请大家一起喝茶，谈谈今天的新闻和明天的计划。" * 30


def test_texts_unlike_those_of_the_tokenizer(tokenizer_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(3):
        (tmp_path / "in" / f"{number}.txt").write_text(f"{number}{CHINESE}", "utf-8")
    with pytest.raises(TrainingError, match="texts like those the tokenizer was trained on"):
        prepare([tmp_path / "in"], tokenizer_folder, tmp_path / "out")
    index = prepare([tmp_path / "in"], tokenizer_folder, tmp_path / "out", anyway=True)
    assert index.total("train", "num_documents") == 2


def test_the_wrong_language(articles: list[str]) -> None:
    russian = [Text("k", text, "d") for text in articles[:5]]
    assert check_language(russian, "ru") > 0.9
    with pytest.raises(TrainingError, match="expected texts in tt, found ru 100 %"):
        check_language(russian, "tt")
    with pytest.raises(TrainingError, match="expected texts in ru"):
        check_language([Text("k", "1 2 3", "d")], "ru")


# -- opening them ---------------------------------------------------------------------------------------------------
@pytest.fixture
def tokens(folder: Path, tokenizer_folder: Path, tmp_path: Path) -> Path:
    prepare([folder / "even"], tokenizer_folder, tmp_path / "tokens")
    return tmp_path / "tokens"


def test_a_cut_shard(tokens: Path) -> None:
    path = tokens / "train-00000.bin"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(ShardError, match=r"bytes at .*train-00000\.bin"):
        read_index(tokens)
    path.unlink()
    with pytest.raises(ShardError, match="found nothing"):
        read_index(tokens)


def test_a_turned_bit_is_found_by_verifying(tokens: Path) -> None:
    path = tokens / "train-00000.bin"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    read_index(tokens)  # the size is right
    with pytest.raises(ShardError, match="SHA-256"):
        read_index(tokens, verify=True)


def test_each_process_proves_its_part(tokens: Path) -> None:
    index = read_index(tokens)
    damaged = index.splits["val"][0]
    data = bytearray((tokens / damaged.file).read_bytes())
    data[7] ^= 64
    (tokens / damaged.file).write_bytes(data)
    verify_shards(tokens, index, 0, 3)
    with pytest.raises(
        ShardError, match=rf"SHA-256 {damaged.sha256[:12]}… of .*{damaged.file}, found another: it is damaged"
    ):
        verify_shards(tokens, index, 1, 3)
    verify_shards(tokens, index, 2, 3)


def test_ids_that_cannot_be_are_refused_when_read(tokens: Path) -> None:
    batches = Batches(tokens, "train", 64)
    batches.read(0, batches.num_sequences)
    path = tokens / batches.index.splits["train"][0].file
    with path.open("r+b") as file:  # the same file, changed while the run has it open
        file.seek(200)
        file.write(b"\xff\xff")
    with pytest.raises(
        ShardError,
        match=r"expected ids below 2,048 in the shards of .*, found 65,535: a file was damaged after the start",
    ):
        batches.read(0, batches.num_sequences)


def test_tokens_of_another_tokenizer(tokens: Path) -> None:
    with pytest.raises(ShardError, match="expected tokens of the tokenizer 0000"):
        read_index(tokens, tokenizer_sha256="0" * 64)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"format": 9}', '{"format": 1, "splits": {}}'])
def test_a_damaged_index(tokens: Path, content: str) -> None:
    (tokens / "index.json").write_text(content)
    with pytest.raises(ShardError):
        read_index(tokens)


def test_no_shards_at_all(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="samovar train prepare"):
        read_index(tmp_path)

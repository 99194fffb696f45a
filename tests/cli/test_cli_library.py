"""`samovar library`, `add` and `remove`: what they print, the JSON they write, what stays after an interruption."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cli_child import child_environment

STARTER = "pack:ru/library/geography/baykal.md"
DOCUMENT_KEYS = {
    "id",
    "source",
    "uri",
    "title",
    "language",
    "published",
    "publisher",
    "origin",
    "licence",
    "added_at",
    "metadata",
}


def read_json(done: Any) -> Any:
    assert done.status == 0, done.err
    return json.loads(done.out)


# -- library --------------------------------------------------------------------------------------------------------
def test_info(run: Any) -> None:
    info = read_json(run("library", "info", "--json"))
    assert info["num_documents"] == info["by_source"]["starter"] > 300
    assert info["by_language"] == {"ru": info["num_documents"]}
    assert info["by_licence"] == {"CC-BY-4.0": info["num_documents"]}
    assert {"by_origin", "by_publisher", "num_passages", "version", "size_bytes", "home"} <= info.keys()
    assert read_json(run("library", "--json")) == info
    for lang, word in (("en", "By source"), ("ru", "По источникам")):
        done = run("library", lang=lang)
        assert done.status == 0
        assert word in done.out and "starter" in done.out


def test_list_with_limits_and_filters(run: Any) -> None:
    first = read_json(run("library", "list", "--limit", "3", "--json"))
    assert [set(document) for document in first["documents"]] == [DOCUMENT_KEYS] * 3
    assert first["total"] > 300
    next_ones = read_json(run("library", "list", "--limit", "2", "--offset", "1", "--json"))["documents"]
    assert next_ones == first["documents"][1:]
    everything = read_json(run("library", "list", "--limit", "0", "--json"))["documents"]
    assert len(everything) == first["total"]
    assert read_json(run("library", "list", "--source", "nothing", "--json"))["documents"] == []
    assert [d["uri"] for d in read_json(run("library", "list", "--uri", STARTER, "--json"))["documents"]] == [STARTER]
    text = run("library", "list", "-n", "3", lang="ru")
    assert [line.split()[0] for line in text.out.splitlines()] == [d["id"] for d in first["documents"]]
    assert "--offset 3" in text.err
    assert run("library", "list", "--language", "tt", lang="ru").out == "Таких документов нет.\n"


def test_show_by_id_beginning_and_address(run: Any) -> None:
    shown = read_json(run("library", "show", STARTER, "--json"))
    assert set(shown) == DOCUMENT_KEYS | {"text", "passages"}
    assert all(shown["text"][p["start"] : p["end"]].strip() for p in shown["passages"])
    for name in (shown["id"], shown["id"][:10]):
        done = run("library", "show", name, lang="ru")
        assert done.status == 0
        assert shown["text"] in done.out and "Байкал" in done.out.splitlines()[0]
    done = run("library", "show", "ffffffffff")
    assert (done.status, done.out) == (1, "")
    assert "samovar library list" in done.err


def test_ledger(run: Any, texts: Path) -> None:
    run("add", str(texts), "--source", "work")
    rows = read_json(run("library", "ledger", "--json", "--source", "work", "--limit", "0"))["rows"]
    assert {"uri", "stage", "decision", "reason", "value", "at", "source"} == set(rows[0])
    assert {row["reason"] for row in rows} >= {"added", "empty"}
    dropped = read_json(run("library", "ledger", "--json", "--decision", "dropped", "--reason", "empty"))["rows"]
    assert [row["uri"] for row in dropped] == [str(texts / "empty.txt")]
    of_file = read_json(run("library", "ledger", "--json", "--uri", str(texts / "one.txt")))["rows"]
    assert {row["uri"] for row in of_file} == {str(texts / "one.txt")}
    of_folder = read_json(run("library", "ledger", "--json", "--uri", str(texts), "--limit", "0"))["rows"]
    assert len(of_folder) >= 5
    newest = read_json(run("library", "ledger", "--json", "--limit", "2"))["rows"]
    oldest = read_json(run("library", "ledger", "--json", "--limit", "2", "--oldest-first"))["rows"]
    assert oldest[0]["at"] <= newest[0]["at"] and oldest != newest
    text = run("library", "ledger", "--reason", "empty", lang="ru")
    assert "пусто" in text.out and str(texts / "empty.txt") in text.out
    assert "--limit 0" in run("library", "ledger", "-n", "1").err
    assert run("library", "ledger", "--stage", "nowhere", lang="ru").out == "Таких записей нет.\n"


def test_verify_passes_and_finds_damage(run: Any, home: Path) -> None:
    passed = read_json(run("library", "verify", "--json"))
    assert passed["passed"] is True and passed["problems"] == [] and passed["passages"] >= passed["documents"] > 300
    assert run("library", "verify", lang="ru").out.startswith("Всё сходится")
    with sqlite3.connect(home / "library" / "library.sqlite") as database:  # a bit of rot, and a forged ledger
        database.execute(
            "UPDATE passages SET text = replace(text, 'озер', 'морё') WHERE id = (SELECT min(p.id) FROM passages p WHERE p.text LIKE '%озер%')"
        )
        database.execute("DELETE FROM ledger WHERE uri = ?", (STARTER,))
    database.close()
    done = run("library", "verify", "--json")
    assert done.status == 1
    problems = json.loads(done.out)["problems"]
    assert {problem["problem"] for problem in problems} >= {"id", "surplus"}
    assert STARTER in {problem["uri"] for problem in problems if problem["problem"] == "surplus"}
    text = run("library", "verify", lang="ru")
    assert text.status == 1 and "есть в библиотеке, нет в журнале" in text.out


def test_export_and_import_give_the_same_library(run: Any, tmp_path: Path, texts: Path) -> None:
    run("add", str(texts), "--source", "work")
    done = run("library", "export", str(tmp_path / "copy"), lang="ru")
    assert done.status == 0 and "Записано" in done.out
    other = tmp_path / "other"
    imported = read_json(run("library", "import", str(tmp_path / "copy"), "--json", home=other))
    before, after = (read_json(run("library", "info", "--json", home=h)) for h in (None, other))
    for key in ("num_documents", "num_passages", "by_source", "by_licence", "ledger"):
        assert before[key] == after[key]
    assert imported["added"] == before["num_documents"]
    ledgers = [read_json(run("library", "ledger", "--limit", "0", "--json", home=h)) for h in (None, other)]
    assert ledgers[0] == ledgers[1]
    assert run("library", "verify", home=other).status == 0
    again = read_json(run("library", "import", str(tmp_path / "copy"), "--json", home=other))
    assert (again["added"], again["unchanged"]) == (0, before["num_documents"])
    (tmp_path / "copy" / "documents.jsonl").write_bytes(b"{}\n")
    damaged = run("library", "import", str(tmp_path / "copy"), home=tmp_path / "third")
    assert damaged.status == 1 and "documents.jsonl" in damaged.err


def test_import_of_nothing(run: Any, tmp_path: Path) -> None:
    done = run("library", "import", str(tmp_path / "absent"), lang="ru")
    assert done.status == 1 and "manifest.json" in done.err and "Traceback" not in done.err


# -- add ------------------------------------------------------------------------------------------------------------
def test_add_twice_then_change(run: Any, texts: Path) -> None:
    first = read_json(
        run(
            "add",
            str(texts),
            "--source",
            "work",
            "--licence",
            "CC0-1.0",
            "--published",
            "2020-05",
            "--origin",
            "RU",
            "--json",
        )
    )
    assert (first["kept"], first["dropped"], first["unchanged"], first["interrupted"]) == (3, 2, 0, False)
    assert first["reasons"]["empty"] == 1
    again = run(
        "add",
        str(texts),
        "--source",
        "work",
        "--licence",
        "CC0-1.0",
        "--published",
        "2020-05",
        "--origin",
        "RU",
        lang="ru",
    )
    assert again.status == 0 and "без изменений, пропущено" in again.out
    listed = read_json(run("library", "list", "--source", "work", "--json"))["documents"]
    assert {(d["licence"], d["published"], d["origin"]) for d in listed} == {("CC0-1.0", "2020-05", "RU")}
    (texts / "one.txt").write_text("Совсем другой рассказ: о том, как самовар уехал в Тулу и не вернулся. " * 3)
    changed = read_json(
        run(
            "add",
            str(texts),
            "--source",
            "work",
            "--licence",
            "CC0-1.0",
            "--published",
            "2020-05",
            "--origin",
            "RU",
            "--json",
        )
    )
    assert (changed["kept"], changed["changed"], changed["unchanged"], changed["replaced"]) == (0, 1, 3, 1)


def test_add_makes_things_findable(run: Any, texts: Path) -> None:
    assert run("add", str(texts)).status == 0
    hits = read_json(run("search", "пароход у окна", "--source", "texts", "--json"))["hits"]
    assert hits[0]["document"]["uri"] == str(texts / "two.txt")
    assert {hit["document"]["source"] for hit in hits} == {"texts"}


def test_add_says_why_and_where_to_look(run: Any, texts: Path) -> None:
    done = run("add", str(texts), "--source", "work", lang="ru")
    assert done.status == 0
    assert "пусто" in done.out and "скрытое" in done.out
    assert "samovar library ledger --decision dropped --source work" in done.err


@pytest.mark.parametrize("lang", ["en", "ru"])
def test_add_of_what_is_not_there_fails(lang: str, run: Any, tmp_path: Path) -> None:
    done = run("add", str(tmp_path / "absent.txt"), lang=lang)
    assert done.status == 1
    assert ("not found" if lang == "en" else "не найдено") in done.out


def test_add_of_an_empty_folder(run: Any, tmp_path: Path) -> None:
    (tmp_path / "void").mkdir()
    done = run("add", str(tmp_path / "void"), lang="ru")
    assert (done.status, done.out) == (0, "Добавлять там нечего.\n")


def test_strange_names(run: Any, run_child: Any, tmp_path: Path) -> None:
    folder = tmp_path / "имена 🫖 с пробелами"
    folder.mkdir()
    text = "Тульский самовар стоит на столе, рядом лежат пряники и баранки. " * 3
    (folder / "самовар — «тульский».txt").write_text(text)
    shutil.copyfile(folder / "самовар — «тульский».txt", os.fsencode(folder) + b"/\xff\xfe.txt")
    done = run_child("add", str(folder), "--source", "имя 🫖", "--json")
    assert json.loads(done.out)["kept"] == 2, done.err
    documents = read_json(run("library", "list", "--source", "имя 🫖", "--json"))["documents"]
    assert len(documents) == 2
    by_bytes = run_child("remove", os.fsencode(folder) + b"/\xff\xfe.txt", "--yes", "--json")
    assert json.loads(by_bytes.out)["removed"] == 1
    assert run_child("remove", str(folder), "--yes", "--lang", "ru").out == "Удалено: 1 документ\n"


@pytest.mark.slow
def test_interrupted_add_keeps_what_it_has_and_goes_on(run: Any, home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    num_files = 1500
    for number in range(num_files):
        (folder / f"{number:04}.txt").write_text(
            f"Это записка номер {number} о самоваре, который стоит у окна и шумит. " * 40
        )
    child = subprocess.Popen(
        [sys.executable, "-m", "samovar", "add", str(folder), "--source", "many", "--lang", "ru"],
        env=child_environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    wait_for_documents(home, 50)
    os.killpg(child.pid, signal.SIGINT)  # as a terminal does: to the extracting child too
    out, err = (stream.decode() for stream in child.communicate(timeout=60))
    assert child.returncode == 130, err
    assert "Прервано" in err and "Traceback" not in err
    assert "Добавлено" in out
    stored = read_json(run("library", "info", "--json"))["by_source"]["many"]
    assert 0 < stored < num_files
    assert run("library", "verify").status == 0
    rest = read_json(run("add", str(folder), "--source", "many", "--json"))
    # the file being read at the interruption may be stored but not noted as finished: then it is read once more
    assert rest["documents"] == num_files - stored
    assert rest["kept"] + rest["unchanged"] == num_files and stored - 1 <= rest["unchanged"] <= stored
    assert run("library", "verify").status == 0


def wait_for_documents(home: Path, count: int) -> None:
    """Wait until another process has stored that many documents of the source `many`."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        database = sqlite3.connect(f"file:{home / 'library' / 'library.sqlite'}?mode=ro", uri=True)
        try:
            if database.execute("SELECT count(*) FROM documents WHERE source = 'many'").fetchone()[0] >= count:
                return
        finally:
            database.close()
        time.sleep(0.02)
    raise AssertionError("nothing was stored in a minute")


# -- remove ---------------------------------------------------------------------------------------------------------
def test_remove_by_every_kind_of_name(run: Any, texts: Path) -> None:
    run("add", str(texts), "--source", "work")
    by_path = {d["uri"]: d["id"] for d in read_json(run("library", "list", "--source", "work", "--json"))["documents"]}
    done = run("remove", by_path[str(texts / "one.txt")], "--yes", "--json")
    assert json.loads(done.out) == {"removed": 1, "document_ids": [by_path[str(texts / "one.txt")]]}
    assert run("remove", str(texts), "--source", "other", "--yes").status == 1
    assert run("remove", str(texts / "two.txt"), "--yes", lang="ru").out == "Удалено: 1 документ\n"
    assert run("remove", STARTER, "--yes", lang="en").out == "Removed: 1 document\n"
    assert json.loads(run("remove", "--source", "work", "--yes", "--json").out)["removed"] == 1
    assert "work" not in read_json(run("library", "info", "--json"))["by_source"]
    assert run("search", "пароход", "--source", "work").status == 2  # that source is gone
    assert run("library", "verify").status == 0


def test_remove_needs_somebody_to_ask(run_child: Any, run: Any) -> None:
    done = run_child("remove", "--source", "starter", "--lang", "ru")
    assert done.status == 2 and "--yes" in done.err
    assert read_json(run("library", "info", "--json"))["by_source"]["starter"] > 300


@pytest.mark.parametrize("name", ["/no/such/path", "https://example.org/none", "0" * 32, "pack:ru/none.md"])
def test_remove_of_what_is_not_there(name: str, run: Any) -> None:
    done = run("remove", name, "--yes", lang="ru")
    assert done.status == 1 and "таких нет" in done.err


def test_remove_of_an_unknown_source_names_the_known(run: Any) -> None:
    done = run("remove", "--source", "nothing", "--yes", lang="ru")
    assert done.status == 1 and "starter" in done.err


def test_removed_starter_stays_away(run: Any) -> None:
    assert run("remove", "--source", "starter", "--yes").status == 0
    assert read_json(run("library", "info", "--json"))["num_documents"] == 0
    assert run("library", lang="ru").out.startswith("0 документов")
    abstained = read_json(run("ask", "Кто написал «Мёртвые души»?", "--json"))
    assert (abstained["status"], abstained["citations"], abstained["hits"]) == ("abstained", [], [])

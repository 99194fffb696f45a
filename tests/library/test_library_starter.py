"""The starter library: installed once, updated with the pack, never against the user's will."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from samovar.library import Library, check_replay, install_starter, starter

ARTICLE = """+++
title = "{title}"
aliases = ["Второе имя", "Second name"]
domain = "literature"
kind = "work"
region = "Россия"
centuries = [19, 20]
origin = "Общеизвестные сведения; изложение Samovar"
checked_on = 2026-11-23

[dates]
published = "1842"

[facts]
author = "Николай Васильевич Гоголь"
+++
{text}
"""
PACK = Path(starter.__file__).parents[1] / "packs" / "ru"


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    folder = tmp_path / "pack"
    for name in ("one", "two", "three"):
        write_article(folder, name, f"Статья {name} о книге и её авторе.")
    return folder


def write_article(pack: Path, name: str, text: str) -> None:
    path = pack / "library" / "literature" / f"{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(ARTICLE.format(title=f"«{name}»", text=text), encoding="utf-8")


def uris(library: Library) -> list[str]:
    return sorted(d.uri.rpartition("/")[2] for d in library.documents())


def test_front_matter_becomes_provenance(library: Library, pack: Path) -> None:
    assert install_starter(library, pack, "ru")
    document = next(library.documents(uri="pack:ru/library/literature/one.md", with_text=True))
    assert document.text == "Статья one о книге и её авторе."
    fields = (
        document.source,
        document.title,
        document.language,
        document.publisher,
        document.licence,
        document.published,
    )
    assert fields == ("starter", "«one»", "ru", "Samovar", "CC-BY-4.0", "")
    assert document.metadata == {
        "domain": "literature",
        "kind": "work",
        "region": "Россия",
        "checked_on": "2026-11-23",
        "aliases": "Второе имя; Second name",
        "centuries": "19; 20",
        "facts_from": "Общеизвестные сведения; изложение Samovar",
        "date.published": "1842",
        "fact.author": "Николай Васильевич Гоголь",
    }
    assert library.info().starter["pack"] == "ru"


def test_installing_again_writes_nothing(library: Library, pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_starter(library, pack, "ru")
    version, rows = library.version, list(library.ledger())
    monkeypatch.setattr(library, "writer", None)
    assert not install_starter(library, pack, "ru")
    assert (library.version, list(library.ledger())) == (version, rows)


def test_a_pack_that_was_only_copied_changes_nothing(library: Library, pack: Path, tmp_path: Path) -> None:
    install_starter(library, pack, "ru")
    version = library.version
    shutil.copytree(pack, tmp_path / "copied", copy_function=shutil.copyfile)
    assert not install_starter(library, tmp_path / "copied", "ru")
    assert library.version == version


def test_an_update_replaces_adds_and_withdraws(library: Library, pack: Path) -> None:
    install_starter(library, pack, "ru")
    kept = next(library.documents(uri="pack:ru/library/literature/three.md")).id
    write_article(pack, "one", "Исправленная статья.")
    write_article(pack, "four", "Новая статья.")
    (pack / "library" / "literature" / "two.md").unlink()
    assert install_starter(library, pack, "ru")
    assert uris(library) == ["four.md", "one.md", "three.md"]
    assert library.document(kept).title == "«three»"
    assert (
        next(library.documents(uri="pack:ru/library/literature/one.md", with_text=True)).text == "Исправленная статья."
    )
    assert [r.reason for r in library.ledger(decision="dropped")] == ["withdrawn"]
    assert check_replay(library).equal
    assert library.withheld() == []


def test_a_removed_starter_stays_away_until_it_is_restored(library: Library, pack: Path) -> None:
    install_starter(library, pack, "ru")
    with library.writer() as writer:
        assert writer.remove(source="starter") == 3
    assert not install_starter(library, pack, "ru")
    write_article(pack, "four", "Новая статья.")
    assert not install_starter(library, pack, "ru")
    assert library.num_documents == 0
    assert install_starter(library, pack, "ru", restore=True)
    assert library.num_documents == 4
    assert not install_starter(library, pack, "ru")


def test_a_removed_article_stays_away_through_updates(library: Library, pack: Path) -> None:
    install_starter(library, pack, "ru")
    with library.writer() as writer:
        writer.remove(uri="pack:ru/library/literature/two.md")
    write_article(pack, "two", "Исправленная статья.")
    write_article(pack, "one", "Исправленная статья.")
    install_starter(library, pack, "ru")
    assert uris(library) == ["one.md", "three.md"]


def test_removing_a_part_by_path_withholds_that_part_only(library: Library, pack: Path) -> None:
    install_starter(library, pack, "ru")
    with library.writer() as writer:
        assert writer.remove(source="starter", path="pack:ru/library/literature/two.md") == 1
    assert library.withheld() == [("starter", "pack:ru/library/literature/two.md")]
    write_article(pack, "four", "Новая статья.")
    install_starter(library, pack, "ru")
    assert uris(library) == ["four.md", "one.md", "three.md"]


def test_a_readme_above_the_domains_is_no_article(library: Library, pack: Path) -> None:
    (pack / "library" / "README.md").write_text("# О статьях")
    install_starter(library, pack, "ru")
    assert uris(library) == ["one.md", "three.md", "two.md"]
    assert list(library.ledger(stage="starter")) == []


def test_a_bad_article_costs_one_row(library: Library, pack: Path) -> None:
    folder = pack / "library" / "literature"
    (folder / "bad1.md").write_text("нет начала")
    (folder / "bad2.md").write_text("+++\ntitle = нет кавычек\n+++\nТекст.")
    (folder / "bad3.md").write_text('+++\ndomain = "x"\n+++\nТекст.')
    (folder / "bad4.md").write_bytes(b"+++\ntitle = 'x'\n+++\n\xff\xfe")
    (folder / "bad5.md").write_text('+++\ntitle = "x"\n+++\n\n')
    assert install_starter(library, pack, "ru")
    assert uris(library) == ["one.md", "three.md", "two.md"]
    assert [(r.uri[-7:], r.reason) for r in library.ledger(stage="starter")] == [
        (f"bad{n}.md", "front_matter") for n in range(1, 6)
    ]


def test_windows_line_ends_and_a_byte_order_mark(library: Library, pack: Path) -> None:
    path = pack / "library" / "literature" / "one.md"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    install_starter(library, pack, "ru")
    assert (
        next(library.documents(uri="pack:ru/library/literature/one.md", with_text=True)).text
        == "Статья one о книге и её авторе."
    )


def test_an_empty_pack(library: Library, tmp_path: Path) -> None:
    assert not install_starter(library, tmp_path / "nothing", "ru")
    assert library.num_documents == 0


def test_the_shipped_pack_installs_whole(library: Library) -> None:
    files = list((PACK / "library").glob("*/*.md"))
    assert files
    install_starter(library, PACK, "ru")
    assert list(library.ledger(stage="starter")) == []
    assert library.num_documents == len(files)
    assert not install_starter(library, PACK, "ru")
    for document in library.documents(with_text=True):
        assert document.metadata["domain"] == document.uri.split("/")[2]
        assert all(document.text[p.start : p.end] == p.text for p in library.passages_of(document.id))


def test_a_touched_article_is_noticed_by_its_content(library: Library, pack: Path) -> None:
    install_starter(library, pack, "ru")
    os.utime(pack / "library" / "literature" / "one.md", (1, 1))
    version = library.version
    assert not install_starter(library, pack, "ru")
    stamp = library.meta("starter.stats")
    assert not install_starter(library, pack, "ru")
    assert (library.version, library.meta("starter.stats")) == (version, stamp)

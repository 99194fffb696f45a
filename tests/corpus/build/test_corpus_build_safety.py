"""What a build must never do: show personal data it has masked elsewhere, or delete what it has not written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from build_makers import make_text, pages

from samovar.corpus.build.item import SAMPLE_CHARS
from samovar.corpus.build.recipe import Recipe
from samovar.errors import CorpusError

MakeRecipe = Callable[..., Recipe]
Build = Callable[..., dict[str, Any]]
SECRET = "Пишите ivan.secret@mail.example или +7 495 123–45–67."


def test_no_file_shows_personal_data(make_recipe: MakeRecipe, inline: Build, tmp_path: Path) -> None:
    long = make_text("twice", 6)
    rows = [
        {"text": f"{SECRET} Коротко.", "url": "https://a.example/short"},
        {"text": f"{SECRET} {long}", "url": "https://a.example/1", "title": SECRET, "author": SECRET},
        {"text": f"{SECRET} {long}", "url": "https://a.example/2"},
        {"text": f"{SECRET} {long} Ещё слово.", "url": "https://a.example/3"},
    ]
    rows += [  # the secret lies across the end of the sample
        {"text": "я" * (SAMPLE_CHARS - n) + f" {SECRET} " + "у" * 500, "url": f"https://b.example/{n}"}
        for n in (3, 20, 45)
    ]
    made = inline(make_recipe(rows), tmp_path / "out", keep_work=False)
    assert made["sources"]["web"]["dropped"] >= 5
    found = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*.json"))
    assert "Пишите <email> или <phone>".encode() in found
    assert b"secret" not in found
    assert not [piece for piece in ("5 123", "123–") if piece.encode() in found]  # hashes hold any three digits
    import pyarrow.parquet as pq

    for path in (tmp_path / "out").rglob("*.parquet"):
        shown = str(pq.read_table(path).to_pylist())
        assert "secret" not in shown
        assert "495 123" not in shown


def test_without_that_stage_samples_are_as_they_were(make_recipe: MakeRecipe, inline: Build, tmp_path: Path) -> None:
    rows = [{"text": f"{SECRET} Коротко.", "url": "https://a.example/short"}]
    inline(make_recipe(rows, stages=["extract", "language", "quality"]), tmp_path / "out")
    assert "ivan.secret" in (tmp_path / "out" / "samples.json").read_text("utf-8")


@pytest.mark.parametrize(
    "names", [("documents/letter.odt",), ("work/plan.txt",), ("manifest.json", "work/a", "ledger/2024")]
)
def test_fresh_deletes_nothing_in_a_folder_of_someone_else(
    names: tuple[str, ...], make_recipe: MakeRecipe, inline: Build, tmp_path: Path
) -> None:
    out = tmp_path / "home"
    for name in names:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text('{"name": "a web app"}')
    for fresh in (True, False):
        with pytest.raises(CorpusError):
            inline(make_recipe(pages(3)), out, fresh=fresh)
    assert all((out / name).is_file() for name in names)


def test_fresh_takes_over_what_builds_left(make_recipe: MakeRecipe, inline: Build, tmp_path: Path) -> None:
    recipe, out = make_recipe(pages(12)), tmp_path / "out"
    first = inline(recipe, out)["output_sha256"]
    assert inline(recipe, out, fresh=True)["output_sha256"] == first
    (out / "manifest.json").write_bytes(b"{ cut")
    assert inline(recipe, out, fresh=True)["output_sha256"] == first
    (out / "manifest.json").unlink()  # killed while it was being emptied
    (out / "work").mkdir()
    (out / "work" / "emptying").touch()
    with pytest.raises(CorpusError):
        inline(recipe, out)
    assert inline(recipe, out, fresh=True)["output_sha256"] == first
    shutil.rmtree(out / "documents")
    (out / "work").mkdir()
    (out / "work" / ".plan.json.77.tmp").touch()  # killed before there was a plan
    for name in ("manifest.json", "samples.json"):
        (out / name).unlink()
    shutil.rmtree(out / "ledger")
    assert inline(recipe, out)["output_sha256"] == first

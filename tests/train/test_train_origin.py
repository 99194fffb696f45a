"""The model of others that one of ours began with, and its licence, stay named: in exports, in what is tuned or adapted from them, in cards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from adapt_toys import make_hf, write_corpus
from train_toys import make_run

from samovar.train.adapt.material import Material
from samovar.train.adapt.onward import measure_run
from samovar.train.adapt.run import adapt_model
from samovar.train.card import card_lines, find_origin, read_origin, record_origin, stated_licence
from samovar.train.export.gguf import write_gguf
from samovar.train.export.hf import write_hf
from samovar.train.export.trained import open_trained
from samovar.train.sft import open_tuning, plan_tuning

FOREIGN = {"model": "Foreign-1B", "licence": "apache-2.0"}
TERMS = "The terms of the licence of Foreign-1B (apache-2.0) hold for this model too."


@pytest.fixture
def run(tokenizer_folder: Path, tmp_path: Path) -> Path:
    """A run that is not finished: step 8 of 16."""
    return make_run(tmp_path / "run", tokenizer_folder, 8, num_steps=16)


def go_on_from(run: Path, **facts: Any) -> None:
    """Make the run one that went on from a model of others."""
    adapted = run.with_name("adapted")
    adapted.mkdir()
    (adapted / "adapt.json").write_text(json.dumps({"source": "Foreign-1B", "method": "transfer", **facts}), "utf-8")
    record_origin(run, adapted, [Path("texts")])


def export(run: Path) -> Path:
    folder = run.with_name("exported")
    folder.mkdir()
    write_hf(open_trained(run), folder)
    return folder


def read_metadata(path: Path) -> dict[str, Any]:
    gguf = pytest.importorskip("gguf")
    return {name: field.contents() for name, field in gguf.GGUFReader(path).fields.items()}


@pytest.mark.slow
def test_an_export_carries_it_on_to_what_is_tuned_from_it(run: Path) -> None:
    go_on_from(run, licence="apache-2.0")
    folder = export(run)
    assert read_origin(folder) == FOREIGN
    chat = run.with_name("chat")
    open_tuning(plan_tuning(folder, ["seed:ru"], compile=False, precision="fp32"), chat)
    assert read_origin(chat) == FOREIGN and TERMS in list(card_lines(chat, "chat", ""))
    again = run.with_name("again")
    again.mkdir()
    write_hf(open_trained(folder), again, "bf16")
    assert read_origin(again) == FOREIGN


def test_a_gguf_file_names_it(run: Path) -> None:
    write_gguf(open_trained(run), run / "own.gguf", "f32", name="own")
    assert not [name for name in read_metadata(run / "own.gguf") if "licen" in name or "base_model" in name]
    go_on_from(run, licence="apache-2.0")
    write_gguf(open_trained(run), run / "onward.gguf", "f32", name="onward")
    told = read_metadata(run / "onward.gguf")
    assert told["general.license"] == "apache-2.0" and told["general.base_model.count"] == 1
    assert told["general.base_model.0.name"] == "Foreign-1B"


def test_nothing_is_claimed_where_nothing_is_known(run: Path) -> None:
    assert not (export(run) / "origin.json").exists()
    go_on_from(run)
    assert read_origin(run) == {"model": "Foreign-1B"}
    assert "The terms of the licence of Foreign-1B hold for this model too." in list(card_lines(run, "run", ""))


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("---\nlicense: apache-2.0\nlanguage: ru\n---\n# Model", "apache-2.0"),
        ('---\nlanguage: ru\nlicense: "gemma"\n---\n', "gemma"),
        ("# Model\nlicense: mit", ""),
        ("---\nlicense_name: x\n---\n", ""),
        (None, ""),
    ],
)
def test_a_licence_is_read_where_hubs_state_it(text: str | None, licence: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "README.md").write_text(text, "utf-8")
    assert stated_licence(tmp_path) == licence


@pytest.mark.slow
def test_an_adaptation_of_an_export_goes_back_to_the_first(
    run: Path, tokenizer_folder: Path, articles: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_hf(tmp_path / "model", tokenizer_folder)
    (source / "README.md").write_text("---\nlicense: apache-2.0\n---\n", "utf-8")
    material = Material([write_corpus(tmp_path / "few", articles[:10])])
    monkeypatch.chdir(source)
    adapt_model(Path("."), material, tmp_path / "first", vocab_size=1024, anyway=True)
    about = json.loads((tmp_path / "first" / "adapt.json").read_text("utf-8"))
    assert (about["source"], about["licence"], about.get("origin")) == ("model", "apache-2.0", None)
    assert "parent's licence (model: apache-2.0) hold" in (tmp_path / "first" / "README.md").read_text("utf-8")
    adapt_model(tmp_path / "first", material, tmp_path / "second", vocab_size=900, anyway=True)
    assert read_origin(tmp_path / "second") == {"model": "model", "licence": "apache-2.0"}
    record_origin(run, tmp_path / "second", [])
    assert find_origin(run) == "model" and json.loads((run / "origin.json").read_text("utf-8"))["model"] == "first"


def test_training_on_says_what_is_wrong_with_its_run(run: Path) -> None:
    said: list[str] = []
    assert measure_run(run, ["Самовар стоит на столе."], warn=said.append) > 0
    assert len(said) == 1 and "step 8 of 16" in said[0]

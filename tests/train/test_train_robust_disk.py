"""A disk that is full while weights are written: an error that says so, and nothing half done stays."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from train_toys import make_run

from samovar.errors import TrainingError
from samovar.train.adapt.onward import open_onward
from samovar.train.card import card_lines
from samovar.train.export.export import export_model
from samovar.train.export.hf import write_hf
from samovar.train.export.trained import open_trained
from samovar.train.prefer.parent import open_parent
from samovar.train.sft import open_tuning, plan_tuning


@contextmanager
def files_of_at_most(num_bytes: int) -> Iterator[None]:
    """Let the system refuse to write more into a file, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def run(tokenizer_folder: Path, tmp_path: Path) -> Path:
    return make_run(tmp_path / "run", tokenizer_folder, 8, num_steps=8)


def test_the_limit_is_an_error_of_safetensors_own(tmp_path: Path) -> None:
    """What the other tests rest upon: safetensors does not raise OSError."""
    with files_of_at_most(100_000), pytest.raises(Exception) as raised:
        save_file({"x": torch.zeros(100_000)}, tmp_path / "x")
    assert not isinstance(raised.value, OSError)


def test_an_export_says_it(run: Path, tmp_path: Path) -> None:
    with files_of_at_most(100_000), pytest.raises(TrainingError, match="expected to write"):
        export_model(run, tmp_path / "out", to="hf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_a_preference_run_says_it(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("trl")
    with files_of_at_most(100_000), pytest.raises(TrainingError, match="expected to write the model"):
        open_parent(run, tmp_path / ".draft")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_an_adaptation_says_it(run: Path, articles: list[str], tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from samovar.train.adapt.material import Material
    from samovar.train.adapt.run import adapt_model

    (tmp_path / "hf").mkdir()
    write_hf(open_trained(run), tmp_path / "hf")
    (tmp_path / "texts").mkdir()
    for number, text in enumerate(articles[:20]):
        (tmp_path / "texts" / f"{number}.md").write_text(text, "utf-8")
    before = sorted(path.name for path in tmp_path.iterdir())
    with files_of_at_most(100_000), pytest.raises(TrainingError, match="expected to write"):
        adapt_model(tmp_path / "hf", Material([tmp_path / "texts"]), tmp_path / "new", method="trim")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


# -- what the run after a transfer says of itself -------------------------------------------------------------------
def test_a_run_that_went_on_from_another_model_says_so(run: Path, articles: list[str], tmp_path: Path) -> None:
    new, place = tmp_path / "new", tmp_path / "new-run"
    new.mkdir()
    write_hf(open_trained(run), new)
    (new / "adapt.json").write_text(json.dumps({"source": "Parent-4B", "method": "transfer"}), "utf-8")
    (tmp_path / "texts").mkdir()
    for number, text in enumerate(articles[:40]):
        (tmp_path / "texts" / f"{number}.md").write_text(text, "utf-8")
    for _ in range(2):  # begun, and gone on
        open_onward(new, [tmp_path / "texts"], place, num_tokens=512, seq_len=32, batch_tokens=128, compile_model=False)
    card = "\n".join(card_lines(place, "new-run", ""))
    assert "training continued from Parent-4B" in card and "The terms of the licence of Parent-4B hold" in card
    assert "samovar train adapt Parent-4B" in card and "train pretrain" not in card and "--num-tokens 512" in card
    list(open_onward(new, [tmp_path / "texts"], place, num_tokens=512, seq_len=32, batch_tokens=128, compile_model=False).run())  # fmt: skip
    chat = tmp_path / "chat"
    open_tuning(plan_tuning(place, ["seed:ru"], compile=False, precision="fp32"), chat)
    card = "\n".join(card_lines(chat, "chat", ""))
    assert "went on from Parent-4B" in card and "The terms of the licence of Parent-4B hold" in card
    list(open_tuning(plan_tuning(place, ["seed:ru"], compile=False, epochs=0.01), chat2 := tmp_path / "chat2").run())
    open_tuning(plan_tuning(chat2, ["seed:ru"], compile=False, precision="fp32"), tmp_path / "chat3")
    assert "The terms of the licence of Parent-4B hold" in "\n".join(card_lines(tmp_path / "chat3", "c", ""))

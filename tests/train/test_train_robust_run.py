"""What a run does with a folder that holds other things, with plans that cannot be meant, and with losses that are no numbers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from train_toys import make_run

from samovar.errors import TrainingError
from samovar.train.export.trained import open_trained
from samovar.train.prepare import prepare
from samovar.train.pretrain import TOKENIZER, open_trainer, plan_pretraining
from samovar.train.sft import open_tuning, plan_tuning
from samovar.train.tokenizer import train_tokenizer


@pytest.fixture(scope="module")
def other_words(articles: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another tokenizer of the same size."""
    folder = tmp_path_factory.mktemp("other") / "words"
    train_tokenizer(articles[40:], 2048, folder)
    return folder


@pytest.fixture(scope="module")
def tokens(articles: list[str], tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "texts").mkdir()
    for number, text in enumerate(articles[:40]):
        (folder / "texts" / f"{number}.md").write_text(text, "utf-8")
    prepare([folder / "texts"], tokenizer_folder, folder / "tokens", workers=1, validation_permille=100)
    return folder / "tokens"


# -- the tokenizer in the folder ------------------------------------------------------------------------------------
def test_another_tokenizer_in_the_folder_of_a_new_run_is_refused(
    tokens: Path, tokenizer_folder: Path, other_words: Path, tmp_path: Path
) -> None:
    plan = plan_pretraining(
        tokens, tokenizer_folder, depth=1, seq_len=32, num_tokens=512, batch_tokens=128, compile=False, precision="fp32"
    )
    shutil.copytree(other_words, tmp_path / "run" / TOKENIZER)
    with pytest.raises(TrainingError, match="which is another"):
        open_trainer(plan, tokens, tokenizer_folder, tmp_path / "run")
    assert not (tmp_path / "run" / "config.json").exists()  # nothing was begun there
    shutil.rmtree(tmp_path / "run" / TOKENIZER)
    shutil.copytree(tokenizer_folder, tmp_path / "run" / TOKENIZER)  # the same one, made there: a natural place
    list(open_trainer(plan, tokens, tokenizer_folder, tmp_path / "run").run())
    assert open_trained(tmp_path / "run").step == plan.num_steps


def test_another_tokenizer_in_the_folder_of_a_tuning_is_refused(
    tokenizer_folder: Path, other_words: Path, tmp_path: Path
) -> None:
    tuning = plan_tuning(make_run(tmp_path / "run", tokenizer_folder, 3), ["seed:ru"], compile=False, precision="fp32")
    shutil.copytree(other_words, tmp_path / "tuned" / TOKENIZER)
    with pytest.raises(TrainingError, match="which is another"):
        open_tuning(tuning, tmp_path / "tuned")
    assert not (tmp_path / "tuned" / "config.json").exists()


def test_a_run_with_another_tokenizer_than_it_was_trained_with_is_not_opened(
    tokenizer_folder: Path, other_words: Path, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "run", tokenizer_folder, 3)
    assert open_trained(run).step == 3
    shutil.rmtree(run / TOKENIZER)
    shutil.copytree(other_words, run / TOKENIZER)
    with pytest.raises(TrainingError, match=r"that .*run was trained with"):
        open_trained(run)

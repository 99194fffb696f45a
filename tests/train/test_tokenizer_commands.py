"""``samovar train tokenizer`` and ``prepare`` from the command line: what they print, and their exit statuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tiktoken")
pytest.importorskip("rustbpe")

from samovar.cli import main


@pytest.fixture
def corpus(articles: list[str], tmp_path: Path) -> Path:
    place = tmp_path / "corpus"
    place.mkdir()
    for number, text in enumerate(articles[:120]):
        (place / f"{number:03}.md").write_text(text, "utf-8")
    return place


def test_from_texts_to_tokens(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made, tokens = tmp_path / "tokenizer", tmp_path / "tokens"
    assert main(["train", "tokenizer", str(corpus), "--vocab-size", "1024", "-o", str(made), "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert (about["vocab_size"], about["num_documents"], about["on_training_texts"]) == (1024, 120, True)
    assert about["specials"] == ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    assert [row["domain"] for row in about["fertility"]] == ["corpus"]

    command = ["train", "prepare", str(corpus), "-t", str(made), "-o", str(tokens), "--workers", "1"]
    assert main([*command, "--json"]) == 0
    index = json.loads(capsys.readouterr().out)
    assert index["tokenizer_sha256"] == about["sha256"]
    assert sum(shard["num_documents"] for split in index["splits"].values() for shard in split) == 120
    assert main([*command, "--lang", "ru"]) == 0  # again: nothing to do, and in words
    assert "Токены лежат в" in capsys.readouterr().out


def test_the_report_in_words(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = tmp_path / "a"
    command = ["train", "tokenizer", str(corpus), "--vocab-size", "512", "--language", "ru", "--digits", "1"]
    assert main([*command, "-o", str(made), "--test", str(corpus / "003.md"), "--lang", "en"]) == 0
    said = capsys.readouterr()
    assert "512 tokens learnt from 120 documents" in said.out
    assert "Measured on the texts named with --test." in said.err
    assert main([*command, "-o", str(tmp_path / "b"), "--compare", str(made), "--lang", "en"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("corpus ")]
    assert [row[1] for row in rows] == ["samovar", "a"]
    assert rows[0][2:] == rows[1][2:]  # the same tokenizer again


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["--vocab-size", "65536"], "--vocab-size"),
        (["--language", "tt", "--vocab-size", "512"], "expected texts in tt"),
        (["--digits", "2", "--vocab-size", "512"], "1 or 3 digits"),
        (["--compare", "nothing.gguf2"], "expected a tokenizer"),
    ],
)
def test_failures_are_told_before_anything_is_written(
    corpus: Path, tmp_path: Path, options: list[str], wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "tokenizer", str(corpus), "-o", str(tmp_path / "t"), *options]) == 1
    assert wanted in capsys.readouterr().err
    assert not (tmp_path / "t").exists()


def test_prepare_without_a_tokenizer(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "prepare", str(corpus), "-t", str(tmp_path), "-o", str(tmp_path / "o")]) == 1
    assert "samovar train tokenizer" in capsys.readouterr().err


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from samovar.cli import main; main(['train', 'tokenizer', '--help']); main(['train', 'prepare', '--help']);"
        "sys.exit(bool({'torch', 'numpy', 'tiktoken', 'tokenizers', 'transformers', 'pyarrow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0

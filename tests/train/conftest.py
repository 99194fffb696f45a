"""Toy material for training tests: our own articles, and a small tokenizer learnt from them once for the session."""

from __future__ import annotations

from pathlib import Path

import pytest

import samovar

LIBRARY = Path(samovar.__file__).parent / "packs" / "ru" / "library"


@pytest.fixture(scope="session")
def articles() -> list[str]:
    """The texts of the starter library, about 560,000 characters."""
    return [path.read_text("utf-8") for path in sorted(LIBRARY.glob("*/*.md"))]


@pytest.fixture(scope="session")
def tokenizer_folder(articles: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tokenizer of 2,048 tokens."""
    pytest.importorskip("rustbpe")
    from samovar.train.tokenizer import train_tokenizer

    folder = tmp_path_factory.mktemp("tokenizer") / "toy"
    train_tokenizer(articles, 2048, folder)
    return folder

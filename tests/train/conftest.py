"""Toy material for training tests: our own articles, and a small tokenizer learnt from them once for the session.

PyTorch computes on one thread here: a test that asks for equal bits must not depend on how many cores are free.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import samovar

collect_ignore_glob = [] if find_spec("torch") else ["test_train_*.py"]
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


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Keep PyTorch, where a test has imported it, to one thread."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 0
    if torch:
        torch.set_num_threads(1)
    yield
    if torch:
        torch.set_num_threads(before)

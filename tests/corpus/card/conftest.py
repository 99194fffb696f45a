"""A corpus maker for the tests of what comes after a build."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from card_makers import build_rows

MakeCorpus = Callable[..., Path]


@pytest.fixture
def make_corpus(tmp_path: Path) -> MakeCorpus:
    """Builds corpora in this test's folder."""
    numbers = iter(range(100))

    def make(rows: Sequence[dict[str, Any]], **more: Any) -> Path:
        return build_rows(tmp_path / f"corpus{next(numbers)}", rows, **more)

    return make

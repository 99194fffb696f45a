"""Toys for the tests of preference tuning: rows as people write them, and plans of a hundred pairs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from samovar.train.prefer.plan import PreferPlan, make_plan

Row = dict[str, Any]
ASKED, BETTER, WORSE = "Что в самоваре?", "Вода.", "Песок."


def say(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def write_rows(path: Path, rows: list[Any]) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return str(path)


def plan(**changes: Any) -> PreferPlan:
    given: dict[str, Any] = {
        "num_pairs": 100,
        "width": 64,
        "seq_len": 96,
        "parent_sha256": "a",
        "data_sha256": "b",
        "batch_pairs": 8,
    }
    return make_plan(**{**given, **changes})

"""Small corpora in JSON Lines for the build tests."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

WORDS = [
    "дом",
    "река",
    "лес",
    "город",
    "книга",
    "история",
    "письмо",
    "человек",
    "время",
    "дорога",
    "зима",
    "лето",
    "вода",
    "солнце",
    "ветер",
    "музыка",
    "театр",
    "поле",
    "мост",
    "песня",
    "утро",
    "вечер",
    "старый",
    "новый",
    "большой",
    "маленький",
    "белый",
    "красный",
    "идти",
    "смотреть",
    "говорить",
    "читать",
    "писать",
    "знать",
    "думать",
    "работать",
    "строить",
    "помнить",
    "деревня",
    "учитель",
    "школа",
]
FAULTS = Path(__file__).parent / "faults"


def make_text(seed: object, num_paragraphs: int = 3) -> str:
    """A text of its own for each seed."""
    rng = random.Random(str(seed))
    sentences = [
        " ".join(rng.choice(WORDS) for _ in range(rng.randint(6, 14))).capitalize() + "."
        for _ in range(4 * num_paragraphs)
    ]
    return "\n\n".join(" ".join(sentences[i : i + 4]) for i in range(0, len(sentences), 4))


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def pages(num: int, *, hosts: int = 3, seed: int = 0) -> list[dict[str, Any]]:
    """Pages with exact duplicates (every fifth), near ones (every seventh) and a line repeated on each host."""
    rows = []
    for n in range(num):
        text = make_text((seed, n - 1 if n % 5 == 4 else n), 6)
        if n % 7 == 6:
            text = make_text((seed, n - 1), 6) + " Дополнение к тексту."
        rows.append(
            {
                "text": text + "\n\nВсе права защищены, перепечатка запрещена",
                "url": f"https://host{n % hosts}.example/{n}",
                "title": f"Текст {n}",
            }
        )
    return rows

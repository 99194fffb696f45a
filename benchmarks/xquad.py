"""Read XQuAD (SQuAD format) from the folder that SAMOVAR_BENCH_DATA names. Source: Artetxe et al. 2020; CC BY-SA 4.0."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph with the number of its article and its (question, gold answer) pairs."""

    article: int
    text: str
    questions: tuple[tuple[str, str], ...]


def read_xquad(folder: Path, language: str) -> list[Paragraph]:
    """Return the paragraphs of the development file of a language, in order."""
    articles = json.loads((folder / f"xquad.{language}.dev.json").read_text("utf-8-sig"))["data"]
    return [
        Paragraph(number, p["context"], tuple((qa["question"], qa["answers"][0]["text"]) for qa in p["qas"]))
        for number, article in enumerate(articles)
        for p in article["paragraphs"]
    ]

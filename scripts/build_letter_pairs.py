"""Build `samovar/corpus/data/letter_pairs.toml`: how likely one Cyrillic letter follows another.

    python scripts/build_letter_pairs.py [FOLDER…]

The counts come from our own starter articles (default: every ``samovar/packs/*/library``); only 34 × 34 rounded logarithms are
kept, no text. The table serves `samovar.corpus.encoding`, which tells legacy encodings apart and repairs mojibake.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "samovar" / "corpus" / "data" / "letter_pairs.toml"
LETTERS = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
SMOOTHING = 0.2  # added to every count: a pair never seen in 10^6 is unlikely, not impossible

HEADER = """\
# Letter pairs of Russian, for telling encodings apart. Made by scripts/build_letter_pairs.py; do not edit by hand.
# `letters` is the alphabet; "_" stands for everything that is no letter. Row i, column j: -10 * ln P(next = j | this = i).
# `codecs` are the single-byte encodings tried, in order of preference; `latin` is the one tried for everything else.
"""


def read_articles(folders: list[Path]) -> str:
    """Return the bodies of all articles, without their front matter."""
    texts = []
    for folder in folders:
        for path in sorted(folder.glob("*/*.md")):
            text = path.read_text(encoding="utf-8")
            if text.startswith("+++"):  # an article has front matter; a README has none
                texts.append(text.split("+++", 2)[-1])
    return "\n".join(texts)


def count_pairs(text: str) -> dict[tuple[str, str], float]:
    """Count neighbouring classes: a letter of `LETTERS` or ``_``."""
    classes = "".join(character if character in LETTERS else "_" for character in text.lower())
    return dict(Counter(pairwise(classes)))


def main() -> None:
    folders = [Path(name) for name in sys.argv[1:]] or sorted((ROOT / "samovar" / "packs").glob("*/library"))
    text = read_articles(folders)
    pairs = count_pairs(text)
    alphabet = LETTERS + "_"
    lines = [HEADER, f"# built from {len(text)} characters", f'letters = "{LETTERS}"']
    lines.append('codecs = ["cp1251", "koi8-r", "cp866", "mac-cyrillic", "iso8859-5"]\nlatin = "cp1252"\nrows = [')
    for first in alphabet:
        counts = [pairs.get((first, second), 0) + SMOOTHING for second in alphabet]
        total = sum(counts)
        lines.append('  "' + " ".join(str(round(-10 * math.log(count / total))) for count in counts) + '",')
    lines.append("]\n")
    TARGET.write_text("\n".join(lines), encoding="utf-8")
    print(f"{TARGET}: {len(text)} characters, {len(pairs)} pairs")


if __name__ == "__main__":
    main()

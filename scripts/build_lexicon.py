"""Write `samovar/language/data/<tag>.lexicon.tsv` from the words of a culture pack's starter library.

python scripts/build_lexicon.py            # all packs; run it after changing articles or upgrading the dictionaries
python scripts/build_lexicon.py --check    # exit 1 when the file is not what would be written
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from samovar.language import profile_for
from samovar.language.lexicon import Lexicon, stamp_of
from samovar.language.profiles import ru

ROOT = Path(__file__).resolve().parent.parent
LEXICONS: dict[str, Lexicon] = {"ru": ru.LEXICON}
MIN_LETTERS = 2


def make_lexicon(tag: str, lexicon: Lexicon) -> str:
    """Return the file's text: one line a word, sorted."""
    profile = profile_for(tag)
    words: set[str] = set()
    for file in sorted((ROOT / "samovar" / "packs" / tag / "library").glob("*/*.md")):
        for token in profile.tokens(file.read_text("utf-8")):
            fold = profile.fold(token.text)
            words |= {fold.strip("-"), *fold.split("-")}
    rows = [stamp_of(lexicon.packages)]
    for word in sorted(
        w for w in words if len(w) >= MIN_LETTERS and profile.accepts(w) and w.replace("-", "").isalpha()
    ):
        rows.append(f"{word}\t{' '.join(lexicon.lemmatiser(word))}\t{' '.join(sorted(lexicon.tagger(word)))}")
    return "\n".join(rows) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    stale = 0
    for tag, lexicon in LEXICONS.items():
        path = ROOT / "samovar" / "language" / "data" / f"{tag}.lexicon.tsv"
        text = make_lexicon(tag, lexicon)
        if options.check:
            if not path.is_file() or path.read_text("utf-8") != text:
                print(
                    f"{path.relative_to(ROOT)} is not up to date: run  python scripts/build_lexicon.py", file=sys.stderr
                )
                stale += 1
            continue
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
        print(f"{path.relative_to(ROOT)}: {text.count(chr(10)) - 1} words")
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())

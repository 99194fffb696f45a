"""Three programs, one result: 10 MB of mixed text cut by us, by transformers from the exported folder, by llama.cpp from the GGUF file.

    python benchmarks/tokenizer_parity.py [--megabytes 10] [--digits 3]

Mixed of Russian and English documentation (`haystack.py`), Python's own source, addresses and numbers made up, emoji, letters of the peoples of
Russia, scripts of the world, combining marks, every kind of white space, and random characters of all planes. The seed is fixed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sysconfig
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"

from haystack import default_cache, make_haystack

from samovar.train.tokenizer import Tokenizer, train_tokenizer

SHARES = {"russian": 0.4, "english": 0.15, "code": 0.2, "addresses": 0.1, "letters": 0.1, "random": 0.05}
TEXT_CHARS = 4_000
CYRILLIC = "".join(map(chr, range(0x400, 0x530)))
LETTERS = CYRILLIC + (
    "\u0301\u0300\u0308\u0306ABCxyzßçñøłžşğ中文漢字かなカナ한국어हिन्दीعربيעבריתไทย"
    "ქართულიհայերեն😀👍🏽👨‍👩‍👧🇷🇺♥️①Ⅳ½٣४\u00a0\u2003\u2009\u200b\u200d\u00ad\ufeff\u3000 \t\n\r.,;:!?…—–-«»„“\"'()[]{}<>=+*/\\|@#$%^&_~№§©€₽0123456789"
)


def russian(cache: Path) -> Iterator[str]:
    """Yield whole passages."""
    yield from (passage.text for passage in make_haystack("ru", 0, cache).passages)


def english(cache: Path) -> Iterator[str]:
    """Yield whole passages."""
    yield from (passage.text for passage in make_haystack("en", 0, cache).passages)


def code(cache: Path) -> Iterator[str]:
    """Yield the files of Python's library."""
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        yield path.read_text("utf-8", "replace")


def addresses(cache: Path) -> Iterator[str]:
    """Yield lines of addresses, dates, sums, versions, hashes."""
    draw = random.Random(1)
    while True:
        number, day = draw.randrange(10**12), draw.randrange(1, 28)
        yield (
            f"https://www.example-{number % 997}.org/a/{number}?q=%D0%{number % 90 + 10}&page={day}#part-{day} user.{number}@{CYRILLIC[48:54]}.{CYRILLIC[64:66]}\n"
            f"{day:02}.{day % 12 + 1:02}.{number % 3000} {number:,} {CYRILLIC[64:67]}. {number / 7:.3f} v{day}.{number % 50}.0-rc{day} {number:x} +7 (495) {number % 10**7}\n"
        )


def letters(cache: Path) -> Iterator[str]:
    """Yield rare letters, signs and spaces thrown together."""
    draw = random.Random(2)
    while True:
        yield "".join(draw.choice(LETTERS) * draw.choice((1, 1, 1, 1, 2, 5)) for _ in range(400))


def characters(cache: Path) -> Iterator[str]:
    """Yield characters of all planes that are assigned and are no surrogates."""
    draw = random.Random(3)
    while True:
        found = (chr(draw.choice((draw.randrange(0x3000), draw.randrange(0x20000)))) for _ in range(600))
        yield "".join(c for c in found if unicodedata.category(c) not in ("Cs", "Cn", "Co"))


SOURCES: dict[str, Callable[[Path], Iterator[str]]] = {
    "russian": russian, "english": english, "code": code, "addresses": addresses, "letters": letters, "random": characters,
}  # fmt: skip


def gather(kind: str, cache: Path, num_bytes: float) -> list[str]:
    """Return texts of one kind of about so many bytes, each of about `TEXT_CHARS` characters."""
    texts: list[str] = []
    piece, size = "", 0
    for text in SOURCES[kind](cache):
        piece += text + "\n"
        if len(piece) >= TEXT_CHARS:
            texts.append(piece)
            size += len(piece.encode())
            piece = ""
        if size >= num_bytes:
            break
    return texts


def export_toy(words: Tokenizer, folder: Path, root: Path) -> tuple[Path, Path]:
    """Write a tiny model with the tokenizer in both formats, as the export does; return the folder and the GGUF file."""
    from samovar.train.config import ModelConfig
    from samovar.train.export.gguf import write_gguf
    from samovar.train.export.hf import write_hf
    from samovar.train.export.trained import Trained
    from samovar.train.model import LanguageModel

    shape = ModelConfig(words.vocab_size, 32, 1, 1, 1, 32, 64, 64, 10_000.0, 1e-6, True)
    model = LanguageModel(shape)
    model.initialise(0)
    weights = {name: weight.detach() for name, weight in model.state_dict().items()}
    trained = Trained(shape, weights, words, folder, folder)
    (root / "hf").mkdir()
    write_hf(trained, root / "hf")
    write_gguf(trained, root / "toy.gguf", "f32", name="toy")
    return root / "hf", root / "toy.gguf"


def main() -> None:
    """Train a vocabulary, export it, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--megabytes", type=float, default=10.0)
    parser.add_argument("--vocab-size", type=int, default=32_768)
    parser.add_argument("--digits", type=int, default=3)
    given = parser.parse_args()
    import transformers

    from samovar.generate.llama_engine import LlamaEngine

    cache = default_cache()
    texts = {kind: gather(kind, cache, share * given.megabytes * 1e6) for kind, share in SHARES.items()}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        learnt = [*texts["russian"], *texts["code"], *texts["english"]]
        words = train_tokenizer(learnt, given.vocab_size, root / "words", digits=given.digits)
        folder, file = export_toy(words, root / "words", root)
        theirs = transformers.AutoTokenizer.from_pretrained(folder)
        engine = LlamaEngine(file, context_tokens=64, threads=1, check_memory=False)
        others: dict[str, Callable[[str], list[int]]] = {
            "transformers": lambda text: list(theirs.encode(text, add_special_tokens=False, split_special_tokens=True)),
            "llama.cpp": engine.tokenize,
        }
        try:
            for kind, some in texts.items():
                ours = [words.encode(text) for text in some]
                lost = sum(words.decode(ids) != text for ids, text in zip(ours, some, strict=True))
                for program, encode in others.items():
                    start = time.perf_counter()
                    wrong = sum(encode(text) != ids for text, ids in zip(some, ours, strict=True))
                    report(
                        kind=kind, program=program, texts=len(some), mb=round(sum(len(t.encode()) for t in some) / 1e6, 2), tokens=sum(map(len, ours)),
                        mismatches=wrong, not_restored=lost, seconds=round(time.perf_counter() - start, 1), pre=words.info.pre,
                    )  # fmt: skip
        finally:
            engine.close()


def report(**values: object) -> None:
    """Print one line."""
    print(json.dumps({"benchmark": "tokenizer_parity", **values}, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()

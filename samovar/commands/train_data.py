"""``samovar train data``: make dialogues from documents, to teach a model answering from passages and saying when they hold no answer."""

from __future__ import annotations

import json as jsonlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samovar.commands.help import Command
from samovar.commands.options import Json, as_text
from samovar.commands.session import Session, session_of
from samovar.commands.terminal import YELLOW, one_line
from samovar.errors import TrainingError, UsageError
from samovar.messages import say

if TYPE_CHECKING:
    from samovar.corpus.document import Document
    from samovar.train.makers import LayOut, Maker, Material

LIBRARY = "library"


def data(
    ctx: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="metavar.file", help="data.output")],
    origin: Annotated[str, typer.Option("--from", metavar="metavar.folder", help="data.from")] = LIBRARY,
    kind: Annotated[
        str, typer.Option("--kind", metavar="metavar.names", help="data.kind")
    ] = "grounded,abstain,followup",
    count: Annotated[int, typer.Option("--count", metavar="metavar.number", min=1, help="data.count")] = 1000,
    language: Annotated[str, typer.Option("--language", metavar="metavar.language", help="data.language")] = "",
    seed: Annotated[int, typer.Option("--seed", metavar="metavar.number", help="data.seed")] = 0,
    json: Json = False,
) -> None:
    """Make dialogues; the same documents and options give the same file."""
    from samovar.assistant.draft import NO_ANSWER
    from samovar.corpus.build.commit import whole_file

    session = session_of(ctx)
    tag = as_text(language) or session.settings().library.starter_pack
    room, kinds = choose_maker(as_text(kind))
    maker = room(list(read_materials(session, origin, tag)), tag, lay_out_for(tag), NO_ANSWER, seed=seed)
    counts: Counter[str] = Counter()
    with whole_file(output) as file:
        for made in maker.make(kinds, count):
            counts[made.kind] += 1
            file.write((jsonlib.dumps(made.as_row(), ensure_ascii=False) + "\n").encode())
    terminal = session.terminal
    total = sum(counts.values())
    if json:
        terminal.json({"file": str(output), "dialogues" if room.is_talk else "pairs": total, "kinds": dict(counts)})
        return
    if total < count:
        terminal.note(say("data.fewer", wanted=count, count=total), style=YELLOW)
    listed = ", ".join(f"{name} {number}" for name, number in counts.items())
    facts = {"count": total, "kinds": listed, "file": one_line(str(output))}
    terminal.print(say("data.made", **facts) if room.is_talk else say("data.made_pairs", **facts))


def choose_maker(names: str) -> tuple[type[Maker], list[str]]:
    """Return the maker of the kinds that are named, and the kinds: dialogues, or pairs of answers (``preference`` means all kinds of these).

    Raises:
        UsageError: some are kinds of dialogues and some of pairs: a file holds one or the other.
    """
    from samovar.train.makers import Maker
    from samovar.train.pair_makers import PAIR_KINDS, PREFERENCE, PairMaker

    kinds = [name.strip() for name in names.split(",") if name.strip()]
    pairs = [name for name in kinds if name in (*PAIR_KINDS, PREFERENCE)]
    if pairs and len(pairs) < len(kinds):
        raise UsageError(
            f"expected kinds of dialogues or kinds of pairs ({PREFERENCE}, {', '.join(PAIR_KINDS)}), found both: make two files"
        )
    if not pairs:
        return Maker, kinds
    return PairMaker, list(PAIR_KINDS if PREFERENCE in pairs else pairs)


def lay_out_for(language: str) -> LayOut:
    """Return the layout of the assistant's own prompt: what a model is taught is what it will be asked."""
    from samovar.assistant.grounding import Shown, make_messages

    def lay_out(question: str, passages: Sequence[tuple[str, str]], key: str) -> list[dict[str, str]]:
        shown = [Shown(number, title, text, 0.0) for number, (title, text) in enumerate(passages, 1)]
        made = make_messages(question, language, shown, (), key)
        return [{"role": message.role, "content": message.content} for message in made]

    return lay_out


def read_materials(session: Session, origin: str, language: str) -> Iterator[Material]:
    """Yield the documents of the library, or of a folder of articles, that are in the language.

    Raises:
        TrainingError: the folder holds no articles.
    """
    documents = _library_documents(session) if origin == LIBRARY else _folder_documents(Path(origin), language)
    for document in documents:
        if document.language.split("-")[0] == language.split("-")[0]:
            yield make_material(document)


def make_material(document: Document) -> Material:
    """Return a document as the makers see it."""
    from samovar.train.makers import Material

    facts = document.metadata
    return Material(
        key=document.id,
        title=document.title,
        text=document.text,
        kind=facts.get("kind", ""),
        born=facts.get("date.born", "")[:4],
        died=facts.get("date.died", "")[:4],
        aliases=tuple(filter(None, facts.get("aliases", "").split("; "))),
    )


def _library_documents(session: Session) -> Iterator[Document]:
    with session.open() as samovar:
        yield from samovar.library.documents(with_text=True)


def _folder_documents(folder: Path, language: str) -> Iterator[Document]:
    """Articles with front matter (as the starter library's), or plain Markdown and text whose first line is the title."""
    from samovar.corpus.document import make_document
    from samovar.library.starter import make_article_document, parse_article

    files = (
        sorted(path for path in folder.rglob("*") if path.suffix in (".md", ".txt")) if folder.is_dir() else [folder]
    )
    if not files or not all(file.is_file() for file in files):
        raise TrainingError(f"expected a folder of .md or .txt files, found none at {folder}")
    for file in files:
        try:
            yield make_article_document(parse_article(file.name, file.read_bytes()), language)
        except (ValueError, KeyError):
            title, _, text = file.read_text("utf-8", "replace").strip().partition("\n")
            if text.strip():
                yield make_document(
                    source="file", uri=file.name, title=title.strip("# "), text=text.strip(), language=language
                )


def register(group: Any) -> None:
    """Add the command to the group ``train``."""
    group.command("data", cls=Command, help="data.help", epilog="data.examples")(data)

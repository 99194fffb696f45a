"""Install the starter library of a culture pack: the articles under `packs/<name>/library/`.

An article is a Markdown file with TOML front matter between ``+++`` lines. Each becomes a document of the source
``starter``. A start of the program costs one stat per article; only when a size or time differs are the files read, and
only when their content differs is the library touched. What the user removed stays removed. Knows nothing about any
culture: what the front matter says is kept as it is.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samovar.corpus.document import Document, LedgerRow, make_document
from samovar.library.records import STARTER_SOURCE
from samovar.library.store import Library

FENCE = "+++"
PUBLISHER = "Samovar"
LICENCE = "CC-BY-4.0"
STAGE = "starter"
INSTALL_VERSION = 1
"""Raised when the same articles would give other documents; part of the stamp."""

_OWN_FIELDS = ("title", "aliases", "language", "dates", "facts", "centuries", "origin")


@dataclass(frozen=True, slots=True)
class Article:
    """One file of the pack: its front matter and its prose."""

    uri: str
    matter: Mapping[str, Any]
    text: str


def install_starter(library: Library, pack_folder: Path, pack_name: str, *, restore: bool = False) -> bool:
    """Bring the starter library in line with a pack; return whether anything was written.

    Args:
        library: where to install.
        pack_folder: the pack itself, the folder that holds ``library/``.
        pack_name: its short name, e.g. ``ru``; the language of articles that do not name theirs.
        restore: bring back what the user removed.
    """
    files = sorted((Path(pack_folder) / "library").glob("*/*.md"))
    stamp = _stamp_stats(pack_folder, files)
    if not restore and library.meta("starter.stats") == stamp and library.meta("starter.pack") == pack_name:
        return False
    contents = [(_uri(pack_name, pack_folder, file), file.read_bytes()) for file in files]
    digest = _hash_contents(contents)
    if not restore and library.meta("starter.sha256") == digest and library.meta("starter.pack") == pack_name:
        with library.writer() as writer:
            writer.set_meta({"starter.stats": stamp})
        return False
    return _install(library, contents, pack_name, {"starter.stats": stamp, "starter.sha256": digest}, restore)


def _install(
    library: Library, contents: Iterable[tuple[str, bytes]], pack_name: str, stamps: Mapping[str, str], restore: bool
) -> bool:
    """Put all articles that are not withheld, withdraw what the pack no longer has, note the stamps: one
    transaction.
    """
    withheld = set() if restore else {uri for source, uri in library.withheld() if source == STARTER_SOURCE}
    documents: list[Document] = []
    rows: list[LedgerRow] = []
    for uri, data in [] if "" in withheld else contents:
        if uri in withheld:
            continue
        try:
            documents.append(make_article_document(parse_article(uri, data), pack_name))
        except (ValueError, KeyError) as error:
            rows.append(LedgerRow(uri, STAGE, "dropped", "front_matter", str(error)[:500], "", STARTER_SOURCE))
    with library.writer() as writer:
        result = writer.put_collection(
            STARTER_SOURCE, documents, rows, meta={**stamps, "starter.pack": pack_name}, forget_withheld=restore
        )
    return bool(result.added or result.replaced or result.removed)


def parse_article(uri: str, data: bytes) -> Article:
    """Split a file into front matter and prose.

    Raises:
        ValueError: not UTF-8, no front matter, or not TOML.
    """
    text = data.decode("utf-8-sig").replace("\r\n", "\n")
    opening, _, rest = text.partition("\n")
    matter, fence, prose = rest.partition(f"\n{FENCE}\n")
    if opening.strip() != FENCE or not fence:
        raise ValueError(f"expected TOML front matter between two lines {FENCE!r}, found {opening[:40]!r}")
    return Article(uri, tomllib.loads(matter), prose.strip())


def make_article_document(article: Article, language: str) -> Document:
    """Build the document of an article. Metadata: what the front matter says, as text, dates and facts with their
    prefix.

    Raises:
        KeyError: there is no title.
        ValueError: there is no text.
    """
    matter = article.matter
    if not article.text:
        raise ValueError("expected prose after the front matter, found none")
    metadata = {
        key: str(value)
        for key, value in matter.items()
        if key not in _OWN_FIELDS and not isinstance(value, (dict, list))
    }
    metadata |= {"aliases": "; ".join(map(str, matter.get("aliases", [])))}
    metadata |= {"centuries": "; ".join(map(str, matter.get("centuries", [])))}
    metadata |= {"facts_from": str(matter.get("origin", ""))}
    metadata |= {f"date.{key}": str(value) for key, value in matter.get("dates", {}).items()}
    metadata |= {f"fact.{key}": str(value) for key, value in matter.get("facts", {}).items()}
    return make_document(
        source=STARTER_SOURCE,
        uri=article.uri,
        title=str(matter["title"]),
        text=article.text,
        language=str(matter.get("language", language)),
        publisher=PUBLISHER,
        licence=LICENCE,
        metadata={key: value for key, value in metadata.items() if value},
    )


def _uri(pack_name: str, pack_folder: Path, file: Path) -> str:
    return f"pack:{pack_name}/{file.relative_to(pack_folder).as_posix()}"


def _stamp_stats(pack_folder: Path, files: Iterable[Path]) -> str:
    """Return a hash over names, sizes and times: equal means "surely nothing changed"."""
    digest = hashlib.sha256(f"{INSTALL_VERSION} {pack_folder}\n".encode("utf-8", "surrogateescape"))
    for file in files:
        stat = file.stat()
        digest.update(f"{file} {stat.st_size} {stat.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _hash_contents(contents: Iterable[tuple[str, bytes]]) -> str:
    digest = hashlib.sha256(f"{INSTALL_VERSION}\n".encode())
    for uri, data in contents:
        digest.update(f"{uri} {hashlib.sha256(data).hexdigest()}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()

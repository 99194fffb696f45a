"""OpenDocument text (odt): paragraphs, headings, lists, tables, notes and metadata. Source: OASIS OpenDocument 1.3."""

from __future__ import annotations

from collections.abc import Iterator

from samovar.corpus.blob import Blob
from samovar.corpus.document import LedgerRow
from samovar.corpus.draft import Draft, settle
from samovar.corpus.extracted import Extracted
from samovar.corpus.job import Job
from samovar.corpus.package import open_package
from samovar.corpus.xml import Element, attribute, find_nearest, first_text, local_name, parse_xml
from samovar.errors import ExtractionError

_SKIPPED = frozenset(
    ("tracked-changes", "annotation", "sequence-decls", "forms", "note-citation", "bookmark", "change")
)
_MAX_SPACES = 100


def read_odt(blob: Blob, job: Job) -> Iterator[Extracted | LedgerRow]:
    """Yield the one text of an OpenDocument file; notes follow the text they belong to at its end."""
    with open_package(blob, job) as package:
        manifest = package.read_part("META-INF/manifest.xml") or b""
        if b"encryption-data" in manifest:
            raise ExtractionError("encrypted", f"{blob.uri} is protected by a password: save it without one")
        content = package.read_part("content.xml")
        if content is None:
            raise ExtractionError("damaged", f"{blob.uri} has no content.xml", "content.xml missing")
        root, whole = parse_xml(content, "content.xml")
        meta_part = package.read_part("meta.xml")
    meta = parse_xml(meta_part, "meta.xml")[0] if meta_part else None
    notes: list[str] = []
    blocks = [block for body in find_nearest(root, "body", stop="body") for block in _walk_blocks(body, notes)]
    author = first_text(meta, "initial-creator", "creator")
    draft = Draft(
        blob.uri,
        "\n\n".join(blocks + notes),
        title=first_text(meta, "title"),
        fallback_title=blob.stem,
        language=first_text(meta, "language"),
        published=first_text(meta, "creation-date", "date"),
        metadata={"author": author} if author else {},
        changed=() if whole else (("damaged_xml_recovered", "content.xml"),),
    )
    yield settle(draft, job.limits)


def _walk_blocks(element: Element, notes: list[str]) -> Iterator[str]:
    for child in element:
        name = local_name(child)
        if name in ("p", "h"):
            if text := _read_paragraph(child, notes):
                yield text
        elif name == "table":
            if text := "\n".join(_read_rows(child, notes)):
                yield text
        elif name not in _SKIPPED:
            yield from _walk_blocks(child, notes)


def _read_rows(table: Element, notes: list[str]) -> Iterator[str]:
    for row in find_nearest(table, "table-row", stop="table"):
        cells = [
            " ".join(_walk_blocks(cell, notes)).replace("\n", " ") for cell in row if local_name(cell) == "table-cell"
        ]
        if any(cells):
            yield "\t".join(cells)


def _read_paragraph(paragraph: Element, notes: list[str]) -> str:
    return "".join(_walk_text(paragraph, notes)).strip()


def _walk_text(element: Element, notes: list[str]) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        name = local_name(child)
        if name == "s":
            yield " " * min(_MAX_SPACES, _to_int(attribute(child, "c")))
        elif name in ("tab", "line-break"):
            yield "\t" if name == "tab" else "\n"
        elif name == "note":
            notes += [
                text for body in find_nearest(child, "note-body", stop="note") for text in _walk_blocks(body, notes)
            ]
        elif name in ("p", "h"):  # a text frame
            yield "\n" + _read_paragraph(child, notes) + "\n"
        elif name not in _SKIPPED:
            yield from _walk_text(child, notes)
        yield child.tail or ""


def _to_int(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 4 else 1

"""Word documents (docx): paragraphs, tables, text boxes, footnotes and core properties, straight from the package.

Deleted text of tracked changes is left out, inserted text is in. Source: ECMA-376 (WordprocessingML, Open Packaging).
"""

from __future__ import annotations

from collections.abc import Iterator

from samovar.corpus.blob import Blob
from samovar.corpus.document import LedgerRow
from samovar.corpus.draft import Draft, settle
from samovar.corpus.extracted import Extracted
from samovar.corpus.job import Job
from samovar.corpus.package import Package, open_package
from samovar.corpus.xml import Element, attribute, find_nearest, first_text, local_name, parse_xml
from samovar.errors import ExtractionError

_SKIPPED = frozenset(("delText", "instrText", "Fallback", "del", "moveFrom", "rPr", "pPr", "sectPr", "tblPr"))
_SPECIAL = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}


def read_docx(blob: Blob, job: Job) -> Iterator[Extracted | LedgerRow]:
    """Yield the one text of a Word document."""
    with open_package(blob, job) as package:
        main = package.read_part("word/document.xml")
        if main is None:
            raise ExtractionError("damaged", f"{blob.uri} has no word/document.xml", "word/document.xml missing")
        root, whole = parse_xml(main, "word/document.xml")
        blocks = list(_walk_blocks(root))
        for part in ("word/footnotes.xml", "word/endnotes.xml"):
            blocks += _read_notes(package, part)
        core = package.read_part("docProps/core.xml")
    properties = parse_xml(core, "docProps/core.xml")[0] if core else None
    author = first_text(properties, "creator")
    draft = Draft(
        blob.uri,
        "\n\n".join(blocks),
        title=first_text(properties, "title"),
        fallback_title=blob.stem,
        language=first_text(properties, "language"),
        published=first_text(properties, "created", "modified"),
        metadata={"author": author} if author else {},
        changed=() if whole else (("damaged_xml_recovered", "word/document.xml"),),
    )
    yield settle(draft, job.limits)


def _walk_blocks(element: Element) -> Iterator[str]:
    """Yield paragraphs and tables in order; a table is one block, a row a line."""
    for child in element:
        name = local_name(child)
        if name == "p":
            if text := _read_paragraph(child):
                yield text
        elif name == "tbl":
            if text := "\n".join(_read_rows(child)):
                yield text
        elif name not in _SKIPPED:
            yield from _walk_blocks(child)


def _read_rows(table: Element) -> Iterator[str]:
    for row in find_nearest(table, "tr", stop="tbl"):
        cells = [" ".join(_walk_blocks(cell)).replace("\n", " ") for cell in row if local_name(cell) == "tc"]
        if any(cells):
            yield "\t".join(cells)


def _read_paragraph(paragraph: Element) -> str:
    return "".join(_walk_text(paragraph)).strip()


def _walk_text(element: Element) -> Iterator[str]:
    for child in element:
        name = local_name(child)
        if name == "t":
            yield child.text or ""
        elif name in _SPECIAL:
            yield _SPECIAL[name]
        elif name == "p":  # a text box inside a paragraph
            yield "\n" + _read_paragraph(child) + "\n"
        elif name not in _SKIPPED:
            yield from _walk_text(child)


def _read_notes(package: Package, part: str) -> list[str]:
    data = package.read_part(part)
    if data is None:
        return []
    notes = []
    for note in parse_xml(data, part)[0]:
        if attribute(note, "type") in ("", "normal") and (text := " ".join(_walk_blocks(note))):
            notes.append(text)
    return notes

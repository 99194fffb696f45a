"""FictionBook 2: title info, annotation, bodies and notes. Source: the FictionBook 2.1 schema."""

from __future__ import annotations

from collections.abc import Iterator

from samovar.corpus.blob import Blob
from samovar.corpus.document import LedgerRow
from samovar.corpus.draft import Draft, settle
from samovar.corpus.encoding import decode_bytes
from samovar.corpus.extracted import Extracted
from samovar.corpus.job import Job
from samovar.corpus.xml import Element, attribute, find_all, first_text, local_name, parse_xml

_LINES = frozenset(("p", "v", "subtitle", "text-author", "date"))
_TOGETHER = frozenset(("title", "stanza"))  # several lines that make one block


def read_fb2(blob: Blob, job: Job) -> Iterator[Extracted | LedgerRow]:
    """Yield the one text of a book: annotation, body, then notes."""
    data = blob.read(job.limits.max_file_bytes)
    root, whole = parse_xml(_declare_encoding(data), blob.name)
    title_info = next(find_all(root, "title-info"), None)
    publish_info = next(find_all(root, "publish-info"), None)
    annotation = next(find_all(title_info, "annotation"), None) if title_info is not None else None
    blocks = list(_walk_blocks(annotation)) if annotation is not None else []
    for body in root:
        if local_name(body) == "body":
            blocks += _walk_blocks(body)
    author = ", ".join(_name_authors(title_info)) if title_info is not None else ""
    draft = Draft(
        blob.uri,
        "\n\n".join(blocks),
        title=first_text(title_info, "book-title"),
        fallback_title=blob.stem,
        language=first_text(title_info, "lang"),
        published=first_text(publish_info, "year") or _find_date(title_info),
        publisher=first_text(publish_info, "publisher"),
        metadata={"author": author} if author else {},
        changed=() if whole else (("damaged_xml_recovered", blob.name),),
    )
    yield settle(draft, job.limits)


def _declare_encoding(data: bytes) -> bytes:
    """Re-encode a file whose declaration is missing or wrong, so that the parser reads what is there."""
    head = data[:200]
    text, name = decode_bytes(data[:20_000])
    declared = b"encoding" in head.partition(b"?>")[0]
    if name == "utf-8" or (declared and b"utf-8" not in head.lower()) or text.startswith("\ufffd"):
        return data
    body = decode_bytes(data)[0]
    if body.lstrip().startswith("<?xml"):
        body = body[body.index("?>") + 2 :] if "?>" in body[:500] else body
    return body.encode("utf-8", "replace")


def _name_authors(title_info: Element) -> Iterator[str]:
    for author in find_all(title_info, "author"):
        parts = [first_text(author, name) for name in ("first-name", "middle-name", "last-name")]
        if name := " ".join(part for part in parts if part) or first_text(author, "nickname"):
            yield name


def _find_date(title_info: Element | None) -> str:
    if title_info is None:
        return ""
    element = next(find_all(title_info, "date"), None)
    return "" if element is None else attribute(element, "value") or first_text(title_info, "date")


def _walk_blocks(element: Element) -> Iterator[str]:
    for child in element:
        name = local_name(child)
        if name in _LINES:
            if text := _flatten(child):
                yield text
        elif name in _TOGETHER:
            if text := "\n".join(line for grandchild in child if (line := _flatten(grandchild))):
                yield text
        elif name == "table":
            rows = ("\t".join(_flatten(cell) for cell in row) for row in find_all(child, "tr"))
            if text := "\n".join(row for row in rows if row.strip()):
                yield text
        elif name not in ("binary", "image"):
            yield from _walk_blocks(child)


def _flatten(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())

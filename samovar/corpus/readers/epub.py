"""EPUB books: the spine's pages in reading order as one text, and the package metadata. Source: EPUB 3.3, OCF and
OPF 2/3."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from urllib.parse import unquote

from samovar.corpus.blob import Blob
from samovar.corpus.document import LedgerRow
from samovar.corpus.draft import Draft, settle
from samovar.corpus.extracted import Extracted
from samovar.corpus.job import Job
from samovar.corpus.licences import clean_licence
from samovar.corpus.package import Package, name_member, open_package
from samovar.corpus.readers.html import decode_html, extract_text
from samovar.corpus.readers.nesting import flatten
from samovar.corpus.xml import Element, attribute, find_all, first_text, parse_xml
from samovar.errors import ExtractionError

_PAGE_TYPES = ("application/xhtml+xml", "text/html", "application/html+xml")
_FONT_OBFUSCATION = (b"http://www.idpf.org/2008/embedding", b"http://ns.adobe.com/pdf/enc#RC")


def read_epub(blob: Blob, job: Job) -> Iterator[Extracted | LedgerRow]:
    """Yield the one text of a book; pages that are missing or broken are noted and left out."""
    with open_package(blob, job) as package:
        _refuse_encrypted(package, blob)
        opf_name = _find_opf(package, blob)
        opf, whole = parse_xml(package.read_part(opf_name) or b"", opf_name)
        pages, num_missing = _read_pages(package, opf, posixpath.dirname(opf_name))
    meta = next(find_all(opf, "metadata"), None)
    author = first_text(meta, "creator")
    changed = [] if whole else [("damaged_xml_recovered", opf_name)]
    if num_missing:
        changed.append(("pages_missing", str(num_missing)))
    draft = Draft(
        blob.uri,
        "\n\n".join(pages),
        title=first_text(meta, "title"),
        fallback_title=blob.stem,
        language=first_text(meta, "language"),
        published=_find_date(meta),
        publisher=first_text(meta, "publisher"),
        licence=clean_licence(first_text(meta, "rights")),
        metadata={"author": author} if author else {},
        changed=tuple(changed),
    )
    yield settle(draft, job.limits)


def _refuse_encrypted(package: Package, blob: Blob) -> None:
    """Obfuscated fonts are fine; anything else that is encrypted is the book itself."""
    data = package.read_part("META-INF/encryption.xml")
    if data is None:
        return
    methods = [
        attribute(method, "Algorithm").encode()
        for method in find_all(parse_xml(data, "encryption.xml")[0], "EncryptionMethod")
    ]
    if any(method not in _FONT_OBFUSCATION for method in methods):
        raise ExtractionError("encrypted", f"{blob.uri} is protected (DRM): only books without protection can be read")


def _find_opf(package: Package, blob: Blob) -> str:
    container = package.read_part("META-INF/container.xml")
    if container is not None:
        for rootfile in find_all(parse_xml(container, "META-INF/container.xml")[0], "rootfile"):
            if package.has(path := attribute(rootfile, "full-path")):
                return path
    for info in package.members():
        if info.filename.endswith(".opf"):
            return info.filename
    raise ExtractionError("damaged", f"{blob.uri} has no package document (.opf)", "no .opf")


def _read_pages(package: Package, opf: Element, folder: str) -> tuple[list[str], int]:
    """Return the texts of the spine's pages, and how many could not be read."""
    hrefs = {
        attribute(item, "id"): attribute(item, "href")
        for item in find_all(opf, "item")
        if attribute(item, "media-type") in _PAGE_TYPES and "nav" not in attribute(item, "properties").split()
    }
    order = [hrefs[ref] for item in find_all(opf, "itemref") if (ref := attribute(item, "idref")) in hrefs]
    names = {name_member(info): info for info in package.members()}
    pages, num_missing = [], 0
    for href in order or list(hrefs.values()):
        info = names.get(posixpath.normpath(posixpath.join(folder, unquote(href.partition("#")[0]))))
        if info is None:
            num_missing += 1
            continue
        try:
            pages.append(_read_page(package.read(info)))
        except ExtractionError as error:
            if error.reason not in ("damaged", "unsupported_compression"):
                raise
            num_missing += 1
    return [page for page in pages if page], num_missing


def _read_page(data: bytes) -> str:
    from resiliparse.parse.html import HTMLTree

    return extract_text(HTMLTree.parse(flatten(decode_html(data)[0])[0])).strip()


def _find_date(meta: Element | None) -> str:
    """Prefer the publication event of OPF 2 to its other dates."""
    dates = list(find_all(meta, "date")) if meta is not None else []
    dates.sort(key=lambda element: attribute(element, "event") not in ("publication", "original-publication"))
    return next((element.text for element in dates if element.text), "")

"""PDF: the text layer page by page, put back into paragraphs; scans and broken layers are refused with a reason.

No OCR. A font without a ToUnicode table shows up as accented Latin letters: its bytes A8–FF are read again in the
legacy encoding that makes text of them. Source: pypdfium2 (PDFium), which keeps the spaces that other permissively
licensed readers lose.
"""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Iterator
from typing import Any

from samovar.corpus.blob import Blob
from samovar.corpus.clean import count_letters
from samovar.corpus.document import LedgerRow
from samovar.corpus.draft import Draft, settle
from samovar.corpus.encoding import repair_mojibake
from samovar.corpus.extracted import Extracted
from samovar.corpus.health import judge_text_layer
from samovar.corpus.job import Job
from samovar.errors import ExtractionError

_SOFT_HYPHEN = re.compile("[\u00ad\u0002\ufffe]\r?\n?")  # PDFium's mark for a hyphen at the end of a line is U+0002
_HARD_HYPHEN = re.compile(r"(?<=[^\W\d_]{2})[-\u2010]$")
_SENTENCE_END = re.compile(r"[.!?\u2026:;][\u00bb\"\u201d)\]]*$")
_DIGITS = re.compile(r"\d+")
_MAX_PAGES = 20_000
_MIN_PAGES_FOR_RUNNING = 4
_MAX_RUNNING = 2
_MIN_KEPT = 0.6


def read_pdf(blob: Blob, job: Job) -> Iterator[Extracted | LedgerRow]:
    """Yield the one text of a PDF."""
    pages, info, changed = _read_pages(blob, job)
    raw = "\n".join(pages)
    if count_letters(raw, job.limits.min_letters) < job.limits.min_letters:
        raise ExtractionError(
            "no_text_layer", f"{blob.uri} has no text: it is a scan, run OCR on it first", str(len(pages))
        )
    text = "\n\n".join(block for page in _drop_running_lines(pages) for block in join_lines(page))
    text, kind = repair_mojibake(text)
    if kind:
        changed.append(("pdf_cp1251_layer" if kind.startswith("cp1251 ") else "pdf_legacy_layer", kind))
    if reason := judge_text_layer(text, "und"):
        raise ExtractionError(
            "broken_text_layer", f"{blob.uri}: its text layer is not text ({reason}): run OCR on it", reason
        )
    metadata = {key: value for key, value in (("author", info.get("Author", "")), ("pages", str(len(pages)))) if value}
    draft = Draft(
        blob.uri,
        text,
        title=_clean_title(info.get("Title", "")),
        fallback_title=blob.stem,
        published=info.get("CreationDate", ""),
        metadata=metadata,
        changed=tuple(changed),
    )
    yield settle(draft, job.limits)


def _read_pages(blob: Blob, job: Job) -> tuple[list[str], dict[str, str], list[tuple[str, str]]]:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(blob.read(job.limits.max_file_bytes))
    except pypdfium2.PdfiumError as error:
        message = str(error)
        if re.search("password|security", message, re.I):
            raise ExtractionError("encrypted", f"{blob.uri} is protected by a password: save it without one") from error
        reason = "damaged" if _has_end(blob) else "truncated"
        raise ExtractionError(reason, f"{blob.uri} is not a readable PDF: {message}", message) from error
    try:
        return _read_document(document, job)
    finally:
        document.close()


def _has_end(blob: Blob) -> bool:
    with blob.open() as file:
        file.seek(max(0, blob.size - 2048))
        return b"%%EOF" in file.read()


def _read_document(document: Any, job: Job) -> tuple[list[str], dict[str, str], list[tuple[str, str]]]:
    num_pages = len(document)
    if num_pages == 0:
        raise ExtractionError("damaged", "the PDF has no pages", "0 pages")
    if num_pages > _MAX_PAGES:
        raise ExtractionError("too_many_pages", f"at most {_MAX_PAGES} pages expected", str(num_pages))
    pages: list[str] = []
    num_failed = num_chars = 0
    for number in range(num_pages):
        text = _read_page(document, number)
        if text is None:
            num_failed += 1
            continue
        num_chars += len(text)
        if num_chars > job.limits.max_text_chars:
            raise ExtractionError(
                "too_long", f"at most {job.limits.max_text_chars} characters expected", str(num_chars)
            )
        pages.append(text)
    if num_failed == num_pages:
        raise ExtractionError("damaged", "no page of the PDF can be read", f"{num_pages} pages")
    changed = [("pages_failed", str(num_failed))] if num_failed else []
    return pages, document.get_metadata_dict(skip_empty=True), changed


def _read_page(document: Any, number: int) -> str | None:
    import pypdfium2

    try:
        page = document[number]
    except pypdfium2.PdfiumError:
        return None
    try:
        text_page = page.get_textpage()
        try:
            return str(text_page.get_text_bounded())
        finally:
            text_page.close()
    except pypdfium2.PdfiumError:
        return None
    finally:
        page.close()


def _clean_title(title: str) -> str:
    """Drop what office programs put there instead of a title."""
    bare = title.strip()
    return "" if re.search(r"\.(docx?|rtf|odt|indd|qxd|pdf|tex|dvi)$|^(untitled|microsoft word)", bare, re.I) else bare


def _drop_running_lines(pages: list[str]) -> list[str]:
    """Remove page numbers and the headers and footers that repeat on more than half of the pages."""
    split = [[line.strip() for line in _mark_soft_hyphens(page).splitlines() if line.strip()] for page in pages]
    edges = Counter(key for lines in split for key in {_line_key(line) for line in (*lines[:1], *lines[-1:])})
    floor = max(_MIN_PAGES_FOR_RUNNING, len(pages) / 2)
    running = {key for key, count in edges.items() if count >= floor and any(map(str.isalpha, key))}
    whole = ["\n".join(lines) for lines in split]
    kept = ["\n".join(_trim(_trim(lines, running)[::-1], running)[::-1]) for lines in split]
    # Pages that are little more than their headers (slides, forms) are better kept as they are
    return kept if sum(map(len, kept)) >= _MIN_KEPT * sum(map(len, whole)) else whole


def _trim(lines: list[str], running: set[str]) -> list[str]:
    """Drop up to two running lines at the start: a header and a page number."""
    start = 0
    while start < min(_MAX_RUNNING, len(lines)) and _is_running(lines[start], running):
        start += 1
    return lines[start:]


def _is_running(line: str, running: set[str]) -> bool:
    return _line_key(line) in running or (line.strip("\u2014\u2013- ").isdecimal() and len(line) <= 8)


def _line_key(line: str) -> str:
    return _DIGITS.sub("#", line.lower())


def _mark_soft_hyphens(text: str) -> str:
    return _SOFT_HYPHEN.sub("\u00ad\n", text)


def join_lines(page: str) -> Iterator[str]:
    """Put the lines of a page back into paragraphs: a short line that ends a sentence ends its paragraph."""
    lines = page.splitlines()
    if not lines:
        return
    usual = statistics.median(len(line) for line in lines)
    block = ""
    for line in lines:
        if block.endswith("\u00ad") or (_HARD_HYPHEN.search(block) and line[:1].islower()):
            block = block[:-1] + line
        else:
            block = f"{block} {line}" if block else line
        if len(line) < 0.8 * usual and _SENTENCE_END.search(line):
            yield block
            block = ""
    if block:
        yield block

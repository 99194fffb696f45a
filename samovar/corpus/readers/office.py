"""RTF and legacy Word (doc) through xberg: no OCR, no cache, the MIME type given, never guessed. Runs in the
supervised child."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

from samovar.corpus.blob import Blob
from samovar.corpus.document import LedgerRow
from samovar.corpus.draft import Draft, settle
from samovar.corpus.encoding import decode_bytes
from samovar.corpus.extracted import Extracted
from samovar.corpus.job import Job
from samovar.errors import ExtractionError

_IMAGE = re.compile(r"^[ \t]*!?\[Image:?[^\]\n]*\](?:\([^)\n]*\))?[ \t]*$\n?", re.M)
_NOTE_MARK = re.compile(r"^\[\^[^\]\n]+\]:[ \t]*", re.M)
_INFO = {name: re.compile(rb"\{\\%s\s+([^{}]{0,4000})\}" % name.encode()) for name in ("title", "author")}
_ESCAPE = re.compile(rb"\\'([0-9a-fA-F]{2})|\\u(-?\d{1,6})\s?\??")


def read_rtf(blob: Blob, job: Job) -> Iterator[Extracted | LedgerRow]:
    """Yield the one text of an RTF file; a file cut off in the middle is refused when nothing came out, noted
    otherwise."""
    data = blob.read(job.limits.max_file_bytes)
    cut = _count_open_groups(data) > 0
    document = _extract(data, "application/rtf", blob, job)
    title, author = (_decode_info(data, name) for name in ("title", "author"))
    draft = _draft(blob, document, title=title, author=author, cut=cut)
    if cut and not draft.text.strip():
        raise ExtractionError("truncated", f"{blob.uri} ends in the middle of a group")
    yield settle(draft, job.limits)


def read_doc(blob: Blob, job: Job) -> Iterator[Extracted | LedgerRow]:
    """Yield the one text of a Word 97–2003 file."""
    data = blob.read(job.limits.max_file_bytes)
    document = _extract(data, "application/msword", blob, job)
    authors = document.metadata.authors or []
    title = str(document.metadata.title or "")
    yield settle(_draft(blob, document, title=title, author=", ".join(authors), cut=False), job.limits)


def _draft(blob: Blob, document: Any, *, title: str, author: str, cut: bool) -> Draft:
    text = _NOTE_MARK.sub("", _IMAGE.sub("", str(document.content)))
    return Draft(
        blob.uri,
        text,
        title=title,
        fallback_title=blob.stem,
        published=str(document.metadata.created_at or ""),
        metadata={"author": author} if author else {},
        changed=(("truncated_input", ""),) if cut else (),
    )


def _extract(data: bytes, mime: str, blob: Blob, job: Job) -> Any:
    import xberg

    seconds = max(1, int(job.limits.seconds))
    config = xberg.ExtractionConfig(
        disable_ocr=True,
        use_cache=False,
        enable_quality_processing=False,
        output_format="plain",
        extraction_timeout_secs=seconds,
        max_concurrent_extractions=1,
    )

    async def call() -> Any:
        return await xberg.extract(xberg.ExtractInput(kind="bytes", bytes=data, mime_type=mime), config)

    try:
        result = asyncio.run(call())
    except (RuntimeError, ValueError, xberg.XbergError) as error:
        message = str(error)
        reason = "encrypted" if re.search("encrypt|password", message, re.I) else "damaged"
        raise ExtractionError(reason, f"{blob.uri}: {message}", message[:200]) from error
    if result.errors or not result.results:
        raise ExtractionError("damaged", f"{blob.uri} could not be read", str(result.errors)[:200])
    return result.results[0]


def _count_open_groups(data: bytes) -> int:
    bare = data.replace(rb"\\", b"").replace(rb"\{", b"").replace(rb"\}", b"")
    return bare.count(b"{") - bare.count(b"}")


def _decode_info(data: bytes, name: str) -> str:
    """Decode a field of the information group, which xberg leaves escaped."""
    found = _INFO[name].search(data[:65536])
    if not found:
        return ""
    units: list[str] = []
    raw = bytearray()

    def flush() -> None:
        units.append(_decode_page(bytes(raw), data))
        raw.clear()

    position = 0
    body = found.group(1)
    for escape in _ESCAPE.finditer(body):
        raw += body[position : escape.start()]
        position = escape.end()
        if escape.group(1):
            raw.append(int(escape.group(1), 16))
        else:
            flush()
            units.append(chr(int(escape.group(2)) & 0xFFFF))
    raw += body[position:]
    flush()
    return "".join(units).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _decode_page(raw: bytes, data: bytes) -> str:
    page = re.search(rb"\\ansicpg(\d{3,5})", data[:4096])
    try:
        return raw.decode(f"cp{page.group(1).decode()}" if page else "ascii")
    except (LookupError, UnicodeDecodeError):
        return decode_bytes(raw)[0]

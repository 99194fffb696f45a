"""Take the texts out of one input, whatever it is. Content decides, then the extension; a refusal is a row, not an
exception.

Runs in this process: `samovar.corpus.sandbox.Extractor` runs it in a supervised child, which is what hostile input
needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

from samovar.corpus.blob import Blob
from samovar.corpus.document import LedgerRow
from samovar.corpus.extracted import Extracted, drop
from samovar.corpus.job import Job
from samovar.corpus.kinds import SUPPORTED_SUFFIXES, identify_kind
from samovar.corpus.limits import Limits
from samovar.errors import ExtractionError, MissingExtraError

__all__ = ["SUPPORTED_SUFFIXES", "Extracted", "extract_blob", "extract_path", "name_path"]

Reader = Callable[[Blob, Job], Iterator[Extracted | LedgerRow]]

READERS: dict[str, tuple[str, str]] = {
    "text": ("text", "read_text"),
    "markdown": ("text", "read_markdown"),
    "html": ("html", "read_html"),
    "pdf": ("pdf", "read_pdf"),
    "docx": ("docx", "read_docx"),
    "odt": ("odt", "read_odt"),
    "epub": ("epub", "read_epub"),
    "fb2": ("fb2", "read_fb2"),
    "rtf": ("office", "read_rtf"),
    "doc": ("office", "read_doc"),
    "csv": ("csvtable", "read_csv"),
    "jsonl": ("tables", "read_jsonl"),
    "json": ("tables", "read_json"),
    "parquet": ("tables", "read_parquet"),
    "zim": ("zim", "read_zim"),
}
"""Every format: its module in `samovar.corpus.readers`, imported when first needed, and its function."""

_SELF_COUNTING = frozenset(("zim",))  # announces its own units


def name_path(path: Path) -> str:
    """Return the default `uri` of a file: its path, with bytes that are not UTF-8 written as ``\\xNN``."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def extract_path(
    path: Path, *, uri: str | None = None, limits: Limits | None = None, job: Job | None = None
) -> Iterator[Extracted | LedgerRow]:
    """Yield every text of a file, and a dropped row for everything refused; never raises for what the file contains.

    `uri` names the file in the results (default: its path).
    """
    name = name_path(path) if uri is None else uri
    job = job or Job(limits or Limits())
    try:
        blob = Blob.from_path(path, name)
    except ExtractionError as error:
        if job.begin(name):
            yield drop(name, error.reason, error.value)
        return
    yield from extract_blob(blob, job)


def extract_blob(blob: Blob, job: Job) -> Iterator[Extracted | LedgerRow]:
    """Yield every text of an input; the one place where a reader's exceptions become rows."""
    begun = False
    try:
        kind = identify_kind(blob)
        if kind.name in ("zip", "gzip"):
            from samovar.corpus.readers import archive

            read_archive = archive.read_zip if kind.name == "zip" else archive.read_gzip
            yield from read_archive(blob, job, extract_blob)
            return
        if kind.name not in _SELF_COUNTING:
            begun = True
            if not job.begin(blob.uri):
                return
        if kind.name in READERS:
            yield from _load_reader(kind.name)(blob, job)
        else:
            yield drop(blob.uri, kind.name, kind.detail)
    except Exception as error:  # whatever a hostile file provokes is one row
        if begun or job.begin(blob.uri):
            yield _explain(blob.uri, error)
    if begun:
        job.end()


def _load_reader(kind: str) -> Reader:
    module, function = READERS[kind]
    reader: Reader = getattr(import_module(f"samovar.corpus.readers.{module}"), function)
    return reader


def _explain(uri: str, error: Exception) -> LedgerRow:
    if isinstance(error, ExtractionError):
        return drop(uri, error.reason, error.value)
    if isinstance(error, MissingExtraError):
        return drop(uri, "missing_extra", error.extra)
    if isinstance(error, MemoryError):
        return drop(uri, "memory", str(error))
    if isinstance(error, RecursionError):
        return drop(uri, "too_deep", type(error).__name__)
    return drop(uri, "damaged", f"{type(error).__name__}: {error}")

"""What an input really is: by its first bytes, then, for plain text only, by its name. The extension never
overrules the content.

Sources: the published magic numbers of each format; Shared MIME-info for the ones that are only refused.
"""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass

from samovar.corpus.blob import Blob
from samovar.corpus.encoding import decode_bytes

HEAD_BYTES = 8192

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PAR1", "parquet"),
    (b"\x1f\x8b", "gzip"),
    (b"ZIM\x04", "zim"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"PK\x07\x08", "zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"{\\rtf", "rtf"),
)

_REFUSED: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "PNG image"),
    (b"\xff\xd8\xff", "JPEG image"),
    (b"GIF8", "GIF image"),
    (b"BM", "BMP image"),
    (b"II*\0", "TIFF image"),
    (b"MM\0*", "TIFF image"),
    (b"AT&TFORM", "DjVu document"),
    (b"RIFF", "RIFF media"),
    (b"OggS", "Ogg media"),
    (b"ID3", "MP3 audio"),
    (b"\xff\xfb", "MP3 audio"),
    (b"fLaC", "FLAC audio"),
    (b"\x1aE\xdf\xa3", "Matroska media"),
    (b"\x7fELF", "program"),
    (b"MZ", "program"),
    (b"\xca\xfe\xba\xbe", "program"),
    (b"\0asm", "program"),
    (b"7z\xbc\xaf\x27\x1c", "7z archive"),
    (b"Rar!", "RAR archive"),
    (b"BZh", "bzip2 archive"),
    (b"\xfd7zXZ", "xz archive"),
    (b"\x28\xb5\x2f\xfd", "zstd archive"),
    (b"SQLite format 3\0", "SQLite database"),
    (b"ITSF", "CHM help file"),
    (b"%!PS", "PostScript"),
    (b"\0\x01\0\0\0", "font"),
    (b"OTTO", "font"),
)
_TEXTUAL_MAGIC = (b"BM", b"MZ", b"ID3", b"RIFF", b"%!PS", b"BZh")
"""Signatures made of letters: they count only when the rest is not text."""

BY_SUFFIX = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".htm": "html",
    ".html": "html",
    ".xhtml": "html",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".fb2": "fb2",
}

SUPPORTED_SUFFIXES: frozenset[str] = frozenset(BY_SUFFIX) | frozenset(
    (".txt", ".pdf", ".docx", ".odt", ".rtf", ".doc", ".epub", ".parquet", ".zip", ".gz", ".zim")
)
"""Extensions worth offering in a file dialog; any other file is still looked into."""

_HTML = re.compile(r"\s*<(?:!doctype\s+html|html|head|body)\b", re.I)
_XML = re.compile(r"\s*<(?:\?xml|!DOCTYPE|[A-Za-z_][\w.-]*:?[\w.-]*\s+xmlns)", re.S)
_MAX_RUBBISH = 0.05
_RUBBISH = re.compile(r"[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f\ufffd]")


@dataclass(frozen=True, slots=True)
class Kind:
    """`name` selects a reader; ``unsupported`` and ``encrypted`` select none, and `detail` says what the input
    looks like."""

    name: str
    detail: str = ""


def identify_kind(blob: Blob) -> Kind:
    """Look at the first bytes of an input and say what it is."""
    head = blob.head(HEAD_BYTES)
    if not head.strip(b"\0 \t\r\n\xef\xbb\xbf") and blob.size <= len(head):
        return Kind("empty", str(blob.size))
    if b"%PDF-" in head[:1024]:
        return Kind("pdf")
    text = decode_bytes(head)[0]
    rubbish = _measure_rubbish(text)
    for magic, name in _MAGIC:
        if head.startswith(magic) and not (name == "rtf" and rubbish > _MAX_RUBBISH):
            return _look_inside(blob, name)
    for magic, label in _REFUSED:
        if head.startswith(magic) and (magic not in _TEXTUAL_MAGIC or rubbish > 0.02):
            return Kind("unsupported", label)
    if head[4:8] == b"ftyp":
        return Kind("unsupported", "MP4 media")
    if head[257:262] == b"ustar":
        return Kind("unsupported", "tar archive")
    if rubbish > _MAX_RUBBISH:
        return Kind("unsupported", "binary data")
    return _identify_text(text, blob.suffix)


def _measure_rubbish(text: str) -> float:
    """Return the share of characters that no text has. Single NULs are forgiven: exports of old databases contain
    them."""
    num_nul = text.count("\0")
    if num_nul > 0.3 * len(text):
        return 1.0
    return len(_RUBBISH.findall(text)) / max(1, len(text) - num_nul)


def _identify_text(text: str, suffix: str) -> Kind:
    start = text.lstrip("\ufeff \t\r\n")
    if start.startswith("{\\rtf"):
        return Kind("rtf")
    if "<FictionBook" in text[:2000]:
        return Kind("fb2")
    if _HTML.match(_skip_prologue(start)):
        return Kind("html")
    if suffix in (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".md", ".markdown"):
        return Kind(BY_SUFFIX[suffix])
    if _XML.match(start) and suffix not in (".txt", ".htm", ".html", ".xhtml", ".fb2"):
        return Kind("unsupported", "XML")
    return Kind(BY_SUFFIX.get(suffix, "text"))


def _skip_prologue(start: str) -> str:
    """Skip the XML declaration and comments before the first element."""
    while start.startswith(("<?xml", "<!--")):
        sign = "?>" if start.startswith("<?") else "-->"
        _, found, rest = start.partition(sign)
        if not found:
            break
        start = rest.lstrip()
    return start


def _look_inside(blob: Blob, name: str) -> Kind:
    if name == "zip":
        return _identify_zip(blob)
    if name == "ole":
        return _identify_ole(blob)
    return Kind(name)


_MIMETYPES = {
    "application/epub+zip": Kind("epub"),
    "application/vnd.oasis.opendocument.text": Kind("odt"),
    "application/vnd.oasis.opendocument.spreadsheet": Kind("unsupported", "spreadsheet"),
    "application/vnd.oasis.opendocument.presentation": Kind("unsupported", "presentation"),
}


def _identify_zip(blob: Blob) -> Kind:
    """Tell documents that are ZIP packages from archives. A damaged directory is left to the reader to report."""
    by_suffix = {".docx": "docx", ".odt": "odt", ".epub": "epub"}.get(blob.suffix, "zip")
    try:
        with blob.open() as file, zipfile.ZipFile(file) as package:
            names = set(package.namelist()[:10_000])
            if "mimetype" in names and package.getinfo("mimetype").file_size < 200:
                declared = package.read("mimetype").decode("ascii", "replace").strip()
                if declared in _MIMETYPES:
                    return _MIMETYPES[declared]
    except Exception:  # a ZIP can be broken in more ways than zipfile names; the reader opens it again and reports
        return Kind(by_suffix)
    if "word/document.xml" in names:
        return Kind("docx")
    if "xl/workbook.xml" in names:
        return Kind("unsupported", "spreadsheet")
    if "ppt/presentation.xml" in names:
        return Kind("unsupported", "presentation")
    if "META-INF/container.xml" in names:
        return Kind("epub")
    return Kind("odt" if {"content.xml", "styles.xml"} <= names else "zip")


def _identify_ole(blob: Blob) -> Kind:
    """Tell Word files by the stream names in the compound file's directory (UTF-16)."""
    with blob.open() as file:
        start = file.read(4 * 2**20)
    if "EncryptedPackage".encode("utf-16-le") in start:
        return Kind("encrypted", "OLE package")
    if "WordDocument".encode("utf-16-le") in start or blob.suffix == ".doc":
        return Kind("doc")
    return Kind("unsupported", "OLE file")

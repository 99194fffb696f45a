"""What an upload is called: a title people can read, an address in the library, an extension for the file. Never a path of the sender's."""

from __future__ import annotations

import re
import unicodedata

from samovar.serve.store.records import Upload

LONGEST_NAME = 255  # characters
_SUFFIX = re.compile(r"\.[a-z0-9]{1,10}\Z")
_UPLOAD = re.compile(r"upload:([A-Za-z0-9_-]+)/")
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Control characters, direction marks, surrogates, private use, unassigned, line separators."""


def uri_of(upload: Upload) -> str:
    """Return the address of an upload in the library: ``upload:<id>/<name>``, one path component after the id."""
    return f"upload:{upload.id}/" + re.sub(r"[/\\]", "_", upload.name)


def clean_name(filename: str) -> str:
    """Return what the sender calls the file as a title: NFC, no control or direction characters, at most `LONGEST_NAME` characters.

    >>> clean_name("../../etc/\\x00passwd"), clean_name("..")
    ('../../etc/passwd', 'file')
    """
    text = unicodedata.normalize("NFC", filename[: 8 * LONGEST_NAME])
    text = "".join(" " if c in "\t\r\n" else c for c in text if c in "\t\r\n" or unicodedata.category(c) not in _UNSEEN)
    text = " ".join(text.split())
    if not text.strip("./\\ "):
        return "file"
    if len(text) <= LONGEST_NAME:
        return text
    suffix = suffix_of(text)
    return text[: LONGEST_NAME - len(suffix) - 1].rstrip() + "…" + suffix


def suffix_of(name: str) -> str:
    """The extension readers may use as a hint, when it is a plain one."""
    found = _SUFFIX.search(name.lower())
    return found.group() if found and found.group() != ".part" else ""


def upload_id_of(uri: str) -> str:
    """Return the id of the upload that a document's address names, "" for none.

    >>> upload_id_of("upload:a1/book.zip!/one.txt"), upload_id_of("https://example.org/")
    ('a1', '')
    """
    found = _UPLOAD.match(uri)
    return found.group(1) if found else ""


def is_part_of(uri: str, upload: str) -> bool:
    """Whether a document's address is the upload's or that of a part of it."""
    return uri == upload or uri.startswith((upload + "!/", upload + "#"))

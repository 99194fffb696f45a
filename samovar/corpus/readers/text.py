"""Plain text and Markdown. Markdown keeps its words and loses its marks; front matter gives title and date."""

from __future__ import annotations

import re
from collections.abc import Iterator

from samovar.corpus.blob import Blob
from samovar.corpus.document import LedgerRow
from samovar.corpus.draft import Draft, settle
from samovar.corpus.encoding import decode_bytes
from samovar.corpus.extracted import Extracted
from samovar.corpus.job import Job

_FRONT = re.compile(r"\A\ufeff?(---|\+\+\+)[ \t]*\n(.*?)\n\1[ \t]*(?:\n|\Z)", re.S)
_MAX_FRONT = 20_000  # characters
_FRONT_LINE = re.compile(r"^([A-Za-z_]+)\s*[:=]\s*[\"']?(.*?)[\"']?\s*$", re.M)
_HEADING = re.compile(r"^[ ]{0,3}#{1,6}[ \t]+([^\n]*)$", re.M)
_UNDERLINED = re.compile(r"^(?=\S)(.{1,300})\n(?:=+|-{3,})[ \t]*$", re.M)
# Every repetition that could run over a whole line is bounded, or cannot cross the sign that starts it: 200,000
# opening brackets in a row must not take quadratic time.
_MARKS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^[ ]{0,3}(?:`{3,}|~{3,})[^`\n]{0,80}$", re.M), ""),
    (re.compile(r"!\[([^\[\]\n]{0,300})\]\([^()\n]{0,2000}\)"), r"\1"),
    (re.compile(r"\[([^\[\]\n]{1,300})\]\([^()\n]{0,2000}\)"), r"\1"),
    (re.compile(r"\[([^\[\]\n]{1,300})\]\[[^\[\]\n]{0,300}\]"), r"\1"),
    (re.compile(r"^[ ]{0,3}\[[^\[\]\n]{1,300}\]:[ \t]{0,10}\S+.*$", re.M), ""),
    (re.compile(r"(\*\*|__)(?=\S)([^\n*_]{1,300})(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<![\w*])[*_](?=\S)([^*_\n]{1,300})(?<=\S)[*_](?![\w*])"), r"\1"),
    (re.compile(r"`([^`\n]{1,300})`"), r"\1"),
    (re.compile(r"^[ ]{0,3}>[ ]?", re.M), ""),
    (re.compile(r"^[ ]{0,3}(?:[-*_][ \t]{0,3}){3,100}$", re.M), ""),
    (
        re.compile(
            r"^\|?[ \t]{0,9}:?-{2,99}:?[ \t]{0,9}(?:\|[ \t]{0,9}:?-{2,99}:?[ \t]{0,9}){0,99}\|?[ \t]{0,9}$", re.M
        ),
        "",
    ),
)


def note_encoding(name: str) -> tuple[tuple[str, str], ...]:
    """Return the ledger note for a text that was not UTF-8."""
    return () if name == "utf-8" else (("encoding", name),)


def read_text(blob: Blob, job: Job) -> Iterator[Extracted | LedgerRow]:
    """Yield the one text of a plain file; its title is the file name."""
    text, encoding = decode_bytes(blob.read(job.limits.max_file_bytes))
    draft = Draft(blob.uri, text, fallback_title=blob.stem, changed=note_encoding(encoding))
    yield settle(draft, job.limits)


def read_markdown(blob: Blob, job: Job) -> Iterator[Extracted | LedgerRow]:
    """Yield the one text of a Markdown file; title from the front matter or the first heading."""
    text, encoding = decode_bytes(blob.read(job.limits.max_file_bytes))
    front: dict[str, str] = {}
    text = text.replace("\r\n", "\n")
    found = _FRONT.match(text)
    if found and len(found.group(2)) <= _MAX_FRONT:
        front = {key.lower(): value for key, value in _FRONT_LINE.findall(found.group(2))}
        text = text[found.end() :]
    heading = _HEADING.search(text) or _UNDERLINED.search(text)
    author = front.get("author", "")
    draft = Draft(
        blob.uri,
        strip_markdown(text),
        title=front.get("title", "") or (strip_markdown(_close_heading(heading.group(1))) if heading else ""),
        fallback_title=blob.stem,
        language=front.get("lang", front.get("language", "")),
        published=front.get("date", front.get("published", "")),
        publisher=front.get("publisher", ""),
        licence=front.get("licence", front.get("license", "")),
        metadata={"author": author} if author else {},
        changed=note_encoding(encoding),
    )
    yield settle(draft, job.limits)


def _close_heading(text: str) -> str:
    """Drop the closing marks of a heading: ``Name ##`` → ``Name``."""
    return text.rstrip().rstrip("#").rstrip()


def strip_markdown(text: str) -> str:
    """Remove the marks and keep the words; headings become paragraphs of their own."""
    text = _UNDERLINED.sub(r"\n\1\n", text.replace("\r\n", "\n"))
    text = _HEADING.sub(lambda found: f"\n{_close_heading(found.group(1))}\n", text)
    text = _drop_comments(text)
    for pattern, replacement in _MARKS:
        text = pattern.sub(replacement, text)
    return text


def _drop_comments(text: str) -> str:
    """Remove HTML comments in one pass; one that never closes is text."""
    pieces: list[str] = []
    position = 0
    while (start := text.find("<!--", position)) >= 0 and (end := text.find("-->", start)) >= 0:
        pieces.append(text[position:start])
        position = end + 3
    return "".join((*pieces, text[position:]))

"""What one input may cost. Every number is a promise the sandbox keeps; nothing here reads a file."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 2**20
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on taking text out of one input.

    `seconds` bounds the silence between two results, so that a large archive may take longer than one bad page;
    `memory_bytes` bounds the extracting process; `max_file_bytes` bounds what must be held in memory at once (a
    plain file, an archive member), while inputs read as a stream (tables, archives, ZIM) may be larger. Compression
    ratio is checked above 1 MiB only.
    """

    seconds: float = 60.0
    memory_bytes: int = 2 * GIB
    max_file_bytes: int = 512 * MIB
    max_text_chars: int = 50_000_000
    max_archive_bytes: int = 4 * GIB
    max_archive_members: int = 100_000
    max_archive_depth: int = 3
    max_compression_ratio: float = 200.0
    min_letters: int = 20

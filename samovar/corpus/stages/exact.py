"""Exact duplicates: a 128-bit hash of a text's letters and digits, without case, accents, spaces and punctuation.

Two texts with the same hash have the same letters and digits in the same order. Knows nothing about which copy stays: the build decides.
Source: BLAKE2b (RFC 7693), 16 bytes: an author cannot make two texts collide.
"""

from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np

from samovar.corpus.stages.scan import U64, Codes, Scan, scan_texts

HASH_BYTES = 16
_WIDE = 1 << 16


def hash_scan(scan: Scan) -> U64:
    """Return [n, 2] numbers, the two halves of the hash of each text."""
    places = np.flatnonzero(scan.folded != 0)
    letters = scan.folded[places]
    bounds = np.searchsorted(places, scan.texts).tolist()
    if int(letters.max(initial=0)) < _WIDE:
        narrow = memoryview(letters.astype("<u2").tobytes())
        digests = [_hash(narrow[2 * start : 2 * end]) for start, end in pairwise(bounds)]
    else:
        digests = [_hash_letters(letters[start:end]) for start, end in pairwise(bounds)]
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64).reshape(-1, 2)


def _hash(letters: memoryview | bytes) -> bytes:
    return hashlib.blake2b(letters, digest_size=HASH_BYTES).digest()


def _hash_letters(letters: Codes) -> bytes:
    """Return the hash of one text: letters of two bytes, or of four where one needs them; the upper half of such a one is no letter by itself."""
    return _hash(letters.astype("<u2" if int(letters.max(initial=0)) < _WIDE else "<u4").tobytes())


def hash_texts(texts: list[str]) -> U64:
    """Return [n, 2] numbers, the two halves of the hash of each text."""
    return hash_scan(scan_texts(texts))


def hash_text(text: str) -> bytes:
    """Return the 16 bytes of one text's hash."""
    return bytes(hash_texts([text])[0].tobytes())

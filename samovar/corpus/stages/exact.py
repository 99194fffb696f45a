"""Exact duplicates: a 128-bit hash of a text's letters and digits, without case, accents, spaces and punctuation.

Two texts with the same hash have the same letters and digits in the same order. Knows nothing about which copy stays: the build decides.
Source: BLAKE2b (RFC 7693), 16 bytes: an author cannot make two texts collide.
"""

from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np

from samovar.corpus.stages.scan import U64, Scan, scan_texts

HASH_BYTES = 16


def hash_scan(scan: Scan) -> U64:
    """Return [n, 2] numbers, the two halves of the hash of each text."""
    places = np.flatnonzero(scan.folded)
    data = memoryview(scan.folded[places].astype("<u4", copy=False).tobytes())
    bounds = (4 * np.searchsorted(places, scan.texts)).tolist()
    digests = [hashlib.blake2b(data[start:end], digest_size=HASH_BYTES).digest() for start, end in pairwise(bounds)]
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64).reshape(-1, 2)


def hash_texts(texts: list[str]) -> U64:
    """Return [n, 2] numbers, the two halves of the hash of each text."""
    return hash_scan(scan_texts(texts))


def hash_text(text: str) -> bytes:
    """Return the 16 bytes of one text's hash."""
    return bytes(hash_texts([text])[0].tobytes())

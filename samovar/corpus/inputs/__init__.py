"""Inputs of a corpus build: WARC, MediaWiki dumps, ZIM, Parquet, JSON Lines, folders; on disk or in object storage.

`plan_splits` lists the parts of a source that can be read alone; `open_split` reads one, record by record. What is
broken in an input comes as a record with a fault, never as an exception; an input that is missing, unreachable or
was changed after the plan raises `InputError`, because a build must not end without it unnoticed.
"""

from __future__ import annotations

from samovar.corpus.inputs.plan import open_split, plan_splits
from samovar.corpus.inputs.source import MAX_RECORD_BYTES, SourceKind, SourceSpec

__all__ = ["MAX_RECORD_BYTES", "SourceKind", "SourceSpec", "open_split", "plan_splits"]

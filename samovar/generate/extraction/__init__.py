"""Answering by quotation, without a language model: find the sentence that answers a question, and the short span in it.

Two log-linear rankers over named features (`sentences.py`, `spans.py`), weights in `weights.json`, trained by
`benchmarks/train_extractive.py`. Works in any language that has a profile; knows nothing about documents.
"""

from __future__ import annotations

from samovar.generate.extraction.answer import Extraction, extract

__all__ = ["Extraction", "extract"]

"""Measures of short answers: SQuAD's token F1 and containment, after folding case, ё and punctuation.

Source: Rajpurkar et al. 2016 (SQuAD); no articles are dropped, since most languages have none.
"""

from __future__ import annotations

from collections import Counter


def fold_answer(text: str) -> list[str]:
    """Lower case, ё→е, every character that is not a letter or digit a space, split."""
    text = text.lower().replace("ё", "е")
    return "".join(c if c.isalnum() or c.isspace() else " " for c in text).split()


def token_f1(found: str, gold: str) -> float:
    """Harmonic mean of token precision and recall, 0..1."""
    a, b = fold_answer(found), fold_answer(gold)
    if not a or not b:
        return float(a == b)
    common = sum((Counter(a) & Counter(b)).values())
    return 2 * common / (len(a) + len(b)) if common else 0.0


def contains_answer(text: str, gold: str) -> bool:
    """Whether the gold answer's words stand in the text as one run."""
    return f" {' '.join(fold_answer(gold))} " in f" {' '.join(fold_answer(text))} "

"""Tokens and spans. Offsets are Python character offsets into the text that was given; slicing gives the piece back exactly."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

TokenKind = Literal["word", "number", "mixed"]
Span = tuple[int, int]

# Combining marks of the Basic Multilingual Plane (Unicode 15, categories Mn, Mc, Me): they belong to the letter before them.
# Without them Hindi, Thai or Hebrew words fall apart. Generated with unicodedata; see tests/language/test_token.py for the check.
MARKS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1-\u05c2\u05c4-\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e4\u06e7-\u06e8\u06ea-\u06ed\u0711\u0730-\u074a\u07a6-\u07b0\u07eb-\u07f3\u0816-\u082d"
    "\u0859-\u085b\u08ca-\u08e1\u08e3-\u0903\u093a-\u093c\u093e-\u094f\u0951-\u0957\u0962-\u0963\u0981-\u0983\u09bc"
    "\u09be-\u09cd\u09d7\u09e2-\u09e3\u0a01-\u0a03\u0a3c-\u0a4d\u0a51\u0a70-\u0a71\u0a75\u0a81-\u0a83\u0abc"
    "\u0abe-\u0acd\u0ae2-\u0ae3\u0b01-\u0b03\u0b3c\u0b3e-\u0b57\u0b62-\u0b63\u0b82\u0bbe-\u0bcd\u0bd7\u0c00-\u0c04"
    "\u0c3c\u0c3e-\u0c56\u0c62-\u0c63\u0c81-\u0c83\u0cbc\u0cbe-\u0cd6\u0ce2-\u0ce3\u0d00-\u0d03\u0d3b-\u0d3c"
    "\u0d3e-\u0d4d\u0d57\u0d62-\u0d63\u0d81-\u0d83\u0dca-\u0ddf\u0df2-\u0df3\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1"
    "\u0eb4-\u0ebc\u0ec8-\u0ecd\u0f18-\u0f19\u0f35\u0f37\u0f39\u0f3e-\u0f3f\u0f71-\u0f84\u0f86-\u0f87\u0f8d-\u0fbc"
    "\u102b-\u103e\u1056-\u1059\u105e-\u1060\u1062-\u1064\u1067-\u106d\u1071-\u1074\u1082-\u108d\u108f\u109a-\u109d"
    "\u135d-\u135f\u17b4-\u17d3\u17dd\u180b-\u180d\u1a55-\u1a7f\u1ab0-\u1ace\u1dc0-\u1dff\u20d0-\u20f0\u2de0-\u2dff"
    "\u302a-\u302f\u3099-\u309a\ua66f\ua674-\ua67d\ufe20-\ufe2f"
)
SOFT_HYPHEN = "\u00ad"
STRESS = "\u0301"
APOSTROPHES = "'’ʼ‘"
HYPHENS = "-‐‑"

_WORD_CHARS = rf"\w{MARKS}{SOFT_HYPHEN}"
_INNER = rf"[{HYPHENS}{APOSTROPHES}]"

# A word: letters, digits and marks, joined by single inner hyphens or apostrophes. A number may group thousands with a
# no-break or thin space ("1 799"; an ordinary space only before exactly three digits) and have a decimal part.
_NUMBER = rf"\d+(?:[\u00a0\u202f\u2009 ]\d{{3}}(?!\d))*(?:[.,]\d+)*(?![{_WORD_CHARS}]|{_INNER}[{_WORD_CHARS}])"
_WORD = rf"[{_WORD_CHARS}]+(?:{_INNER}[{_WORD_CHARS}]+)*"
TOKEN = re.compile(rf"(?P<number>{_NUMBER})|(?P<word>{_WORD})")
# the same tokens for whoever wants their texts alone: `findall` makes them in one call of C
TOKEN_TEXT = re.compile(rf"{_NUMBER}|{_WORD}")
NUMBER = re.compile(_NUMBER)  # `fullmatch` says whether a token's text is a number
SIMPLE_WORD = re.compile(rf"[{_WORD_CHARS}]+")
_HAS_LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True, slots=True)
class Token:
    """A word or number with its place: ``source[start:end] == text``."""

    text: str
    start: int
    end: int
    kind: TokenKind


def tokenize(text: str) -> list[Token]:
    """Return the words and numbers of `text` in order, with offsets; punctuation and spaces lie between them."""
    tokens = []
    for match in TOKEN.finditer(text):
        piece = match.group()
        if match.lastgroup == "number":
            kind: TokenKind = "number"
        elif not _HAS_LETTER.search(piece):
            kind = "number" if any(c.isdigit() for c in piece) else "word"
        else:
            kind = "mixed" if any(c.isdigit() for c in piece) else "word"
        tokens.append(Token(piece, match.start(), match.end(), kind))
    return tokens

"""Whether a JSON text is of a shape that is safe to parse and to answer: not nested too deep, no endless numbers, no halves of characters.

Looks at bytes with operations that run in C, so that four megabytes cost milliseconds; does not parse (the route does). Source: the recursion limits of
CPython's json, CVE-2020-10735 (long integers), RFC 8259 sections 8.2 (lone surrogates) and 6 (no NaN).
"""

from __future__ import annotations

import json
import re

MAX_DEPTH = 64
MAX_DIGITS = 1000

_NOT_BRACKETS = bytes(b for b in range(256) if b not in b"[]{}")
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_DIGITS = re.compile(rb"[0-9]{%d}" % (MAX_DIGITS + 1))
_NOT_NUMBERS = re.compile(rb"NaN|Infinity")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def json_problem(body: bytes) -> str:
    """Return what is wrong with it in words, "" when nothing is (it may still not be valid JSON)."""
    if not is_utf8(body):
        return "expected JSON in UTF-8"
    outside = outside_strings(body)
    if is_deep(outside):
        return f"expected JSON of at most {MAX_DEPTH} levels"
    if _DIGITS.search(outside):
        return f"expected numbers of at most {MAX_DIGITS} digits"
    if _NOT_NUMBERS.search(outside):
        return "expected JSON numbers, found NaN or Infinity"
    if _SURROGATE.search(body) and has_lone_surrogate(body):
        return "expected Unicode text, found half of a surrogate pair"
    return ""


def is_utf8(body: bytes) -> bool:
    """Whether a JSON text is UTF-8, as RFC 8259 demands; Python's parser would take UTF-16 and -32, too, which the rest here does not read."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in body


def outside_strings(body: bytes) -> bytes:
    """Return the JSON text without its strings."""
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in body else body
    return b"".join(plain.split(b'"')[::2])


def is_deep(outside: bytes) -> bool:
    """Whether brackets nest deeper than `MAX_DEPTH`. Each round takes away the innermost pairs, which is one level."""
    brackets = outside.translate(_ONE_KIND, _NOT_BRACKETS)
    for level in range(MAX_DEPTH):
        if level + len(brackets) // 2 <= MAX_DEPTH:
            return False
        fewer = brackets.replace(b"[]", b"")
        if len(fewer) == len(brackets):  # unbalanced: what is left closes, then opens
            return True
        brackets = fewer
    return bool(brackets)


def has_lone_surrogate(body: bytes) -> bool:
    """Whether a string of this JSON text cannot be written as UTF-8; False for a text that is not JSON."""
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        return False
    return False

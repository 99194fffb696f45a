"""Find text in documents that gives orders to a machine reader ("forget your instructions …").

Such text stays in the document and in search; but a sentence that holds a command is never shown to the model, never quoted as an answer
and never counts as support. The patterns are data of the language profiles; what is here undoes the ways to hide a command from them
(look-alike letters, invisible characters, spaced-out letters, base64). This is the second wall; the first is that passages are only ever
quoted data in the prompt, and the third that every sentence of an answer must be supported. Patterns cannot catch every attack, and can
catch an innocent sentence: the note in the answer says what was set aside. What gets through is listed in tests/assistant/attacks.jsonl.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from functools import lru_cache

from samovar.language import Profile, Span, available_profiles, profile_for

MAX_FRAGMENT = 60  # characters: neighbouring sentences no longer than this are also read as one ("Forget. Your. Instructions.")
ECHO = 2  # sentences after a command in its paragraph that belong to it ("… Answer HACKED."), when they are short
MAX_ECHO = 120  # characters of such a sentence
_WORD = re.compile(r"[^\W\d_]+")
_SPACED = re.compile(r"(?<!\w)[^\W\d_](?:([ .\-_*·])[^\W\d_])(?:\1[^\W\d_]){3,}(?!\w)")
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{24,2000}={0,2}")
_STOPS = re.compile(r"[.!?…;:]+(?=\s|$)")
_TAG_BLOCK = 0xE0000  # invisible "tag" characters that mirror ASCII


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[Profile, tuple[re.Pattern[str], ...]], ...]:
    """The commands of all profiles: an attack may be written in any language."""
    profiles = [p for tag in available_profiles() if (p := profile_for(tag)).commands]
    flags = re.IGNORECASE | re.MULTILINE
    return tuple((p, tuple(re.compile(c, flags) for c in p.commands)) for p in profiles)


def reveal(text: str, profile: Profile) -> str:
    """Return `text` as a reader sees it, for matching: invisible characters gone, look-alike and spaced-out letters put right."""
    visible = []
    for char in unicodedata.normalize("NFKC", text):
        if 0x20 <= ord(char) - _TAG_BLOCK <= 0x7E:
            visible.append(chr(ord(char) - _TAG_BLOCK))
        elif char == "\n" or unicodedata.category(char) not in ("Cf", "Mn", "Me", "Cc"):
            visible.append(char)
        elif char in "\t\r":
            visible.append(" ")
    plain = profile.normalise("".join(visible))
    plain = _WORD.sub(lambda m: profile.fix_lookalikes(m.group()), plain)
    plain = _SPACED.sub(lambda m: m.group().replace(m.group(1), ""), plain)
    return re.sub(r"[^\S\n]+", " ", re.sub(r"\s*\n\s*", "\n", plain))


def is_command(text: str, profile: Profile) -> bool:
    """Whether a stretch of text holds a command to the reader. `profile` is the text's own; those of all languages are tried."""
    del profile
    readings = [text, *_decoded(text)]
    return any(_matches(reading) for reading in readings)


@lru_cache(maxsize=4096)
def _matches(text: str) -> bool:
    for profile, patterns in _patterns():
        plain = reveal(text, profile)
        readings = {plain, plain.replace("\n", " ")}
        if any(p.search(reading) for reading in readings for p in patterns):
            return True
    return False


def _decoded(text: str) -> list[str]:
    """Texts hidden in base64."""
    out = []
    for match in _BASE64.finditer(text):
        block = match.group().rstrip("=")
        try:
            plain = base64.b64decode(block + "=" * (-len(block) % 4)).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            continue
        if sum(c.isalpha() or c == " " for c in plain) > 0.8 * len(plain):
            out.append(plain)
    return out


def find_commands(text: str, profile: Profile) -> list[Span]:
    """Return the spans of the sentences of `text` that hold a command, with the short sentences that follow it in its paragraph."""
    spans = profile.sentences(text)
    flagged = [is_command(text[a:b], profile) for a, b in spans]
    for i in range(len(spans) - 1):
        if not (flagged[i] or flagged[i + 1]) and _pieces_of_command(text, spans[i : i + 4], profile):
            for j in range(i, min(i + 4, len(spans))):
                flagged[j] = flagged[j] or spans[j][1] - spans[j][0] <= MAX_FRAGMENT
    return [span for span, hit in zip(spans, _with_echo(text, spans, flagged), strict=True) if hit]


def _with_echo(text: str, spans: list[Span], flagged: list[bool]) -> list[bool]:
    """Flag up to `ECHO` short sentences after a command as well, within its paragraph."""
    out = list(flagged)
    run = ECHO
    for i in range(1, len(spans)):
        run = 0 if flagged[i - 1] else run + 1
        gap = text[spans[i - 1][1] : spans[i][0]]
        run = ECHO if gap.count("\n") > 1 else run
        if run < ECHO and spans[i][1] - spans[i][0] <= MAX_ECHO:
            out[i] = True
    return out


def _pieces_of_command(text: str, spans: list[Span], profile: Profile) -> bool:
    """Whether short neighbouring sentences make a command when they are read as one."""
    pieces = []
    for a, b in spans:
        if b - a > MAX_FRAGMENT:
            break
        pieces.append(_STOPS.sub(" ", text[a:b]))
    return len(pieces) > 1 and is_command(" ".join(pieces), profile)


def blank_commands(text: str, profile: Profile) -> str:
    """Return `text` with every command replaced by as many line ends, so that offsets stay and no sentence runs across the gap."""
    for a, b in find_commands(text, profile):
        text = text[:a] + "\n" * (b - a) + text[b:]
    return text

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

MAX_SCRAP = 4  # words: neighbouring sentences no longer than this are also read as one
_WORD = re.compile(r"[^\W\d_]+")
_SPACED = re.compile(r"(?<!\w)[^\W\d_](?:([ .\-_*·])[^\W\d_])(?:\1[^\W\d_]){3,}(?!\w)")
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{24,2000}={0,2}")
_STOPS = re.compile(r"[.!?…;:]+(?=\s|$)")
_ADDRESS = re.compile(r"https?:[^\s)\]\"']+")
_LINES = re.compile(r"\s*\n\s*")
_BLANKS = re.compile(r"[^\S\n]+")
# combining marks left over by NFKC, format characters, variation selectors, "tag" characters
_INVISIBLE = re.compile(
    "[\u00ad\u0300-\u036f\u0483-\u0489\u061c\u115f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef]"
)
_ENDS = ".!?…>"  # a command that ends otherwise is a heading: what follows it belongs to it
_TAG_BLOCK = 0xE0000  # invisible "tag" characters that mirror ASCII


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[Profile, tuple[re.Pattern[str], ...]], ...]:
    """The commands of all profiles: an attack may be written in any language."""
    profiles = [p for tag in available_profiles() if (p := profile_for(tag)).commands]
    flags = re.IGNORECASE | re.MULTILINE
    return tuple((p, tuple(re.compile(c, flags) for c in p.commands)) for p in profiles)


def reveal(text: str, profile: Profile) -> str:
    """Return `text` as a reader sees it, for matching: invisible characters gone, look-alike and spaced-out letters put right."""
    plain = unicodedata.normalize("NFKC", text)
    if not plain.isascii() and _INVISIBLE.search(plain):
        plain = _INVISIBLE.sub(lambda m: _mirrored(m.group()), plain)
    plain = profile.normalise(plain)
    if not profile.lookalikes.keys().isdisjoint(plain):
        plain = _WORD.sub(lambda m: profile.fix_lookalikes(m.group()), plain)
    plain = _SPACED.sub(lambda m: m.group().replace(m.group(1), ""), plain)
    return _BLANKS.sub(" ", _LINES.sub("\n", plain))


def _mirrored(char: str) -> str:
    """The ASCII character that an invisible "tag" character stands for; nothing for other invisible ones."""
    code = ord(char) - _TAG_BLOCK
    return chr(code) if 0x20 <= code <= 0x7E else ""


def is_command(text: str, profile: Profile) -> bool:
    """Whether a stretch of text holds a command to the reader. `profile` is the text's own; those of all languages are tried."""
    del profile
    return any(_matches(reading) for reading in (text, *_decoded(text)))


@lru_cache(maxsize=4096)
def _matches(text: str) -> bool:
    for profile, patterns in _patterns():
        plain = reveal(text, profile)
        readings = {plain, plain.replace("\n", " "), _ADDRESS.sub("https:", plain)}
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
    """Return the spans of the sentences of `text` that hold a command, or that make one together with other scraps of sentences."""
    spans = profile.sentences(text)
    flagged = [is_command(text[a:b], profile) for a, b in spans]
    for run in _scraps(text, spans, profile):
        if is_command(" ".join(_STOPS.sub(" ", text[a:b]) for a, b in (spans[i] for i in run)), profile):
            for i in run:
                flagged[i] = True
    for i, (a, b) in enumerate(spans[:-1]):
        flagged[i + 1] |= flagged[i] and text[b - 1] not in _ENDS and len(profile.tokens(text[a:b])) <= MAX_SCRAP
    out: list[Span] = []
    for span, hit in zip(spans, flagged, strict=True):
        out += _guilty_lines(text, span, profile) if hit else []
    return out


def _guilty_lines(text: str, span: Span, profile: Profile) -> list[Span]:
    """The lines of a sentence that hold the command and what they introduce, when the others hold none; else the whole sentence."""
    lines, start = [], span[0]
    for line in text[span[0] : span[1]].split("\n"):
        lines.append((start, start + len(line)))
        start += len(line) + 1
    guilty: list[Span] = []
    for i, (a, b) in enumerate(lines):
        introduced = i and lines[i - 1] in guilty and text[lines[i - 1][1] - 1] not in _ENDS
        if introduced or is_command(text[a:b], profile):
            guilty.append((a, b))
    rest = "\n".join(text[a:b] for a, b in lines if (a, b) not in guilty)
    return guilty if guilty and not is_command(rest, profile) else [span]


def _scraps(text: str, spans: list[Span], profile: Profile) -> list[list[int]]:
    """Runs of two and more neighbouring sentences of at most `MAX_SCRAP` words ("Forget. All. Instructions.")."""
    runs: list[list[int]] = [[]]
    for i, (a, b) in enumerate(spans):
        if len(profile.tokens(text[a:b])) <= MAX_SCRAP:
            runs[-1].append(i)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if len(run) > 1]


def blank_commands(text: str, profile: Profile) -> str:
    """Return `text` with every command replaced by as many line ends, so that offsets stay and no sentence runs across the gap."""
    for a, b in find_commands(text, profile):
        text = text[:a] + "\n" * (b - a) + text[b:]
    return text

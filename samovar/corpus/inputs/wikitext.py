"""From wikitext to plain text: own rules, one pass with a stack over brackets, then patterns line by line.

Templates, references, formulas, galleries, files and categories go, but for templates that only dress one of their arguments;
links leave their label, tables lines with tabs between the cells, headings and list items lines. Works for any language: namespace names come from the dump. Linear in
the text, whatever is left open. Source: mediawiki.org, Help:Formatting, Help:Tables, Help:Links.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from functools import cache, lru_cache

from samovar.corpus.stages.rules import load_language

_CANONICAL = frozenset(("file", "image", "media", "category"))
_MEDIA_NAME = re.compile(
    r"\.(?:jpe?g|png|svg|gif|tiff?|webp|xcf|og[gagv]|opus|webm|mp[34]|wav|flac|mid|pdf|djvu|stl)\s*$", re.I
)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.S)
_MARKUP = re.compile(r"[\[\]{}|'=*#:;!~_<>-]")
_DROPPED = (
    "ref|math|chem|ce|gallery|timeline|score|graph|hiero|imagemap|inputbox|mapframe|maplink|templatedata|"
    "references|indicator|categorytree|dynamicpagelist|includeonly"
)
_LITERAL = frozenset(("nowiki", "pre", "syntaxhighlight", "source"))  # no markup inside
_SELF_CLOSED = re.compile(
    r"<(?:ref|references|section|templatestyles|nowiki|mapframe|maplink|br|hr|wbr)\b[^<>]*/>", re.I
)
_ELEMENT = re.compile(rf"<({'|'.join(sorted(_LITERAL))}|{_DROPPED})\b[^<>]*>", re.I)
_BREAK = re.compile(r"<(?:br|hr|/?p|/?div|/?li|/?tr|/?blockquote|/?poem|/?h[1-6]|/?center)\b[^<>]*/?>", re.I)
_CELL_TAG = re.compile(r"<(?:td|th)\b[^<>]*>", re.I)
_TAG = re.compile(
    r"</?(?:a|abbr|b|bdi|bdo|big|caption|cite|code|col|colgroup|data|dd|del|dfn|dl|dt|em|font|i|ins|kbd|mark|nobr|"
    r"noinclude|nowiki|ol|onlyinclude|pre|q|rb|rp|rt|rtc|ruby|s|samp|section|small|source|span|strike|strong|sub|sup|"
    r"syntaxhighlight|table|tbody|td|templatestyles|tfoot|th|thead|time|tt|u|ul|var|wbr|languages|translate|tvar)\b"
    r"""(?:(?:[^<>"]|"[^"<\n]*")*>|[^<>]*>)""",
    re.I,
)
_TOKEN = re.compile(r"\{\{+|\}\}+|\[\[|\]\]|\{\||\|\}(?!\})")
_EXTERNAL = re.compile(r"\[(?:https?:|ftp:|mailto:|//)[^\s\]\[<>\"]*(?:[ \t]+([^\[\]\n]*))?\]", re.I)
_QUOTES = re.compile(r"''+")
_HEADING = re.compile(r"^=[^\n]*=[ \t]*$", re.M)
_ITEM = re.compile(r"^[*#:;]+[ \t]*", re.M)
_RULE = re.compile(r"^-{4,}", re.M)
_MAGIC = re.compile(r"__[^\W\d_a-z]{3,}__")
_EMPTY_BRACKETS = re.compile(r"[ \t]?\([\s,;:\u2013\u2014-]*\)")
_SPACES = re.compile(r"[ \xa0]{2,}")
_LINES = re.compile(r"\n{3,}")
_INTERWIKI = re.compile(r"(?:[a-z]{2,3}|simple)(?:-[a-z]+)*\Z")
_SHOWN: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("nobr", "nowrap", "s", "small", "big", "larger", "smaller", "abbr", "comment", "tooltip", "num", "sub", "sup"),
        ("1",),
    ),
    **dict.fromkeys(
        ("u", "nobold", "resize", "em", "strong", "transl", "linktext", "blockquote", "quote", "cquote"), ("text", "1")
    ),
    **dict.fromkeys(("lang", "color", "colour", "transliteration", "font color"), ("2",)),
    **dict.fromkeys(("ill", "interlanguage link", "iw"), ("lt", "1")),
}
"""Templates that show one of their arguments, and which: the first there is of the named ones. Those of a language: ``[wikitext.shown]`` of
its ``corpus.toml``. Without them words would be missing in the middle of sentences."""
_MAX_DEPTH = 200

_Frame = tuple[str, list[str]]  # what is open, and the text in it so far


def read_wikitext(source: str, declared: Mapping[str, str] | None = None) -> str:
    """Return the text of a page; `declared` is that of its record (``hidden``: the names of the dump's file and
    category namespaces, as JSON).

    >>> read_wikitext("'''Samovar''' is a [[metal|metal urn]]{{cn}}.<ref>Dal</ref>")
    'Samovar is a metal urn.'
    """
    hidden = _load_hidden((declared or {}).get("hidden", ""))
    shown = _load_shown((declared or {}).get("language", ""))
    text = source.replace("\r\n", "\n")
    if "<" in text:
        text = _COMMENT.sub("", text)
        text = _SELF_CLOSED.sub(_keep_break, text)
        text = _resolve_elements(text)
    text = _reduce(text, hidden, shown)
    if "<" in text:
        text = _BREAK.sub("\n", text)
        text = _TAG.sub("", _CELL_TAG.sub("\t", text))
    text = _EXTERNAL.sub(lambda found: found.group(1) or "", text)
    text = _HEADING.sub(_read_heading, _QUOTES.sub("", text))
    text = _MAGIC.sub("", _RULE.sub("", _ITEM.sub("", text)))
    text = html.unescape(text)
    text = _EMPTY_BRACKETS.sub("", text)
    lines = _SPACES.sub(" ", text).split("\n")
    return _LINES.sub("\n\n", "\n".join(line.rstrip() for line in lines)).strip()


def pack_hidden(names: list[str]) -> str:
    """Return namespace names as `read_wikitext` takes them under ``hidden``."""
    return json.dumps(sorted({_fold(name) for name in names}), ensure_ascii=False)


@lru_cache(maxsize=16)
def _load_hidden(packed: str) -> frozenset[str]:
    return _CANONICAL | frozenset(json.loads(packed) if packed else ())


@lru_cache(maxsize=16)
def _load_shown(language: str) -> Mapping[str, tuple[str, ...]]:
    own = load_language(language).get("wikitext", {}).get("shown", {}) if language else {}
    return {**_SHOWN, **{_fold(name): tuple(map(str, wanted)) for name, wanted in own.items()}}


def _fold(name: str) -> str:
    return name.replace("_", " ").strip().casefold()


def _read_heading(found: re.Match[str]) -> str:
    return "\n" + found.group().strip("= \t") + "\n"


def _escape(found: re.Match[str]) -> str:
    return f"&#{ord(found.group())};"


def _keep_break(found: re.Match[str]) -> str:
    return "\n" if found.group()[1:3].lower() in ("br", "hr") else ""


def _resolve_elements(text: str) -> str:
    """Remove elements with all that is in them, and make what is in ``nowiki`` plain text; an element that is never
    closed loses its tag only."""
    pieces: list[str] = []
    position = 0
    never: set[str] = set()
    while found := _ELEMENT.search(text, position):
        pieces.append(text[position : found.start()])
        position = found.end()
        name = found.group(1).lower()
        if found.group().endswith("/>") or name in never:
            continue
        closing = _closing(name).search(text, position)
        if closing is None:
            never.add(name)
            continue
        if name in _LITERAL:
            pieces.append(_MARKUP.sub(_escape, text[position : closing.start()]))
        position = closing.end()
    pieces.append(text[position:])
    return "".join(pieces)


@cache
def _closing(name: str) -> re.Pattern[str]:
    return re.compile(f"</{name}[^>]*>?", re.I)


def _reduce(text: str, hidden: frozenset[str], shown: Mapping[str, tuple[str, ...]]) -> str:
    """Resolve templates, links and tables from the inside out, in one pass over the brackets."""
    frames: list[_Frame] = [("", [])]
    position = 0
    for found in _TOKEN.finditer(text):
        token = found.group()
        frames[-1][1].append(text[position : found.start()])
        position = found.end()
        if token[0] == "}":
            _close_braces(frames, len(token), shown)
        elif token == "]]":
            _close(frames, "[[", hidden)
        elif token in ("{|", "|}") and not _begins_line(text, found.start()):
            frames[-1][1].append(token)  # not at the beginning of a line: text
        elif token == "|}":
            _close(frames, "{|", hidden)
        elif token.startswith("{{"):
            _open_braces(frames, len(token))
        elif len(frames) < _MAX_DEPTH:
            frames.append((token, []))
    frames[-1][1].append(text[position:])
    while len(frames) > 1:  # left open: the brackets go, the text stays
        _, pieces = frames.pop()
        frames[-1][1].extend(pieces)
    return "".join(frames[0][1])


def _begins_line(text: str, position: int) -> bool:
    """Tell whether only indentation stands before a place in its line; more than 32 characters of it are text."""
    before = text[max(0, position - 32) : position]
    return not before.rpartition("\n")[2].strip(" \t:") and (position <= 32 or "\n" in before)


def _open_braces(frames: list[_Frame], number: int) -> None:
    """Open templates (two braces) and, last and only for an odd number, a parameter (three)."""
    while number >= 2 and len(frames) < _MAX_DEPTH:
        width = 3 if number == 3 else 2
        frames.append(("{" * width, []))
        number -= width


def _close_braces(frames: list[_Frame], number: int, shown: Mapping[str, tuple[str, ...]]) -> None:
    """Close as many templates and parameters as there are braces; all that is in them goes, but for an argument that is shown."""
    while number >= 2:
        at = next((at for at in range(len(frames) - 1, 0, -1) if frames[at][0].startswith("{{")), 0)
        if at == 0:
            return
        number -= min(number, len(frames[at][0]))
        pieces = frames[at][1]
        del frames[at:]
        if pieces and (value := _read_template(pieces, shown)):
            frames[-1][1].append(value)


def _read_template(pieces: list[str], shown: Mapping[str, tuple[str, ...]]) -> str:
    """Return what a template shows of its arguments; what is in them is resolved by now, so a bar can only part them."""
    head = next((piece for piece in pieces if piece), "")
    name = _fold(head.partition("|")[0])
    wanted = shown.get(name) or (("1",) if name.startswith("lang-") else None)
    if wanted is None:
        return ""
    values: dict[str, str] = {}
    number = 0
    for argument in "".join(pieces).split("|")[1:]:
        key, sign, value = argument.partition("=")
        if sign and key.strip().isalnum():
            values[key.strip()] = value
        else:
            number += 1
            values[str(number)] = argument
    return next((found for key in wanted if (found := values.get(key, "").strip())), "")


def _close(frames: list[_Frame], kind: str, hidden: frozenset[str]) -> None:
    """Close the innermost frame of a kind; nothing inside a template closes what is outside of it."""
    at = len(frames) - 1
    while at > 0 and frames[at][0] != kind:
        if frames[at][0].startswith("{{"):
            return
        at -= 1
    if at == 0:
        return
    while len(frames) - 1 > at:
        _, pieces = frames.pop()
        frames[-1][1].extend(pieces)
    _, pieces = frames.pop()
    content = "".join(pieces)
    frames[-1][1].append(_read_link(content, hidden) if kind == "[[" else f"\n{_read_table(content)}\n")


def _read_link(content: str, hidden: frozenset[str]) -> str:
    target, sign, label = content.partition("|")
    prefix, colon, rest = target.partition(":")
    if colon and prefix.strip():
        name = _fold(prefix)
        if name in hidden or (_MEDIA_NAME.search(rest) and not rest.startswith(" ")):
            return ""
        if not sign and _INTERWIKI.match(prefix.strip()):
            return ""
    if sign:
        return label or target.lstrip(":")
    return target.lstrip(":")


def _read_table(content: str) -> str:
    """Return a line for every row, cells parted by tabs; the first line holds attributes."""
    rows: list[list[str]] = [[]]
    for line in content.split("\n")[1:]:
        stripped = line.strip()
        if stripped.startswith("|-"):
            rows.append([])
        elif stripped.startswith("|+"):
            rows += [[_read_cell(stripped[2:])], []]
        elif stripped.startswith("!"):
            rows[-1] += [_read_cell(cell) for cell in stripped[1:].replace("!!", "||").split("||")]
        elif stripped.startswith("|"):
            rows[-1] += [_read_cell(cell) for cell in stripped[1:].split("||")]
        elif stripped and rows[-1]:
            rows[-1][-1] = f"{rows[-1][-1]} {_ITEM.sub('', stripped)}".strip()
        elif stripped:
            rows[-1].append(stripped)
    lines = ("\t".join(cell for cell in row if cell) for row in rows)
    return "\n".join(line for line in lines if line)


def _read_cell(cell: str) -> str:
    """Return a cell without its attributes: links are resolved by now, so a bar can only part them from the text."""
    before, sign, text = cell.partition("|")
    return (text if sign else before).strip()

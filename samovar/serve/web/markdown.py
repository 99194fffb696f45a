"""Safe HTML from what a model or a person wrote: Markdown → an allow-list → citations as buttons, unsupported sentences marked.

Nothing remote is ever loaded (no images, no styles), raw HTML in the text is shown as text, links go only to http(s) addresses or to our own
pages. Knows nothing about NiceGUI. Sources: CommonMark by markdown-it-py; the allow-list is enforced by nh3 (ammonia).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from html import escape, unescape
from typing import TYPE_CHECKING, Any

from samovar.assistant.answer import CheckedSentence

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

TAGS = frozenset(
    [
        "p",
        "br",
        "hr",
        "strong",
        "em",
        "del",
        "s",
        "code",
        "pre",
        "ul",
        "ol",
        "li",
        "blockquote",
        "h3",
        "h4",
        "h5",
        "h6",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "a",
        "sup",
        "sub",
    ]
)
ATTRIBUTES: Mapping[str, set[str]] = {"a": {"href"}, "ol": {"start"}}
LINK = re.compile(r"(?:https?://[^\s]+|/(?![/\\])[^\s\\]*)\Z", re.IGNORECASE)
LONGEST = 200_000  # characters rendered as Markdown; a longer text is shown as it is

# Private-use characters carry our marks through the Markdown parser; any in the text itself are taken out first.
_OPEN, _CLOSE, _CITE, _END = "\ue000", "\ue001", "\ue002", "\ue003"
_MARKS = re.compile("[\ue000-\ue003]")
_NUMBER = re.compile(r"https?://\S+|\[(\d{1,3})\]")
_CARRIED = re.compile(f"{_CITE}(\\d+){_END}")
_BEFORE_CITE = re.compile(f"(?<=\\S) ?{_CITE}")
_TAG = re.compile(r"(<[^>]*>)")
_BLOCK_START = re.compile(r"[ \t]*(?:(?:[-*+]|\d{1,9}[.)]|#{1,6}|>)[ \t]+)*")
_HEADINGS = {"h1": "h3", "h2": "h4", "h3": "h5", "h4": "h6", "h5": "h6", "h6": "h6"}


def render(
    text: str,
    *,
    citations: Mapping[int, str] = {},
    sentences: Sequence[CheckedSentence] = (),
    labels: Mapping[str, str] = {},
) -> str:
    """Return a message as safe HTML.

    `citations` maps the numbers that may stand in brackets to the titles of their sources; each becomes ``<button class="cite">``. Stretches of
    `sentences` that are not supported become ``<span class="unsupported">``. `labels`: ``cite`` (with {number} and {title}) and
    ``unsupported``, for people who cannot see marks.
    """  # fmt: skip
    marked = _carry(text, citations, sentences)
    rough = f"<p>{escape(marked)}</p>" if len(marked) > LONGEST else clean(_parser().render(marked))
    return _place(rough, citations, labels)


def clean(html: str) -> str:
    """Return HTML with everything taken out that is not on the allow-list."""
    import nh3

    return nh3.clean(
        html,
        tags=set(TAGS),
        attributes={"*": set(), **{tag: set(names) for tag, names in ATTRIBUTES.items()}},
        attribute_filter=_filter_attribute,
        url_schemes={"http", "https"},
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
        set_tag_attribute_values={"a": {"target": "_blank"}, "pre": {"tabindex": "0"}},
    )


def _filter_attribute(tag: str, name: str, value: str) -> str | None:
    if name == "href":
        return value if LINK.match(value) and not _MARKS.search(value) else None
    return value if name != "start" or value.isdigit() else None


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = (
        MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"]).disable("image")
    )
    parser.add_render_rule("heading_open", _heading)
    parser.add_render_rule("heading_close", _heading)
    return parser


def _heading(renderer: Any, tokens: Any, index: int, options: Any, env: Any) -> str:
    token = tokens[index]
    token.tag = _HEADINGS.get(token.tag, token.tag)
    return str(renderer.renderToken(tokens, index, options, env))


def _carry(text: str, citations: Mapping[int, str], sentences: Sequence[CheckedSentence]) -> str:
    """Put our marks into the text: they pass through Markdown as letters do."""
    text = _MARKS.sub("\ufffd", text)  # the same length, so offsets stay true
    pieces: list[str] = []
    last = 0
    for sentence in sorted((s for s in sentences if not s.supported), key=lambda s: s.start):
        start, end = max(sentence.start, last), min(sentence.end, len(text))
        if start >= end:
            continue
        begun = start == 0 or text[start - 1] == "\n"
        inner = _BLOCK_START.match(text, start, end) if begun else None
        start = inner.end() if inner else start
        pieces += [text[last:start], _OPEN, text[start:end].rstrip(), _CLOSE, _tail(text[start:end])]
        last = end
    joined = "".join([*pieces, text[last:]])

    def cite(match: re.Match[str]) -> str:
        number = match[1]  # None: an address, in which brackets are no citations
        return f"{_CITE}{number}{_END}" if number and int(number) in citations else match[0]

    return _BEFORE_CITE.sub(_glue, _NUMBER.sub(cite, joined))


def _glue(match: re.Match[str]) -> str:
    return ("\u00a0" if match[0] != _CITE else "\u2060") + _CITE  # a number is never alone at the beginning of a line


def _tail(text: str) -> str:
    return text[len(text.rstrip()) :]


def _place(html: str, citations: Mapping[int, str], labels: Mapping[str, str]) -> str:
    """Turn carried marks into elements. Only text between tags is touched, and each stretch is closed before the next tag."""
    out: list[str] = []
    doubtful = False
    hint = escape(labels.get("unsupported", ""))
    for part in _TAG.split(html):
        if part.startswith("<"):
            out.append(_MARKS.sub("", part))
            continue
        for piece in re.split(f"([{_OPEN}{_CLOSE}])", part):
            if piece in (_OPEN, _CLOSE):
                doubtful = piece == _OPEN
            elif piece:
                shown = _MARKS.sub("", _CARRIED.sub(lambda m: _button(int(m[1]), citations, labels), piece))
                out.append(
                    f'<span class="unsupported" title="{hint}">{shown}</span>' if doubtful and piece.strip() else shown
                )
    return "".join(out)


def _button(number: int, citations: Mapping[int, str], labels: Mapping[str, str]) -> str:
    label = labels.get("cite", "{number}: {title}").format(number=number, title=citations.get(number, ""))
    return f'<button type="button" class="cite" data-cite="{number}" aria-label="{escape(label)}">{number}</button>'


def to_text(html: str) -> str:
    """Return the words of rendered HTML (for tests and for copying)."""
    return unescape(_TAG.sub("", html))

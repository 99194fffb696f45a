"""HTML: the text without navigation, and what the page says about itself.

Curated pages (folders, EPUB, ZIM) keep everything but navigation, headers, footers, asides and forms (F1 .971 on
3,634 real pages); pages from the open web go through main-content extraction and fall back to that where it loses
prose: what counts is long lines, since menus, however long, are no loss (F1 .950 on real pages, .957 in the templates of
made-up sites). Tags nested deeper than any honest page's are taken out first (`samovar.corpus.readers.nesting`). Source: resiliparse 2.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from html import unescape
from typing import Any

from samovar.corpus.blob import Blob
from samovar.corpus.document import LedgerRow
from samovar.corpus.draft import Draft, settle
from samovar.corpus.encoding import decode_bytes
from samovar.corpus.extracted import Extracted
from samovar.corpus.job import Job
from samovar.corpus.licences import clean_licence
from samovar.corpus.readers.nesting import flatten
from samovar.corpus.readers.text import note_encoding

BOILERPLATE = [
    "nav",
    "header",
    "footer",
    "aside",
    "form",
    "button",
    "template",
    ".mw-editsection",
    ".navbox",
    ".noprint",
]
_PROSE = 40  # characters that make a line prose: menus and captions are shorter
_MAY_BE_LITTLE = (
    0.75  # of the prose between the tags of the page; less main content than that is compared with the whole text
)
_MIN_KEPT = 0.7  # of the prose of the whole text
_MIN_KEPT_SHORT = 0.6  # of all of it, where the whole text has no prose
_RUN = re.compile(rf">[^<]{{{_PROSE},}}")
_BOMS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]{2,40})""", re.I)
_XML_ENCODING = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9_:.-]{2,40})""", re.I)
_META = re.compile(r"""<[mM][eE][tT][aA]\s((?:[^<>"']++|"[^"<]{0,2000}+"|'[^'<]{0,2000}+')*+)>""")
_ATTRIBUTE = re.compile(r"""([a-z:_-]{1,40})\s{0,9}=\s{0,9}(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.I)
_HEAD_END = re.compile(r"</head|<body", re.I)
_MAX_HEAD = 50_000  # characters
_JSON_DATE = re.compile(r'"datePublished"\s*:\s*"([^"]{4,40})"')
_CELLS = re.compile(r"(?<! )[ ]*\t[\t ]*")
_MANY_SPACES = " " * 9
_PLAIN_START = re.compile(
    r"""\s*(?:<\?xml[^<>]*>\s*)?(?:<!doctype[^<>]*>\s*)?<html((?:\s+[a-z:_-]+\s*=\s*(?:"[^"<>&]*"|'[^'<>&]*'))*)\s*>""",
    re.I,
)
_PAIR = re.compile(r"""([a-z:_-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.I)
_RELATION = re.compile(r"""rel\s*=\s*["']?.\Z""", re.I | re.S)
_RELATION_CHARS = 30  # characters before the word; more spaces around the sign than that have no page

_DATE_NAMES = (
    "article:published_time",
    "datepublished",
    "citation_publication_date",
    "citation_date",
    "dcterms.issued",
    "dcterms.date",
    "dc.date",
    "dc.date.issued",
    "pubdate",
    "publishdate",
    "date",
)
_PUBLISHER_NAMES = ("og:site_name", "dc.publisher", "dcterms.publisher", "citation_publisher", "application-name")


def decode_html(data: bytes, declared: str = "") -> tuple[str, str]:
    """Decode a page: valid UTF-8 first, then the charset it declares if that decodes without loss, then by its
    letters. `declared` is what the server said: it counts where the page says nothing."""
    if not data.startswith(_BOMS) and b"\0" not in data:
        try:
            return data.decode("utf-8"), "utf-8"
        except UnicodeDecodeError:
            pass
    text, name = decode_bytes(data)
    if name == "utf-8" or name.startswith("utf-16"):
        return text, name
    if found := _XML_ENCODING.search(data[:1024]) or _CHARSET.search(data[:4096]):
        declared = found.group(1).decode("ascii")
    elif not declared or declared.lower() in ("iso-8859-1", "latin-1", "latin1", "us-ascii"):
        return text, name  # what servers say by default proves nothing
    try:
        return data.decode(declared), declared.lower()
    except (LookupError, UnicodeError, ValueError):
        return text, name


def read_html(blob: Blob, job: Job) -> Iterator[Extracted | LedgerRow]:
    """Yield the one text of a page. An address as `uri` means the open web, anything else a curated page."""
    html, encoding = decode_html(blob.read(job.limits.max_file_bytes))
    open_web = blob.uri.startswith(("http://", "https://"))
    draft = draft_page(html, blob.uri, open_web=open_web, fallback_title=blob.stem, changed=note_encoding(encoding))
    yield settle(draft, job.limits)


def draft_page(
    html: str,
    uri: str,
    *,
    open_web: bool = False,
    fallback_title: str = "",
    changed: tuple[tuple[str, str], ...] = (),
    raw: bytes = b"",
) -> Draft:
    """Take text and metadata out of one page; `raw` is the page in UTF-8, where that is at hand."""
    from resiliparse.parse.html import HTMLTree

    html, depth = flatten(html, raw)
    if depth:
        changed = (*changed, ("deep_nesting", str(depth)))
    tree: Any = HTMLTree.parse(html)
    dated = "datePublished" in html
    metas = _read_metas(tree, html, dated)
    author = _first(metas, ("author", "article:author", "dc.creator", "citation_author"))
    return Draft(
        uri,
        extract_main_text(tree, html) if open_web else extract_text(tree),
        title=metas.get("og:title") or tree.title or _find_heading(tree),
        fallback_title=fallback_title,
        language=_find_language(tree, html),
        published=_first(metas, _DATE_NAMES) or _find_date(tree, html, dated),
        publisher=_first(metas, _PUBLISHER_NAMES),
        licence=_find_licence(tree, html, metas),
        metadata={"author": author} if author else {},
        changed=changed,
    )


def extract_text(tree: Any) -> str:
    """Return the readable text of a parsed page; list items and table rows on lines of their own, cells parted by
    tabs."""
    return "\n".join(_extract_lines(tree, skip_elements=BOILERPLATE))


def extract_main_text(tree: Any, html: str) -> str:
    """Return the main content of a page of the open web; all its readable text where that loses too much of the prose."""
    main = _extract_lines(tree, main_content=True)
    told = _count_prose(main)
    if not told or _may_lose_prose(html, told):
        whole = _extract_lines(tree, skip_elements=BOILERPLATE)
        prose = _count_prose(whole)
        little = told < _MIN_KEPT * prose if prose else _count_all(main) < _MIN_KEPT_SHORT * _count_all(whole)
        main = whole if little else main
    return "\n".join(main)


def _extract_lines(tree: Any, **options: Any) -> list[str]:
    from resiliparse.extract.html2text import extract_plain_text

    text = str(extract_plain_text(tree, preserve_formatting=True, list_bullets=False, alt_texts=False, **options))
    if "\t" in text:
        text = _join_cells(text)
    lines = text.split("\n")
    return [line.lstrip(" ") for line in lines] if "\n " in text or text.startswith(" ") else lines


def _count_prose(lines: list[str]) -> int:
    return sum([len(line) for line in lines if len(line) >= _PROSE])


def _count_all(lines: list[str]) -> int:
    return sum(map(len, lines))


def _may_lose_prose(html: str, told: int) -> bool:
    """Tell whether the body has much more than `told` characters in long runs between two tags, scripts left out: about what its whole text has
    in long lines, for half the price of reading all text nodes, a fifth of that of extracting again. Runs of spaces are no prose, but are looked
    for only where it matters."""
    runs: list[str] = []
    at = max(0, html.find("<body"))
    while at >= 0:
        end = html.find("<script", at)
        runs += _RUN.findall(html, at, end if end >= 0 else len(html))
        at = html.find("</script", end) if end >= 0 else -1
    if told >= _MAY_BE_LITTLE * (sum(map(len, runs)) - len(runs)):
        return False
    return told < _MAY_BE_LITTLE * sum([len(run) - 1 for run in runs if not run[1:].isspace()])


def _join_cells(text: str) -> str:
    """Bring every run of spaces and tabs that has a tab to one tab: by replacing, a third of the time that the pattern takes."""
    if _MANY_SPACES in text and (f"{_MANY_SPACES}\t" in text or f"\t{_MANY_SPACES}" in text):
        return _CELLS.sub("\t", text)
    for pair in (
        " \t",
        "\t\t",
        "\t ",
    ):  # in this order: behind the first no space is before a tab, behind the others none after one
        while pair in text:
            text = text.replace(pair, "\t")
    return text


def _read_metas(tree: Any, html: str, dated: bool) -> dict[str, str]:
    """Read the ``<meta>`` of the head that are asked for by pattern, which is six times as fast as asking the tree, and marked-up ones of the body."""
    metas: dict[str, str] = {}
    for found in _META.finditer(html, 0, _find_head_end(html)):
        told = found.group(1)
        if _is_asked_for(told.lower()):
            values = {name.lower(): one or two or three for name, one, two, three in _ATTRIBUTE.findall(told)}
            _add_meta(
                metas, values.get("property") or values.get("name") or values.get("itemprop"), values.get("content")
            )
    if dated and ('itemprop="datePublished"' in html or "itemprop='datePublished'" in html):
        for element in tree.document.query_selector_all("meta[itemprop='datePublished']"):
            _add_meta(metas, element.getattr("itemprop"), element.getattr("content"))
    return metas


def _find_head_end(html: str) -> int:
    """Return where the head ends; a plain search, where it finds something, takes a tenth of the pattern's time."""
    end = html.find("</head")
    if end >= 0:
        return end
    found = _HEAD_END.search(html)
    return found.start() if found else _MAX_HEAD


def _is_asked_for(told: str) -> bool:
    """Tell whether the attributes of a ``<meta>``, in small letters, can have one of the names that are asked for: a tenth of the price of
    taking them apart."""
    return (
        "title" in told or "author" in told or "date" in told or "publi" in told or "rights" in told or "licen" in told
        or "site_name" in told or "creator" in told or "issued" in told or "application-name" in told
    )  # fmt: skip


def _add_meta(metas: dict[str, str], name: str | None, content: str | None) -> None:
    if name and content and content.strip():
        content = unescape(content) if "&" in content else content
        metas.setdefault(name.strip().lower(), content.strip())


def _find_heading(tree: Any) -> str:
    heading = tree.document.query_selector("h1")
    return (heading.text if heading else "") or ""


def _find_language(tree: Any, html: str) -> str:
    """Return what the page says its language is; from the text where that is beyond doubt, else from the tree."""
    if start := _PLAIN_START.match(html):
        for name, one, two in _PAIR.findall(start.group(1)):
            if (one or two) and name.lower() == "lang":
                return str(one or two)
    root = tree.document.document_element
    return (root.getattr("lang") or root.getattr("xml:lang") or "") if root else ""


def _first(metas: dict[str, str], names: tuple[str, ...]) -> str:
    return next((metas[name] for name in names if name in metas), "")


def _find_date(tree: Any, html: str, dated: bool) -> str:
    if dated and '"datePublished"' in html and (found := _JSON_DATE.search(html)):
        return found.group(1)
    if "datetime" not in html or "<time" not in html:  # the longer word is found in half the time
        return ""
    element = tree.document.query_selector("time[pubdate], time[itemprop='datePublished'], article time[datetime]")
    return (element.getattr("datetime") or "") if element else ""


def _find_licence(tree: Any, html: str, metas: dict[str, str]) -> str:
    element = None
    if _relates(html, "icense") or _relates(html, "opyright"):
        element = tree.document.query_selector("link[rel='license'], a[rel='license'], link[rel='copyright']")
    href = element.getattr("href") if element else ""
    told = href or _first(metas, ("dc.rights", "dcterms.rights", "license"))
    return clean_licence(told) if told else ""


def _relates(html: str, word: str) -> bool:
    """Tell whether a word, but for its first letter, is the value of a ``rel`` somewhere."""
    at = html.find(word)
    while at >= 0:
        if _RELATION.search(html, max(0, at - _RELATION_CHARS), at):
            return True
        at = html.find(word, at + 1)
    return False

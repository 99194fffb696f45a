"""The inputs of the corpus benchmarks, made by script: real Russian pages of Debian packages as WARC, pages around known text, large mixed sets.

Nothing here is committed; packages are fetched as `haystack.py` does, into the same cache folder. All choices are seeded.
"""

from __future__ import annotations

import gzip
import html
import io
import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import haystack

PAGE_PACKAGES = (
    "aptitude-doc-ru", "debian-faq-ru", "debian-handbook", "developers-reference-ru", "doublecmd-help-ru", "gimp-help-ru",
    "installation-guide-amd64", "kicad-doc-ru", "libreoffice-help-ru", "maint-guide-ru", "mplayer-doc", "ubuntu-packaging-guide-html-ru",
)  # fmt: skip
GOLD = {
    "aptitude-doc-ru": "docbook", "debian-handbook": "docbook", "gimp-help-ru": "docbook", "installation-guide-amd64": "docbook",
    "mplayer-doc": "docbook", "libreoffice-help-ru": "libreoffice", "developers-reference-ru": "sphinx",
}  # fmt: skip
"""Packages whose pages mark their main text, and how."""
SELECTORS = {
    "docbook": "//body/*[not(contains(@class,'navheader') or contains(@class,'navfooter') or @id='banner' or self::script or self::p)]",
    "libreoffice": "//div[@id='DisplayArea']",
    "sphinx": "//div[@role='main']",
}
NOT_TEXT = ".//script | .//style | .//noscript | .//ul[@class='docnav'] | .//*[@class='toc' or @class='list-of-figures' or @class='list-of-tables']"
SEED = 20261123


@dataclass(frozen=True, slots=True)
class Page:
    """One page: where it stands, its bytes, and the main text where it is known."""

    url: str
    data: bytes
    gold: str = ""


def real_pages(cache: Path) -> list[Page]:
    """Return all Russian HTML pages of the packages, sorted."""
    pages = []
    for package in PAGE_PACKAGES:
        tree = haystack.fetch_package(package, cache)
        for path in haystack.files_of(tree, package, "ru") if tree else ():
            if path.suffix in (".html", ".htm", ".xhtml"):
                name = path.relative_to(tree or path).as_posix()
                pages.append(Page(f"http://{package}.debian.example/{name}", path.read_bytes()))
    return pages


def sample_pages(pages: list[Page], count: int) -> list[Page]:
    """Return a seeded choice, in order."""
    if count >= len(pages):
        return pages
    chosen = sorted(random.Random(SEED).sample(range(len(pages)), count))
    return [pages[i] for i in chosen]


def write_warc(path: Path, pages: Iterable[Page], level: int = 6) -> int:
    """Write pages as response records, each a gzip member of its own (Common Crawl's way); return the bytes of the pages."""
    total = 0
    with path.open("wb") as file:
        for number, page in enumerate(pages):
            body = (
                b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(page.data) + page.data
            )
            head = (
                f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-{number:012d}>\r\n"
                f"WARC-Target-URI: {page.url}\r\nWARC-Date: 2026-11-23T00:00:00Z\r\n"
                f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            record = head.encode() + body + b"\r\n\r\n"
            buffer = io.BytesIO()
            with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=level, mtime=0) as member:
                member.write(record)
            file.write(buffer.getvalue())
            total += len(page.data)
    return total


# -- pages whose main text is known -----------------------------------------------------------------------------------
def gold_pages(pages: list[Page]) -> list[Page]:
    """Return the real pages that mark their main text, with it: chosen by a selector of their generator, read with lxml."""
    found = []
    for page in pages:
        kind = GOLD.get(page.url.split("/")[2].removesuffix(".debian.example"), "")
        gold = select_text(page.data, SELECTORS[kind]) if kind else ""
        if len(gold.split()) >= 30:
            found.append(Page(page.url, page.data, gold))
    return found


def select_text(data: bytes, selector: str) -> str:
    """Return the text of the elements a selector finds, without scripts and tables of contents."""
    from lxml import etree
    from lxml import html as reader

    try:
        tree = reader.document_fromstring(data, parser=reader.HTMLParser(encoding="utf-8"))
    except (etree.ParserError, ValueError):
        return ""
    chosen = tree.xpath(selector)
    for element in chosen:
        for gone in element.xpath(NOT_TEXT):
            gone.drop_tree()
    return "\n".join(" ".join(element.itertext()) for element in chosen)


_MENU = (
    "Главная", "О проекте", "Новости", "Статьи", "Форум", "Контакты", "Поиск", "Архив", "Войти", "Регистрация", "Карта сайта",
    "Помощь", "Магазин", "Доставка", "Вакансии", "Реклама",
)  # fmt: skip


def _menu(draw: random.Random, count: int) -> str:
    return "".join(f'<li><a href="/{n}.html">{draw.choice(_MENU)} {n}</a></li>' for n in range(count))


def _teasers(draw: random.Random, sentences: list[str]) -> str:
    return "".join(
        f'<div class="teaser"><a href="/{n}">{html.escape(draw.choice(sentences)[:60])}</a></div>' for n in range(8)
    )


def build_page(number: int, layout: int, title: str, paragraphs: list[str], sentences: list[str]) -> Page:
    """Put a text into one of five layouts with menus, teasers, a cookie notice and a footer. The gold is title and paragraphs."""
    draw = random.Random(SEED + number)
    body = "".join(f"<p>{html.escape(p)}</p>" for p in paragraphs)
    plain = "<br><br>".join(map(html.escape, paragraphs))
    menu, teasers, head = _menu(draw, draw.randint(10, 60)), _teasers(draw, sentences), html.escape(title)
    foot = f"<div class='footer'>© 2026 {draw.choice(_MENU)}. Все права защищены. <a href='/p'>Политика конфиденциальности</a></div>"
    layouts = (
        f"<header><nav><ul>{menu}</ul></nav></header><main><article><h1>{head}</h1>{body}</article></main><aside>{teasers}</aside><footer>{foot}</footer>",
        f"<div id='menu'><ul>{menu}</ul></div><div id='content'><h1>{head}</h1>{body}</div><div id='sidebar'>{teasers}</div>{foot}",
        f"<table><tr><td width='180'><ul>{menu}</ul></td><td><h2>{head}</h2>{body}</td><td>{teasers}</td></tr></table>{foot}",
        f"<div class='top-nav'>{menu}</div><div class='post'><h1>{head}</h1><div class='entry'>{plain}</div></div><div class='related'>{teasers}</div>{foot}",
        f"<div class='cookie-banner'>Мы используем файлы cookie. <button>Принять</button></div><ul class='breadcrumb'>{menu}</ul>"
        f"<section class='article-body'><h1>{head}</h1>{body}</section><section class='comments'>{teasers}</section>{foot}",
    )
    page = f"<!doctype html><html lang='ru'><head><meta charset='utf-8'><title>{head}</title></head><body>{layouts[layout]}</body></html>"
    return Page(f"http://layout{layout}.example/{number}", page.encode(), "\n".join([title, *paragraphs]))


def built_pages(cache: Path, count: int) -> list[Page]:
    """Return pages around real passages, the five layouts in turn."""
    real = haystack.real_passages("ru", cache)
    draw = random.Random(SEED)
    sentences = [p.text.split(". ")[0] for p in real]
    pages = []
    for number in range(count):
        start = draw.randrange(len(real) - 12)
        texts = [p.text for p in real[start : start + draw.randint(3, 10)]]
        pages.append(build_page(number, number % 5, real[start].title or "Без названия", texts, sentences))
    return pages


# -- large sets ---------------------------------------------------------------------------------------------------------
def mixed_pages(cache: Path, num_bytes: int, part: int = 0) -> Iterator[Page]:
    """Yield pages of sentences drawn from real passages, until they have so many bytes: natural words, hardly a duplicate."""
    real = haystack.real_passages("ru", cache)
    sentences = [s for p in real for s in p.text.split(". ") if len(s) > 30]
    draw = random.Random(SEED + 1000 * part)
    done, number = 0, part * 10**7
    while done < num_bytes:
        paragraphs = [
            ". ".join(draw.choices(sentences, k=draw.randint(3, 8))) + "." for _ in range(draw.randint(4, 30))
        ]
        page = build_page(number, number % 5, draw.choice(sentences)[:70], paragraphs, sentences)
        page = Page(f"http://host{draw.randrange(500)}.example/{number}", page.data)
        yield page
        done += len(page.data)
        number += 1


def write_mixed(cache: Path, num_bytes: int, parts: int) -> tuple[Path, int]:
    """Write mixed pages as several WARC files, unless they are there; return their folder and the bytes of the pages."""
    folder = cache / "mixed" / f"{num_bytes}.{parts}"
    done = folder / "done.json"
    if not done.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        sizes = [
            write_warc(folder / f"{n:02d}.warc.gz", mixed_pages(cache, num_bytes // parts, n), 1) for n in range(parts)
        ]
        done.write_text(json.dumps({"bytes": sum(sizes)}))
    return folder, int(json.loads(done.read_text())["bytes"])


# -- planted duplicates -------------------------------------------------------------------------------------------------
def shingles(text: str, size: int = 5) -> frozenset[str]:
    """Return the runs of words of a text: what near duplicates have in common, counted exactly."""
    words = "".join(c if c.isalnum() else " " for c in text.casefold()).split()
    return frozenset(" ".join(words[i : i + size]) for i in range(max(1, len(words) - size + 1)))


def planted_pairs(cache: Path, count: int) -> Iterator[tuple[str, str, float]]:
    """Yield pairs of texts with their exact Jaccard similarity: a text of mixed sentences, and the same with words replaced."""
    real = haystack.real_passages("ru", cache)
    sentences = [s for p in real for s in p.text.split(". ") if len(s) > 30]
    words = [w for s in sentences[:20_000] for w in s.split()]
    draw = random.Random(SEED + 7)
    for _ in range(count):
        text = ". ".join(draw.choices(sentences, k=draw.randint(6, 30)))
        changed = text.split()
        for place in draw.sample(
            range(len(changed)), max(1, int(len(changed) * draw.choice((0.004, 0.01, 0.02, 0.04, 0.06, 0.1, 0.2))))
        ):
            changed[place] = draw.choice(words)
        other = " ".join(changed)
        one, two = shingles(text), shingles(other)
        yield text, other, len(one & two) / len(one | two)

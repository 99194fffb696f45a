"""Make a small real WARC and a small real ZIM out of Samovar's own starter library, to try `samovar corpus build` on without a network.

    python examples/corpus/make_inputs.py first
    samovar corpus build first/recipe.toml --output first/corpus

The pages have menus and footers around the text, some come twice, one has contact data in it, some are in English: there is something to do
for every stage. Needs nothing but Samovar and the standard library. File formats: WARC 1.0 (ISO 28500), ZIM 6 (openZIM).
"""

from __future__ import annotations

import gzip
import hashlib
import html
import io
import lzma
import shutil
import struct
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import samovar

LIBRARY = Path(samovar.__file__).parent / "packs" / "ru" / "library"
OFFLINE = ("geography", "nature", "peoples")  # these go into the ZIM, the rest into the WARC
MENU = "".join(
    f'<li><a href="/{name}">{name}</a></li>' for name in ("Главная", "Новости", "Архив", "Карта сайта", "Войти")
)
ENGLISH = (
    "This page is in English, so a recipe that keeps Russian drops it. It explains in a few plain sentences how the example works: "
    "pages are made from short articles, menus are put around them, and a few are written twice. Nothing on this page is worth keeping."
)


@dataclass(frozen=True, slots=True)
class Article:
    """One article of the starter library."""

    name: str
    domain: str
    title: str
    paragraphs: tuple[str, ...]


def read_articles() -> Iterator[Article]:
    """Yield the articles, sorted."""
    for path in sorted(LIBRARY.glob("*/*.md")):
        _, head, text = path.read_text("utf-8").split("+++\n", 2)
        yield Article(path.stem, path.parent.name, tomllib.loads(head)["title"], tuple(text.strip().split("\n\n")))


def make_page(title: str, paragraphs: Sequence[str], language: str = "ru") -> str:
    """Return a page with a menu before and a footer behind the text."""
    text = "".join(f"<p>{html.escape(p)}</p>" for p in paragraphs)
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{html.escape(title)}</title></head><body>'
        f"<nav><ul>{MENU}</ul></nav><main><h1>{html.escape(title)}</h1>{text}</main><footer><p>Все права защищены, 2026</p></footer></body></html>"
    )


def make_warc(pages: Sequence[tuple[str, str]]) -> bytes:
    """Return a WARC of (address, HTML): a request and a response each, every record a gzip member of its own."""
    out = io.BytesIO()
    for url, page in pages:
        data = page.encode()
        response = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n%s" % (
            len(data),
            data,
        )
        host = url.split("/")[2]
        request = f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        for kind, block in (("request", request), ("response", response)):
            number = hashlib.md5(f"{kind} {url}".encode(), usedforsecurity=False).hexdigest()
            head = (
                f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{number}>\r\nWARC-Target-URI: {url}\r\n"
                f"WARC-Date: 2026-11-23T00:00:00Z\r\nContent-Type: application/http; msgtype={kind}\r\nContent-Length: {len(block)}\r\n\r\n"
            )
            out.write(gzip.compress(head.encode() + block + b"\r\n\r\n", mtime=0))
    return out.getvalue()


def make_zim(pages: Sequence[tuple[str, str, str]], per_cluster: int = 20) -> bytes:
    """Return a ZIM of (path, title, HTML) in xz clusters, sorted by path as the format wants."""
    metadata = {"Language": "rus", "Title": "Samovar example", "Publisher": "Samovar", "Date": "2026-11-23"}
    content = [(b"C", path.encode(), title.encode(), 0, page.encode()) for path, title, page in pages]
    content += [(b"M", name.encode(), b"", 1, value.encode()) for name, value in metadata.items()]
    content.sort(key=lambda entry: entry[:2])
    mimes = b"text/html\0text/plain\0\0"
    groups = [content[i : i + per_cluster] for i in range(0, len(content), per_cluster)]
    clusters = [_cluster([entry[4] for entry in group]) for group in groups]
    entries = [
        struct.pack("<HBcIII", kind, 0, space, 0, n // per_cluster, n % per_cluster) + path + b"\0" + title + b"\0"
        for n, (space, path, title, kind, _) in enumerate(content)
    ]
    paths_at = 80 + len(mimes)
    clusters_at = paths_at + 8 * len(entries)
    places = [clusters_at + 8 * len(clusters)]
    for part in (*entries, *clusters):
        places.append(places[-1] + len(part))
    header = struct.pack(
        "<IHH16sIIQQQQIIQ", 0x044D495A, 6, 1, b"samovar example ", len(entries), len(clusters), paths_at, paths_at, clusters_at, 80, 0xFFFFFFFF,
        0xFFFFFFFF, places[-1],
    )  # fmt: skip
    body = header + mimes + struct.pack(f"<{len(places) - 1}Q", *places[:-1]) + b"".join((*entries, *clusters))
    return body + hashlib.md5(body, usedforsecurity=False).digest()


def _cluster(blobs: Sequence[bytes]) -> bytes:
    offsets = [4 * (len(blobs) + 1)]
    for blob in blobs:
        offsets.append(offsets[-1] + len(blob))
    return b"\x04" + lzma.compress(struct.pack(f"<{len(offsets)}I", *offsets) + b"".join(blobs))


def make_inputs(folder: Path) -> None:
    """Write ``pages.warc.gz``, ``offline.zim`` and ``recipe.toml`` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    articles = list(read_articles())
    web = [a for a in articles if a.domain not in OFFLINE]
    pages = [(f"https://{a.domain}.example/{a.name}", make_page(a.title, a.paragraphs)) for a in web]
    pages += [(f"https://mirror.example/{a.name}", make_page(a.title, a.paragraphs)) for a in web[:20]]
    pages += [
        (f"https://blog.example/{a.name}", make_page(a.title, (*a.paragraphs, "Перепечатано с разрешения.")))
        for a in web[20:30]
    ]
    contacts = (
        "Пишите на ivan.petrov@example.org или звоните: +7 (495) 123-45-67.",
        *web[0].paragraphs[::-1],
        *web[1].paragraphs,
    )
    pages += [("https://contacts.example/", make_page("Контакты", contacts))]
    pages += [
        (f"https://english.example/{n}", make_page(f"Page {n}", (f"Page {n}. {ENGLISH}",), "en")) for n in range(5)
    ]
    offline = [(a.name, a.title, make_page(a.title, a.paragraphs)) for a in articles if a.domain in OFFLINE]
    (folder / "pages.warc.gz").write_bytes(make_warc(pages))
    (folder / "offline.zim").write_bytes(make_zim(offline))
    shutil.copyfile(Path(__file__).with_name("first.toml"), folder / "recipe.toml")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python examples/corpus/make_inputs.py FOLDER")
    make_inputs(Path(sys.argv[1]))
    print(f"{sys.argv[1]}: pages.warc.gz, offline.zim, recipe.toml")

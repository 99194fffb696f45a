"""Real pages in the dress of the web: the same bodies inside made-up site templates, so that a page weighs what pages of a crawl weigh.

The pages of `corpus_inputs.real_pages` are manuals: 12.5 kB of HTML for 3,100 characters of text. A page of Common Crawl has about 60 kB for a
similar text; what it has more is not text but menus, class and data attributes, icons, inline scripts, styles and JSON. Here every page gets the
template of one of `NUM_SITES` made-up sites (the same frame for all its pages, as on a real site) and as much more script, style and lists of links
as bring it to its weight: log-normal around the asked mean, as weights of pages are. About half of what is added is script, style and JSON, the other
half tags and their attributes. All choices are seeded; the bodies are not changed. It says nothing about how well a main text is found.
"""

from __future__ import annotations

import html
import json
import random
import re
from collections.abc import Iterator

from corpus_inputs import SEED, Page

NUM_SITES = 40
SPREAD = 0.5  # of the logarithm of a page's weight
_BODY = re.compile(rb"<body\b[^>]*>(.*?)(?:</body\s*>|\Z)", re.I | re.S)
_TITLE = re.compile(rb"<title\b[^>]*>(.*?)</title", re.I | re.S)
_LABELS = (
    "Главная", "О компании", "Новости", "Статьи", "Блог", "Форум", "Контакты", "Каталог", "Доставка и оплата", "Вакансии", "Документация",
    "Вопросы и ответы", "Поддержка", "Партнёрам", "Акции", "Отзывы", "Карта сайта", "Личный кабинет", "Загрузки", "Архив", "Авторы", "Подписка",
)  # fmt: skip
_CLASS_WORDS = (
    "flex", "grid", "row", "col-md-6", "col-lg-4", "px-4", "py-2", "mt-3", "text-sm", "items-center", "container", "wrapper", "inner", "list", "item",
    "icon", "btn", "btn-primary", "is-active", "js-toggle", "lazy", "rounded", "shadow-lg", "hover:bg-gray-100", "u-clearfix", "block__title", "block__body",
)  # fmt: skip
_EVENTS = ("click", "view", "scroll", "submit", "impression", "hover")


class Site:
    """The frame of one made-up site, and the pieces that its pages are filled up with."""

    def __init__(self, number: int) -> None:
        self._draw = random.Random(SEED * 31 + number)
        self._prefix = "".join(self._draw.choices("abcdefghijklmnoprstuw", k=4))
        self.style = "".join(self._rule() for _ in range(self._draw.randint(20, 90)))
        self.head = "".join(self._link() for _ in range(self._draw.randint(6, 20)))
        self.top = (
            f'<header class="{self._classes()} site-header"><nav class="main-nav {self._classes()}"><ul class="menu">'
            f"{''.join(self.entry(self._draw) for _ in range(self._draw.randint(12, 40)))}</ul></nav></header>"
        )
        self.side = "".join(self._widget() for _ in range(self._draw.randint(2, 5)))
        self.bottom = (
            f'<footer class="site-footer {self._classes()}"><div class="{self._classes()}">'
            f"{''.join(self.entry(self._draw) for _ in range(self._draw.randint(10, 30)))}</div></footer>"
        )
        self.num_bytes = sum(len(part.encode()) for part in (self.style, self.head, self.top, self.side, self.bottom))

    def _classes(self) -> str:
        words = self._draw.choices(_CLASS_WORDS, k=self._draw.randint(1, 5))
        return " ".join([f"{self._prefix}-{self._draw.randrange(999)}", *words])

    def _rule(self) -> str:
        draw = self._draw
        return (
            f".{self._prefix}-{draw.randrange(999)} .{draw.choice(_CLASS_WORDS).replace(':', '-')}>a:hover{{color:#{draw.randrange(4096):03x};"
            f"margin:{draw.randrange(40)}px {draw.randrange(40)}px;transition:opacity .{draw.randrange(9)}s ease-in-out}}"
        )

    def _link(self) -> str:
        token = f"{self._draw.getrandbits(64):016x}"
        return (
            f'<link rel="preload" as="script" href="/assets/{self._prefix}/chunk.{token}.js" crossorigin="anonymous"/>'
        )

    def _widget(self) -> str:
        rows = "".join(self.entry(self._draw) for _ in range(self._draw.randint(5, 12)))
        return f'<section class="widget sidebar {self._classes()}"><h3 class="{self._classes()}">{self._draw.choice(_LABELS)}</h3><ul>{rows}</ul></section>'

    def entry(self, draw: random.Random) -> str:
        """Return one entry of a list of links, as site builders write them."""
        number = draw.randrange(10**6)
        words = " ".join(draw.choices(_CLASS_WORDS, k=draw.randint(1, 4)))
        return (
            f'<li class="{self._prefix}__item {words}" data-id="{number}" data-event="{draw.choice(_EVENTS)}"><a class="{self._prefix}__link {words}" '
            f'href="/{self._prefix}/{number}.html?utm_source=menu&amp;pos={draw.randrange(99)}" aria-label="{number}"><svg class="icon" width="16" height="16" '
            f'viewBox="0 0 24 24"><path d="M{draw.randrange(24)} {draw.randrange(24)}l{draw.random():.4f} {draw.random():.4f}z"/></svg>'
            f'<span class="{words}">{draw.choice(_LABELS)}</span></a></li>'
        )

    def script(self, draw: random.Random) -> str:
        """Return an inline script: a bit of code with a JSON object, as counters and state of frameworks are."""
        state = {
            "id": f"{draw.getrandbits(96):x}",
            "items": [
                {
                    "sku": draw.randrange(10**8),
                    "price": round(draw.random() * 9999, 2),
                    "tag": draw.choice(_CLASS_WORDS),
                }
                for _ in range(draw.randint(4, 16))
            ],
            "flags": {f"{draw.choice(_EVENTS)}_{n}": draw.random() < 0.5 for n in range(draw.randint(3, 9))},
        }
        return (
            f"<script>!function(w,d,n){{w[n]=w[n]||[];w[n].push({json.dumps(state)});for(var i=0;i<w[n].length&&i<{draw.randrange(99)};i++)"
            f'{{d.dispatchEvent(new CustomEvent("{self._prefix}:"+i))}}}}(window,document,"{self._prefix}{draw.randrange(999)}");</script>'
        )


def dress_page(page: Page, number: int, site: Site, weight: int) -> Page:
    """Return a page of about `weight` bytes, never less than its frame and body; its address is on the site's host."""
    draw = random.Random(SEED * 17 + number)
    body = _BODY.search(page.data)
    title = _TITLE.search(page.data)
    inner = (body.group(1) if body else page.data).decode("utf-8", "replace")
    name = html.unescape(title.group(1).decode("utf-8", "replace")).strip() if title else str(number)
    scripts: list[str] = []
    entries: list[str] = []
    left = weight - len(page.data) - site.num_bytes
    used = 0
    while left > 0:
        piece = site.script(draw) if used <= 0 else site.entry(draw)
        size = len(piece.encode())
        used += size if piece.startswith("<script") else -size
        (scripts if piece.startswith("<script") else entries).append(piece)
        left -= size
    half = len(scripts) // 2
    whole = (
        f'<!doctype html><html lang="ru" class="no-js"><head><meta charset="utf-8"><title>{html.escape(name)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><meta property="og:title" content="{html.escape(name)}">'
        f"{site.head}<style>{site.style}</style>{''.join(scripts[:half])}</head><body class='page-{number}'>{site.top}"
        f"<div class='layout'><main class='content'><article class='post'>{inner}</article></main><aside class='sidebar'>{site.side}</aside></div>"
        f"<div class='related'><ul class='menu'>{''.join(entries)}</ul></div>{site.bottom}{''.join(scripts[half:])}</body></html>"
    )
    return Page(page.url, whole.encode("utf-8", "replace"), page.gold)


def dress_pages(pages: list[Page], mean_bytes: int) -> Iterator[Page]:
    """Yield the pages in the templates of `NUM_SITES` sites, of `mean_bytes` on average; no page is cut, so it cannot be less than they and the
    frames have."""
    sites = [Site(number) for number in range(NUM_SITES)]
    draw = random.Random(SEED + 3)
    shares = [draw.lognormvariate(0, SPREAD) for _ in pages]
    least = [len(page.data) + sites[number % NUM_SITES].num_bytes for number, page in enumerate(pages)]
    low, high = 0.0, float(mean_bytes)
    while high - low > 1:  # what weight of a share of one gives the mean
        middle = (low + high) / 2
        heavy = sum(max(floor, middle * share) for floor, share in zip(least, shares, strict=True)) > mean_bytes * len(
            pages
        )
        low, high = (low, middle) if heavy else (middle, high)
    for number, page in enumerate(pages):
        yield dress_page(page, number, sites[number % NUM_SITES], round(low * shares[number]))

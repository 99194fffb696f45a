"""Wikitext to plain text against mwparserfromhell and wikitextparser: word F1, exact texts and speed. JSON Lines.

    pip install mwparserfromhell wikitextparser          # the peers, no dependencies of Samovar
    python benchmarks/corpus_wikitext.py                 # about two minutes

The pages are the starter library's articles, cut into sections, lists and tables, with markup put in at places drawn with a
seed: whatever a reader of the rendered page does not see as text (templates, references, files, categories, comments) is put
in, what he sees (labels of links, bold words, cells, headings) is marked up. So the plain text is known to the word. Captions
of files and contents of templates count as not seen, but for templates whose argument is the text itself (part ``shown``, which is
counted apart). Each peer is measured as its call stands (``bare``) and after the removals its users write around it (``recipe``:
files, categories, links to other languages, references).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

SEED = 20261123
LIBRARY = Path(__file__).parents[1] / "samovar" / "packs" / "ru" / "library"
HIDDEN = ("Файл", "Изображение", "Медиа", "Категория", "File", "Image", "Media", "Category")
_WORD = re.compile(r"\w+")

Reader = Callable[[str], str]


# -- pages ----------------------------------------------------------------------------------------------------------------
class Maker:
    """Puts markup around and between words; `plain` of everything it makes is the words it was given."""

    def __init__(self, draw: random.Random, words: list[str], features: frozenset[str]) -> None:
        self.draw = draw
        self.words = words
        self.features = features

    def some(self, count: int = 2) -> str:
        """Return words that nobody sees."""
        return " ".join(self.draw.choices(self.words, k=count))

    def template(self, depth: int = 0) -> str:
        """Return a call of a template that shows nothing of its own, nested up to three deep."""
        pieces = [self.some(1)]
        for number in range(self.draw.randint(0, 4)):
            value = self.draw.choice(
                (self.some(), f"[[{self.some()}|{self.some()}]]", "", "{{{1|}}}", "<br/>", "[http://a.example x]")
            )
            if depth < 3 and self.draw.random() < 0.3:
                value += self.template(depth + 1)
            pieces.append(f"{self.some(1)} = {value}" if number % 2 else value)
        return "{{" + self.draw.choice(("|", "\n| ", " | ")).join(pieces) + self.draw.choice(("}}", "\n}}"))

    def unseen(self, feature: str) -> str:
        """Return markup of a feature of which nothing is seen between two words."""
        draw, some = self.draw, self.some
        return {
            "template": lambda: self.template(),
            "parser": lambda: draw.choice(
                (
                    f"{{{{#if: {some()} | [[{some()}]] | {{{{{some(1)}}}}} }}}}",
                    f"{{{{#invoke:{some(1)}|{some(1)}}}}}",
                    "{{PAGENAME}}",
                    f"{{{{DEFAULTSORT:{some()}}}}}",
                )
            ),
            "ref": lambda: draw.choice(
                (
                    f"<ref>{some(5)}</ref>",
                    f'<ref name="{some(1)}">[http://a.example/?q=1&b=2 {some()}] {self.template()}</ref>',
                    f'<ref name="{some(1)}" />',
                    f"<ref group=a name='b, c'>{some()}</ref>",
                    f"<ref>{some()} <nowiki>}}}}</nowiki> {some()}</ref>",
                    f"<REF>{some()}\n\n{some()}</REF>",
                )
            ),
            "comment": lambda: f"<!-- {some()} {draw.choice(('[[', '{{', '', '-- >', '<ref>'))} -->",
            "file": lambda: draw.choice(
                (
                    f"[[Файл:{some(1)}.jpg|thumb|200px|{some(3)} [[{some()}|{some()}]] {self.template()}]]",
                    f"[[File:{some(1)}.svg|мини]]",
                    f"[[Изображение:{some()}.png|thumb|left|{some(4)} [http://a.example {some()}]]]",
                    f"[[file:{some(1)}.ogg]]",
                )
            ),
            "magic": lambda: draw.choice(("__NOTOC__", "__TOC__", "__БЕЗОГЛ__", "__NOEDITSECTION__", "__FORCETOC__")),
            "element": lambda: draw.choice(
                (
                    "<math>\\frac{{a}}{b} x < y</math>",
                    '<section begin="a" />',
                    f"<templatestyles src='{some(1)}/styles.css' />",
                    "<references />",
                    f"<references>\n<ref name=a>{some()}</ref>\n</references>",
                    f"<timeline>\n{some(4)}\n</timeline>",
                    f"<includeonly>{some()}</includeonly>",
                    f"<score>{some()}</score>",
                    "<languages />",
                )
            ),
        }[feature]()

    def shown(self, word: str) -> str:
        """Return a template whose argument is what is seen."""
        return self.draw.choice(
            (
                f"{{{{нет АИ|{word}|1|1|2020}}}}",
                f"{{{{нп5|{self.some()}|{word}|en|{self.some()}}}}}",
                f"{{{{lang-en|1={word}}}}}",
                f"{{{{nobr|{word}}}}}",
                f"{{{{lang|en|{word}}}}}",
                f"{{{{nowrap|{word}}}}}",
                f"{{{{s|{word}}}}}",
                f"{{{{small|{word}}}}}",
            )
        )

    def mark(self, words: list[str], feature: str) -> str:
        """Return words with markup of a feature around them."""
        draw, some, text = self.draw, self.some, " ".join(words)
        if feature == "shown":
            return self.shown(text)
        return {
            "bold": lambda: draw.choice((f"'''{text}'''", f"''{text}''", f"'''''{text}'''''", f"''[[{text}]]''", f"<b>{text}</b>")),
            "link": lambda: draw.choice(
                (f"[[{text}]]", f"[[{some()}|{text}]]", f"[[{some()}#{some(1)}|{text}]]", f"[[:en:{some()}|{text}]]", f"[[:Категория:{some(1)}|{text}]]", f"[[{some()}|''{text}'']]", f"[[{text[:-2] or text}]]{text[-2:] if text[:-2] else ''}",
                 f"[[{some()} ({some(1)})|{text}]]", f"[[w:{some()}|{text}]]")
            ),
            "external": lambda: draw.choice((f"[http://a.example/b_(c)?d=e&f=g {text}]", f"[https://a.example ''{text}'']", f"[//a.example/b {text}]")),
            "html": lambda: draw.choice(
                (f"<span style='color:red' title=\"a > b\">{text}</span>", f"<small>{text}</small>", f"<nowiki>{text}</nowiki>", f"<div class='a'>{text}</div>", f"<abbr title='x'>{text}</abbr>", f"<code>{text}</code>",
                 f"<u>{text}</u>", f"<s>{text}</s>", f"<big>{text}</big>", f"<syntaxhighlight lang='x'>{text}</syntaxhighlight>", f"<pre>{text}</pre>", f"<poem>{text}</poem>", f"<kbd>{text}</kbd>")
            ),
            "entity": lambda: draw.choice((text.replace(" ", "&nbsp;"), f"&laquo;{text}&raquo;", f"{text} &mdash;", f"&#171;{text}&#xBB;", f"{text}<br />")),
        }[feature]()  # fmt: skip

    def sentence(self, text: str) -> str:
        """Return a sentence with markup in it."""
        words, pieces, place = text.split(), [], 0
        around = [f for f in ("bold", "link", "external", "html", "entity", "shown") if f in self.features]
        between = [
            f for f in ("template", "parser", "ref", "comment", "file", "magic", "element") if f in self.features
        ]
        while place < len(words):
            if around and self.draw.random() < 0.12 and words[place].isalpha():
                count = self.draw.randint(1, 3)
                chosen = words[place : place + count]
                pieces.append(
                    self.mark(chosen, self.draw.choice(around))
                    if all(word.isalpha() for word in chosen)
                    else " ".join(chosen)
                )
                place += count
            else:
                pieces.append(words[place])
                place += 1
            if between and self.draw.random() < 0.06:
                pieces[-1] += self.draw.choice(("", " ")) + self.unseen(self.draw.choice(between))
        return " ".join(pieces)


def make_list(maker: Maker, items: list[str]) -> str:
    """Return a list of one of six forms."""
    sign = maker.draw.choice(("*", "#", ":", "*#", ";", "**"))
    return "\n".join(f"{sign}{maker.draw.choice(('', ' '))}{maker.sentence(item)}" for item in items)


def make_table(maker: Maker, rows: list[list[str]], inner: str = "") -> str:
    """Return a table with a head, attributes, cells on one line or on several."""
    draw = maker.draw
    lines = [draw.choice(("{|", '{| class="wikitable" style="a:b"', ":{| border=1"))]
    if draw.random() < 0.5:
        lines.append("|-")
    lines.append(
        "! " + " !! ".join(rows[0]) if draw.random() < 0.5 else "\n".join(f'! scope="col" | {cell}' for cell in rows[0])
    )
    for row in rows[1:]:
        lines.append(draw.choice(("|-", '|- style="x"', "|-----")))
        cells = [
            f'colspan="2" | {maker.sentence(cell)}' if draw.random() < 0.3 else maker.sentence(cell) for cell in row
        ]
        lines.append("| " + " || ".join(cells) if draw.random() < 0.5 else "\n".join(f"| {cell}" for cell in cells))
    if inner:
        lines += ["|-", "|", inner]
    return "\n".join([*lines, "|}"])


def make_page(text: str, title: str, features: frozenset[str], seed: int, vocabulary: list[str]) -> tuple[str, str]:
    """Return wikitext and the plain text that is seen."""
    draw = random.Random(seed)
    maker = Maker(draw, vocabulary, features)
    source: list[str] = []
    gold: list[str] = []
    if "template" in features:
        source.append(maker.template())
    for number, paragraph in enumerate(part for part in text.split("\n\n") if part.strip()):
        sentences = re.split(r"(?<=[.!?])\s+", " ".join(paragraph.split()))
        if "heading" in features and number:
            level = "=" * draw.randint(2, 5)
            heading = " ".join(draw.choices(vocabulary, k=2))
            source.append(
                f"{level}{draw.choice(('', ' '))}{heading}{draw.choice(('', ' '))}{level}{draw.choice(('', '  '))}"
            )
            gold.append(heading)
        if "list" in features and len(sentences) > 2 and draw.random() < 0.4:
            source.append(make_list(maker, sentences))
        elif "table" in features and len(sentences) > 2 and draw.random() < 0.4:
            head = draw.choices(vocabulary, k=2)
            rows = [head, *([s, *draw.choices(vocabulary, k=1)] for s in sentences)]
            inside = [draw.choices(vocabulary, k=2) for _ in range(2)] if draw.random() < 0.3 else []
            source.append(make_table(maker, rows, make_table(maker, inside) if inside else ""))
            gold += [" ".join(row) for row in (*rows, *inside)]
            continue
        else:
            source.append(" ".join(map(maker.sentence, sentences)))
        gold.append(" ".join(sentences))
    if "ref" in features:
        source.append("{{reflist}}")
    if "category" in features:
        source.append(f"[[Категория:{title}]]\n[[Category:{title}|*]]\n[[en:{title}]]\n[[be-tarask:{title}]]")
    return "\n\n".join(source), "\n".join(gold)


FEATURES = (
    "bold", "link", "external", "html", "entity", "template", "parser", "ref", "comment", "file", "magic", "element", "category", "heading", "list", "table",
)  # fmt: skip


def read_articles() -> list[tuple[str, str]]:
    """Return (title, text) of the starter library's articles."""
    found = []
    for path in sorted(LIBRARY.rglob("*.md")):
        _, mark, rest = path.read_text("utf-8").partition("+++\n")
        head, mark, text = rest.partition("+++\n")
        if mark and (title := re.search(r'^title = "([^"]+)"', head, re.M)):
            found.append((title.group(1), text.strip()))
    return found


def make_pages(features: frozenset[str], limit: int) -> list[tuple[str, str]]:
    """Return pages (wikitext, plain text) with some features."""
    articles = read_articles()
    vocabulary = sorted({word for _, text in articles[:60] for word in re.findall(r"[^\W\d_]{4,12}", text)})
    return [
        make_page(text, title, features, SEED + number, vocabulary)
        for number, (title, text) in enumerate(articles[:limit])
    ]


# -- readers --------------------------------------------------------------------------------------------------------------
def readers() -> dict[str, Reader]:
    """Return ours and those peers that are installed."""
    from samovar.corpus.inputs.wikitext import pack_hidden, read_wikitext

    about = {"hidden": pack_hidden(["Файл", "Изображение", "Медиа", "Категория"]), "language": "ru"}
    found: dict[str, Reader] = {"samovar": lambda source: read_wikitext(source, about)}
    try:
        import mwparserfromhell as mw
    except ImportError:
        pass
    else:
        found["mwparserfromhell"] = lambda source: mw.parse(source).strip_code(normalize=True, collapse=True)

        def recipe(source: str) -> str:
            code = mw.parse(source)
            for link in code.filter_wikilinks():
                if is_hidden(str(link.title)):
                    with suppress(ValueError):  # inside one that is gone
                        code.remove(link)
            return str(code.strip_code(normalize=True, collapse=True))

        found["mwparserfromhell.recipe"] = recipe
    try:
        import wikitextparser as wtp
    except ImportError:
        pass
    else:
        found["wikitextparser"] = lambda source: wtp.parse(source).plain_text()

        def clean(source: str) -> str:
            code = wtp.parse(source)
            for tag in code.get_tags("ref"):
                tag.string = ""
            for link in code.wikilinks:
                if link.string and is_hidden(link.title):
                    link.string = ""
            return str(code.plain_text())

        found["wikitextparser.recipe"] = clean
    return found


def is_hidden(title: str) -> bool:
    """Tell whether a link is to a file, a category or another language."""
    prefix, colon, _ = title.partition(":")
    return bool(colon) and (
        prefix.strip().capitalize() in HIDDEN or bool(re.fullmatch(r"[a-z]{2,3}(-[a-z]+)*", prefix))
    )


def score(found: str, gold: str) -> tuple[float, bool]:
    """Return F1 over words (each as often as it occurs), and whether the words are the same in order."""
    one, two = _WORD.findall(found), _WORD.findall(gold)
    common = (Counter(one) & Counter(two)).total()
    return 2 * common / max(1, len(one) + len(two)), one == two


def measure(name: str, read: Reader, pages: list[tuple[str, str]], part: str) -> None:
    """Print one line about the pages of a part."""
    scores = []
    begin = time.process_time()
    texts = [read(source) for source, _ in pages]
    seconds = time.process_time() - begin
    scores = [score(text, gold) for text, (_, gold) in zip(texts, pages, strict=True)]
    num_bytes = sum(len(source.encode()) for source, _ in pages)
    report(
        part,
        reader=name,
        pages=len(pages),
        f1=round(statistics.mean(value for value, _ in scores), 4),
        worst=round(min(value for value, _ in scores), 4),
        exact=round(statistics.mean(same for _, same in scores), 4),
        pages_per_second=round(len(pages) / seconds, 1),
        mb_per_second=round(num_bytes / seconds / 1e6, 2),
    )


def report(part: str, **figures: object) -> None:
    """Print one line."""
    print(
        json.dumps({"benchmark": "corpus.wikitext", "part": part, **figures, "load": round(os.getloadavg()[0], 2)}),
        flush=True,
    )


def main() -> None:
    """Measure all features together in rounds, then each alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=418)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alone", type=int, default=60, help="pages for each feature alone; 0: leave that out")
    parser.add_argument("--show", default="", help="print what differs on the first pages of a feature")
    given = parser.parse_args()
    found = readers()
    if given.show:
        return show(found["samovar"], given.show)
    pages = make_pages(frozenset(FEATURES), given.pages)
    for _ in range(given.rounds):
        for name, read in found.items():
            measure(name, read, pages, "all")
    for feature in (*FEATURES, "shown") if given.alone else ():
        pages = make_pages(frozenset((feature,)), given.alone)
        for name, read in found.items():
            measure(name, read, pages, feature)
    return None


def show(read: Reader, feature: str) -> None:
    """Print the words that are too many or too few, with the page."""
    import difflib

    features = frozenset(FEATURES) if feature == "all" else frozenset((feature,))
    for source, gold in make_pages(features, 100):
        one, two = _WORD.findall(read(source)), _WORD.findall(gold)
        if one != two:
            for kind, a, b, c, d in difflib.SequenceMatcher(None, one, two, autojunk=False).get_opcodes():
                if kind != "equal":
                    print(kind, one[max(0, a - 2) : b], two[max(0, c - 2) : d])


if __name__ == "__main__":
    main()

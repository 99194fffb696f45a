"""What starter articles say with a year, a number or a maker's name, read out as claims: life years, dates of things, authors, censuses.

Reads surface forms only: "Name Patronymic Surname (1799–1837)", "«Title» (1842)", "founded in 1703", "novel by Name Surname «Title»",
front matter. What is said in other ways is not seen, so silence is no proof of truth. Compares nothing: see `starter_contradictions`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from starter_articles import Pack, StarterArticle, matches_any, same_word, title_key, years_of

from samovar.language.token import Token

_BRACKETS = re.compile(r"\s\(([^()]*\d{3,4}[^()]*)\)")
_YEARS_ONLY = re.compile(r"\d{3,4}(–\d{3,4})?")
_TITLED = re.compile(r"«([^«»]{2,80})»")
_ROMAN = re.compile(r"[IVX]+")
_INITIAL = re.compile(r"(\w)\.")
_APPROXIMATE_YEARS = 10  # how far two statements of "about" may lie apart
_MIN_LIFE_YEARS = 12  # a shorter range after a name is no life (a reign, a period of building)
_NAME_CHARACTERS = 120
_LONG_NAME = 6  # letters of a one-word name that is looked for in prose
_SPAN_WORDS = 6  # between a title and the verb that dates it


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement: about whom or what, which attribute, the years or value, and where it stands.

    `low` and `high` bound the year (or the number); `value` is the maker's name where there is no year.
    """

    subject: str
    attribute: str
    low: float
    high: float
    value: str
    path: str
    quote: str


def read_claims(pack: Pack) -> list[Claim]:
    """Return all claims of all articles of a pack, in order."""
    claims: list[Claim] = []
    things = _index_things(pack)
    for article in pack.articles:
        claims += _front_matter(article)
        claims += _brackets(pack, article)
        claims += _verbs(pack, article)
        claims += _makers(pack, article)
        claims += _census(pack, article)
        claims += _mentions(pack, article, things)
        claims += _founded_places(pack, article)
    return claims


def is_person(article: StarterArticle) -> bool:
    """Whether an article is about one person whose life years are given (articles on two people give none)."""
    return article.matter.get("kind") == "person" and bool({"born", "died"} & set(article.section("dates")))


def _front_matter(article: StarterArticle) -> Iterator[Claim]:
    for key, value in article.section("dates").items():
        if span := years_of(value):
            yield Claim(article.title, key, *span, "", article.path, f'{key} = "{value}"')


def _brackets(pack: Pack, article: StarterArticle) -> Iterator[Claim]:
    """Years in brackets: after a name a life, after a «title» or an article's name the date of that thing."""
    text = article.text
    for match in _BRACKETS.finditer(text):
        inside, before = match.group(1), text[: match.start()]
        quote = _around(text, match.start(), match.end())
        if before.endswith("»") and _YEARS_ONLY.fullmatch(inside) and (span := years_of(inside)):
            yield Claim(_TITLED.findall(before)[-1], "when", *span, "", article.path, quote)
            continue
        name, _ = _name_before(pack, before)
        if not name:
            continue
        for attribute, low, high in _read_life(pack, inside):
            yield Claim(" ".join(name), attribute, low, high, "", article.path, quote)


def _name_before(pack: Pack, before: str) -> tuple[list[str], int]:
    """Return the capitalised words (initials, particles and numbers of rulers among them) that end a text, and where they begin."""
    offset = max(0, len(before) - _NAME_CHARACTERS)
    tokens = pack.profile.tokens(before[offset:])
    if not tokens or offset + tokens[-1].end != len(before):
        return [], len(before)
    return _read_name(pack, before[offset:], list(reversed(tokens)), offset)


def _read_name(pack: Pack, text: str, tokens: list[Token], offset: int) -> tuple[list[str], int]:
    """Collect a name from its last word backwards; particles may stand inside, not at the beginning."""
    name: list[Token] = []
    for token in tokens:
        gap = text[token.end : name[-1].start] if name else ""
        initial = gap in (".", ". ") and len(token.text) == 1
        if not (gap in ("", " ") or initial):
            break
        if not (token.text[0].isupper() or matches_any(token.text, pack.rules["names"]["particles"])):
            break
        name.append(token)
    while name and name[-1].text[0].islower():
        name.pop()
    return [token.text for token in reversed(name)], offset + name[-1].start if name else offset + len(text)


def _read_life(pack: Pack, inside: str) -> Iterator[tuple[str, int, int]]:
    """Read "1799–1837", "born in 1937", "died 1471", "about 1360 — about 1428"; uncertain years get room."""
    rules = pack.rules["names"]
    words = [token.text for token in pack.profile.tokens(inside)]
    room = _APPROXIMATE_YEARS if any(matches_any(word, rules["approximate"]) for word in words) else 0
    years = [int(year) for year in re.findall(r"(?<!\d)\d{3,4}(?!\d)", inside)]
    born = any(matches_any(word, rules["born"]) for word in words)
    died = any(matches_any(word, rules["died"]) for word in words)
    if len(years) == 1 and born != died:
        yield "born" if born else "died", years[0] - room, years[0] + room
    elif len(years) == 2 and died and not born:
        yield "died", min(years), max(years)
    elif len(years) == 2 and not born and years[1] - years[0] >= _MIN_LIFE_YEARS:
        yield "born", years[0] - room, years[0] + room
        yield "died", years[1] - room, years[1] + room


def _verbs(pack: Pack, article: StarterArticle) -> Iterator[Claim]:
    """A clause with one year, one dating verb and one «title»: "the comedy «…», first staged in 1836"."""
    text = article.text
    for start, end in pack.profile.sentences(text):
        sentence = text[start:end]
        titles, years = list(_TITLED.finditer(sentence)), re.findall(r"(?<!\d)\d{4}(?!\d)", sentence)
        if len(titles) != 1 or len(years) != 1 or _speaks_of_another(pack, sentence):
            continue
        title, place = titles[0], sentence.index(years[0])
        kinds = {kind for word, kind in _dating_words(pack, sentence, title, place)}
        if len(kinds) == 1:
            yield Claim(title.group(1), kinds.pop(), int(years[0]), int(years[0]), "", article.path, sentence)


def _speaks_of_another(pack: Pack, sentence: str) -> bool:
    """Whether a sentence dates a later edition, a second stage, a rebuilding, and not the thing itself."""
    return any(matches_any(token.text, pack.rules["later"]["words"]) for token in pack.profile.tokens(sentence))


def _dating_words(pack: Pack, sentence: str, title: re.Match[str], place: int) -> Iterator[tuple[str, str]]:
    tokens = pack.profile.tokens(sentence)
    ours = next((i for i, token in enumerate(tokens) if token.start >= title.start()), 0)
    year = next((i for i, token in enumerate(tokens) if token.start >= place), 0)
    for i, token in enumerate(tokens):
        near = min(abs(i - ours), abs(i - year)) <= _SPAN_WORDS
        if near and not title.start() < token.start < title.end():
            for kind, verbs in pack.rules["verbs"].items():
                if matches_any(token.text, verbs):
                    yield token.text, kind


def _makers(pack: Pack, article: StarterArticle) -> Iterator[Claim]:
    """Who made what: "novel [by] Name «Title»", "novel «Title» [by] Name", "«Title» is a novel [by] Name", and the notable works in facts."""
    text = article.text
    for match in _TITLED.finditer(text):
        quote = _around(text, match.start(), match.end() + 50)
        for noun, name in _maker_forms(pack, text, match):
            yield Claim(match.group(1), f"maker:{noun}", 0, 0, " ".join(name), article.path, quote)
    work = article.section("facts").get("notable_work")
    if work and is_person(article):
        for title in re.split(r"[,;]\s", work):
            yield Claim(title.strip("«» "), "maker:", 0, 0, article.title, article.path, f'notable_work = "{work}"')


def _maker_forms(pack: Pack, text: str, match: re.Match[str]) -> Iterator[tuple[str, list[str]]]:
    before = text[: match.start()].rstrip()
    name, start = _name_before(pack, before)
    noun = _last_noun(pack, text[:start].rstrip())
    if noun:
        after = _name_after(pack, text, match.end())
        if name:
            yield noun, name
        elif len(after) > 1:
            yield noun, after
    elif text.startswith(" — ", match.end()):
        sentence_end = re.search(r"[,.;:(]", text[match.end() :])
        tail = text[match.end() : match.end() + (sentence_end.start() if sentence_end else 0)].rstrip()
        name, start = _name_before(pack, tail)
        nouns = [rule for token in pack.profile.tokens(tail[:start]) if (rule := _noun_rule(pack, token.text))]
        if len(name) > 1 and nouns:
            yield nouns[0], name


def _last_noun(pack: Pack, before: str) -> str:
    tokens = pack.profile.tokens(before[-40:])
    return _noun_rule(pack, tokens[-1].text) if tokens and tokens[-1].end == len(before[-40:]) else ""


def _noun_rule(pack: Pack, word: str) -> str:
    return next((rule for rule in pack.rules["makers"] if matches_any(word, [rule])), "")


def _name_after(pack: Pack, text: str, place: int) -> list[str]:
    """The capitalised words that follow a place in a text."""
    found = re.match(r"(?: [^\W\d_][\w-]+)+", text[place:])
    words: list[str] = []
    for word in found.group().split() if found else []:
        if not word[0].isupper():
            break
        words.append(word)
    return words


def _census(pack: Pack, article: StarterArticle) -> Iterator[Claim]:
    """Numbers of a census: "by the census of 2021 … about 478 thousand Yakuts"."""
    rules, text = pack.rules["census"], article.text
    for start, end in pack.profile.sentences(text):
        sentence = text[start:end]
        tokens = pack.profile.tokens(sentence)
        year = next((b.text for a, b in pairwise(tokens) if matches_any(a.text, [rules["word"]])), "")
        for number, scale, people in zip(tokens, tokens[1:], tokens[2:], strict=False):
            factor = next((f for rule, f in rules["scales"].items() if matches_any(scale.text, [rule])), 0)
            if year.isdigit() and number.kind == "number" and factor and not matches_any(people.text, rules["general"]):
                value = float(number.text.replace(" ", "").replace(",", ".")) * factor
                subject = title_key(pack.profile, people.text)[0]
                yield Claim(subject, f"census {year}", value, value, "", article.path, sentence)


def _index_things(pack: Pack) -> dict[str, list[tuple[tuple[str, ...], StarterArticle]]]:
    """Index the names of all articles on things (not persons) by their first word, longest first."""
    things: dict[str, list[tuple[tuple[str, ...], StarterArticle]]] = {}
    for article in pack.articles:
        for name in article.names if article.matter.get("kind") != "person" else ():
            key = title_key(pack.profile, name)
            if len(key) > 1 or (key and len(name) >= _LONG_NAME):
                things.setdefault(key[0], []).append((key, article))
    for entries in things.values():
        entries.sort(key=lambda entry: -len(entry[0]))
    return things


def _mentions(
    pack: Pack, article: StarterArticle, things: dict[str, list[tuple[tuple[str, ...], StarterArticle]]]
) -> Iterator[Claim]:
    """An article's name in prose with a year at it ("Crimean War of 1853–1856") or a dating verb ("Kunstkamera, founded in 1714")."""
    text, tokens = article.text, pack.profile.tokens(article.text)
    keys = [(pack.profile.terms(token.text) or ("",))[0] for token in tokens]
    spans = pack.profile.sentences(text)
    i = 0
    while i < len(tokens):
        found = next((e for e in things.get(keys[i], ()) if tuple(keys[i : i + len(e[0])]) == e[0]), None)
        if found is None or not tokens[i].text[0].isupper():
            i += 1
            continue
        start, end = tokens[i].start, tokens[i + len(found[0]) - 1].end
        before = tokens[i - 1] if i and text[tokens[i - 1].end : start] == " " else None
        part_of = before is not None and bool({"noun", "adj"} & pack.profile.tags(before.text))
        quote = _around(text, start, end + 60)
        if found[1].matter.get("kind") == "event" and len(found[0]) > 1:
            years = re.match(r"»?(?: \w{1,2})? \(?(\d{4}(?:–\d{4})?)(?=\)| \w+)", text[end : end + 30])
            if years and (span := years_of(years.group(1))):
                yield Claim(found[1].title, "when", *span, "", article.path, quote)
        sentence = next((text[s:e] for s, e in spans if s <= start < e), "")
        for attribute, year in (
            [] if part_of or _speaks_of_another(pack, sentence) else _verb_after(pack, text[end : end + 80])
        ):
            yield Claim(found[1].title, attribute, year, year, "", article.path, quote)
        i += len(found[0])


def _verb_after(pack: Pack, after: str) -> Iterator[tuple[str, int]]:
    dated = re.match(r"»?,? (\w+) (?:\w+ ){0,3}(\d{4})(?!–)\b", after)
    for kind, verbs in pack.rules["verbs"].items() if dated else ():
        if dated and matches_any(dated.group(1), verbs):
            yield kind, int(dated.group(2))


def _founded_places(pack: Pack, article: StarterArticle) -> Iterator[Claim]:
    """ "Yakutsk, founded in 1632": any capitalised name, article or not."""
    for match in re.finditer(r"([^\W\d_][\w-]+), (\w+) (?:\w+ ){0,3}(\d{4})(?!–)\b", article.text):
        name, verb, year = match.groups()
        if name[0].isupper() and matches_any(verb, pack.rules["verbs"]["founded"]):
            yield Claim(name, "founded", int(year), int(year), "", article.path, _around(article.text, *match.span()))


def _around(text: str, start: int, end: int) -> str:
    return " ".join(text[max(0, start - 50) : end + 10].split())


def names_match(pack: Pack, one: list[str], other: list[str]) -> bool:
    """Whether two names can be one person's: surnames and first names agree, and the patronymics where both have one."""
    if (
        len(one) < 2
        or len(other) < 2
        or not _same_name(pack, one[-1], other[-1])
        or not _same_name(pack, one[0], other[0])
    ):
        return False
    if len(one) == len(other) == 3:
        return _same_name(pack, one[1], other[1])
    return True


def _same_name(pack: Pack, one: str, other: str) -> bool:
    if _ROMAN.fullmatch(one) or _ROMAN.fullmatch(other):
        return one == other
    if len(one) == 1 or len(other) == 1:
        return one[0] == other[0]
    return same_word(pack.profile, one, other)


def words_of(pack: Pack, name: str) -> list[str]:
    """Split a name into words, initials among them; a rank before it ("Critic Vladimir Stasov") and words after a ruler's number go."""
    words = [token.text for token in pack.profile.tokens(name)]
    numbered = next((i for i, word in enumerate(words) if i and _ROMAN.fullmatch(word)), None)
    if numbered is not None:
        return words[max(0, numbered - 1) : numbered + 1]
    if len(words) == 3 and "patronymic" in pack.profile.tags(words[2]) and "name" in pack.profile.tags(words[1]):
        return [words[1], words[2], words[0]]
    if len(words) > 3 and "patronymic" in pack.profile.tags(words[-2]):
        return words[-3:]
    if len(words) > 2 and "name" in pack.profile.tags(words[1]) and "name" not in pack.profile.tags(words[0]):
        return words[1:]
    return words

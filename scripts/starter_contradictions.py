"""Contradictions between starter articles: one person with two birth years, one work with two dates or makers, a day that is not its old-style day.

Compares the claims of `starter_claims` by subject. A range contains its years, "about" has room, the turn of the year between the Julian
and the Gregorian calendar is known, and what the pack lists under ``[[explained]]`` is set aside with its reason.
"""

from __future__ import annotations

import datetime
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from starter_articles import Pack, StarterArticle, matches_any, same_word, title_key
from starter_claims import Claim, is_person, names_match, read_claims, words_of

_CALENDAR_DAYS = 13  # the most by which the calendars differ in the years that matter
_CENSUS_ROOM = 0.03  # roundings of one number
# "18 December (6 December by the old style) 1892", "24 (12) March 1891", "8 January 1910 (26 December 1909 …)", "27–28 May"
_DAY = re.compile(
    r"\b(?P<day>\d{1,2})(?:–\d{1,2})?(?: (?P<month>[^\W\d_]+))?(?: (?P<year>\d{3,4})(?: [^\W\d_]+)?)?"
    r"(?: \((?P<old_day>\d{1,2})(?:–\d{1,2})?(?: (?P<old_month>[^\W\d_]+))?(?: (?P<old_year>\d{3,4}))?(?P<note>[^()]*)\))?"
    r"(?: (?P<month2>[^\W\d_]+))?(?: (?P<year2>\d{3,4}))?\b"
)
_NEAR_WORDS = 6  # between a full day and the word that says what happened on it


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Claims that cannot all be true. `explained` is the pack's or the calendar's reason, empty when there is none."""

    subject: str
    attribute: str
    claims: tuple[Claim, ...]
    explained: str = ""


def find_contradictions(pack: Pack) -> list[Contradiction]:
    """Return all contradictions of a pack, those with an explanation among them."""
    claims = read_claims(pack)
    found = [*_people(pack, claims), *_things(pack, claims), *_censuses(claims), *_days(pack)]
    once = {(c.subject, c.attribute, *((k.path, k.low, k.value) for k in c.claims)): c for c in found}
    explained = [_explain(pack, contradiction) for contradiction in once.values()]
    return sorted(explained, key=lambda c: (c.subject, c.attribute, c.claims[0].path))


def unused_explanations(pack: Pack, found: Iterable[Contradiction]) -> list[str]:
    """Return the subjects of the pack's explanations that explain nothing any more."""
    reasons = {contradiction.explained for contradiction in found}
    return [str(entry["subject"]) for entry in pack.rules.get("explained", []) if entry["why"] not in reasons]


def _explain(pack: Pack, found: Contradiction) -> Contradiction:
    paths = {claim.path for claim in found.claims}
    for entry in pack.rules.get("explained", []):
        if entry["subject"] == found.subject and entry["attribute"] == found.attribute and entry["path"] in paths:
            return Contradiction(found.subject, found.attribute, found.claims, str(entry["why"]))
    return found


# -- people -----------------------------------------------------------------------------------------------------------
def _people(pack: Pack, claims: list[Claim]) -> Iterator[Contradiction]:
    articles = {article.title: article for article in pack.articles if is_person(article)}
    lives = [
        c
        for c in claims
        if c.attribute in ("born", "died") and (c.subject in articles or not c.quote.startswith(c.attribute))
    ]
    groups = _group_names(pack, [c.subject for c in lives], articles.values())
    by_person: dict[tuple[str, str], list[Claim]] = defaultdict(list)
    for claim in lives:
        by_person[groups[claim.subject], claim.attribute].append(claim)
    for (person, attribute), stated in by_person.items():
        clash = _widest_clash(stated)
        if clash:
            yield Contradiction(person, attribute, clash, _turn_of_year(attribute, clash, stated))


def _group_names(pack: Pack, names: Iterable[str], articles: Iterable[StarterArticle]) -> dict[str, str]:
    """Map each name to that of its person: names that match are one person's, and so are the title and aliases of an article."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    words: dict[str, list[str]] = {}
    members: dict[str, list[str]] = defaultdict(list)
    for article in articles:
        for name in article.names:
            if len(words_of(pack, name)) > 1:
                parent.setdefault(name, article.title)
                words[name] = words_of(pack, name)
    words |= {name: words_of(pack, name) for name in names}
    for name in words:
        members[root(name)].append(name)
    for one, other in _alike(words):
        first, second = root(one), root(other)
        if first == second or not names_match(pack, words[one], words[other]):
            continue
        if not any(_other_patronymic(pack, words[a], words[b]) for a in members[first] for b in members[second]):
            parent[second] = first
            members[first] += members.pop(second)
    return {name: root(name) for name in words}


def _alike(words: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    """Return the pairs of names whose surnames begin alike: the others need no comparing."""
    buckets: dict[str, list[str]] = defaultdict(list)
    for name, parts in words.items():
        if parts:
            buckets[parts[-1][:2].lower()].append(name)
    for bucket in buckets.values():
        yield from combinations(bucket, 2)


def _other_patronymic(pack: Pack, one: list[str], other: list[str]) -> bool:
    """Whether two full names differ in the middle only: two people."""
    if len(one) != 3 or len(other) != 3 or min(len(one[1]), len(other[1])) == 1:
        return False
    ends_meet = names_match(pack, [one[0], one[2]], [other[0], other[2]])
    return ends_meet and not same_word(pack.profile, one[1], other[1])


def _widest_clash(claims: list[Claim]) -> tuple[Claim, ...]:
    """Return the two claims whose years lie farthest apart, nothing where all ranges meet."""
    first = min(claims, key=lambda claim: claim.high)
    last = max(claims, key=lambda claim: claim.low)
    return (first, last) if first.high < last.low else ()


def _turn_of_year(attribute: str, clash: tuple[Claim, ...], stated: list[Claim]) -> str:
    """A day in the first days of January is in the year before by the old calendar."""
    if clash[1].low - clash[0].high > 1:
        return ""
    for claim in stated:
        day = re.search(r"(\d{4})-01-(\d\d)", claim.quote)
        if day and int(day.group(2)) <= _CALENDAR_DAYS and claim.quote.startswith(attribute):
            return "the year by the old calendar"
    return ""


# -- things -----------------------------------------------------------------------------------------------------------
def _things(pack: Pack, claims: list[Claim]) -> Iterator[Contradiction]:
    owners: dict[tuple[str, ...], list[StarterArticle]] = defaultdict(list)
    for article in pack.articles:
        if article.matter.get("kind") != "person":
            for name in article.names:
                owners[title_key(pack.profile, name)].append(article)
    groups: dict[tuple[str, ...], list[Claim]] = defaultdict(list)
    people = {article.path for article in pack.articles if article.matter.get("kind") == "person"}
    for claim in claims:
        if not claim.attribute.startswith("census") and not (
            claim.attribute in ("born", "died") or _own_dates(claim, people)
        ):
            groups[title_key(pack.profile, claim.subject)].append(claim)
    for key, stated in groups.items():
        named = owners.get(key, [])
        yield from _thing_dates(named, stated)
        yield from _thing_makers(pack, named, stated)


def _own_dates(claim: Claim, people: set[str]) -> bool:
    return claim.path in people and " = " in claim.quote and claim.attribute != "maker:"


def _thing_dates(owners: list[StarterArticle], stated: list[Claim]) -> Iterator[Contradiction]:
    own = [c for c in stated if any(c.path == owner.path for owner in owners) and " = " in c.quote]
    dated = [c for c in stated if c.high and c not in own]
    if own:
        for claim in dated:
            if clash := _against_owners(own, claim):
                yield Contradiction(clash.subject, claim.attribute, (clash, claim))
        return
    for attribute in sorted({c.attribute for c in dated}):
        if clash_of_all := _widest_clash([c for c in dated if c.attribute == attribute]):
            yield Contradiction(clash_of_all[0].subject, attribute, clash_of_all)


def _against_owners(own: list[Claim], claim: Claim) -> Claim | None:
    """Return the front-matter claim that a statement contradicts: the same attribute, or for "when" the whole span of the article's dates.

    Several articles may bear one name (a novel and its opera): agreeing with one of them is enough.
    """
    rival = None
    for path in dict.fromkeys(c.path for c in own):
        mine = [c for c in own if c.path == path and (claim.attribute in ("when", c.attribute))]
        if not mine:
            return None
        if min(c.low for c in mine) <= claim.high and claim.low <= max(c.high for c in mine):
            return None
        rival = rival or mine[0]
    return rival


def _thing_makers(pack: Pack, owners: list[StarterArticle], stated: list[Claim]) -> Iterator[Contradiction]:
    made = [c for c in stated if c.attribute.startswith("maker:")]
    for claim in made:
        named = [fact for owner in owners for fact in _maker_facts(pack, owner, claim.attribute.removeprefix("maker:"))]
        if named and not any(_same_maker(pack, claim.value, fact.value) for fact in named):
            yield Contradiction(named[0].subject, "maker", (named[0], claim))
    for one, other in combinations(made if not owners else [], 2):
        if one.attribute == other.attribute and not _same_maker(pack, one.value, other.value):
            yield Contradiction(one.subject, "maker", (one, other))


def _maker_facts(pack: Pack, owner: StarterArticle, noun: str) -> list[Claim]:
    roles = pack.rules["makers"]
    wanted = roles[noun] if noun else sorted({role for names in roles.values() for role in names})
    facts = owner.section("facts")
    return [
        Claim(owner.title, role, 0, 0, facts[role], owner.path, f'{role} = "{facts[role]}"')
        for role in wanted
        if role in facts
    ]


def _same_maker(pack: Pack, one: str, other: str) -> bool:
    """Whether two names can be one maker's: the surname of the shorter is among the words of the longer, and names do not differ."""
    short, long = sorted((words_of(pack, one), words_of(pack, other)), key=len)
    if len(short) > 1 and len(long) <= 3:
        return names_match(pack, short, long)
    return bool(short) and any(same_word(pack.profile, short[-1], word) for word in long)


# -- numbers and days ---------------------------------------------------------------------------------------------------
def _censuses(claims: list[Claim]) -> Iterator[Contradiction]:
    groups: dict[tuple[str, str], list[Claim]] = defaultdict(list)
    for claim in claims:
        if claim.attribute.startswith("census"):
            groups[claim.subject, claim.attribute].append(claim)
    for (subject, attribute), stated in groups.items():
        low, high = min(stated, key=lambda c: c.low), max(stated, key=lambda c: c.low)
        if high.low > low.low * (1 + _CENSUS_ROOM):
            yield Contradiction(subject, attribute, (low, high))


def _days(pack: Pack) -> Iterator[Contradiction]:
    """Days in both calendars that do not fit each other, and days in prose that differ from the front matter's."""
    for article in pack.articles:
        for start, end in pack.profile.sentences(article.text):
            sentence = article.text[start:end]
            days = [day for day in _DAY.finditer(sentence) if _month(pack, day["month"]) or _month(pack, day["month2"])]
            for match in days:
                if match["year"] or match["year2"]:
                    yield from _old_day(pack, article, match)
            if len(days) == 1 and (days[0]["year"] or days[0]["year2"]):
                yield from _matter_day(pack, article, sentence, days[0])


def _month(pack: Pack, word: str | None) -> int:
    """Return the number of a month by any form of its name, 0 for another word."""
    return next(
        (pack.profile.months[lemma] for lemma in pack.profile.lemmas(word or "") if lemma in pack.profile.months), 0
    )


def _read_days(pack: Pack, match: re.Match[str]) -> tuple[datetime.date, datetime.date | None]:
    """Return the day by the new style and, where it is named, the old-style day as a new-style one.

    A day that no calendar has becomes the first of all days, which agrees with nothing.
    """
    month = _month(pack, match["month"]) or _month(pack, match["month2"])
    year = int(match["year"] or match["year2"])
    if match["old_day"] is None:
        return _make_day(year, month, int(match["day"])), None
    other_month = _month(pack, match["old_month"]) or month
    if pack.rules["calendar"]["new"] in match["note"]:  # "9 January (22 January by the new style)"
        return _make_day(year, other_month, int(match["old_day"])), julian_to_gregorian(year, month, int(match["day"]))
    other_year = int(match["old_year"] or (year - 1 if (month, other_month) == (1, 12) else year))
    return _make_day(year, month, int(match["day"])), julian_to_gregorian(
        other_year, other_month, int(match["old_day"])
    )


def _make_day(year: int, month: int, day: int) -> datetime.date:
    try:
        return datetime.date(year, month, day)
    except ValueError:
        return datetime.date.min


def _old_day(pack: Pack, article: StarterArticle, match: re.Match[str]) -> Iterator[Contradiction]:
    new, right = _read_days(pack, match)
    if right is not None and right != new:
        claim = Claim(article.title, "calendar", new.year, new.year, "", article.path, match.group())
        rule = Claim(
            article.title,
            "calendar",
            right.year,
            right.year,
            "",
            article.path,
            f"that old-style day is {right} by the new style",
        )
        yield Contradiction(article.title, "calendar", (claim, rule))


def julian_to_gregorian(year: int, month: int, day: int) -> datetime.date:
    """Return the Gregorian date of a Julian one (Richards, Explanatory Supplement to the Astronomical Almanac, 2012, by day numbers)."""
    a = (14 - month) // 12
    y, m = year + 4800 - a, month + 12 * a - 3
    julian_day = day + (153 * m + 2) // 5 + 365 * y + y // 4 - 32083
    return datetime.date.fromordinal(julian_day - 1721425)


def _matter_day(pack: Pack, article: StarterArticle, sentence: str, match: re.Match[str]) -> Iterator[Contradiction]:
    """A sentence with one full day and a word of birth, death, opening … beside it must agree with that day in the front matter."""
    tokens = pack.profile.tokens(sentence)
    first = next(i for i, token in enumerate(tokens) if token.end > match.start())
    last = max(i for i, token in enumerate(tokens) if token.start < match.end())
    near = [token.text for token in tokens[max(0, first - _NEAR_WORDS) : last + 1 + _NEAR_WORDS]]
    kinds = [kind for kind, verbs in pack.rules["day_words"].items() if any(matches_any(word, verbs) for word in near)]
    for kind in kinds if len(kinds) == 1 else []:
        value, stated = article.section("dates").get(kind, ""), _read_days(pack, match)[0].isoformat()
        if re.fullmatch(r"\d{4}-\d\d-\d\d", value) and value != stated:
            matter = Claim(article.title, kind, 0, 0, value, article.path, f'{kind} = "{value}"')
            yield Contradiction(
                article.title, kind, (matter, Claim(article.title, kind, 0, 0, stated, article.path, sentence))
            )

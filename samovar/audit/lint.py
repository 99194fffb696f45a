"""A second pair of eyes on a pack: what a reader would stumble over, rule by rule. Errors make a probe unfit to ask; warnings want a look.

Shape is checked earlier, when the pack is read. Words are compared by their lemmas in the profile of their language. Knows nothing about answers.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from samovar.audit.analysis import NEUTRAL
from samovar.audit.pack import Pack
from samovar.audit.probe import Gold, Probe
from samovar.audit.questions import SLOT
from samovar.language import Profile, profile_for

FACETS = 3  # questions an entity should have
PARAPHRASES = 2
SHORTEST_LEAK = 4  # letters; shorter words (a preposition, "the") are in every question
STRATA = ((1, 2), (3, 3), (4, 5))
_YEAR = re.compile(r"-?\d{3,4}")
_DATE = re.compile(r"-?\d{4}(-\d{2}(-\d{2})?)?")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_DOUBT = re.compile(r"\b(disputed|contested|unsure|uncertain|not sure|todo|check again)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found, where, by which rule."""

    severity: Literal["error", "warning"]
    rule: str
    where: str
    message: str


def lint(pack: Pack) -> list[Finding]:
    """Return everything found, errors first."""
    found = [finding for rule in RULES for finding in rule(pack)]
    return sorted(found, key=lambda f: (f.severity != "error", f.rule, f.where))


def _at(pack: Pack, identity: str) -> str:
    return f"{pack.places.get(identity, '?')} {identity}"


def check_entities(pack: Pack) -> Iterator[Finding]:
    """Known culture and domain, names in every language, fame anchors from 1 to 5."""
    for e in pack.entities.values():
        where = _at(pack, e.id)
        if e.culture not in pack.cultures:
            yield Finding(
                "error", "entity", where, f"expected a culture of {', '.join(pack.cultures)}, found {e.culture!r}"
            )
        if e.domain not in pack.domains:
            yield Finding("error", "entity", where, f"expected a domain of the pack, found {e.domain!r}")
        for language in pack.languages:
            if not e.names.get(language):
                yield Finding("error", "entity", where, f"expected a name in {language}, found none")
        for anchor in ("home", "world"):
            if e.fame.get(anchor) not in (1, 2, 3, 4, 5):
                yield Finding(
                    "error", "fame", where, f"expected fame.{anchor} from 1 to 5, found {e.fame.get(anchor)!r}"
                )


def check_links(pack: Pack) -> Iterator[Finding]:
    """A knowledge probe belongs to an entity of its culture and domain."""
    for p in pack.of_kind("knowledge", "cross-lingual"):
        entity = pack.entities.get(p.entity)
        if entity is None:
            yield Finding("error", "link", _at(pack, p.id), f"expected an entity of the pack, found {p.entity!r}")
        elif (entity.culture, entity.domain) != (p.culture, p.domain):
            yield Finding(
                "error",
                "link",
                _at(pack, p.id),
                f"expected {entity.culture}/{entity.domain} as its entity has, found {p.culture}/{p.domain}",
            )


def check_questions(pack: Pack) -> Iterator[Finding]:
    """Asked in every language of the pack, in different words, and nowhere else in the same ones."""
    seen: dict[str, str] = {}
    for p in pack.probes:
        where = _at(pack, p.id)
        if missing := [tag for tag in pack.languages if not p.questions.get(tag)]:
            yield Finding("error", "languages", where, f"expected questions in {', '.join(missing)}, found none")
        for language, texts in p.questions.items():
            if p.kind == "knowledge" and len(texts) < PARAPHRASES:
                yield Finding(
                    "warning",
                    "paraphrases",
                    where,
                    f"expected {PARAPHRASES} questions in {language}, found {len(texts)}",
                )
            for text in texts:
                key = f"{language} {profile_for(language).normalise(text)}"
                if key in seen:
                    yield Finding("error", "duplicate", where, f"the same question stands in {seen[key]}: {text!r}")
                seen[key] = where
                if not text.strip() or text != text.strip():
                    yield Finding(
                        "error", "text", where, f"expected a text without white space around it, found {text!r}"
                    )


def check_gold(pack: Pack) -> Iterator[Finding]:
    """Every gold answer is of its type, no alias twice, none of them rejected."""
    for p in pack.probes:
        for language, gold in p.gold.items():
            where = f"{_at(pack, p.id)} [{language}]"
            if not gold.answers or not all(a.strip() for a in gold.answers):
                yield Finding("error", "gold", where, "expected at least one answer, found an empty one")
            yield from _check_type(gold, where)
            profile = profile_for(language)
            folded = [profile.normalise(a) for a in gold.answers]
            for text, count in Counter(folded).items():
                if count > 1:
                    yield Finding(
                        "warning",
                        "alias",
                        where,
                        f"the answer {text!r} is listed {count} times (the grader folds case and variants of letters)",
                    )
            if clash := set(folded) & {profile.normalise(r) for r in gold.reject}:
                yield Finding("error", "reject", where, f"both right and rejected: {', '.join(sorted(clash))}")


def _check_type(gold: Gold, where: str) -> Iterator[Finding]:
    pattern = {"year": _YEAR, "date": _DATE, "number": _NUMBER}.get(gold.type)
    if pattern is not None:
        for answer in gold.answers:
            if not pattern.fullmatch(answer):
                yield Finding(
                    "error",
                    "type",
                    where,
                    f"expected a {gold.type} like {'1799' if gold.type == 'year' else '1799-06-06' if gold.type == 'date' else '12.5'}, found {answer!r}",
                )


def check_leaks(pack: Pack) -> Iterator[Finding]:
    """No question holds its own answer (all telling words of an alias, in any inflection)."""
    for p in pack.probes:
        for language, gold in p.gold.items():
            profile = profile_for(language)
            for text in p.questions.get(language, ()):
                for answer in gold.answers:
                    if leaks(answer, text, profile, gold.type):
                        yield Finding(
                            "error",
                            "leak",
                            f"{_at(pack, p.id)} [{language}]",
                            f"the answer {answer!r} stands in the question {text!r}",
                        )


def leaks(answer: str, question: str, profile: Profile, kind: str) -> bool:
    """Whether all telling words of an answer occur in the question."""
    if kind in ("year", "number", "date"):
        return answer in re.findall(r"\d+", question)
    asked = _lemmas(question, profile)
    telling = [
        t.text for t in profile.tokens(answer) if len(t.text) >= SHORTEST_LEAK and not profile.is_stop_word(t.text)
    ]
    return bool(telling) and all(not asked.isdisjoint(_forms(word, profile)) for word in telling)


def _forms(word: str, profile: Profile) -> set[str]:
    return {profile.fold(word), *profile.lemmas(word)}


def _lemmas(text: str, profile: Profile) -> set[str]:
    return {form for t in profile.tokens(text) for form in _forms(t.text, profile)}


def check_names(pack: Pack) -> Iterator[Finding]:
    """No name stands for two entities: an answer about one would pass for the other."""
    owners: dict[tuple[str, str], list[str]] = defaultdict(list)
    for e in pack.entities.values():
        for language, names in e.names.items():
            for name in {profile_for(language).normalise(n) for n in names}:
                owners[language, name].append(e.id)
    for (language, name), ids in owners.items():
        if len(ids) > 1:
            yield Finding(
                "warning", "ambiguous name", ", ".join(ids), f"{name!r} [{language}] names {len(ids)} entities"
            )


def check_balance(pack: Pack) -> Iterator[Finding]:
    """As many entities of each domain and stratum of fame in every culture, and `FACETS` questions each."""
    shape: dict[str, Counter[tuple[str, int]]] = {c: Counter() for c in pack.cultures}
    for e in pack.entities.values():
        stratum = next((i for i, (low, high) in enumerate(STRATA) if low <= e.fame.get("world", 0) <= high), -1)
        shape.setdefault(e.culture, Counter())[e.domain, stratum] += 1
    cells = sorted({cell for counts in shape.values() for cell in counts})
    for domain, stratum in cells:
        counts = {c: shape[c][domain, stratum] for c in pack.cultures if shape[c]}
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{c} {n}" for c, n in counts.items())
            yield Finding(
                "warning",
                "balance",
                f"{domain}, fame stratum {stratum + 1}",
                f"expected the same number in every culture, found {listed}",
            )
    facets: dict[str, set[str]] = defaultdict(set)
    for p in pack.of_kind("knowledge"):
        facets[p.entity].add(p.facet)
    for e in pack.entities.values():
        if len(facets[e.id]) < FACETS and facets:
            yield Finding(
                "warning", "facets", _at(pack, e.id), f"expected {FACETS} different facets, found {len(facets[e.id])}"
            )


def check_slots(pack: Pack) -> Iterator[Finding]:
    """A template has a slot in every text, and words for it in every culture and the neutral control."""
    for p in pack.probes:
        texts = [t for group in p.questions.values() for t in group]
        if not p.slots:
            if any(SLOT in t for t in texts):
                yield Finding("error", "slot", _at(pack, p.id), "expected words for {slot}, found none")
            continue
        if not all(t.count(SLOT) == 1 for t in texts):
            yield Finding("error", "slot", _at(pack, p.id), "expected {slot} once in every text")
        for culture in (*pack.cultures, NEUTRAL):
            for language in p.questions:
                if not p.slots.get(culture, {}).get(language, "").strip():
                    yield Finding(
                        "error", "slot", _at(pack, p.id), f"expected words in {language} for {culture}, found none"
                    )


def check_doubts(pack: Pack) -> Iterator[Finding]:
    """What its own notes call disputed does not belong in a pack; what nobody read twice is said."""
    for p in pack.probes:
        if _DOUBT.search(p.notes):
            yield Finding("error", "contested", _at(pack, p.id), f"expected no doubt, found the note {p.notes!r}")
    unread = sum(1 for p in pack.probes if not _read_twice(p))
    if unread:
        yield Finding(
            "warning", "checked", pack.name, f"{unread} of {len(pack.probes)} probes were not read by a second reader"
        )


def _read_twice(probe: Probe) -> bool:
    number = probe.checked.split()[:1]
    return bool(number) and number[0].isdigit() and int(number[0]) >= 2


RULES: tuple[Callable[[Pack], Iterator[Finding]], ...] = (
    check_entities, check_links, check_questions, check_gold, check_leaks, check_names, check_balance, check_slots, check_doubts,
)  # fmt: skip
"""All rules, in the order they are applied."""

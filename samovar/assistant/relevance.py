"""Does a quoted passage speak of what was asked? The names and years of the question must stand in it.

The extractive model is sure of a sentence that shares most words with the question; with another name in it that sentence answers another
question ("Where is Machu Picchu?" – "In the cathedral is …"). Knows nothing about models.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from samovar.assistant.facts import NAME_TAGS, Word, read_facts
from samovar.assistant.matching import same_across_scripts, same_beginning
from samovar.language import Profile
from samovar.language.token import HYPHENS

PENALTY = (
    0.6  # what the confidence loses when all names are missing: a sure answer falls below the usual threshold of .5
)
SIMILAR_NAME = 0.6  # share of letters from the beginning: a typo at the end, an adjective made of a name («Москва», «московский» .56 is not)


def missing_names(question: str, passage: str, titles: Sequence[str], profile: Profile) -> tuple[list[str], float]:
    """Return the names and years of the question that neither the passage nor the titles (and aliases) hold, and their share of all of them
    (0 when the question has none)."""
    asked = read_facts(question, profile)
    there = [read_facts(text, profile) for text in (passage, *titles)]
    words = [w for facts in there for w in facts.words]
    years = {f.value for facts in there for f in facts.figures}
    names = [w for w in asked.words if w.is_name and (not w.first or w.tags & NAME_TAGS)]
    asked_years = [f.value for f in asked.figures if f.is_year]
    missing = [w.text for w in names if not any(_same(w, other, profile) for other in words)]
    missing += [f"{year:g}" for year in asked_years if year not in years]
    return missing, len(missing) / max(len(names) + len(asked_years), 1)


def _same(name: Word, other: Word, profile: Profile) -> bool:
    longest = max(re.split(rf"[{HYPHENS}]", name.text), key=len)  # "Санкт-Петербург" is there when "Петербург" is
    terms = name.terms if longest == name.text else frozenset(profile.terms(longest))
    if not terms.isdisjoint(other.terms) or not name.synonyms.isdisjoint(other.terms):
        return True
    return same_beginning(name.fold, other.fold) >= SIMILAR_NAME or same_across_scripts(name.fold, other.fold, profile)

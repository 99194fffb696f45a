"""Find profiles. A language is added by adding `profiles/<tag>.py` with a `PROFILE`; nothing else changes (tested)."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Iterable
from functools import cache

from samovar.language.profile import Profile

_NEUTRAL = Profile(tag="und", name="undetermined")


def neutral_profile() -> Profile:
    """Return the profile that assumes nothing: no stemming, no stop words."""
    return _NEUTRAL


@cache
def profile_for(tag: str) -> Profile:
    """Return the profile of a BCP 47 tag; its primary language counts (``ru-RU`` → ``ru``), an unknown one gets the neutral profile."""
    primary = tag.replace("_", "-").split("-")[0].lower()
    if not primary.isalpha() or len(primary) > 8:
        return _NEUTRAL
    name = f"samovar.language.profiles.{primary}"
    if importlib.util.find_spec(name) is None:
        return _NEUTRAL
    profile: Profile = importlib.import_module(name).PROFILE
    return profile


def available_profiles() -> tuple[str, ...]:
    """Return the tags of all profiles, sorted."""
    package = importlib.import_module("samovar.language.profiles")
    return tuple(sorted(info.name for info in pkgutil.iter_modules(package.__path__) if not info.name.startswith("_")))


def choose_profile(text: str, tags: Iterable[str]) -> Profile:
    """Return the profile, of those tags, whose alphabet accepts most words of `text`; of equals the first; neutral when there is none."""
    best, best_share = _NEUTRAL, 0.0
    for tag in dict.fromkeys(tags):
        profile = profile_for(tag)
        words = [profile.fold(t.text) for t in profile.tokens(text) if t.kind == "word"]
        share = sum(1 for w in words if profile.accepts(w)) / len(words) if words else 0.0
        if profile is not _NEUTRAL and (share > best_share or best is _NEUTRAL):
            best, best_share = profile, share
    return best

"""Profiles of languages: everything Samovar knows about a language stands in one file under `profiles/`.

    >>> from samovar.language import profile_for
    >>> profile_for("ru").terms("книгами")
    ('книг',)

Knows nothing about documents. `profile_for` never fails: a language without a profile gets the neutral one.
"""

from __future__ import annotations

from samovar.language.profile import Profile
from samovar.language.registry import available_profiles, choose_profile, neutral_profile, profile_for
from samovar.language.token import Span, Token

__all__ = ["Profile", "Span", "Token", "available_profiles", "choose_profile", "neutral_profile", "profile_for"]

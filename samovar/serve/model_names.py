"""What models are called where others can see it: settings may hold paths of this machine, names never do. Loads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from urllib.parse import urldefrag


def public_name(setting: str) -> str:
    """Return the name of the model a setting names (as the loaded model names itself), without any path.

    >>> public_name("/srv/models/Tiny.gguf"), public_name("openai:large"), public_name("http://10.0.0.5/v1#e5")
    ('llama:tiny', 'openai:large', 'endpoint:e5')
    """
    setting = setting.strip()
    if setting.startswith(("http://", "https://")):
        return f"endpoint:{urldefrag(setting)[1]}"
    if setting.lower().endswith(".gguf"):
        return f"llama:{PurePath(setting.replace(chr(92), '/')).stem.lower()}"
    return setting


def offered_models(first_name: str, first: str, more: Sequence[str]) -> dict[str, str]:
    """Return the setting behind each name on offer; a second file of the same name gets a number."""
    offered = {first_name: first}
    for setting in more:
        name = base = public_name(setting)
        number = 1
        while name != setting and offered.get(name, setting) != setting:
            number += 1
            name = f"{base}-{number}"
        offered.setdefault(name, setting)
    return offered

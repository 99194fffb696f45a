"""Licences as web pages and books state them, brought to SPDX identifiers. Sources: SPDX licence list,
creativecommons.org URLs."""

from __future__ import annotations

import re

_CC_URL = re.compile(r"creativecommons\.org/(licenses|publicdomain)/([a-z+-]+)(?:/(\d\.\d))?", re.I)
_CC_NAME = re.compile(
    r"^\s*(?:cc|creative\s+commons)[\s-]*(by(?:-(?:nc|nd|sa))*|zero|0)[\s-]*v?(\d(?:\.\d)?)?\s*$", re.I
)


def clean_licence(text: str) -> str:
    """Return an SPDX id where one is recognised (``CC-BY-SA-4.0``, ``CC0-1.0``), otherwise the text itself on one
    line."""
    line = " ".join(text.split())
    if found := _CC_URL.search(line):
        family, name, version = found.groups()
        if family.lower() == "publicdomain":
            return "CC0-1.0" if name.lower() == "zero" else "CC-PDM-1.0"
        return f"CC-{name.upper()}-{version or '4.0'}"
    if found := _CC_NAME.match(line):
        name, version = found.groups()
        if name.lower() in ("zero", "0"):
            return "CC0-1.0"
        return f"CC-{name.upper()}-{version if version and '.' in version else f'{version or 4}.0'}"
    return line

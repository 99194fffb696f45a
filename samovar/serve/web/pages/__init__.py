"""The pages. Each module registers its own with `samovar.serve.web.page.page` when it is imported."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

PAGES = ("chat", "search", "library", "document", "about", "account", "admin", "login")


def register() -> None:
    """Import every page module (once; importing registers)."""
    for name in PAGES:
        if find_spec(f"{__name__}.{name}") is not None:
            import_module(f"{__name__}.{name}")

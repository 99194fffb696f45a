"""What stands in an address, read leniently: a page is shown for any number somebody may type there."""

from __future__ import annotations

from samovar.messages import Words


def number_of(text: str, default: int, low: int = 0, high: int = 2**53) -> int:
    """Return a whole number within bounds; what is none counts as `default`.

    >>> number_of("20", 10, 1, 100), number_of("x", 10), number_of("999", 10, 1, 100)
    (20, 10, 100)
    """
    text = text.strip()
    if not (text.isascii() and text.removeprefix("-").isdigit()) or len(text) > 16:
        return default
    return min(max(int(text), low), high)


def offset_of(text: str) -> int | None:
    """Return a character offset, None for anything that is none."""
    number = number_of(text, -1)
    return number if number >= 0 and text.strip() else None


def shown_language(tag: str, words: Words) -> str:
    """Return a language's name where the words have one, with its tag."""
    primary = tag.partition("-")[0].lower()
    key = f"tongue.{primary}"
    return f"{words.say(key)} ({tag})" if words.has(key) else tag


def safe_next(path: str, default: str = "/") -> str:
    r"""Return where to go after a login: only a path of our own.

    >>> safe_next("/chat/7?a=1"), safe_next("//evil.example"), safe_next("/\\evil"), safe_next("https://evil.example")
    ('/chat/7?a=1', '/', '/', '/')
    """
    good = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and len(path) <= 2_000
    return path if good else default

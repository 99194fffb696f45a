"""The data card on the command line: made after a build, shown or written where the user wants it by ``samovar corpus report``."""

from __future__ import annotations

from pathlib import Path

from samovar.commands.session import Session
from samovar.commands.terminal import one_line
from samovar.errors import UsageError
from samovar.messages import current_words, say


def make_card(session: Session, folder: Path, *, quiet: bool = False) -> None:
    """Make the card of a corpus unless it is there, and say where it lies."""
    from samovar.corpus.card import ensure_card

    if not quiet and not (folder / "card.html").is_file():
        session.terminal.note(say("corpus.making_card"))
    ensure_card(folder, language=current_words().lang)
    if not quiet and (folder / "card.html").is_file():
        session.terminal.print(say("corpus.card", path=one_line(str(folder / "card.html"))))


def write_page(session: Session, folder: Path, path: Path, other: Path | None = None, *, quiet: bool = False) -> None:
    """Write the page of a corpus, or of two side by side, to a path, in the language of the command line.

    Raises:
        UsageError: the page cannot be written there.
    """
    from samovar.corpus.card import ensure_card, render_card

    card = ensure_card(folder, language=current_words().lang)
    second = ensure_card(other, language=current_words().lang) if other else None
    page = render_card(card, current_words().lang, other=second)
    try:
        path.write_text(page, "utf-8")
    except OSError as error:
        raise UsageError(
            f"expected a place to write the page to, found: {error.strerror} ({path}). Name another file after --html."
        ) from error
    if not quiet:
        session.terminal.print(say("corpus.card", path=one_line(str(path))))

"""The data card of a corpus: what it holds, what was left out and why, which cultures it mentions; as numbers and as a page.

    data = make_card(Path("corpus")); write_card(Path("corpus"), data, language="en")

Knows finished corpora, and nothing of how they are built.
"""

from samovar.corpus.card.compare import Difference, compare_cards
from samovar.corpus.card.data import Card, ensure_card, make_card, write_card
from samovar.corpus.card.page import render_card

__all__ = ["Card", "Difference", "compare_cards", "ensure_card", "make_card", "render_card", "write_card"]

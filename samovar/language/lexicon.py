"""A lexicon: the readings of common words, worked out beforehand, so that a first question need not wait for the dictionary.

`data/<tag>.lexicon.tsv` is a cache, nothing more: each line has a folded word, its lemmas and its labels exactly as the profile's own
`lemmatiser` and `tagger` give them (tested). The first line names the versions it was made with; with any other version installed it
is ignored. Made by ``scripts/build_lexicon.py`` from the words of the starter library.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata, resources

HEADER = "# made with"


def stamp_of(packages: Sequence[str]) -> str:
    """The first line of a lexicon made with the installed versions of these packages."""
    return f"{HEADER} " + " ".join(f"{name}=={metadata.version(name)}" for name in packages)


@dataclass(frozen=True)
class Lexicon:
    """A lemmatiser and a tagger that look into the file first and ask the given functions for all other words."""

    tag: str
    packages: tuple[str, ...]
    lemmatiser: Callable[[str], tuple[str, ...]]
    tagger: Callable[[str], frozenset[str]]

    @cached_property
    def rows(self) -> dict[str, tuple[str, str]]:
        """Folded word → (lemmas, labels), each joined by spaces; empty when the file is missing or of other versions."""
        file = resources.files("samovar.language").joinpath("data", f"{self.tag}.lexicon.tsv")
        if not file.is_file():
            return {}
        head, *lines = file.read_text("utf-8").splitlines()
        if head != stamp_of(self.packages):
            return {}
        return {word: (lemmas, labels) for word, lemmas, labels in (line.split("\t") for line in lines)}

    def lemmatise(self, word: str) -> tuple[str, ...]:
        """Return the lemmas of a folded word."""
        row = self.rows.get(word)
        return tuple(row[0].split(" ")) if row else self.lemmatiser(word)

    def tags(self, word: str) -> frozenset[str]:
        """Return the labels of a folded word."""
        row = self.rows.get(word)
        return frozenset(row[1].split(" ") if row[1] else ()) if row else self.tagger(word)

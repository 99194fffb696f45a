"""Samovar opened for one settings object: the rooms, each made when it is first used. The entry point of programs and of the command line."""

from __future__ import annotations

from functools import cached_property
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from samovar.settings import Settings, load_settings

if TYPE_CHECKING:
    from samovar.assistant.assistant import Assistant
    from samovar.generate.model import Model
    from samovar.library.store import Library
    from samovar.search.searcher import Searcher


class Samovar:
    """A context manager over library, searcher, model and assistant.

    >>> with Samovar.open() as samovar:                                      # doctest: +SKIP
    ...     print(samovar.assistant.ask("Who wrote Dead Souls?").text)
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @classmethod
    def open(cls, settings: Settings | None = None) -> Samovar:
        """Open with the given settings, else with those of flags, environment and file. Nothing is read or written yet."""
        return cls(settings or load_settings())

    @cached_property
    def library(self) -> Library:
        """The library, with the starter library of the culture pack in it (unless it was removed or is switched off). Where the state
        directory cannot be written it is opened for reading, as it is."""
        from samovar.library.starter import install_starter
        from samovar.library.store import Library, can_only_read

        library = Library.open(self.settings.home, read_only=can_only_read(self.settings.home))
        if self.settings.library.starter and not library.read_only:
            install_starter(
                library, pack_folder(self.settings.library.starter_pack), self.settings.library.starter_pack
            )
        return library

    @cached_property
    def searcher(self) -> Searcher:
        """The search engine, up to date with the library."""
        from samovar.search.searcher import Searcher

        embedder = None
        if self.settings.search.dense:
            from samovar.generate.embed import load_embedder

            embedder = load_embedder(self.settings.search.dense, self.settings)
        return Searcher.open(self.library, self.settings.search, home=self.settings.home, embedder=embedder)

    @cached_property
    def model(self) -> Model:
        """The model that writes the answers."""
        from samovar.generate.registry import load_model

        return load_model(self.settings.generate.model, self.settings)

    @cached_property
    def assistant(self) -> Assistant:
        """The assistant over all of it."""
        from samovar.assistant.assistant import Assistant

        return Assistant(self.searcher, self.model, self.settings, languages=self.languages)

    @property
    def languages(self) -> tuple[str, ...]:
        """The profiles questions are read with: those of the library's languages, the pack's first."""
        from samovar.language import available_profiles

        known = set(available_profiles())
        present = [tag for tag in self.library.info().by_language if tag in known]
        return tuple(dict.fromkeys([self.settings.library.starter_pack, *present, "en"]))

    def close(self) -> None:
        """Close what was opened."""
        for name in ("model", "searcher", "library"):
            opened = self.__dict__.pop(name, None)
            if opened is not None:
                opened.close()
        self.__dict__.pop("assistant", None)

    def __enter__(self) -> Samovar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def pack_folder(name: str) -> Path:
    """The folder of a culture pack. Raises `FileNotFoundError` by way of `resources` when there is none of that name."""
    return Path(str(resources.files("samovar").joinpath("packs", name)))

"""One source of a corpus recipe: where it lies, what kind it is, and what is known about all of its texts.

Opens nothing. `samovar.corpus.inputs.plan` turns it into splits.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from samovar.corpus.document import UNKNOWN
from samovar.corpus.limits import MIB

SourceKind = Literal["warc", "mediawiki", "zim", "parquet", "jsonl", "folder"]

MAX_RECORD_BYTES = 64 * MIB  # of one page, row or file; what is larger is one dropped row, never held in memory


class SourceSpec(BaseModel):
    """One ``[[source]]`` of a recipe.

    `paths` are files, folders, globs or fsspec URLs; relative ones start at `base`, the recipe's folder, and stay
    relative in the documents' addresses, so that a corpus does not depend on where its inputs lie. `title_column` etc.
    are guessed when empty. `namespaces` are those of a MediaWiki dump (0 are the articles). `language`, `licence`,
    `origin` and `publisher` are what holds for texts that say nothing themselves. Of two duplicates the one of the
    source with the higher `priority` stays. A link in a folder that leads out of it is followed with `follow_links` (a
    folder of a download cache is made of such), and one dropped row without.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    kind: SourceKind
    paths: tuple[str, ...] = Field(min_length=1)
    base: str = ""
    text_column: str = ""
    title_column: str = ""
    uri_column: str = ""
    language_column: str = ""
    language: str = ""
    licence: str = UNKNOWN
    origin: str = UNKNOWN
    publisher: str = ""
    priority: int = 0
    weight: float = Field(default=1.0, ge=0)
    max_documents: int = Field(default=0, ge=0)
    namespaces: tuple[int, ...] = (0,)
    follow_links: bool = False
    max_record_bytes: int = Field(default=MAX_RECORD_BYTES, ge=1024)

    @field_validator("paths")
    @classmethod
    def _check_paths(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        if any(not path.strip() for path in paths):
            raise ValueError("expected paths, found an empty one: leave it out or name a file")
        return paths

    def read_options(self) -> dict[str, str]:
        """Return what a reader needs to know, as `Split.options` holds it; defaults are left out."""
        values = {
            "text_column": self.text_column,
            "title_column": self.title_column,
            "uri_column": self.uri_column,
            "language_column": self.language_column,
            "namespaces": ",".join(map(str, self.namespaces)) if self.kind == "mediawiki" else "",
            "max_record_bytes": str(self.max_record_bytes) if self.max_record_bytes != MAX_RECORD_BYTES else "",
        }
        return {key: value for key, value in values.items() if value}

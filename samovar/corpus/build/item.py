"""What flows through a corpus build: a split of an input, the raw records in it, the items they become, and the notes of what happened.

Knows no format, no stage and no runner. Everything that crosses a process boundary or is stored is plain JSON or Parquet, never pickle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from samovar.corpus.document import UNKNOWN, LedgerRow

RecordKind = Literal["html", "text", "wikitext", "file"]


@dataclass(frozen=True, slots=True)
class Split:
    """A part of one input that can be read alone; the unit of work, of commit and of resume.

    `source` is the name of the recipe's source, `kind` its reader, `place` a path or an fsspec URL. What `start` and `end` count is the
    reader's affair (bytes of a WARC, row groups of a Parquet file, clusters of a ZIM, numbers in a list of files); `end` 0 means "to the end".
    The list of splits depends on the recipe and the inputs alone, never on how many processes will read them.
    """

    source: str
    kind: str
    place: str
    start: int = 0
    end: int = 0
    num_bytes: int = 0
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """One raw unit of an input. `ordinal` counts from 0 within its split and is the same on every run, whatever is skipped.

    `data` are bytes for ``html`` and ``file`` (any document that the readers of `samovar.corpus.extract` know) and text for ``text`` and ``wikitext``.
    `declared` holds what the container says: ``title``, ``language``, ``charset``, ``mime``, ``published``, ``publisher``, ``origin``, ``licence``, ``author``.
    A record that cannot be read at all comes with `fault` (reason, value) and no data: it ends as a dropped row.
    """

    ordinal: int
    uri: str
    kind: RecordKind
    data: bytes | str = b""
    declared: Mapping[str, str] = field(default_factory=dict)
    fault: tuple[str, str] | None = None


@dataclass(slots=True)
class Item:
    """One text on its way through the stages; stages change it in place. `ordinal` is that of its record: it stays the key within the split.

    `uri` is unique in a split; `host` is the domain of an address, or the source's name. `language` is BCP 47 or ``und``. `signals` are numbers
    that the quality stage measured. `metadata` ends in the document's.
    """

    ordinal: int
    uri: str
    text: str
    title: str = ""
    host: str = ""
    language: str = "und"
    confidence: float = 0.0
    published: str = ""
    publisher: str = ""
    origin: str = UNKNOWN
    licence: str = UNKNOWN
    metadata: dict[str, str] = field(default_factory=dict)
    signals: dict[str, float] = field(default_factory=dict)


SAMPLE_CHARS = 300
SAMPLE_MARGIN = 150  # kept beyond that until personal data is masked, so that no half of an address is left at the end
MAX_SAMPLES = 3


@dataclass(slots=True)
class Notes:
    """The ledger of one task while it runs: every record that was seen ends in it exactly once as kept or dropped; changes come on top.

    `samples` keeps the beginnings of a few dropped texts for each reason, the same ones on every run (the first by ordinal).
    """

    source: str
    rows: list[LedgerRow] = field(default_factory=list)
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    samples: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def drop(self, uri: str, stage: str, reason: str, value: object = "", text: str = "") -> None:
        """Note that a record ends here, and keep the beginning of its text as a sample."""
        self._add(uri, stage, "dropped", reason, value)
        if text:
            kept = self.samples.setdefault(f"{stage}:{reason}", [])
            if len(kept) < MAX_SAMPLES:
                kept.append((uri, text[: SAMPLE_CHARS + SAMPLE_MARGIN]))

    def change(self, uri: str, stage: str, reason: str, value: object = "") -> None:
        """Note that a text was changed; it goes on."""
        self._add(uri, stage, "changed", reason, value)

    def keep(self, uri: str, value: object = "") -> None:
        """Note that a text is in the corpus."""
        self._add(uri, "corpus", "kept", "", value)

    def _add(
        self, uri: str, stage: str, decision: Literal["kept", "changed", "dropped"], reason: str, value: object
    ) -> None:
        self.rows.append(LedgerRow(uri, stage, decision, reason, str(value)[:500], "", self.source))
        self.counts[stage, decision, reason] += 1

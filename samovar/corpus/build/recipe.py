"""The recipe of a corpus: a TOML file that says what goes in and what is done to it. Everything that changes the result stands here.

How many processes work and where is the command line's affair: it changes nothing. Knows the names of the stages, not what they do.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from samovar.corpus.build.caps import CapsOptions
from samovar.corpus.inputs.source import SourceSpec
from samovar.corpus.stages.contamination import ContaminationOptions
from samovar.corpus.stages.extract import ExtractOptions
from samovar.corpus.stages.language import LanguageOptions
from samovar.corpus.stages.lines import LinesOptions
from samovar.corpus.stages.near import NearOptions
from samovar.corpus.stages.personal import PersonalOptions
from samovar.corpus.stages.quality import QualityOptions
from samovar.corpus.stages.repair import RepairOptions
from samovar.errors import RecipeError

STAGES = ("extract", "repair", "language", "exact", "lines", "quality", "personal", "contamination", "near", "caps")
"""All stages, in the order they run in when the recipe says nothing."""
FREE = frozenset(("quality", "personal", "contamination"))
"""Those whose order among themselves is free: they look at one text at a time, between the same two global passes."""

MB = 10**6
_TAG = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*")
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d)?)?")


class Part(BaseModel):
    """Base of a recipe's tables."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LimitOptions(Part):
    """What one record may cost before it is given up. A record beyond it is one dropped row: ``timeout``, ``memory`` or ``crashed``. A server that
    is away costs no record: a split is read again after 1, 2, 4 … seconds, up to `network_seconds` of waiting in all."""

    record_seconds: float = Field(default=60.0, gt=0, description="Deadline for one record")
    memory_mb: int = Field(default=2048, ge=256, description="Memory of one worker")
    network_seconds: float = Field(
        default=60.0, ge=0, description="How long a server that is away is waited for before the build stops"
    )
    records: int = Field(
        default=200, ge=1, description="Records given up in one split before the build stops with an error"
    )


class ShardOptions(Part):
    """How inputs are cut and outputs put together. Changing it changes the order of the documents, not which there are."""

    split_mb: int = Field(
        default=16,
        ge=1,
        description="Megabytes of input in one split, the unit of work and of resume; more for terabytes",
    )
    part_mb: int = Field(default=256, ge=1, description="Text in one output file, in megabytes of UTF-8")
    batch_rows: int = Field(default=200, ge=1, le=10_000, description="Texts that a stage looks at together")


class Recipe(Part):
    """A whole recipe. `languages` are those to keep (empty: all); `date` goes into `added_at`, so that a rebuild gives the same bytes."""

    name: str = Field(pattern=r"^[\w.-]{1,100}$")
    languages: tuple[str, ...] = ()
    seed: int = Field(default=0, ge=0, lt=2**32)
    date: str = Field(default="", pattern=r"^(\d{4}(-\d\d(-\d\d)?)?)?$")
    source: tuple[SourceSpec, ...] = Field(min_length=1)
    stages: tuple[str, ...] = STAGES
    extract: ExtractOptions = ExtractOptions()
    repair: RepairOptions = RepairOptions()
    language: LanguageOptions = LanguageOptions()
    lines: LinesOptions = LinesOptions()
    quality: QualityOptions = QualityOptions()
    personal: PersonalOptions = PersonalOptions()
    contamination: ContaminationOptions = ContaminationOptions()
    near: NearOptions = NearOptions()
    caps: CapsOptions = CapsOptions()
    shards: ShardOptions = ShardOptions()
    limits: LimitOptions = LimitOptions()

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if not name.strip("."):
            raise ValueError(f"expected a name that can be a folder's, found {name!r}: add a letter")
        return name

    @field_validator("languages")
    @classmethod
    def _check_languages(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        for tag in languages:
            if not _TAG.fullmatch(tag):
                raise ValueError(f"expected BCP 47 tags such as 'ru' or 'en', found {tag!r}: correct it")
        return languages

    @field_validator("date", mode="before")
    @classmethod
    def _check_date(cls, date: object) -> object:
        if isinstance(date, datetime.date):  # TOML has dates of its own
            return date.isoformat()[:10]
        if isinstance(date, str) and _DATE.fullmatch(date):
            try:
                datetime.date.fromisoformat(date + "-01-01"[len(date) - 10 :] if len(date) < 10 else date)
            except ValueError as error:
                raise ValueError(f"expected a day of the calendar, found {date!r}: correct it") from error
        return date

    @field_validator("stages")
    @classmethod
    def _check_stages(cls, stages: tuple[str, ...]) -> tuple[str, ...]:
        return check_stages(stages)

    @model_validator(mode="after")
    def _check_sources(self) -> Recipe:
        names = [source.name for source in self.source]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"expected a name of its own for each source, found {', '.join(twice)} twice")
        return self

    def has(self, stage: str) -> bool:
        """Whether a stage takes part."""
        return stage in self.stages

    def source_named(self, name: str) -> SourceSpec:
        """Return a source."""
        return next(source for source in self.source if source.name == name)

    def as_json(self) -> dict[str, Any]:
        """Return the effective recipe as plain data, defaults filled in. Where the recipe lies is no part of it."""
        data = self.model_dump(mode="json")
        for source in data["source"]:
            source.pop("base", None)
        return data

    @property
    def sha256(self) -> str:
        """The hash of the effective recipe, less the limits: who raises them after a build gave up goes on with it."""
        data = {name: value for name, value in self.as_json().items() if name != "limits"}
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()

    def references(self) -> dict[str, str]:
        """Return where the test sets of the recipe lie, by name; relative paths start at the recipe's folder."""
        base = Path(self.source[0].base)
        names = self.contamination.references if self.has("contamination") else ()
        return {name: name if name.startswith("probes:") else str(base / name) for name in names}


def check_stages(stages: tuple[str, ...]) -> tuple[str, ...]:
    """Return the stages if they can run in that order.

    Raises:
        ValueError: it is not possible; the message says why.
    """
    unknown = [name for name in stages if name not in STAGES]
    if unknown:
        raise ValueError(f"expected stages among {', '.join(STAGES)}, found {', '.join(unknown)}")
    if len(set(stages)) < len(stages):
        raise ValueError("expected each stage once, found one twice")
    if not stages or stages[0] != "extract":
        raise ValueError("expected 'extract' first: every other stage works on the texts it takes out")
    fixed = [name for name in stages if name not in FREE]
    wanted = [name for name in STAGES if name in fixed]
    places = [i for i, name in enumerate(stages) if name in FREE]
    late = [name for name in stages[: places[-1]] if name in ("near", "caps")] if places else []
    early = [name for name in stages[places[0] :] if name in ("repair", "language", "exact", "lines")] if places else []
    if fixed != wanted or late or early:
        raise ValueError(
            f"expected the order {', '.join(wanted)} with {', '.join(sorted(FREE))} between 'lines' and 'near', in any order among themselves: "
            "duplicates and repeated lines are found over the whole corpus, so what they need must be done for every text before, "
            f"and what builds on them after; found {', '.join(stages)}"
        )
    return stages


def load_recipe(path: Path) -> Recipe:
    """Read a recipe; relative paths in it start at its folder.

    Raises:
        RecipeError: it is missing, not TOML, or a key or value is not what it should be; the message names each.
    """
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise RecipeError(f"expected a recipe at {path}, found: {error.strerror}. Check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"expected TOML in {path}, found: {error}. Correct the line.") from error
    return parse_recipe(data, path.absolute().parent, str(path))


def parse_recipe(data: dict[str, Any], base: Path, name: str = "recipe") -> Recipe:
    """Check a recipe given as plain data.

    Raises:
        RecipeError: see `load_recipe`.
    """
    sources = data.get("source")
    if isinstance(sources, list):
        data = data | {"source": [{"base": str(base), **s} if isinstance(s, dict) else s for s in sources]}
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        # that a list is too short is left out where what is wrong inside is said
        found = [e for e in error.errors() if not (e["type"] == "too_short" and e["input"])]
        lines = [f"  {_place(e['loc'])}: {_explain(dict(e))}" for e in found]
        raise RecipeError(f"{name} is not a valid recipe. Correct:\n" + "\n".join(lines)) from error


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(f"[{part}]" if isinstance(part, int) else part for part in location).replace(".[", "[") or "recipe"


def _explain(error: dict[str, Any]) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        return "no such key: leave it out, or correct its name"
    if error["type"] == "missing":
        return "is missing: add it"
    if error["type"] == "value_error":
        return message
    if error["type"] in ("tuple_type", "list_type"):
        message = "expected a list: write [[source]]" if error["loc"] == ("source",) else 'expected a list: write ["…"]'
    found = repr(error.get("input"))
    return f"{message[:1].lower()}{message[1:]}, found {found[:100]}"

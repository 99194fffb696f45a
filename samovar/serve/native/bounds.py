"""Types of what comes in: every string is bounded and without NUL, every number has its range, so the OpenAPI document says all that is checked."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from pydantic import StringConstraints

NO_NUL = r"^[^\x00]*$"
"""NUL ends texts in C libraries and in PostgreSQL; lone surrogates are refused by the JSON validation already."""

SAYING = r"^[^\x00]*[^\x00\s][^\x00]*$"
"""Not only white space."""

DATE = r"^([0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?)?$"
URL = r"^[Hh][Tt][Tt][Pp][Ss]?://[^\x00-\x20]+$"
FURTHEST = 2**53 - 1  # the largest whole number JSON numbers hold exactly everywhere
LONGEST_PAGE = 200
LONGEST_SLICE = 100_000  # characters
MOST_VALUES = 100  # of one filter

Id = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z_-]+$", description="Id of the object")]
Name = Annotated[str, StringConstraints(max_length=256, pattern=NO_NUL)]
Wanted = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=NO_NUL)]
Title = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=SAYING)]
QueryText = Annotated[str, StringConstraints(min_length=1, max_length=2_000, pattern=SAYING)]
Question = Annotated[str, StringConstraints(min_length=1, max_length=20_000, pattern=SAYING)]
Text = Annotated[str, StringConstraints(max_length=20_000, pattern=NO_NUL)]
Comment = Annotated[str, StringConstraints(max_length=4_000, pattern=NO_NUL)]
Date = Annotated[str, StringConstraints(pattern=DATE)]
Address = Annotated[str, StringConstraints(min_length=8, max_length=2_000, pattern=URL)]
Uri = Annotated[str, StringConstraints(max_length=4_000, pattern=NO_NUL)]

Limit = Annotated[int, Query(ge=1, le=LONGEST_PAGE, description="Length of the page")]
Before = Annotated[int, Query(ge=1, le=FURTHEST, description="`next` of the page before; the first page without")]

"""What the native API takes. Unknown keys are refused: a misspelt filter must not silently find everything."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from samovar.search.query import Filters
from samovar.serve.native.bounds import (
    MOST_VALUES,
    Address,
    Comment,
    Date,
    Name,
    QueryText,
    Question,
    Text,
    Title,
    Wanted,
)

Values = Annotated[list[Wanted], Field(max_length=MOST_VALUES)]


class Body(BaseModel):
    """Base of all request bodies."""

    model_config = ConfigDict(extra="forbid")


class FilterBody(Body):
    """Only passages of documents whose field is one of the values; an empty list means any."""

    sources: Values = Field(default_factory=list)
    languages: Values = Field(default_factory=list)
    origins: Values = Field(default_factory=list)
    licences: Values = Field(default_factory=list)
    publishers: Values = Field(default_factory=list)
    published_from: Date = ""
    published_to: Date = ""
    document_ids: Values = Field(default_factory=list)

    def filters(self) -> Filters:
        """Return them as the search takes them."""
        return Filters(
            sources=tuple(self.sources),
            languages=tuple(self.languages),
            origins=tuple(self.origins),
            licences=tuple(self.licences),
            publishers=tuple(self.publishers),
            published_from=self.published_from,
            published_to=self.published_to,
            document_ids=tuple(self.document_ids),
        )


class SearchBody(Body):
    """A search."""

    query: QueryText
    k: int | None = Field(None, ge=1, le=200)
    filters: FilterBody = Field(default_factory=FilterBody)
    diversity: bool | None = None


class AskBody(Body):
    """A question that is not kept. With `stream` the answer comes as server-sent events."""

    question: Question
    model: Wanted = "samovar"
    filters: FilterBody = Field(default_factory=FilterBody)
    stream: bool = False


class AddressesBody(Body):
    """Web addresses to fetch into a collection: the caller's own unless `source` names a shared one (editors)."""

    urls: Annotated[list[Address], Field(min_length=1, max_length=20)]
    source: Name = ""


class MessageBody(Body):
    """A question in a conversation. `replaces` is the id of an earlier question of it that this one (or, with an empty text, the same
    one again) takes the place of."""

    text: Text = ""
    model: Wanted = "samovar"
    filters: FilterBody = Field(default_factory=FilterBody)
    replaces: Name = ""
    stream: bool = True


class TitleBody(Body):
    """A new title."""

    title: Title


class NewConversationBody(Body):
    """An empty conversation."""

    title: Name = ""
    model: Wanted = "samovar"


class FeedbackBody(Body):
    """+1 or -1, and why."""

    value: Literal[-1, 1]
    comment: Comment = ""

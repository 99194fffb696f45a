"""Every failure Samovar can raise, on one page.

SamovarError
├── UsageError            the caller asked for something impossible (exit status 2)
│   ├── SettingsError     a setting is unknown or has a wrong value
│   ├── RecipeError       a corpus recipe is not valid
│   └── TooLargeError     what was sent exceeds a limit (413)
├── HomeError             SAMOVAR_HOME cannot be made, read or written
├── ExtractionError       a file's text cannot be taken out; carries a ledger reason
│   └── FetchError        a URL cannot be fetched
├── InputError            an input of a corpus build cannot be found or opened, or changed under way
├── LibraryError          the store is damaged, locked or from another version
│   └── LibraryBusyError  another process is writing; try again later
├── SearchError           the index cannot be opened, built or queried
├── ModelError            a model cannot be loaded, reached or run
│   ├── ModelNotFoundError
│   ├── ChecksumError     a pulled file is not what the catalogue says
│   ├── PromptTooLongError  what must be in the prompt exceeds the context
│   └── ModelRequestError   the request is malformed, or asks for what this model cannot do
├── AccessError           the server will not do this for this caller
│   ├── NotAuthenticatedError   who are you? (401)
│   ├── ForbiddenError          the role or the key's scope does not allow it (403)
│   ├── NotFoundError           no such object, or someone else's (404)
│   └── ConflictError           it clashes with what there is, e.g. a name that is taken (409)
├── OverloadedError       no room for this request now; carries `retry_after_seconds` (503)
│   └── RateLimitedError  this caller asked too often (429)
├── ListenError           the server cannot listen on its address
├── DatabaseError         the server's database cannot be opened, migrated or written
├── IssuerError           the OpenID Connect issuer cannot be reached or understood (502)
├── TrainingError         a training run cannot start, go on or be exported
│   ├── ShardError        token shards are damaged or belong to another tokenizer
│   ├── RunBusyError      another process trains in this folder (exit status 2)
│   └── DivergedError     the loss is no number, and going back did not help
├── CorpusError           a corpus build cannot start or go on (recipe, output folder, inputs)
│   └── CorpusBusyError   another process is building in this folder
└── MissingExtraError     an optional dependency is not installed

A message says what was expected, what was found, and what to do next. Nothing here imports anything.
"""

from __future__ import annotations


class SamovarError(Exception):
    """Base of all errors raised on purpose. `str(error)` is meant for people."""

    exit_status = 1


class UsageError(SamovarError):
    """The request itself is wrong."""

    exit_status = 2


class SettingsError(UsageError):
    """A setting is unknown or malformed."""


class RecipeError(UsageError):
    """The recipe of a corpus is malformed, or asks for what cannot be."""


class TooLargeError(UsageError):
    """What was sent is larger than the server takes, or than there is room for."""


class HomeError(SamovarError):
    """The state directory cannot be used."""


class ExtractionError(SamovarError):
    """A file was refused. `reason` is the short code for the ledger (e.g. ``encrypted``), the message is for people."""

    def __init__(self, reason: str, message: str = "", value: str = "") -> None:
        super().__init__(message or reason)
        self.reason = reason
        self.value = value

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:  # crosses process boundaries
        return (type(self), (self.reason, str(self), self.value))


class FetchError(ExtractionError):
    """A URL could not be fetched."""


class InputError(SamovarError):
    """An input of a corpus build cannot be found or opened, or is not what it was when the build was planned."""


class LibraryError(SamovarError):
    """The library's store cannot be used as it is."""


class LibraryBusyError(LibraryError):
    """Another process holds the write lock."""


class SearchError(SamovarError):
    """The search index failed."""


class ModelError(SamovarError):
    """A model could not be loaded, reached or run."""


class ModelNotFoundError(ModelError):
    """No model of that name or path."""


class ChecksumError(ModelError):
    """A downloaded file does not match its published SHA-256."""


class PromptTooLongError(ModelError):
    """The part of the prompt that may not be left out exceeds the context."""


class ModelRequestError(ModelError):
    """The request is not one that this model can work on: a malformed schema, tools where it knows none."""


class AccessError(SamovarError):
    """The server refuses a request."""


class NotAuthenticatedError(AccessError):
    """The caller is not known: no key, no session, or one that has ended."""


class ForbiddenError(AccessError):
    """The caller is known, but may not do this."""


class NotFoundError(AccessError):
    """There is no such object, or it is someone else's: the answer is the same, so nothing can be guessed from it."""


class ConflictError(AccessError):
    """The request clashes with the present state, e.g. a name that is taken."""


class OverloadedError(SamovarError):
    """The server has no room for this request now."""

    def __init__(self, message: str, retry_after_seconds: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds

    def __reduce__(self) -> tuple[type, tuple[str, float]]:
        return (type(self), (str(self), self.retry_after_seconds))


class RateLimitedError(OverloadedError):
    """This caller asked too often or has too many requests waiting."""


class ListenError(SamovarError):
    """The server cannot listen where it should: the port is taken, or the address is not of this machine."""


class DatabaseError(SamovarError):
    """The server's database (accounts, conversations) failed."""


class IssuerError(SamovarError):
    """The issuer people log in at (OpenID Connect) failed."""


class TrainingError(SamovarError):
    """A training run cannot start, go on or be exported."""


class ShardError(TrainingError):
    """Token shards are damaged, incomplete or were made with another tokenizer."""


class RunBusyError(TrainingError):
    """Another process is at work in the folder of the run."""

    exit_status = 2


class DivergedError(TrainingError):
    """The loss is not a number any more, and going back to the last good state did not help."""


class CorpusError(SamovarError):
    """A corpus cannot be built or read: the recipe, the inputs or the output folder are not what they should be."""


class CorpusBusyError(CorpusError):
    """Another process is building in this folder."""


class MissingExtraError(SamovarError):
    """An optional dependency is needed. The message names the ``pip install 'samovar[extra]'`` that brings it."""

    def __init__(self, extra: str, feature: str) -> None:
        super().__init__(f"{feature} needs the optional extra '{extra}': run  pip install 'samovar[{extra}]'")
        self.extra = extra
        self.feature = feature

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return (type(self), (self.extra, self.feature))

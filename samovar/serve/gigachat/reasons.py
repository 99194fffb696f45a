"""Why an answer ended, in the words of the dialect, and which files it may come from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from samovar.errors import UsageError
from samovar.generate.model import StopReason, ToolCall
from samovar.search.query import Filters
from samovar.serve.completion import Asked
from samovar.serve.principal import Principal
from samovar.serve.uploads import UploadService

FINISH: dict[StopReason, str] = {
    "stop": "stop", "length": "length", "cancelled": "stop", "refused": "blacklist", "tool_calls": "function_call", "error": "error",
}  # fmt: skip


def arguments_of(call: ToolCall) -> dict[str, Any]:
    """Return a call's arguments as an object; what a model wrote that is none is kept as text under ``_``."""
    try:
        value = json.loads(call.arguments)
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"_": call.arguments}


async def with_files(asked: Asked, ids: Sequence[str], uploads: UploadService, caller: Principal) -> Asked:
    """Return the request narrowed to the documents of these uploads.

    Raises:
        NotFoundError: one is not there, or another's.
        UsageError: one could not be read.
    """
    if not ids:
        return asked
    documents: list[str] = []
    for upload_id in ids:
        upload = await uploads.settled(caller, upload_id)
        if upload.status == "processing":
            raise UsageError(
                f"expected files that were read, found {upload.name!r}, which is still coming in: ask again."
            )
        if upload.status != "ready":
            raise UsageError(
                f"expected files that were read, found {upload.name!r}, which was refused: {upload.reason}."
            )
        documents += upload.document_ids
    return replace(asked, filters=Filters(document_ids=tuple(documents)))

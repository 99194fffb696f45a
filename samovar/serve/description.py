"""The OpenAPI document: what the routes declare, with the ways to log in and the failures that every route of a dialect shares added.

Knows nothing about what the routes do.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from samovar.serve.failures import dialect_of
from samovar.serve.login import COOKIE
from samovar.serve.native.answers import WORDS

ABOUT = (
    "Own assistant and search over own documents. `/v1` speaks the OpenAI dialect, `/api/v1` and `/api/v2` the GigaChat dialect, `/api/samovar` is "
    "the native API, `/mcp` the Model Context Protocol. Without accounts (the default on loopback) nothing asks for a key."
)
SCHEMES = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key (smv-…)"},
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "A login of the web application"},
}
ASK_NOBODY = {"/api/samovar/login", "/api/samovar/oidc/callback", "/api/v2/oauth", "/api/v1/token"}
"""Routes that answer 401 though they are for those who are not known yet."""

OPENAI_STATUSES = (400, 401, 403, 404, 413, 429, 500, 501, 502, 503)
METHODS = ("get", "post", "put", "patch", "delete")


def install(app: FastAPI, *, accounts: bool) -> None:
    """Make the application describe itself fully; `accounts` says whether it asks for a login."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            document["info"]["description"] = ABOUT
            _complete(document, accounts=accounts)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any], *, accounts: bool) -> None:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                _complete_operation(path, item[method], accounts=accounts)
    if accounts:
        document.setdefault("components", {})["securitySchemes"] = SCHEMES


def _complete_operation(path: str, operation: dict[str, Any], *, accounts: bool) -> None:
    responses = operation["responses"]
    if dialect_of(path) == "openai":
        responses.pop("422", None)  # this dialect says 400, as its original does
        body = {"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}}
        for status in OPENAI_STATUSES:
            responses.setdefault(str(status), {"description": WORDS[status], "content": body})
    if accounts and "401" in responses and path not in ASK_NOBODY:
        operation["security"] = [{name: []} for name in SCHEMES]

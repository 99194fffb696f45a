"""The OpenAPI document against the running server: generated requests, right and wrong, never break it, and every answer is what is declared.

Schemathesis makes the requests and checks status, content type, schema, rejection of wrong data, acceptance of right data and the need of a
key. ``SAMOVAR_FUZZ_EXAMPLES`` sets how many of each kind are tried per route (default 3; the numbers in the lab log were taken with more).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from serve_harness import Running, running_server

schemathesis = pytest.importorskip("schemathesis")

from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from hypothesis.errors import Unsatisfiable  # noqa: E402
from schemathesis import GenerationMode  # noqa: E402
from schemathesis.checks import CHECKS, load_all_checks  # noqa: E402

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("SAMOVAR_FUZZ_EXAMPLES", "3"))
API = "/api/samovar"
NO_HTTP = "Invalid HTTP request received."
UNLIMITED = {
    "requests_per_minute": 10**6,
    "logins_per_minute": 10**6,
    "max_waiting": 10**4,
    "max_waiting_per_user": 10**4,
}

MORE_THAN_A_SCHEMA: dict[str, str] = {
    f"POST {API}/conversations/messages": "a text, or the id of a question to ask again",
    f"POST {API}/conversations/{{conversation_id}}/messages": "the same",
    f"POST {API}/conversations/import": "an export, whose layout is not in the schema",
    f"POST {API}/documents": "a web address that can be reached, or a file that can be read",
    f"GET {API}/documents/{{document_id}}/text": "start before end",
    f"POST {API}/account/password": "a server with accounts, and the old password",
    f"POST {API}/account/delete": "the same",
    f"POST {API}/keys": "a day that exists, in the future",
    f"POST {API}/users": "a password that is hard to guess",
    f"PATCH {API}/users/{{user_id}}": "the same",
    f"POST {API}/invitations/accept": "the same",
}
"""Routes of the native API that may refuse data of the right shape, and what they want besides. Dialects are as strict as their originals."""


@pytest.fixture(scope="module", params=["open", "reader", "admin"])
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, str]]:
    """A server without accounts, and one that is asked with a reader's and with an administrator's key."""
    accounts = request.param != "open"
    with running_server(tmp_path_factory.mktemp("home"), accounts=accounts, **UNLIMITED) as running:
        yield running, request.param if accounts else ""


class Objects:
    """Ids that exist, made when they are asked for: without them nearly every generated id would only be "not found"."""

    def __init__(self, running: Running, person: str) -> None:
        self._client = running.client(person)

    def conversation_id(self) -> str:
        body = {"text": "Где изобрели самовар?", "stream": False}
        self._reply = self._client.post(f"{API}/conversations/messages", json=body).json()
        return str(self._reply["conversation"]["id"])

    def message_id(self) -> str:
        return str(self._reply["message"]["id"])

    def document_id(self) -> str:
        documents = self._client.get(f"{API}/documents", params={"limit": 1}).json()["documents"]
        return str(documents[0]["id"] if documents else self._upload()["document_ids"][0])

    def upload_id(self) -> str:
        return str(self._upload()["id"])

    def _upload(self) -> dict[str, Any]:
        file = {"file": ("заметка.txt", "Самовар кипит на столе у окна.".encode() * 9)}
        upload: dict[str, Any] = self._client.post(f"{API}/documents", files=file).json()["uploads"][0]
        return upload

    def model_id(self) -> str:
        return "samovar"

    def fill(self, case: Any) -> None:
        """Put ids that exist where the path wants some."""
        for name in sorted(case.path_parameters or {}):
            make: Callable[[], str] | None = getattr(self, name, None)
            if make is not None:
                case.path_parameters[name] = make()


def excluded_checks(operation: Any) -> list[Any]:
    """The checks that do not fit a route."""
    load_all_checks()
    names, label = set(), operation.label
    if any(body.media_type == "multipart/form-data" for body in operation.body):
        names.add("negative_data_rejection")  # a form has texts only: a number in place of a text arrives as a text
    if not label.split(" ")[1].startswith(f"{API}/") or label in MORE_THAN_A_SCHEMA:
        names.add("positive_data_acceptance")
    return [CHECKS.get_one(name) for name in names]


def try_operation(operation: Any, mode: Any, objects: Objects, headers: dict[str, str]) -> int:
    """Send generated requests of one kind to one route, check the answers, return how many there were."""
    excluded = excluded_checks(operation)
    tried = 0

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), real=st.booleans())
    def check(case: Any, real: bool) -> None:
        nonlocal tried
        if real and mode is GenerationMode.POSITIVE:
            objects.fill(case)
        response = case.call(headers=headers, timeout=60)
        tried += 1
        if response.status_code == 400 and response.text == NO_HTTP:
            return  # the generated headers were no HTTP: the web server refused them before any route
        case.validate_response(response, excluded_checks=excluded, headers=headers)

    try:
        check()
    except Unsatisfiable:  # there is nothing to get wrong in this route
        assert mode is GenerationMode.NEGATIVE
    return tried


@pytest.mark.parametrize("area", [API, "/v1", "/api/v1", "/api/v2"])
def test_every_answer_is_as_declared(target: tuple[Running, str], area: str) -> None:
    running, person = target
    document = running.client(person).get(f"{API}/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=running.url)
    headers = {"Authorization": f"Bearer {running.people[person].key}"} if person else {}
    objects = Objects(running, person)
    operations = [found.ok() for found in schema.get_all_operations()]
    chosen = [one for one in operations if one.path.startswith(area + "/")]
    assert chosen
    for operation in chosen:
        assert sum(try_operation(operation, mode, objects, headers) for mode in GenerationMode) > 0
    assert running.client().get(f"{API}/ready").json()["status"] == "ready"

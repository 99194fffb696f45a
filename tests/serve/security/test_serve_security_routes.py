"""Every route × every kind of caller × someone else's objects, compared with the table in `samovar.serve.access`. The routes are taken from the
application, so one that is added is tested without anybody thinking of it, and one without a `Need` fails.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from serve_harness import PASSWORD, Running, running_server, text_document

from samovar.generate.scripted import ScriptedModel
from samovar.serve.access import RULES, private_source
from samovar.serve.guard import Need
from samovar.serve.principal import ROLES, SCOPES, Role, Scope
from samovar.serve.store import tables

pytestmark = pytest.mark.slow

WITHOUT_NEED = {
    "/api/samovar/openapi.json": "the description of the interface: the same for everybody, it is in the source code",
    "nicegui": "NiceGUI's scripts are public; its sockets and uploads are checked by samovar.serve.web.sockets (tested there and in test_serve_security_sockets)",
    "static": "our own scripts and styles",
}
"""Routes that carry no `Need`, and why."""

MISSING = "0123456789abcdef0123456789abcdef"
SAFE = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Place:
    """A method at a path, and what it demands."""

    method: str
    path: str
    action: str

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"{(\w+)(?::\w+)?}", self.path)

    @property
    def is_page(self) -> bool:
        return not self.path.startswith(("/api/", "/v1/", "/mcp"))

    def fill(self, values: dict[str, str]) -> str:
        return re.sub(r"{(\w+)(?::\w+)?}", lambda m: values.get(m[1], MISSING), self.path)


@dataclass(slots=True)
class Caller:
    """How somebody comes in. `scopes` None: with a login, which has them all."""

    name: str
    role: Role | None
    headers: dict[str, str]
    scopes: tuple[Scope, ...] | None = None
    known: bool = True


@dataclass(slots=True)
class World:
    """A server with people and things that belong to them."""

    running: Running
    callers: dict[str, Caller] = field(default_factory=dict)
    objects: dict[str, str] = field(default_factory=dict)  # path parameter → the id of an object of the reader's

    def client(self, caller: Caller) -> httpx.Client:
        headers = {**caller.headers, "Origin": self.running.url}
        return httpx.Client(base_url=self.running.url, headers=headers, timeout=60, trust_env=False)


def places_of(app: FastAPI) -> Iterator[tuple[Place | None, str, int]]:
    """Yield each (place, name, number of its `Need`s); the place is None where there is no path."""
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        path = context.path
        dependant = getattr(context, "dependant", None)
        needs = [d.call for d in dependant.dependencies if isinstance(d.call, Need)] if dependant is not None else []
        if path is None:
            yield None, str(getattr(route, "name", route)), len(needs)
            continue
        for method in sorted((context.methods or {"GET"}) - {"HEAD"}):
            yield Place(method, path, needs[0].action if needs else ""), path, len(needs)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("world")
    model = ScriptedModel(["Самовар изобрели в Туле."])
    with running_server(home, accounts=True, web=True, model=model) as running:
        made = World(running)
        add_callers(made)
        add_objects(made)
        yield made


def add_callers(world: World) -> None:
    running, store = world.running, world.running.state.store
    world.callers["nobody"] = Caller("nobody", None, {}, known=False)
    for name in ("reader", "other", "editor", "admin"):
        person = running.people[name]
        world.callers[name] = Caller(name, person.user.role, {"Cookie": f"samovar_session={person.token}"})
    admin = running.people["admin"].user
    for scope in SCOPES:
        text, _ = store.keys.create(admin.id, f"only {scope}", [scope])
        world.callers[f"key {scope}"] = Caller(
            f"key {scope}", "admin", {"Authorization": f"Bearer {text}"}, scopes=(scope,)
        )
    other = running.people["other"]
    world.callers["other's key"] = Caller(
        "other's key", "reader", {"Authorization": f"Bearer {other.key}"}, scopes=("ask", "search", "files")
    )
    too_much, _ = store.keys.create(other.user.id, "more than the role", list(SCOPES))
    world.callers["reader's key with all scopes"] = Caller(
        "reader's key with all scopes", "reader", {"Authorization": f"Bearer {too_much}"}, scopes=SCOPES
    )
    for name, headers in strangers(running).items():
        world.callers[name] = Caller(name, None, headers, known=False)


def strangers(running: Running) -> dict[str, dict[str, str]]:
    """Credentials that do not count (any more)."""
    store = running.state.store
    admin = running.people["admin"].user
    revoked, key = store.keys.create(admin.id, "revoked", list(SCOPES))
    store.keys.revoke(key.id)
    expired, old_key = store.keys.create(admin.id, "expired", list(SCOPES), expires_at="2999-01-01")
    late, old_session = store.sessions.start(admin.id, "tests", "127.0.0.1")
    with store.database.write() as connection:  # time passes
        for table, row_id in ((tables.keys, old_key.id), (tables.sessions, old_session.id)):
            connection.execute(
                table.update().where(table.c.id == row_id).values(expires_at="2020-01-01T00:00:00.000000Z")
            )
    ended, session = store.sessions.start(admin.id, "tests", "127.0.0.1")
    store.sessions.end(session.id)
    gone = running.add_person("gone", "admin", SCOPES)
    token, _ = store.tokens.issue(gone.api_key.id, "GIGACHAT_API_PERS")
    store.accounts.set_disabled(gone.user.id, True)
    good = running.people["admin"].token
    return {
        "revoked key": {"Authorization": f"Bearer {revoked}"},
        "expired key": {"Authorization": f"Bearer {expired}"},
        "expired session": {"Cookie": f"samovar_session={late}"},
        "ended session": {"Cookie": f"samovar_session={ended}"},
        "disabled user's key": {"Authorization": f"Bearer {gone.key}"},
        "disabled user's token": {"Authorization": f"Bearer {token}"},
        "disabled user's session": {"Cookie": f"samovar_session={gone.token}"},
        "invented key": {"Authorization": "Bearer smv-" + "a" * 40},
        "session as key": {"Authorization": f"Bearer {good}"},
        "password as Basic": {"Authorization": "Basic YWRtaW46Y29ycmVjdCBob3JzZSA0Mg=="},
        "bad header beside a good cookie": {"Authorization": "Bearer x", "Cookie": f"samovar_session={good}"},
        "empty header beside a good cookie": {"Authorization": "", "Cookie": f"samovar_session={good}"},
        "key in the cookie": {"Cookie": f"samovar_session={running.people['admin'].key}"},
        "key in the query": {"X-Api-Key": running.people["admin"].key},
    }


def add_objects(world: World) -> None:
    """Real things of the reader's, one for each kind of path parameter."""
    running = world.running
    person = running.people["reader"]
    store = running.state.store
    client = world.client(world.callers["reader"])
    with client:
        asked = client.post(
            "/api/samovar/conversations/messages", json={"text": "Где изобрели самовар? Тайна-4711.", "stream": False}
        )
        assert asked.status_code == 200, asked.text
    conversation = store.conversations.list(person.user.id)[0]
    messages = store.conversations.messages(conversation.id)
    with running.client("reader") as by_key:
        files = {
            "file": ("secret.txt", "Самовар спрятан под половицей, тайна-4711. Это знает только хозяин дома.".encode())
        }
        upload = by_key.post("/api/v1/files", files=files, data={"purpose": "general"})
        assert upload.status_code == 200, upload.text
    upload_id = upload.json()["id"]
    document = text_document("diary", "Дневник: самовар, тайна-4711, лежит в сундуке.", private_source(person.user.id))
    running.put(document)
    token, invitation = store.invitations.create("editor", running.people["admin"].user.id)
    world.objects = {
        "conversation_id": conversation.id,
        "message_id": messages[-1].id,
        "question_id": messages[0].id,
        "document_id": document.id,
        "file_id": upload_id,
        "upload_id": upload_id,
        "key_id": person.api_key.id,
        "session_id": person.session.id,
        "user_id": person.user.id,
        "invitation_id": invitation.id,
        "token": token,
    }


PLAIN = {"model_id", "model", "rest", "response_id"}
"""Path parameters that do not name anybody's object."""

FOR_ADMINS = {"user_id", "invitation_id", "token"}
"""Path parameters that name what admins manage (or, the token, what is a secret itself)."""

BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/api/samovar/conversations/{conversation_id}/messages"): {"text": "И ещё?"},
    ("PATCH", "/api/samovar/conversations/{conversation_id}"): {"title": "мой"},
    ("POST", "/api/samovar/conversations/{conversation_id}/stop"): None,
    ("PUT", "/api/samovar/conversations/{conversation_id}/messages/{message_id}/feedback"): {"value": 1, "comment": ""},
    ("POST", "/api/v1/files/{file_id}/delete"): None,
}
"""Bodies that are valid, for routes that act on an object; one that is missing here fails the test."""


# -- the table ----------------------------------------------------------------------------------------------------------


def test_every_route_says_what_it_needs(world: World) -> None:
    found = list(places_of(world.running.app))
    assert len(found) > 60
    for place, name, num_needs in found:
        if name in WITHOUT_NEED:
            assert num_needs == 0
            continue
        assert num_needs == 1, f"{name} carries {num_needs} Need, expected one"
        assert place is not None and (place.action == "public" or place.action in RULES)


def test_what_is_public_is_little(world: World) -> None:
    public = {p.path for p, _, _ in places_of(world.running.app) if p is not None and p.action == "public"}
    assert public == {
        "/api/samovar/health",
        "/api/samovar/ready",
        "/api/samovar/login",
        "/api/samovar/logout",
        "/api/samovar/invitations/accept",
        "/api/samovar/invitations/check",
        "/api/samovar/oidc/callback",
        "/api/samovar/oidc/login",
        "/api/v1/token",
        "/api/v2/oauth",
        "/invite/{token}",
        "/login",
    }


def expected(place: Place, caller: Caller) -> int | None:
    """The refusal the table demands, None when the caller may."""
    if place.action == "public":
        return None
    if not caller.known or caller.role is None:
        return 303 if place.is_page else 401
    rule = RULES[place.action]  # type: ignore[index]
    if ROLES.index(caller.role) < ROLES.index(rule.role):
        return 403
    if caller.scopes is not None and (rule.scope is None or rule.scope not in caller.scopes):
        return 403
    return None


CALLERS = [
    "nobody", "reader", "other", "editor", "admin", *(f"key {scope}" for scope in SCOPES), "other's key", "reader's key with all scopes", "revoked key",
    "expired key", "ended session", "disabled user's key", "disabled user's token", "disabled user's session", "invented key", "session as key",
    "password as Basic", "bad header beside a good cookie", "empty header beside a good cookie", "key in the cookie", "key in the query",
]  # fmt: skip


@pytest.mark.parametrize("name", CALLERS)
def test_each_caller_gets_what_the_table_says(world: World, name: str) -> None:
    """With ids of nothing and an empty body, so that whoever may do it changes nothing: 404 or 422 is enough."""
    caller = world.callers[name]
    wrong = []
    with world.client(caller) as client:
        for place, route, _ in places_of(world.running.app):
            if place is None or route in WITHOUT_NEED or ends_own_login(place):
                continue
            answer = client.request(place.method, place.fill({}), **empty_body(place))
            refusal = expected(place, caller)
            right = answer.status_code == refusal if refusal else answer.status_code not in (401, 403)
            if place.action == "public" or place.path == "/api/samovar/account/delete":
                right = True  # a wrong or missing password is refused with the same statuses
            if not right or (answer.status_code >= 500 and answer.status_code != 501):
                wrong.append(
                    f"{place.method} {place.path}: expected {refusal or 'leave'}, found {answer.status_code} {answer.text[:120]}"
                )
    assert not wrong, "\n".join(wrong)


def ends_own_login(place: Place) -> bool:
    return place.path == "/api/samovar/logout" or (place.method, place.path) == ("DELETE", "/api/samovar/sessions")


def empty_body(place: Place) -> dict[str, Any]:
    return {} if place.method in SAFE else {"json": {}}


def test_the_two_that_end_logins_need_one(world: World) -> None:
    for name in ("nobody", "revoked key", "key admin", "other's key"):
        with world.client(world.callers[name]) as client:
            assert client.delete("/api/samovar/sessions").status_code == (401 if not world.callers[name].known else 403)
            client.post("/api/samovar/logout")
    store = world.running.state.store
    assert all(store.sessions.find(world.running.people[p].token) for p in ("reader", "other", "editor", "admin"))


# -- someone else's objects ---------------------------------------------------------------------------------------------

STRANGERS = ("other", "editor", "admin", "other's key", "reader's key with all scopes")


def comparable(answer: httpx.Response, *names: str) -> tuple[int, str]:
    """Status and body without what differs between any two answers."""
    text = re.sub(r"nonce[=-]\S+", "", answer.text)
    for name in names:
        text = text.replace(name, "ID")
    return answer.status_code, text


def places_with_objects(app: FastAPI) -> list[Place]:
    return [p for p, _, _ in places_of(app) if p is not None and set(p.parameters) - PLAIN]


def body_of(place: Place) -> dict[str, Any]:
    if place.method in (*SAFE, "DELETE"):
        return {}
    body = BODIES[(place.method, place.path)]
    return {"json": body} if body is not None else {}


def test_all_parameters_are_known(world: World) -> None:
    known = set(world.objects) | PLAIN
    for place in places_with_objects(world.running.app):
        assert set(place.parameters) <= known, f"{place.path}: say in this file what its parameters name"
        if place.method not in (*SAFE, "DELETE") and not set(place.parameters) & FOR_ADMINS:
            assert (place.method, place.path) in BODIES, f"{place.method} {place.path}: give a valid body in BODIES"


@pytest.mark.parametrize("name", STRANGERS)
def test_anothers_object_is_no_different_from_a_missing_one(world: World, name: str) -> None:
    caller = world.callers[name]
    wrong = []
    with world.client(caller) as client:
        for place in places_with_objects(world.running.app):
            if set(place.parameters) & FOR_ADMINS:
                continue
            theirs = place.fill(world.objects)
            missing = place.fill({})
            first = comparable(client.request(place.method, missing, **body_of(place)), MISSING)
            second = comparable(client.request(place.method, theirs, **body_of(place)), *world.objects.values())
            if first != second or first[0] not in (401, 403, 404):
                wrong.append(f"{place.method} {place.path}: a missing one {first}, another's {second}")
    assert not wrong, "\n".join(wrong)


def test_the_owner_does_see_them(world: World) -> None:
    """Else the test above would pass on ids that are wrong."""
    seen = 0
    with world.client(world.callers["reader"]) as client:
        for place in places_with_objects(world.running.app):
            if place.method in SAFE and not set(place.parameters) & FOR_ADMINS:
                answer = client.get(place.fill(world.objects))
                assert answer.status_code == 200, f"{place.path}: {answer.status_code} {answer.text[:200]}"
                seen += 1
    assert seen >= 8


def test_they_are_all_still_there(world: World) -> None:
    store, objects = world.running.state.store, world.objects
    conversation = store.conversations.get(objects["conversation_id"])
    assert conversation is not None and conversation.title != "мой"
    assert len(store.conversations.messages(conversation.id)) == 2
    assert store.feedback.get(objects["message_id"], world.running.people["other"].user.id) is None
    assert store.uploads.get(objects["upload_id"]) is not None
    assert world.running.samovar.library.document(objects["document_id"])
    assert store.sessions.find(world.running.people["reader"].token)
    key = store.keys.get(objects["key_id"])
    assert key is not None and not key.revoked


@pytest.mark.parametrize("name", STRANGERS)
def test_nothing_of_it_is_in_any_list(world: World, name: str) -> None:
    """Every GET without parameters, every search, every list: no trace of the reader's secret."""
    running, objects = world.running, world.objects
    secrets = [objects[k] for k in ("conversation_id", "message_id", "question_id", "document_id", "upload_id")]
    secrets += ["тайна-4711", "Тайна-4711", "половиц", "secret.txt", private_source(running.people["reader"].user.id)]
    theirs = {"filters": {"document_ids": [objects["document_id"]]}}
    named = {"filters": {"sources": [private_source(running.people["reader"].user.id)]}}
    question = {"messages": [{"role": "user", "content": "Где спрятан самовар, тайна 4711?"}], "model": "samovar"}
    posts: list[tuple[str, Any]] = [
        ("/api/samovar/search", {"query": "самовар тайна половица"}),
        ("/api/samovar/search", {"query": "самовар", **theirs}),
        ("/api/samovar/search", {"query": "самовар", **named}),
        ("/api/samovar/ask", {"question": "Где спрятан самовар?", **theirs}),
        ("/api/samovar/ask", {"question": "Где спрятан самовар?"}),
        ("/v1/chat/completions", {**question, "samovar": theirs}),
        ("/v1/chat/completions", {**question, "samovar": named}),
        ("/api/v1/chat/completions", question),
        ("/api/v1/chat/completions", {"model": "samovar", "messages": [{**question["messages"][0], "attachments": [objects["file_id"]]}]}),  # type: ignore[index]
    ]  # fmt: skip
    gets = [
        "/api/samovar/search?query=самовар+тайна",
        f"/api/samovar/ledger?source={secrets[-1]}",
        f"/api/samovar/documents?source={secrets[-1]}",
    ]
    gets += [p.path for p, _, _ in places_of(running.app) if p is not None and p.method == "GET" and not p.parameters]
    gets += [
        f"/search?q=самовар+тайна&source={secrets[-1]}",
        f"/library?source={secrets[-1]}",
        f"/library/ledger?source={secrets[-1]}",
    ]
    with world.client(world.callers[name]) as client:
        for path, body in posts:
            asked = json.dumps(body, ensure_ascii=False)
            answer = client.post(path, json=body)
            found = [
                s
                for s in secrets
                if s in answer.text and s not in asked and s not in "Где спрятан самовар, тайна 4711?"
            ]
            assert not found, f"{path}: {found}"
            assert answer.status_code < 500
        for path in gets:
            if path.startswith(("/api/samovar/users", "/admin")):
                continue  # an admin sees that there is a reader
            answer = client.get(path)
            found = [s for s in secrets if s in answer.text and s not in path]
            assert not found, f"{path}: {found}"


def test_continuing_anothers_conversation_by_its_messages(world: World) -> None:
    """`replaces` names a question; it must be in the caller's own conversation."""
    with world.client(world.callers["other"]) as client:
        own = client.post("/api/samovar/conversations/messages", json={"text": "Где Байкал?", "stream": False}).json()[
            "conversation"
        ]["id"]
        for conversation in ("", own):
            path = (
                f"/api/samovar/conversations/{conversation}/messages"
                if conversation
                else "/api/samovar/conversations/messages"
            )
            body = {"text": "x", "replaces": world.objects["question_id"]}
            missing = {"text": "x", "replaces": MISSING}
            theirs, nothing = client.post(path, json=body), client.post(path, json=missing)
            assert theirs.status_code == nothing.status_code == 404
            assert comparable(theirs, *world.objects.values()) == comparable(nothing, MISSING)
        feedback = f"/api/samovar/conversations/{own}/messages/{world.objects['message_id']}/feedback"
        assert client.put(feedback, json={"value": 1, "comment": ""}).status_code == 404


def test_a_busy_conversation_of_anothers_looks_missing_too(world: World) -> None:
    service = world.running.state.chat
    path = f"/api/samovar/conversations/{world.objects['conversation_id']}/messages"
    service._busy.add(world.objects["conversation_id"])
    try:
        with world.client(world.callers["other"]) as client:
            assert client.post(path, json={"text": "x"}).status_code == 404
        with world.client(world.callers["reader"]) as client:
            assert client.post(path, json={"text": "x"}).status_code == 409
    finally:
        service._busy.discard(world.objects["conversation_id"])


def test_removing_needs_more_than_reading(world: World) -> None:
    """The routes that act on shared and on private documents ask again for what that takes."""
    running = world.running
    store, reader, editor = running.state.store, running.people["reader"].user, running.people["editor"].user
    own = text_document("mine", "Моя запись про самовар.", private_source(reader.id))
    shared = text_document("shared-thing", "Общая запись про самовар.")
    running.put(own, shared)

    def remove(document_id: str, user_id: str, *scopes: Scope) -> int:
        text, _ = store.keys.create(user_id, "k", list(scopes))
        with running.client(key=text) as client:
            return client.delete(f"/api/samovar/documents/{document_id}").status_code

    assert remove(own.id, reader.id, "search") == 403
    assert remove(shared.id, reader.id, "search", "files", "library", "admin") == 403
    assert remove(shared.id, editor.id, "search", "files") == 403
    assert remove(own.id, editor.id, *SCOPES) == 404
    assert remove(own.id, reader.id, "search", "files") == 200
    assert remove(shared.id, editor.id, "search", "library") == 200


def test_naming_a_shared_collection_needs_an_editor(world: World) -> None:
    running = world.running
    reader = private_source(running.people["reader"].user.id)
    for name, source, status in (
        ("other", "test", 403),
        ("other", reader, 404),
        ("editor", reader, 404),
        ("admin", reader, 404),
        ("key files", "test", 403),
    ):
        with world.client(world.callers[name]) as client:
            files = {"file": ("a.txt", "Новый текст о самоваре.".encode())}
            answer = client.post("/api/samovar/documents", files=files, data={"source": source})
            assert answer.status_code == status, f"{name} {source}: {answer.status_code} {answer.text[:200]}"
            answer = client.post("/api/samovar/documents", json={"urls": ["http://example.com/"], "source": source})
            assert answer.status_code == status, f"{name} {source}: {answer.status_code} {answer.text[:200]}"


def test_a_key_cannot_be_more_than_its_owner_is_now(serve: Any) -> None:
    running = serve(accounts=True)
    admin = running.people["admin"]
    running.add_person("second", "admin", SCOPES)
    assert running.client("second").get("/api/samovar/users").status_code == 200
    running.state.store.accounts.set_role(running.people["second"].user.id, "reader")
    assert running.client("second").get("/api/samovar/users").status_code == 403
    assert running.client("second").get("/api/samovar/library").status_code == 200
    running.state.store.accounts.delete(running.people["second"].user.id)
    assert running.client("second").get("/api/samovar/library").status_code == 401
    assert running.client(key=admin.key).get("/api/samovar/users").status_code == 200


def test_other_ways_in_check_the_same(serve: Any) -> None:
    """GigaChat's two token routes, and the web login: no way in for who may not come in another way."""
    import base64

    running = serve(accounts=True)
    person = running.people["reader"]

    def basic(name: str, secret: str) -> dict[str, str]:
        return {
            "Authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode(),
            "RqUID": "6f0b1291-c7f3-43c6-bb2e-9f3efb2dc98e",
        }

    def attempts() -> list[int]:
        client = running.client()
        got = [
            client.post("/api/v2/oauth", headers=basic("reader", person.key), data={"scope": "GIGACHAT_API_PERS"}),
            client.post("/api/v1/token", headers=basic("reader", person.key)),
            client.post("/api/v1/token", headers=basic("reader", PASSWORD)),
            client.post("/api/samovar/login", json={"name": "reader", "password": PASSWORD}),
        ]
        return [answer.status_code for answer in got]

    assert attempts()[0] == 200 and attempts()[3] == 200
    token = (
        running.client()
        .post("/api/v2/oauth", headers=basic("reader", person.key), data={"scope": "GIGACHAT_API_PERS"})
        .json()["access_token"]
    )
    assert running.client(key=token).get("/v1/models").status_code == 200
    assert running.client(key=token).get("/api/samovar/sessions").status_code == 403  # a token is a key, not a login
    running.state.store.accounts.set_disabled(person.user.id, True)
    assert attempts() == [401] * 4
    assert running.client(key=token).get("/v1/models").status_code == 401
    running.state.store.accounts.set_disabled(person.user.id, False)
    running.state.store.keys.revoke(person.api_key.id)
    assert attempts()[:2] == [401, 401]
    assert running.client(key=token).get("/v1/models").status_code == 401

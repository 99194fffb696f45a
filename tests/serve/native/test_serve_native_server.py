"""The server about itself: health, readiness, models, and metrics that count right and tell nothing of anybody."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import pytest
from native_sse import events_of
from prometheus_client.parser import text_string_to_metric_families
from serve_harness import Running

from samovar import __version__
from samovar.errors import OverloadedError
from samovar.generate.scripted import ScriptedModel
from samovar.serve.description import ASK_NOBODY
from samovar.serve.metrics import NO_ROUTE, route_of

API = "/api/samovar"
QUESTION = "Где изобрели самовар?"
Serve = Callable[..., Running]


def numbers(running: Running, person: str = "") -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of the metrics by name and labels."""
    answer = running.client(person).get(f"{API}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_health_needs_nobody(guarded: Running) -> None:
    assert guarded.client().get(f"{API}/health").json() == {"status": "ok", "version": __version__}


def test_ready_tells_which_part_is_not(running: Running) -> None:
    client = running.client()
    assert client.get(f"{API}/ready").json()["status"] == "ready"
    running.state.engine.queue.closed = True
    answer = client.get(f"{API}/ready")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {
        "library": True,
        "index": True,
        "model": True,
        "database": True,
        "accepting": False,
    }
    running.state.store.close()
    running.state.store.accounts.count = lambda: 1 / 0  # type: ignore[assignment, method-assign]
    assert client.get(f"{API}/ready").json()["checks"]["database"] is False


def test_models(serve: Serve) -> None:
    models = serve(model=ScriptedModel(["a"], name="bare")).client().get(f"{API}/models").json()["models"]
    assert [(one["id"], one["grounded"]) for one in models] == [("samovar", True), ("bare", False)]


def test_metrics_count_what_happened(serve: Serve) -> None:
    running = serve(model=ScriptedModel(["один два три"], name="bare"))
    client = running.client()
    for _ in range(2):
        assert client.post(f"{API}/ask", json={"question": QUESTION}).status_code == 200
    client.post(f"{API}/conversations/messages", json={"text": "Скажи", "model": "bare", "stream": False})
    client.post(f"{API}/ask", json={"question": QUESTION, "model": "нет такой"})
    client.get("/no/such/page")
    client.get(f"{API}/documents/{'0' * 32}")
    found = numbers(running)

    def of(name: str, **labels: str) -> float:
        return found.get((name, tuple(sorted(labels.items()))), 0.0)

    assert of("samovar_http_requests_total", method="POST", route=f"{API}/ask", status="200") == 2
    assert of("samovar_http_requests_total", method="POST", route=f"{API}/ask", status="404") == 1
    assert of("samovar_http_requests_total", method="GET", route=f"{API}/documents/{{document_id}}", status="404") == 1
    assert of("samovar_http_requests_total", method="GET", route=NO_ROUTE, status="404") == 1
    assert of("samovar_http_request_seconds_count", route=f"{API}/ask") == 3
    assert of("samovar_answers_total", kind="bare", status="stop") == 1
    assert (
        sum(
            v
            for (name, labels), v in found.items()
            if name == "samovar_answers_total" and ("kind", "grounded") in labels
        )
        == 2
    )
    assert of("samovar_found_seconds_count") == 2
    assert of("samovar_first_token_seconds_count", kind="bare") == 1
    assert of("samovar_tokens_total", direction="completion") == 3
    assert of("samovar_errors_total", error="NotFoundError") == 1
    assert of("samovar_errors_total", error="ModelNotFoundError") == 1
    assert of("samovar_library_documents") == 3
    assert (of("samovar_queue_running"), of("samovar_queue_waiting"), of("samovar_queue_limit")) == (0, 0, 1)
    assert of("samovar_http_requests_running") == 1  # this one
    assert of("samovar_build_info", version=__version__) == 1
    assert of("process_resident_memory_bytes") > 1e6


def test_metrics_tell_nothing_of_anybody(guarded: Running) -> None:
    client = guarded.client("reader")
    client.post(f"{API}/conversations/messages", json={"text": "Тайный вопрос о бананах", "stream": False})
    client.get(f"{API}/search", params={"query": "бананы"})
    client.get(f"{API}/documents", headers={"Authorization": "Bearer smv-wrong"})
    client.request("BANANA", f"{API}/documents/бананы")
    text = guarded.client("admin").get(f"{API}/metrics").text
    person = guarded.people["reader"]
    for secret in ("анан", "BANANA", person.user.id, person.user.name, person.key, "smv-", "127.0.0.1"):
        assert secret not in text, secret


def test_the_number_of_series_is_bounded(running: Running) -> None:
    client = running.client()
    client.get(f"{API}/documents/{'1' * 32}")
    before = len(numbers(running))
    for n in range(12):
        client.get(f"{API}/documents/{n:032}")
        client.get(f"/{n}/x")
        client.request(f"M{n}", "/")
    first = len(numbers(running))
    for n in range(12, 24):
        client.get(f"{API}/documents/{n:032}")
        client.get(f"/{n}/x")
        client.request(f"M{n}", "/")
    assert len(numbers(running)) == first
    assert first - before < 200


def test_who_may_read_metrics(serve: Serve) -> None:
    running = serve(accounts=True)
    assert running.client().get(f"{API}/metrics").status_code == 401
    assert running.client("editor").get(f"{API}/metrics").status_code == 403
    assert numbers(running, "admin")
    assert serve(metrics=False).client().get(f"{API}/metrics").status_code == 404


@pytest.mark.parametrize(
    ("typed", "template", "params", "expected"),
    [
        ("/api/x/7", "/x/{i}", {"i": 7}, "/api/x/{i}"),
        ("/api", "", {}, "/api"),
        ("/v1/models/a/b", "/models/{id}", {"id": "a/b"}, "/v1/models/{id}"),
        ("/else", "/x/{i}", {"i": 7}, "/x/{i}"),
    ],
)
def test_routes_are_named_by_their_template(
    typed: str, template: str, params: dict[str, object], expected: str
) -> None:
    route = type("Route", (), {"path_format": template})()
    assert route_of({"path": typed, "route": route, "path_params": params}) == expected
    assert route_of({"path": typed}) == NO_ROUTE


def test_stopping_ends_streams_with_their_last_event(serve: Serve) -> None:
    model = ScriptedModel([" ".join(["слово"] * 3_000)], delay_seconds=0.02, context_tokens=100_000)
    running = serve(model=model, shutdown_seconds=0.2)
    bodies = [{"text": QUESTION}, {"text": "Какова глубина Байкала?"}]
    with running.client().stream("POST", f"{API}/conversations/messages", json=bodies[0]) as first:
        events = events_of(first)
        while next(events)[0] != "delta":
            pass
        with running.client().stream("POST", f"{API}/conversations/messages", json=bodies[1]) as second:
            waiting = events_of(second)
            assert [next(waiting)[0], next(waiting)[0]] == ["accepted", "found"]
            running.call(running.state.engine.drain(0.2))
            assert [name for name, _ in events][-1] == "done"
            last = list(waiting)[-1]
    assert last[0] == "error"
    assert "stopping" in last[1]["error"]["message"]
    refused = running.client().post(f"{API}/ask", json={"question": QUESTION})
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert running.state.engine.queue.running == 0


def test_stopping_while_nothing_runs(running: Running) -> None:
    assert running.call(running.state.engine.drain(5.0)) is True
    with pytest.raises(OverloadedError):
        running.state.engine.queue.admit("anybody")


def test_the_description_is_whole(serve: Serve) -> None:
    open_door = serve().client().get(f"{API}/openapi.json").json()
    guarded = serve(accounts=True).client("reader").get(f"{API}/openapi.json").json()
    assert "securitySchemes" not in open_door.get("components", {})
    assert set(guarded["components"]["securitySchemes"]) == {"key", "session"}
    for path, item in guarded["paths"].items():
        for method, operation in item.items():
            named = (path, method)
            assert operation.get("summary"), named
            assert {"500", "503"} <= set(operation["responses"]), named
            if path.startswith(f"{API}/") and "401" in operation["responses"] and path not in ASK_NOBODY:
                assert operation["security"], named
            if path.startswith(f"{API}/") and not path.startswith(f"{API}/oidc"):
                good = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
                assert good.get("content"), named


def test_the_event_loop_is_not_held_up(serve: Serve) -> None:
    """A slow model in a thread leaves the loop free: health answers while it thinks."""
    running = serve(model=ScriptedModel(["а б в"], delay_seconds=0.5))

    async def both() -> tuple[int, bool]:
        import httpx

        async with httpx.AsyncClient(base_url=running.url, trust_env=False, timeout=60) as client:
            asking = asyncio.create_task(client.post(f"{API}/ask", json={"question": QUESTION}))
            await asyncio.sleep(0.2)
            health = await client.get(f"{API}/health")
            still = not asking.done()
            await asking
            return health.status_code, still

    assert asyncio.run(both()) == (200, True)


def test_answers_name_no_server_software(running: Running) -> None:
    headers = running.client().get(f"{API}/health").headers
    assert "server" not in headers
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", headers["date"])

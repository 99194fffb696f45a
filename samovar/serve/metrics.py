"""What a running server counts, for Prometheus: requests, answers, tokens, the queue, the library. Numbers only: no text, name, key or address of a user.

Labels come from closed sets (routes, statuses, models on offer, error classes), so the number of series is bounded.
Source: Prometheus "Metric and label naming"; text format 0.0.4 as prometheus_client writes it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest

from samovar import __version__
from samovar.assistant.answer import Done, Found
from samovar.generate.model import Piece

if TYPE_CHECKING:
    from samovar.assistant.answer import Event
    from samovar.serve.engine import Engine

log = logging.getLogger("samovar.requests")

REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
TOKEN_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0)
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
NO_ROUTE = "none"
"""Label of requests that no route answered: unknown paths, refused hosts, too large bodies."""

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]


class Metrics:
    """The counters of one server, in a registry of their own (several servers may live in one process: tests)."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        Info("samovar_build", "Version of the program", registry=registry).info({"version": __version__})
        self.requests = Counter(
            "samovar_http_requests", "Requests answered", ["method", "route", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "samovar_http_request_seconds", "Until the last byte", ["route"], registry=registry, buckets=REQUEST_BUCKETS
        )
        self.running_requests = Gauge("samovar_http_requests_running", "Requests not yet answered", registry=registry)
        self.errors = Counter("samovar_errors", "Failures by class", ["error"], registry=registry)
        self.answers = Counter("samovar_answers", "Answers by how they ended", ["kind", "status"], registry=registry)
        self.found_seconds = Histogram(
            "samovar_found_seconds", "From the question to its sources", registry=registry, buckets=TOKEN_BUCKETS
        )
        self.first_token_seconds = Histogram(
            "samovar_first_token_seconds", "From asking to the first word, waiting included", ["kind"], registry=registry, buckets=TOKEN_BUCKETS
        )  # fmt: skip
        self.answer_seconds = Histogram(
            "samovar_answer_seconds", "From asking to the last word", ["kind"], registry=registry, buckets=TOKEN_BUCKETS
        )
        self.tokens = Counter("samovar_tokens", "Tokens of bare models' completions", ["direction"], registry=registry)
        self.pieces = Counter("samovar_pieces", "Pieces of text streamed", ["kind"], registry=registry)
        self._running = Gauge("samovar_queue_running", "Answers being written", registry=registry)
        self._waiting = Gauge("samovar_queue_waiting", "Requests waiting for their turn", registry=registry)
        self._limit = Gauge("samovar_queue_limit", "Answers written at once, at most", registry=registry)
        self._documents = Gauge("samovar_library_documents", "Documents in the library", registry=registry)
        self._passages = Gauge("samovar_library_passages", "Passages in the library", registry=registry)
        self._version = Gauge("samovar_library_version", "Committed changes to the library", registry=registry)

    @contextmanager
    def answering(self, kind: str) -> Iterator[Clock]:
        """Time one answer; `kind` is ``grounded`` or ``bare``. The block tells the `Clock` what comes."""
        clock = Clock(self, kind)
        try:
            yield clock
        except Exception:
            clock.status = "failed"
            raise
        finally:
            self.answers.labels(kind, clock.status or "left").inc()
            self.answer_seconds.labels(kind).observe(clock.seconds)

    def count_error(self, error: BaseException) -> None:
        """Count a failure by its class."""
        self.errors.labels(type(error).__name__).inc()

    def render(self, engine: Engine) -> bytes:
        """Return everything as text, with the queue and the library as they are now (blocking: reads two rows)."""
        queue, library = engine.queue, engine.samovar.library
        self._running.set(queue.running)
        self._waiting.set(queue.waiting)
        self._limit.set(queue.limit)
        self._documents.set(library.num_documents)
        self._passages.set(library.num_passages)
        self._version.set(library.version)
        return generate_latest(self.registry)


class Clock:
    """One answer as it comes. `status` is set by whoever reads the last event; none means that the reader left."""

    def __init__(self, metrics: Metrics, kind: str) -> None:
        self._metrics = metrics
        self._kind = kind
        self._began = time.perf_counter()
        self._spoke = False
        self.status = ""

    @property
    def seconds(self) -> float:
        """Time since the question."""
        return time.perf_counter() - self._began

    def event(self, event: Event | Piece) -> None:
        """Take note of what is about to be passed on."""
        if isinstance(event, Found):
            self._metrics.found_seconds.observe(self.seconds)
            return
        if isinstance(event, Done):
            self.status = "stopped" if event.answer.stop_reason == "cancelled" else event.answer.status
            return
        if event.text:
            self._spoken()
        if isinstance(event, Piece) and event.stop_reason is not None:
            self.status = "stopped" if event.stop_reason == "cancelled" else event.stop_reason
            if event.usage is not None:
                self._metrics.tokens.labels("prompt").inc(event.usage.prompt_tokens)
                self._metrics.tokens.labels("completion").inc(event.usage.completion_tokens)

    def _spoken(self) -> None:
        self._metrics.pieces.labels(self._kind).inc()
        if not self._spoke:
            self._spoke = True
            self._metrics.first_token_seconds.labels(self._kind).observe(self.seconds)


class CountRequests:
    """Outermost middleware: counts every HTTP request by the template of its route and its status."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; count it when it has ended."""
        metrics = _metrics_of(scope)
        if scope["type"] != "http" or metrics is None:
            await self.app(scope, receive, send)
            return
        status = 499  # the client left before there was an answer (nginx's number for it)
        began = time.perf_counter()

        async def watch(message: dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        metrics.running_requests.inc()
        try:
            await self.app(scope, receive, watch)
        except Exception:
            status = 500 if status == 499 else status
            raise
        finally:
            metrics.running_requests.dec()
            route = route_of(scope)
            method = scope["method"] if scope["method"] in METHODS else "other"
            metrics.requests.labels(method, route, str(status)).inc()
            seconds = time.perf_counter() - began
            metrics.request_seconds.labels(route).observe(seconds)
            log.info("%s %s %d in %.0f ms", method, route, status, 1000 * seconds)


def route_of(scope: Scope) -> str:
    """Return the template of the route that answered, e.g. ``/v1/models/{model_id}``; never a path as it was typed.

    A route knows its template without the prefix of the router it is in; the prefix, which has no parameters, is what stands before the rest.
    """
    route = scope.get("route")
    template = getattr(route, "path_format", None)
    if template is None:
        return NO_ROUTE
    typed: str = scope["path"]
    rest = template
    for name, value in scope.get("path_params", {}).items():
        rest = rest.replace("{" + name + "}", str(value))
    return (typed[: len(typed) - len(rest)] if typed.endswith(rest) else "") + str(template)


def _metrics_of(scope: Scope) -> Metrics | None:
    state = getattr(getattr(scope.get("app"), "state", None), "samovar", None)
    metrics: Metrics | None = getattr(state, "metrics", None)
    return metrics

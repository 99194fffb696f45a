"""What every request passes before it reaches a route: identity of the request, host, origin, rate, size, time; and what every answer carries.

All are plain ASGI middlewares that never buffer an answer's stream. Order, outermost first: headers → addresses → failing → hosts → origins →
rates → crowd → bodies → logins → deadline. Knows nothing about accounts; `guard.Need` tells it whose request it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI

    from samovar.settings import Settings


def install(app: FastAPI, settings: Settings) -> None:
    """Put the protections around an application. Call it last: what is added last is outermost."""
    from samovar.serve.protect.addresses import Addresses
    from samovar.serve.protect.bodies import Bodies
    from samovar.serve.protect.crowd import Crowd
    from samovar.serve.protect.deadline import Deadline
    from samovar.serve.protect.failing import Failing
    from samovar.serve.protect.headers import Headers
    from samovar.serve.protect.hosts import Hosts
    from samovar.serve.protect.logins import Logins
    from samovar.serve.protect.origins import Origins
    from samovar.serve.protect.rates import Rates

    serve = settings.serve
    app.add_middleware(Deadline, seconds=serve.request_seconds)
    app.add_middleware(Logins, per_minute=serve.logins_per_minute)
    app.add_middleware(Bodies, max_body_bytes=serve.max_body_bytes, max_upload_bytes=serve.max_upload_bytes)
    app.add_middleware(Crowd)
    app.add_middleware(Rates, per_minute=serve.requests_per_minute)
    app.add_middleware(Origins, public_url=serve.public_url)
    app.add_middleware(Hosts, host=serve.host, allowed=serve.allowed_hosts, public_url=serve.public_url)
    app.add_middleware(Failing)
    app.add_middleware(Addresses, trusted=serve.trusted_proxies)
    app.add_middleware(Headers)

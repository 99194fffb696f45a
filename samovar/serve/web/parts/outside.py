"""Which other machines see what people write here, by the settings. Knows where models are reached, not what they are sent."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from samovar.settings import Settings


def outside_hosts(settings: Settings) -> list[str]:
    """Return the other machines that questions or texts are sent to by these settings: remote models, remote embeddings."""
    from samovar.generate.gigachat import BASE_URL

    hosts: list[str] = []
    for setting in (settings.generate.model, *settings.serve.models):
        kind, _, name = setting.partition(":")
        if kind == "openai" and name:
            hosts.append(urlsplit(settings.generate.base_url).hostname or "api.openai.com")
        elif kind == "gigachat" and name:
            hosts.append(urlsplit(settings.generate.base_url or BASE_URL).hostname or BASE_URL)
    if "://" in settings.search.dense:
        hosts.append(urlsplit(settings.search.dense).hostname or settings.search.dense)
    return [host for host in dict.fromkeys(hosts) if not _is_here(host)]


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

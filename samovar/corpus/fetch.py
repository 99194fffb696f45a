"""Fetch one address of the web into a private temporary file, without becoming a way into the local network.

Only http and https. The address is checked when the connection is made, on the very IP that is connected to, for every
redirect: a name that resolves differently the second time cannot get past it. Proxies from the environment are not used, for
the same reason. Source: RFC 6890 (special-purpose addresses), RFC 4291 (IPv4 inside IPv6), RFC 6052 and RFC 3056
(NAT64, 6to4).
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import shutil
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from samovar.errors import FetchError

MAX_REDIRECTS = 10
_CHUNK = 64 * 1024
_USER_AGENT = "Samovar (library; one page on request)"
_UNSAFE_NAME = re.compile(r"[^\w.()+ -]")
_SUFFIXES = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "text/plain": ".txt",
    "text/markdown": ".md",
    "text/csv": ".csv",
    "application/json": ".json",
    "application/jsonl": ".jsonl",
    "application/x-ndjson": ".jsonl",
    "application/pdf": ".pdf",
    "application/epub+zip": ".epub",
}


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """What came from an address. A context manager: leaving it removes the temporary file.

    `url` is where the redirects ended, `path` the file, `content_type` the MIME type without parameters, `charset`
    what the server claims (possibly wrong), `last_modified` and `etag` as the server sent them.
    """

    url: str
    requested_url: str
    path: Path
    size: int
    sha256: str
    content_type: str
    charset: str
    last_modified: str = ""
    etag: str = ""

    def close(self) -> None:
        """Remove the file."""
        shutil.rmtree(self.path.parent, ignore_errors=True)

    def __enter__(self) -> FetchedFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def fetch_url(
    url: str, *, allow_private: bool = False, max_bytes: int = 512 * 2**20, timeout: float = 60.0
) -> FetchedFile:
    """Download an address.

    `timeout` seconds bound the whole transfer, `max_bytes` the body after decompression.

    Raises:
        FetchError: ``bad_url``, ``private_address``, ``too_many_redirects``, ``http_status``, ``too_large``,
        ``timeout``,
            ``unreachable``.
    """
    deadline = time.monotonic() + timeout
    current = url
    session = _make_session(allow_private)
    try:
        for _ in range(MAX_REDIRECTS + 1):
            _check_url(current)
            response = _get(session, current, deadline)
            with response:
                if response.is_redirect or response.is_permanent_redirect:
                    current = urljoin(current, response.headers["location"])
                    continue
                if response.status_code != 200:
                    status = f"{response.status_code} {response.reason}"
                    raise FetchError("http_status", f"{current}: expected status 200, found {status}", status)
                return _save(response, url, current, max_bytes, deadline)
    finally:
        session.close()
    raise FetchError("too_many_redirects", f"{url}: more than {MAX_REDIRECTS} redirects", str(MAX_REDIRECTS))


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        valid = parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and (parts.port or 80) > 0
    except ValueError:
        valid = False
    if not valid:
        raise FetchError("bad_url", f"expected an http or https address, found {url[:200]!r}", url[:200])


def is_public(address: str) -> bool:
    """Tell whether an IP address is on the public internet, looking through IPv4 wrapped in IPv6."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None) or _find_nat64(ip)
        if inner is not None:
            return is_public(str(inner))
        if int(ip) < 2**32:  # the deprecated IPv4-compatible form, and ::, ::1
            return False
        if ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _find_nat64(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    in_prefix = any(ip in ipaddress.ip_network(prefix) for prefix in ("64:ff9b::/96", "64:ff9b:1::/48"))
    return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if in_prefix else None


class _PrivateAddressError(OSError):
    """A connection was refused because of where it goes; survives urllib3's wrapping as a cause."""


def _connect(host: str, port: int, allow_private: bool, timeout: Any) -> socket.socket:
    """Resolve a name and connect to one of its addresses, checked; the check and the connection use the same
    address."""
    last: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
        if not allow_private and not is_public(str(address[0])):
            last = _PrivateAddressError(f"{host} is {address[0]}, a private address")
            continue
        connection = socket.socket(family, kind, protocol)
        try:
            if isinstance(timeout, int | float):
                connection.settimeout(timeout)
            connection.connect(address)
            return connection
        except OSError as error:
            connection.close()
            last = error
    raise last


def _make_session(allow_private: bool) -> Any:
    """Make a session whose connections go through `_connect`, over urllib3's own connection classes."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.exceptions import NewConnectionError

    class Checked:
        def _new_conn(self: Any) -> socket.socket:
            try:
                return _connect(self._dns_host, self.port, allow_private, self.timeout)
            except OSError as error:
                raise NewConnectionError(self, f"{error}") from error

    class CheckedHTTP(Checked, HTTPConnection):
        pass

    class CheckedHTTPS(Checked, HTTPSConnection):
        pass

    class PoolHTTP(HTTPConnectionPool):
        ConnectionCls = CheckedHTTP

    class PoolHTTPS(HTTPSConnectionPool):
        ConnectionCls = CheckedHTTPS

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs)
            self.poolmanager.pool_classes_by_scheme = {"http": PoolHTTP, "https": PoolHTTPS}

    session = requests.Session()
    session.trust_env = False
    session.headers["User-Agent"] = _USER_AGENT
    for scheme in ("http://", "https://"):
        session.mount(scheme, Adapter(max_retries=0))
    return session


def _get(session: Any, url: str, deadline: float) -> Any:
    import requests

    try:
        return session.get(url, stream=True, allow_redirects=False, timeout=_left(url, deadline))
    except requests.Timeout as error:
        raise FetchError("timeout", f"{url} did not answer in time: try again later") from error
    except (requests.RequestException, ValueError) as error:
        if _caused_by_private(error):
            raise FetchError(
                "private_address",
                f"{url} leads to a private address: allow it with library.allow_private_urls",
                str(error)[:200],
            ) from error
        raise FetchError("unreachable", f"{url} cannot be reached: {error}", str(error)[:200]) from error


def _caused_by_private(error: BaseException | None) -> bool:
    seen: list[BaseException] = []
    queue: list[object] = [error]
    while queue:
        item = queue.pop()
        if isinstance(item, BaseException) and item not in seen:
            if isinstance(item, _PrivateAddressError):
                return True
            seen.append(item)
            queue += [item.__cause__, item.__context__, getattr(item, "reason", None), *item.args]
    return False


def _left(url: str, deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise FetchError("timeout", f"{url} took too long")
    return left


def _save(response: Any, requested: str, url: str, max_bytes: int, deadline: float) -> FetchedFile:
    declared = response.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise FetchError("too_large", f"{url}: at most {max_bytes} bytes expected", declared)
    content_type, _, parameters = response.headers.get("content-type", "").partition(";")
    charset = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", parameters, re.I)
    folder = Path(tempfile.mkdtemp(prefix="samovar-"))
    try:
        path = folder / name_download(url, content_type.strip().lower())
        size, digest = _copy(response, path, url, max_bytes, deadline)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return FetchedFile(
        url=url,
        requested_url=requested,
        path=path,
        size=size,
        sha256=digest,
        content_type=content_type.strip().lower(),
        charset=charset.group(1).lower() if charset else "",
        last_modified=response.headers.get("last-modified", ""),
        etag=response.headers.get("etag", ""),
    )


def name_download(url: str, content_type: str) -> str:
    """Return a harmless file name: the last part of the address, with an extension that fits the content type."""
    last = unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2]
    name = _UNSAFE_NAME.sub("_", last).strip(". ")[-100:] or "page"
    suffix = _SUFFIXES.get(content_type, "")
    return name if not suffix or Path(name).suffix else name + suffix


def _copy(response: Any, path: Path, url: str, max_bytes: int, deadline: float) -> tuple[int, str]:
    """Write the body to a file; the deadline holds for a server that sends one byte a second, too."""
    import requests
    from urllib3.exceptions import HTTPError

    digest = hashlib.sha256()
    size = 0
    try:
        with path.open("xb") as file:
            for chunk in response.iter_content(_CHUNK):
                size += len(chunk)
                if size > max_bytes:
                    raise FetchError("too_large", f"{url}: at most {max_bytes} bytes expected", str(size))
                _left(url, deadline)
                digest.update(chunk)
                file.write(chunk)
    except (requests.RequestException, HTTPError) as error:
        reason = "timeout" if "timed out" in str(error).lower() else "unreachable"
        raise FetchError(reason, f"{url} broke off: {error}", str(error)[:200]) from error
    return size, digest.hexdigest()

"""Where inputs lie: local paths and fsspec URLs, listed in a fixed order and opened for reading at any offset.

Knows no format. A file's stamp (size and time of change or tag) is taken when a build is planned and compared when it
is read. Local files never go through fsspec. Source: the fsspec specification (AbstractFileSystem).
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from samovar.corpus.blob import open_regular
from samovar.corpus.document import LedgerRow
from samovar.corpus.sources import walk
from samovar.errors import ExtractionError, InputError, MissingExtraError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(?:://|::)")
_GLOB = frozenset("*?[")
_STAMPS = ("ETag", "etag", "md5Hash", "md5", "checksum", "version_id", "generation", "mtime", "LastModified", "created")
_DRIVERS = frozenset(
    ("aiobotocore", "aiohttp", "azure", "botocore", "fsspec", "gcsfs", "google", "requests", "s3fs", "urllib3")
)
_PASSING = ("Connect", "Disconnect", "Timeout", "IncompleteRead", "Payload", "ResponseStreaming", "DNS")
"""What is in the names of drivers' errors that are over when the server is back."""
_BUSY = frozenset((429, 500, 502, 503, 504))
_BLOCK_BYTES = 4 * 2**20
_PACKAGES = {
    **dict.fromkeys(("s3", "s3a"), "s3fs"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("az", "abfs", "abfss", "adl"), "adlfs"),
    **dict.fromkeys(("http", "https"), "aiohttp"),
    **dict.fromkeys(("oss",), "ossfs"),
    **dict.fromkeys(("oci",), "ocifs"),
    **dict.fromkeys(("hf",), "huggingface_hub"),
    **dict.fromkeys(("sftp", "ssh"), "paramiko"),
    **dict.fromkeys(("smb",), "smbprotocol"),
    **dict.fromkeys(("webdav",), "webdav4"),
    **dict.fromkeys(("gdrive",), "gdrive_fsspec"),
}
"""Which package serves an address."""
_SILENCE_SECONDS = 6  # 2 × 2 × 2 tries of that are over before a record's deadline (60 s), which would blame the record
_WAITS = (0.5, 2.0)  # seconds before a fetch over http is tried again
_TRIES = 2  # s3fs multiplies them, once for the call and once for the body, with those of its client


Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Place:
    """One input file. `place` opens it, `name` stands for it in addresses (as the recipe names it), `stamp` changes
    when its content does. `fault` (reason, value) is set for what was found but cannot be read, e.g. a symlink loop."""

    place: str
    name: str
    num_bytes: int = 0
    stamp: str = ""
    fault: tuple[str, str] | None = None


def is_url(path: str) -> bool:
    """Tell an fsspec URL (``s3://…``, ``zip://a::s3://…``) from a local path."""
    return bool(_URL.match(path))


def list_places(paths: Sequence[str], base: str = "", follow_links: bool = False) -> list[Place]:
    """Return every file that the paths, folders, globs and URLs name, each once, in a fixed order. Links in a folder are followed
    out of it only when `follow_links` says so.

    Raises:
        InputError: a path names nothing, or its file system cannot be reached.
    """
    found: dict[str, Place] = {}
    for path in paths:
        places = list(_list_url(path) if is_url(path) else _list_local(path, base, follow_links))
        if not places:
            raise InputError(f"expected files at {path}, found none: check the path (relative to {base or 'here'})")
        for place in places:
            found.setdefault(place.place, place)
    return list(found.values())


def _list_local(path: str, base: str, follow_links: bool) -> Iterator[Place]:
    root = os.path.abspath(os.path.expanduser(base or "."))
    expanded = os.path.expanduser(path)
    absolute = os.path.join(root, expanded)
    for item in walk([absolute], inside=not follow_links):
        if isinstance(item, LedgerRow):
            if item.reason == "hidden":
                continue
            if item.reason == "not_found" and item.uri == absolute:
                return
            yield Place(item.uri, _name(item.uri, root, expanded), fault=(item.reason, item.value))
        else:
            yield _describe_local(item, root, expanded)


def _describe_local(path: Path, root: str, pattern: str) -> Place:
    name = _name(str(path), root, pattern)
    try:
        state = path.stat()
    except OSError as error:
        return Place(str(path), name, fault=("unreadable", str(error)))
    return Place(str(path), name, state.st_size, f"{state.st_size}:{state.st_mtime_ns}")


def _name(path: str, root: str, pattern: str) -> str:
    """Return the path as the recipe would write it: relative patterns give relative names."""
    shown = path if os.path.isabs(pattern) else os.path.relpath(path, root)
    return Path(shown).as_posix().encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _list_url(url: str) -> Iterator[Place]:
    system, path = _file_system(url)
    try:
        if _is_http(url) and not url.endswith("/") and not _GLOB & set(path):
            try:  # to ask whether it is a folder would fetch all of it
                yield _describe_url(system, path, url)
            except FileNotFoundError as error:
                if is_transient(error):  # the driver says so of a server that is away, too
                    raise
            return
        if _GLOB & set(path):
            paths = system.glob(path)
        elif system.isdir(path):
            paths = system.find(path)
        else:
            paths = [path] if system.exists(path) else []
        for item in sorted(map(str, paths)):
            hidden = any(part.startswith(".") for part in item.removeprefix(path).split("/"))
            if not hidden and not system.isdir(item):
                yield _describe_url(system, item, url)
    except Exception as error:  # drivers have errors of their own: missing keys, a closed connection
        raise InputError(
            f"{url} cannot be listed: {_first_line(error)}; check the address and the access keys"
        ) from error


def _describe_url(system: Any, path: str, url: str) -> Place:
    info = system.info(path)
    size = int(info.get("size") or 0)
    stamp = next((str(info[key]) for key in _STAMPS if info.get(key)), "")
    full = system.unstrip_protocol(path)
    if "::" in url:  # zip://inner::s3://outer names the inner file in its first part
        full = f"{full}::{url.split('::', 1)[1]}"
    return Place(full, full, size, f"{size}:{stamp}")


def _file_system(url: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError as error:
        raise MissingExtraError("corpus", f"reading {url}") from error
    try:
        system, path = fsspec.core.url_to_fs(url, **_make_patient(url))
    except ImportError as error:
        driver = next((name for name in _protocols(url) if name in _PACKAGES), url.partition(":")[0])
        package = _PACKAGES.get(driver, "the package that fsspec names for it")
        raise InputError(f"{url} needs a driver for '{driver}' that is not installed: pip install {package}") from error
    except Exception as error:
        raise InputError(
            f"{url} cannot be opened: {_first_line(error)}; check the address and the access keys"
        ) from error
    if hasattr(system, "retries"):
        system.retries = _TRIES
    return system, str(path)


def _first_line(error: Exception) -> str:
    """Return the beginning of what a driver says; some say hundreds of lines, and some that a file is missing when the server is away."""
    while isinstance(error.__cause__, Exception) and is_transient(error.__cause__):
        error = error.__cause__
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _protocols(url: str) -> list[str]:
    return [part.partition("://")[0].lower() for part in url.split("::")]


def _make_patient(url: str) -> dict[str, Any]:
    """Return options for drivers whose own patience is longer than a record's: a server that says nothing is an error of the network, and
    no fault of the record at hand. What the user's fsspec configuration says goes before."""
    from fsspec.config import conf

    options: dict[str, Any] = {}
    for name in _protocols(url):
        if name in ("s3", "s3a"):
            config = {
                "connect_timeout": _SILENCE_SECONDS,
                "read_timeout": _SILENCE_SECONDS,
                "retries": {"total_max_attempts": _TRIES},
            }
            options[name] = {"config_kwargs": config | conf.get(name, {}).get("config_kwargs", {})}
        elif name in ("http", "https") and "client_kwargs" not in conf.get(name, {}):
            with suppress(ImportError):
                from aiohttp import ClientTimeout

                timeout = ClientTimeout(total=None, sock_connect=_SILENCE_SECONDS, sock_read=2 * _SILENCE_SECONDS)
                options[name] = {"client_kwargs": {"timeout": timeout}}
    return options


def is_network_error(error: BaseException) -> bool:
    """Tell whether an error comes from a driver of an object store, not from what was read."""
    return type(error).__module__.partition(".")[0] in _DRIVERS


def is_transient(error: BaseException) -> bool:
    """Tell whether an error, or one that it was raised from, says that a server is away or busy for now, and not that something is missing
    or forbidden."""
    found: BaseException | None = error
    while found is not None:
        name = type(found).__name__
        if isinstance(found, ConnectionError | TimeoutError | socket.gaierror):
            return True
        if is_network_error(found) and any(sign in name for sign in _PASSING):
            return True
        if _status(found) in _BUSY:
            return True
        found = found.__cause__ or found.__context__
    return False


def _status(error: BaseException) -> int:
    """Return the HTTP status that a driver's error tells of; 0 without one."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore
        return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    status = getattr(error, "status", 0)
    return status if isinstance(status, int) else 0


def be_patient(work: Callable[[], Result], seconds: float, rest: Callable[[float], None] = time.sleep) -> Result:
    """Do work that needs a server; while that is away, wait and do it again: 1, 2, 4 … seconds, `seconds` in all. `rest` waits."""
    wait = 1.0
    while True:
        try:
            return work()
        except InputError as error:
            if seconds <= 0 or not is_transient(error):
                raise
        rest(min(wait, seconds))
        seconds -= wait
        wait *= 2


def open_place(place: str, stamp: str = "") -> BinaryIO:
    """Open a file for reading and seeking; the caller closes it.

    Raises:
        InputError: it is missing or unreachable, or its stamp is not the given one any more.
    """
    if is_url(place):
        return _open_url(place, stamp)
    try:
        file = open_regular(Path(place))
    except ExtractionError as error:
        raise InputError(
            f"{place} cannot be opened ({error.reason}): it was there when the build was planned"
        ) from error
    state = os.fstat(file.fileno())
    try:
        _check_stamp(place, stamp, f"{state.st_size}:{state.st_mtime_ns}")
    except InputError:
        file.close()
        raise
    return file


def _open_url(url: str, stamp: str) -> BinaryIO:
    system, path = _file_system(url)
    try:
        if stamp:
            system.invalidate_cache()
            _check_stamp(url, stamp, _describe_url(system, path, url).stamp)
        file = system.open(path, "rb", block_size=_BLOCK_BYTES)
        if _is_http(url) and hasattr(file, "cache"):
            file.cache.fetcher = _try_again(file.cache.fetcher)
        with suppress(AttributeError):
            file.samovar_system = system  # that of an archive closes its files when it is forgotten
        return cast(BinaryIO, file)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{url} cannot be opened: {_first_line(error)}; check the address and the access keys"
        ) from error


def _is_http(url: str) -> bool:
    return url.rpartition("::")[2].lower().startswith(("http://", "https://"))


def _try_again(fetch: Callable[[int, int], bytes]) -> Callable[[int, int], bytes]:
    """Return a fetcher that tries again: fsspec's own for http does not."""

    def fetch_patiently(start: int, end: int) -> bytes:
        for wait in _WAITS:
            try:
                return fetch(start, end)
            except Exception as error:
                if not (isinstance(error, OSError) or is_network_error(error)):
                    raise
                time.sleep(wait)
        return fetch(start, end)

    return fetch_patiently


def _check_stamp(place: str, expected: str, found: str) -> None:
    if expected and expected != found:
        raise InputError(
            f"{place} changed after the build was planned (size:time was {expected}, is {found}): "
            "start the build anew, or bring the old file back"
        )


def measure(file: BinaryIO) -> int:
    """Return the size of an open file; its position becomes 0."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size

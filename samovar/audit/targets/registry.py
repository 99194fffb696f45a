"""From a name on the command line to a target: one page with every kind there is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from samovar.audit.targets.chat import PRESETS, ChatTarget
from samovar.audit.targets.target import Target
from samovar.errors import UsageError

if TYPE_CHECKING:
    from samovar.settings import Settings

KINDS = {
    "samovar": "our assistant over the library:  samovar, or samovar:MODEL",
    "search": "our search:  search:samovar, search:samovar-plain (without the floor of diversity)",
    "openai": "an OpenAI-compatible endpoint:  openai:MODEL, openai:MODEL@http://host:port/v1 (key in SAMOVAR_AUDIT_KEY)",
    "anthropic": "Anthropic by its compatible address:  anthropic:MODEL",
    "gemini": "Gemini by its compatible address:  gemini:MODEL",
    "gigachat": "GigaChat:  gigachat:MODEL (key as in generate.api_key)",
    "model": "a bare model of `samovar model list` or a GGUF file:  model:NAME, model:PATH",
    "base": "a base model, a GGUF file without a chat template, that continues questions:  base:PATH",
    "searxng": "a search engine through SearXNG:  searxng:ENGINE@https://host",
    "opensearch": "an engine with an OpenSearch address:  opensearch:https://host/search?q={searchTerms}&format=rss",
}
KEY = "SAMOVAR_AUDIT_KEY"


def target_kinds() -> dict[str, str]:
    """Return every kind with how it is written."""
    return dict(KINDS)


def load_target(
    name: str, settings: Settings, *, max_tokens: int = 256, timeout_seconds: float = 120.0, connections: int = 8
) -> Target:
    """Make the target that a name stands for.

    Raises:
        UsageError: the name is of no known kind; the message lists them.
        ModelError, MissingExtraError: it cannot be loaded.
    """
    kind, _, rest = name.partition(":")
    if kind in ("openai", *PRESETS) and rest:
        model, _, address = rest.partition("@")
        base_url = address or (settings.generate.base_url if kind == "openai" else "") or PRESETS[kind]
        return ChatTarget(
            base_url, model, os.environ.get(KEY, ""), max_tokens=max_tokens, timeout_seconds=timeout_seconds, kind=kind
        )
    if kind == "searxng" and "@" in rest:
        from samovar.audit.targets.web_search import SearxngTarget

        engine, _, address = rest.partition("@")
        return SearxngTarget(address, engine)
    if kind == "opensearch" and "{searchTerms}" in rest:
        from samovar.audit.targets.web_search import OpenSearchTarget

        return OpenSearchTarget(rest)
    if kind in ("model", "gigachat", "base") and rest:
        return _load_model(kind, rest, settings, max_tokens, connections)
    if name in ("samovar", "search:samovar", "search:samovar-plain") or kind == "samovar":
        return _load_own(name, rest, settings)
    lines = "\n".join(f"  {text}" for text in KINDS.values())
    raise UsageError(f"expected a target, found {name!r}. There are:\n{lines}")


def _load_model(kind: str, name: str, settings: Settings, max_tokens: int, connections: int) -> Target:
    from samovar.audit.targets.local import CONTINUATION, CONTINUATION_STOPS, ModelTarget
    from samovar.generate.registry import EXTRACTIVE, find_file, load_model

    if name == EXTRACTIVE:
        raise UsageError(
            "expected a language model, found extractive, which only quotes passages: use the target  samovar"
        )
    if kind == "gigachat":
        return ModelTarget(load_model(f"{kind}:{name}", settings), max_tokens=max_tokens, threads=connections)
    threads = settings.generate.parallel
    if kind == "model":
        model = load_model(name, settings)
        return ModelTarget(model, max_tokens=max_tokens, threads=threads, about=_describe_file(name, settings))
    from samovar.generate.llama import LlamaModel

    chosen = settings.generate
    model = LlamaModel(
        find_file(name, settings.home), context_tokens=chosen.context_tokens, threads=chosen.threads, parallel=chosen.parallel, chat_template=CONTINUATION
    )  # fmt: skip
    about = _describe_file(name, settings) | {"prompt": CONTINUATION, "stop": list(CONTINUATION_STOPS)}
    return ModelTarget(model, max_tokens=max_tokens, threads=threads, stop=CONTINUATION_STOPS, about=about)


def _describe_file(name: str, settings: Settings) -> dict[str, Any]:
    """Name and hash of the weights: which ones they were cannot be told from a model's name. Nothing for a model behind an endpoint."""
    from samovar.digests import hash_file
    from samovar.errors import ModelNotFoundError
    from samovar.generate.registry import find_file

    try:
        path = find_file(name, settings.home)
    except ModelNotFoundError:
        return {}
    return {"file": path.name, "sha256": hash_file(path), "parallel": settings.generate.parallel}


def _load_own(name: str, model: str, settings: Settings) -> Target:
    from samovar.app import Samovar
    from samovar.audit.targets.local import AssistantTarget, LibrarySearchTarget

    if name.startswith("search:"):
        return LibrarySearchTarget(Samovar.open(settings), diversity=not name.endswith("-plain"))
    if model:
        settings = settings.model_copy(update={"generate": settings.generate.model_copy(update={"model": model})})
    samovar = Samovar.open(settings)
    _ = samovar.model  # a model that cannot be loaded is known before anything is asked
    return AssistantTarget(samovar, about=_describe_file(settings.generate.model, settings))

"""Models that write: one `Model` protocol and its implementations. Importing this loads none of them.

`Message`s and `GenerationOptions` in, a cancellable stream of `Piece`s out. Knows nothing about documents, search or HTTP
serving. Names are imported on first use, so that a program that never generates pays nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from samovar.generate.budget import Fitted as Fitted
    from samovar.generate.budget import fit_passages as fit_passages
    from samovar.generate.catalogue import CatalogueEntry as CatalogueEntry
    from samovar.generate.catalogue import read_catalogue as read_catalogue
    from samovar.generate.embed import Embedder as Embedder
    from samovar.generate.embed import load_embedder as load_embedder
    from samovar.generate.gigachat import GigaChatModel as GigaChatModel
    from samovar.generate.llama import LlamaModel as LlamaModel
    from samovar.generate.model import Cancel as Cancel
    from samovar.generate.model import GenerationOptions as GenerationOptions
    from samovar.generate.model import Message as Message
    from samovar.generate.model import Model as Model
    from samovar.generate.model import Piece as Piece
    from samovar.generate.model import Tool as Tool
    from samovar.generate.model import ToolCall as ToolCall
    from samovar.generate.model import Usage as Usage
    from samovar.generate.openai_compatible import OpenAICompatibleModel as OpenAICompatibleModel
    from samovar.generate.pull import pull_model as pull_model
    from samovar.generate.registry import ModelInfo as ModelInfo
    from samovar.generate.registry import list_models as list_models
    from samovar.generate.registry import load_model as load_model
    from samovar.generate.registry import use_model as use_model
    from samovar.generate.scripted import ScriptedModel as ScriptedModel

_HOMES = {
    "Cancel": "model",
    "CatalogueEntry": "catalogue",
    "Embedder": "embed",
    "Fitted": "budget",
    "GenerationOptions": "model",
    "GigaChatModel": "gigachat",
    "LlamaModel": "llama",
    "Message": "model",
    "Model": "model",
    "ModelInfo": "registry",
    "OpenAICompatibleModel": "openai_compatible",
    "Piece": "model",
    "ScriptedModel": "scripted",
    "Tool": "model",
    "ToolCall": "model",
    "Usage": "model",
    "fit_passages": "budget",
    "list_models": "registry",
    "load_embedder": "embed",
    "load_model": "registry",
    "pull_model": "pull",
    "read_catalogue": "catalogue",
    "use_model": "registry",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)

"""How large a JSON schema may be before a grammar is made of it in this process, where nothing can interrupt the making.

Measured with llama.cpp (xllamacpp 2026.10, 2 loaded cores): an enum of 1,000 values costs 7 s for four tokens and one of 50,000 never ends; 600
optional properties cost 4 s, 3,000 over half a minute. Depth, references, patterns and repetitions cost nothing noticeable, or are refused by
llama.cpp itself. Knows no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from samovar.errors import ModelRequestError

MOST_ALTERNATIVES = 500  # values of enums, branches of anyOf and oneOf, and optional properties, together
MOST_NODES = 5_000  # objects, lists and values


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raise `ModelRequestError` for a schema that would stop everybody else's work."""
    nodes = alternatives = 0
    waiting: list[Any] = [schema]
    while waiting:
        node = waiting.pop()
        nodes += 1
        if isinstance(node, Mapping):
            alternatives += _alternatives(node)
            waiting.extend(node.values())
        elif isinstance(node, (list, tuple)):
            waiting.extend(node)
        if nodes > MOST_NODES or alternatives > MOST_ALTERNATIVES:
            raise ModelRequestError(
                f"expected a JSON schema of at most {MOST_NODES} parts and {MOST_ALTERNATIVES} alternatives (enum values, anyOf and oneOf "
                "branches, optional properties), found more. Make it smaller, or take a model behind an endpoint."
            )


def _alternatives(node: Mapping[str, Any]) -> int:
    lists = sum(len(node[name]) for name in ("enum", "anyOf", "oneOf") if isinstance(node.get(name), (list, tuple)))
    properties, required = node.get("properties"), node.get("required")
    if not isinstance(properties, Mapping):
        return lists
    fixed = {name for name in required if isinstance(name, str)} if isinstance(required, (list, tuple)) else set()
    return lists + len(properties.keys() - fixed)

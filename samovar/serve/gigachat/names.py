"""Which of our models a client means: clients of this dialect ask for the service's own names unless told otherwise.

Those stand for the model that answers from the library; what really answered is named in the answer.
"""

from __future__ import annotations

import re

from samovar.serve.engine import GROUNDED, Engine, ModelCard

_ALIAS = re.compile(r"GigaChat(-\d+)?(-[A-Za-z]+)*(:[\w.-]+)?")
EMBEDDING_ALIASES = re.compile(r"(Embeddings|EmbeddingsGigaR|GigaEmbeddings[\w-]*)(:[\w.-]+)?")


def find_card(engine: Engine, name: str | None) -> ModelCard:
    """Return the model of that name; none, and the service's names, mean the grounded one. Raises `ModelNotFoundError`."""
    known = {card.id for card in engine.cards()}
    if not name or (name not in known and _ALIAS.fullmatch(name)):
        return engine.card(GROUNDED)
    return engine.card(name)

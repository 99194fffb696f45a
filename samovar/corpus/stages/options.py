"""What the options of all stages have in common: frozen, typed, and a key that nobody knows is an error.

Knows no stage. The options of each stage live beside it and are named ``<Stage>Options``; a recipe embeds them.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class StageOptions(BaseModel):
    """Base of the options of a stage; every field has a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

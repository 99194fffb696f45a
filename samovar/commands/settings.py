"""``samovar settings``: the resolved values, each with where it came from."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import typer

from samovar.commands.help import Command
from samovar.commands.options import Json
from samovar.commands.session import Session, session_of
from samovar.commands.terminal import BOLD, DIM, Terminal, clean, one_line
from samovar.messages import say

if TYPE_CHECKING:
    from pydantic import BaseModel

SECRETS = frozenset({"generate.api_key"})
PREFIX = "SAMOVAR_"
ORIGINS = {
    "flag": "settings.flag",
    "environment": "settings.environment",
    "file": "settings.from_file",
    "default": "settings.default",
}

NAME = "settings"


@dataclass(frozen=True, slots=True)
class Setting:
    """One resolved value. `origin` is flag, environment, file or default."""

    name: str
    value: Any
    origin: str
    default: Any
    description: str


def settings(ctx: typer.Context, json: Json = False) -> None:
    """All settings."""
    from samovar.settings import config_path

    session = session_of(ctx)
    found = list(explain_settings(session))
    file = config_path()
    if json:
        session.terminal.json(
            {"file": str(file), "file_exists": file.is_file(), "settings": [asdict(s) for s in found]}
        )
        return
    print_settings(found, session.terminal)
    session.terminal.note(say("settings.file" if file.is_file() else "settings.no_file", path=clean(str(file))))


def explain_settings(session: Session) -> Iterator[Setting]:
    """Yield every setting with its origin, in the order of the source; secrets are masked."""
    from samovar.settings import config_path

    resolved = session.settings()
    file = config_path()
    in_file = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    flags = {**session.flags, **({"home": session.home_flag} if session.home_flag else {})}
    yield from _explain(resolved, "", flags, in_file)


def _explain(
    section: BaseModel, prefix: str, flags: Mapping[str, Any], in_file: Mapping[str, Any]
) -> Iterator[Setting]:
    for key, field in type(section).model_fields.items():
        value, name = getattr(section, key), prefix + key
        if hasattr(type(value), "model_fields"):
            yield from _explain(value, f"{name}.", flags.get(key, {}), in_file.get(key, {}))
            continue
        default = field.get_default(call_default_factory=True)
        origin = _origin(name, key, flags, in_file)
        if name in SECRETS:
            value, default = "•••" if value else "", ""
        yield Setting(name, _plain(value), origin, _plain(default), field.description or "")


def _plain(value: Any) -> str | int | float:
    return value if isinstance(value, (str, int, float)) else str(value)


def _origin(name: str, key: str, flags: Mapping[str, Any], in_file: Mapping[str, Any]) -> str:
    present = {variable.upper() for variable, value in os.environ.items() if value}
    path = name.upper().split(".")
    if key in flags:
        return "flag"
    if PREFIX + "__".join(path) in present:
        return "environment"
    # a whole section may be given as JSON in one variable
    if len(path) > 1 and PREFIX + path[0] in present and key in _json_section(PREFIX + path[0]):
        return "environment"
    return "file" if key in in_file else "default"


def _json_section(variable: str) -> Mapping[str, Any]:
    import json

    value = next((v for n, v in os.environ.items() if n.upper() == variable), "{}")
    loaded = json.loads(value)
    return loaded if isinstance(loaded, dict) else {}


def print_settings(found: list[Setting], terminal: Terminal) -> None:
    """Print name, value, origin; what is not a default stands out."""
    rows = []
    for setting in found:
        own = setting.origin != "default"
        value = "—" if setting.value == "" else one_line(str(setting.value))
        rows.append(
            (
                setting.name,
                terminal.style(value, BOLD) if own else value,
                terminal.style(say(ORIGINS[setting.origin]), DIM),
            )
        )
    terminal.table(rows)


def register(app: Any) -> None:
    """Add the command."""
    app.command(NAME, cls=Command, help="settings.help", epilog="settings.examples")(settings)

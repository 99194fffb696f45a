"""From a setting to a model: which models there are, which one is chosen, and how each kind is made.

Names: ``extractive``; a path to a ``.gguf`` file; a catalogue name or the name of a file in ``home/models``;
``openai:NAME``; ``gigachat:NAME``; ``scripted:TEXT`` or ``scripted:echo,words=40,delay=0.25`` where
``SAMOVAR_ALLOW_SCRIPTED=1`` is set (tests). Runs no model.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from samovar.errors import ModelError, ModelNotFoundError, SettingsError
from samovar.generate.catalogue import find_entry, read_catalogue
from samovar.generate.gguf import read_header
from samovar.generate.model import Model
from samovar.generate.pull import models_folder, read_manifest, write_atomically

if TYPE_CHECKING:
    from samovar.settings import Settings

EXTRACTIVE = "extractive"
ALLOW_SCRIPTED = "SAMOVAR_ALLOW_SCRIPTED"
ModelKind = Literal["built-in", "catalogue", "local"]

_TABLE = re.compile(r"\s*\[(?P<name>[^\[\]]+)\]\s*(#.*)?")
_MODEL_KEY = re.compile(r"\s*model\s*=")


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One model of `samovar model list`. `installed` means: usable now, without a connection. Empty means not known."""

    name: str
    kind: ModelKind
    installed: bool
    title: str = ""
    path: Path | None = None
    size_bytes: int = 0
    licence: str = ""
    languages: tuple[str, ...] = ()
    sha256: str = ""
    source: str = ""
    context_tokens: int = 0
    note: str = ""


def load_model(setting: str, settings: Settings) -> Model:
    """Make the model that a ``generate.model`` setting names.

    Raises:
        ModelNotFoundError: no such model, or one of the catalogue that has not been pulled.
        ModelError: it cannot be loaded.
        MissingExtraError: its library is not installed.
    """
    setting = setting.strip() or EXTRACTIVE
    kind, _, name = setting.partition(":")
    if setting == EXTRACTIVE:
        from samovar.generate.extractive import ExtractiveModel

        return ExtractiveModel()
    if kind == "openai" and name:
        return _load_openai(name, settings)
    if kind == "gigachat" and name:
        return _load_gigachat(name, settings)
    if kind == "scripted":
        return _load_scripted(name)
    return _load_gguf(find_file(setting, settings.home), settings)


def find_file(name: str, home: Path) -> Path:
    """The GGUF file that a path, a catalogue name or a name in ``home/models`` stands for.

    Raises:
        ModelNotFoundError: there is none; the message names the command that brings it, or lists what there is.
    """
    folder = models_folder(home, make=False)
    path = Path(name).expanduser()
    if path.suffix.lower() == ".gguf" and path.is_file():
        return path.absolute()
    entry = find_entry(name)
    if entry is not None:
        if read_manifest(folder / entry.local_name) is None:
            raise ModelNotFoundError(f"{entry.name} has not been pulled: run  samovar model pull {entry.name}")
        return folder / entry.local_name
    plain = Path(name).name == name and name not in ("", ".", "..")
    for candidate in (folder / name, folder / f"{name}.gguf") if plain else ():
        if candidate.suffix.lower() == ".gguf" and candidate.is_file():
            return candidate
    raise ModelNotFoundError(
        f"expected 'extractive', a .gguf file, a catalogue name, 'openai:NAME' or 'gigachat:NAME', found {name!r}, which is "
        "neither a file nor a known name: see  samovar model list"
    )


def list_models(home: Path) -> list[ModelInfo]:
    """The built-in model, the catalogue (marked where pulled), then other GGUF files in ``home/models``."""
    folder = models_folder(home, make=False)
    infos = [
        ModelInfo(
            EXTRACTIVE, "built-in", True, "Quotes the sentences that answer", licence="Apache-2.0", languages=("mul",)
        )
    ]
    for entry in read_catalogue():
        path = folder / entry.local_name
        manifest = read_manifest(path)
        infos.append(
            ModelInfo(
                entry.name,
                "catalogue",
                manifest is not None,
                entry.title,
                path if manifest else None,
                manifest.size_bytes if manifest else entry.size_bytes,
                entry.licence,
                entry.languages,
                manifest.sha256 if manifest else entry.sha256,
                f"{entry.repo}/{entry.file}",
                entry.context_tokens,
                entry.note,
            )
        )
    listed = {entry.local_name for entry in read_catalogue()}
    others = sorted(path for path in folder.glob("*.gguf") if path.name not in listed) if folder.is_dir() else []
    return infos + [_local_info(path) for path in others]


def use_model(home: Path, name: str) -> Path:
    """Write the choice to ``home/samovar.toml`` (``generate.model``), keeping every other line; returns the file's path.

    Raises:
        ModelNotFoundError: there is no such model here.
        ModelError: the file is no chat model that can be read.
        SettingsError: the file is not valid TOML, or is written in a way that cannot be edited safely.
    """
    value = _canonical(name.strip(), home)
    path = (home / "samovar.toml").resolve()
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        wanted = tomllib.loads(before)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}. Correct the line or move the file away") from error
    by_hand = SettingsError(f"cannot edit {path} safely: set  model = {json.dumps(value)}  under [generate] by hand")
    section = wanted.setdefault("generate", {})
    if not isinstance(section, dict):
        raise by_hand
    section["model"] = value
    after = set_generate_model(before, value)
    try:
        if tomllib.loads(after) != wanted:
            raise by_hand
    except tomllib.TOMLDecodeError as error:
        raise by_hand from error
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, after)
    return path


def set_generate_model(text: str, value: str) -> str:
    """Return TOML text with ``model`` of the ``[generate]`` table set, all other lines unchanged.

    Knows the ordinary ways to write it; the caller parses the result and refuses it if anything else changed.
    """
    line = f"model = {json.dumps(value, ensure_ascii=False)}"
    lines = text.splitlines()
    table, header = "", None
    for index, found in enumerate(lines):
        if match := _TABLE.fullmatch(found):
            table = match["name"].strip()
            header = index if table == "generate" else header
        elif table == "generate" and _MODEL_KEY.match(found):
            lines[index] = line
            return "\n".join(lines) + "\n"
    if header is not None:
        lines.insert(header + 1, line)
        return "\n".join(lines) + "\n"
    return "\n".join([*lines, *([""] if lines else []), "[generate]", line]) + "\n"


def _canonical(name: str, home: Path) -> str:
    """The setting to write: a remote or built-in name as it is, a file under ``home/models`` by name, another by path."""
    kind, _, rest = name.partition(":")
    if name == EXTRACTIVE or (kind in ("openai", "gigachat") and rest):
        return name
    path = find_file(name, home)
    if not read_header(path).has_chat_template:
        raise ModelError(f"expected a chat model, found no chat template in {path}: take the -Instruct or -it file")
    if entry := find_entry(name):
        return entry.name
    return path.stem if path.parent == models_folder(home, make=False).absolute() else str(path)


def _local_info(path: Path) -> ModelInfo:
    manifest = read_manifest(path)
    common: dict[str, Any] = {"path": path, "size_bytes": path.stat().st_size}
    try:
        header = read_header(path)
    except ModelError as error:
        return ModelInfo(path.stem, "local", False, note=f"unusable: {error}", **common)
    return ModelInfo(
        path.stem,
        "local",
        True,
        str(header.metadata.get("general.name", "")),
        licence=header.licence,
        languages=tuple(map(str, header.metadata.get("general.languages", ()) or ())),
        sha256=manifest.sha256 if manifest else "",
        source=manifest.source if manifest else "",
        context_tokens=header.trained_context_tokens,
        note="" if manifest else "put here by hand, not verified",
        **common,
    )


def _load_gguf(path: Path, settings: Settings) -> Model:
    from samovar.generate.llama import LlamaModel

    chosen = settings.generate
    return LlamaModel(path, context_tokens=chosen.context_tokens, threads=chosen.threads, parallel=chosen.parallel)


def _load_openai(name: str, settings: Settings) -> Model:
    from samovar.generate.openai_compatible import OpenAICompatibleModel

    chosen = settings.generate
    if not chosen.base_url:
        raise ModelError(
            "expected the endpoint's address in generate.base_url (SAMOVAR_GENERATE__BASE_URL), found none; "
            "for example http://127.0.0.1:8000/v1"
        )
    return OpenAICompatibleModel(
        chosen.base_url,
        name,
        chosen.api_key,
        context_tokens=chosen.context_tokens,
        timeout_seconds=chosen.timeout_seconds,
    )


def _load_gigachat(name: str, settings: Settings) -> Model:
    from samovar.generate.gigachat import GigaChatModel

    chosen = settings.generate
    return GigaChatModel(
        name,
        chosen.api_key,
        base_url=chosen.base_url,
        context_tokens=chosen.context_tokens,
        timeout_seconds=chosen.timeout_seconds,
    )


def _load_scripted(text: str) -> Model:
    if os.environ.get(ALLOW_SCRIPTED) != "1":
        raise ModelNotFoundError(f"scripted models are for tests and need {ALLOW_SCRIPTED}=1 in the environment")
    from samovar.generate.scripted import ScriptedModel, echo_model

    return echo_model(text) if text == "echo" or text.startswith("echo,") else ScriptedModel([text])

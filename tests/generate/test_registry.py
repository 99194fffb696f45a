"""From names to models, the list of models, and writing the choice without touching anything else."""

from __future__ import annotations

import os
import shutil
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_gguf import tiny_gguf

from samovar.digests import hash_file
from samovar.errors import ModelError, ModelNotFoundError, SettingsError
from samovar.generate import registry
from samovar.generate.catalogue import read_catalogue
from samovar.generate.pull import manifest_path
from samovar.generate.registry import find_file, list_models, load_model, set_generate_model, use_model
from samovar.settings import Settings, load_settings


def settings_for(home: Path, **generate: Any) -> Settings:
    return load_settings(home=home, generate=generate)


def put_model(home: Path, name: str, *, manifest: bool = False) -> Path:
    path = home / "models" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tiny_gguf())
    if manifest:
        text = '{"name":"%s","file":"%s","sha256":"%s","size_bytes":%d,"licence":"MIT","source":"a/b","revision":"","pulled_at":""}'
        manifest_path(path).write_text(text % (path.stem, name, hash_file(path), path.stat().st_size))
    return path


def test_scripted_needs_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelNotFoundError, match="SAMOVAR_ALLOW_SCRIPTED"):
        load_model("scripted:да", settings_for(tmp_path))
    monkeypatch.setenv("SAMOVAR_ALLOW_SCRIPTED", "1")
    model = load_model("scripted:да", settings_for(tmp_path))
    from samovar.generate.model import Message

    assert next(model.stream([Message("user", "?")])).text == "да"


def test_openai_takes_the_settings(tmp_path: Path) -> None:
    pytest.importorskip("openai")
    chosen = settings_for(tmp_path, base_url="http://127.0.0.1:9/v1", context_tokens=999)
    model = load_model("openai:t-lite:8b", chosen)
    assert (model.name, model.context_tokens) == ("openai:t-lite:8b", 999)
    model.close()
    with pytest.raises(ModelError, match="base_url"):
        load_model("openai:x", settings_for(tmp_path))


def test_gigachat_takes_the_settings(tmp_path: Path) -> None:
    pytest.importorskip("gigachat")
    model: Any = load_model("gigachat:GigaChat-2-Max", settings_for(tmp_path, api_key="aWQ6cw=="))
    assert model.name == "gigachat:GigaChat-2-Max"
    assert model._client._settings.base_url == "https://api.giga.chat/v1"
    model.close()


def test_a_gguf_by_path_or_name(tmp_path: Path, smollm: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "small.gguf").symlink_to(smollm)
    for name in (str(smollm), "small", "small.gguf"):
        model = load_model(name, settings_for(tmp_path, context_tokens=256))
        assert model.context_tokens == 256
        assert model.name.startswith("llama:sm")
        model.close()


def test_an_unpulled_catalogue_name_says_how_to_pull(tmp_path: Path) -> None:
    name = read_catalogue()[0].name
    with pytest.raises(ModelNotFoundError, match=f"samovar model pull {name}"):
        find_file(name, tmp_path)
    put_model(tmp_path, f"{name}.gguf")  # there, but never completed: no manifest
    with pytest.raises(ModelNotFoundError, match="has not been pulled"):
        find_file(name, tmp_path)
    assert find_file(name, put_model(tmp_path, f"{name}.gguf", manifest=True).parents[1]).stem == name


@pytest.mark.parametrize("name", ["нет", "a/b", "../models/x", "x.gguf", "", ".", "openai:", "http://x"])
def test_unknown_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelNotFoundError, match="model list"):
        find_file(name, tmp_path)


def test_the_list_shows_what_is_here(tmp_path: Path) -> None:
    empty = list_models(tmp_path / "нет")
    assert [info.name for info in empty if info.installed] == ["extractive"]
    assert not (tmp_path / "нет").exists(), "listing writes nothing"
    entry = read_catalogue()[0]
    put_model(tmp_path, entry.local_name, manifest=True)
    put_model(tmp_path, "own.gguf")
    (tmp_path / "models" / "broken.gguf").write_text("x")
    infos = {info.name: info for info in list_models(tmp_path)}
    assert infos[entry.name].installed
    assert infos[entry.name].sha256 == hash_file(tmp_path / "models" / entry.local_name)
    assert (infos["own"].installed, infos["own"].kind, infos["own"].context_tokens) == (True, "local", 128)
    assert "not verified" in infos["own"].note
    assert not infos["broken"].installed
    assert "unusable" in infos["broken"].note
    assert len(infos) == len(empty) + 2


def test_use_writes_a_file_that_settings_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMOVAR_HOME", str(tmp_path))
    put_model(tmp_path, "own.gguf")
    use_model(tmp_path, "own")
    assert load_settings().generate.model == "own"
    use_model(tmp_path, "gigachat:GigaChat-2")
    assert load_settings().generate.model == "gigachat:GigaChat-2"
    use_model(tmp_path, "extractive")
    assert load_settings().generate.model == "extractive"
    outside = tmp_path / "где-то" / "м.gguf"
    outside.parent.mkdir()
    shutil.copy(tmp_path / "models" / "own.gguf", outside)
    use_model(tmp_path, str(outside))
    assert load_settings().generate.model == str(outside)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models", "samovar.toml", "где-то"]


def test_use_refuses_what_is_not_there_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError):
        use_model(tmp_path, "нет")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "fake.gguf").write_text("not a model")
    with pytest.raises(ModelError, match="GGUF"):
        use_model(tmp_path, "fake")
    (tmp_path / "models" / "fake.gguf").unlink()
    (tmp_path / "models").rmdir()
    assert list(tmp_path.iterdir()) == []


FILE = """# my settings
lang = "ru"   # Russian

[search]
top_k = 5
model = "not this one"

[generate] # comment
temperature = 0.5
model = "old"  # goes
max_tokens = 7

[assistant]
passages = 3
"""


def test_use_keeps_every_other_line(tmp_path: Path) -> None:
    path = tmp_path / "samovar.toml"
    path.write_text(FILE, encoding="utf-8")
    path.chmod(0o600)
    use_model(tmp_path, "extractive")
    assert path.read_text(encoding="utf-8") == FILE.replace('model = "old"  # goes', 'model = "extractive"')
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_use_follows_a_link_instead_of_replacing_it(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.toml"
    real.write_text("", encoding="utf-8")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "samovar.toml").symlink_to(real)
    use_model(tmp_path / "home", "extractive")
    assert (tmp_path / "home" / "samovar.toml").is_symlink()
    assert tomllib.loads(real.read_text())["generate"]["model"] == "extractive"


@pytest.mark.parametrize(
    "text",
    ['generate = { model = "x" }\n', 'generate.model = "x"\n', '[generate]\nmodel = """a\nb"""\n', "generate = 3\n"],
)
def test_unusual_files_are_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "samovar.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match="by hand"):
        use_model(tmp_path, "extractive")
    assert path.read_text() == text


def test_a_broken_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "samovar.toml"
    path.write_bytes(b"lang = \n\xff")
    with pytest.raises(SettingsError, match="not valid TOML"):
        use_model(tmp_path, "extractive")
    assert path.read_bytes() == b"lang = \n\xff"


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "samovar.toml"
    path.write_text(FILE, encoding="utf-8")
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        use_model(tmp_path, "extractive")
    assert path.read_text(encoding="utf-8") == FILE
    assert [entry.name for entry in tmp_path.iterdir()] == ["samovar.toml"]


LINES = st.sampled_from(
    [
        "# note",
        "",
        "[generate]",
        "[search]",
        "  [ generate ]",
        'model = "a"',
        "top_k = 3",
        'x = "[generate]"',
        "[[list]]",
    ]
)


@given(st.lists(LINES, max_size=10), st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_setting_changes_the_model_alone_or_is_refused(tmp_path: Path, lines: list[str], value: str) -> None:
    text = "\n".join(lines)
    try:
        before = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    after = set_generate_model(text, value)
    try:
        parsed = tomllib.loads(after)
    except tomllib.TOMLDecodeError:
        return  # use_model refuses to write this
    expected = {**before, "generate": {**before.get("generate", {}), "model": value}}
    if parsed == expected:
        kept = [line for line in lines if line.strip() and not line.lstrip().startswith("model")]
        assert all(line in after.splitlines() for line in kept)


def test_extractive_is_loaded_by_its_name(tmp_path: Path) -> None:
    pytest.importorskip("samovar.generate.extractive")
    assert load_model("", settings_for(tmp_path)).name == registry.EXTRACTIVE

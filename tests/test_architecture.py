"""The house keeps its shape: imports run upward only, Russian stays in profiles and packs, files stay readable."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "samovar"

# each room may import itself, those named, and the floor (errors, settings, digests, locks, __version__)
ROOMS: dict[str, set[str]] = {
    "language": set(),
    "corpus": {"language"},
    "library": {"language", "corpus"},
    "search": {"language", "corpus", "library", "generate"},  # generate: the Embedder protocol for dense vectors
    "generate": {"language"},
    "assistant": {"language", "corpus", "library", "search", "generate"},
    "audit": {"language", "corpus", "library", "search", "generate", "assistant", "app", "messages"},
    "train": {"language", "corpus", "generate"},
    "serve": {"language", "corpus", "library", "search", "generate", "assistant", "app", "messages"},
}
FLOOR = {"errors", "settings", "digests", "locks"}


def imports_of(path: Path) -> set[str]:
    """Rooms and floor modules a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("samovar"):
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("samovar.")}
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_imports_run_upward_only(room: str) -> None:
    allowed = ROOMS[room] | FLOOR | {room}
    wrong = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in (PACKAGE / room).rglob("*.py")
        for name in imports_of(path) - allowed - {"__version__"}
    }
    assert not wrong


def strings_and_names(path: Path) -> str:
    """The code of a file without comments and docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body
            if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
                body[0].value.value = ""
    return ast.unparse(tree)


def test_no_cyrillic_outside_profiles_and_packs() -> None:
    """Nothing outside a language profile or a culture pack may assume Russian."""
    allowed = {PACKAGE / "language", PACKAGE / "packs"}
    wrong = [
        str(path.relative_to(ROOT))
        for path in PACKAGE.rglob("*.py")
        if not any(folder in path.parents for folder in allowed) and re.search("[А-Яа-яЁё]", strings_and_names(path))
    ]
    assert not wrong


def test_files_stay_readable() -> None:
    """No module over 500 lines."""
    long = {
        str(p.relative_to(ROOT)): n
        for p in PACKAGE.rglob("*.py")
        if (n := len(p.read_text("utf-8").splitlines())) > 500
    }
    assert not long


def test_importing_is_light() -> None:
    """`import samovar` brings in none of the heavy libraries and writes nothing."""
    program = (
        "import sys, samovar; heavy = {'numpy','pyarrow','pydantic','rich','typer','tantivy','pymorphy3','lxml','requests','torch'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_rooms_are_documented() -> None:
    """Every module says what it does."""
    silent = [
        str(p.relative_to(ROOT))
        for p in PACKAGE.rglob("*.py")
        if p.stat().st_size and not ast.get_docstring(ast.parse(p.read_text("utf-8")))
    ]
    assert not silent

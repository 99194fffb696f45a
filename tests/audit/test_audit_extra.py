"""Without its extra the audit says which one to install, and not that Samovar has a bug."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import importlib.util, sys
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "scipy" else real(name, *rest)
from samovar.cli import main
sys.exit(main(["--lang", "en", "audit", "selftest"]))
"""


def test_the_missing_extra_is_named() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "pip install 'samovar[audit]'" in done.stderr
    assert "bug" not in done.stderr

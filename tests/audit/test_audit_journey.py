"""What the guide tells a new user to type, word for word, with the pack as shipped: a planted gap is found, without one nothing is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from scripted_endpoint import endpoint, script

from samovar.audit.pack import load_pack
from samovar.cli import main

PART = ["--kinds", "knowledge", "--sample", "60", "--facets", "2", "--paraphrases", "1", "--languages", "en"]


@contextmanager
def served(name: str, forget: float) -> Iterator[str]:
    with endpoint(script(load_pack("core"), name, forget={"ka": forget}, skill=0.7)) as address:
        yield f"openai:{name}@{address}"


def claims(report: dict[str, Any]) -> dict[str, str]:
    [system] = report["systems"]
    return {a["culture"]: a["claim"] for a in system["axes"] if a["name"] == "knowledge" and a["preregistered"]}


@pytest.mark.slow
def test_run_and_report_of_the_core_pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("SAMOVAR_HOME", str(tmp_path / "home"))
    panel = []
    for name in ("one", "two"):
        with served(name, 0.0) as target:
            assert main(["audit", "run", "--target", target, "--pack", "core", *PART, "--yes", "--out", str(tmp_path / name)]) == 0  # fmt: skip
        panel += ["--panel", str(tmp_path / name)]
    found = {}
    for name, forget in (("forgetful", 0.35), ("fair", 0.0)):
        with served(name, forget) as target:
            assert main(["audit", "run", "--target", target, "--pack", "core", *PART, "--yes"]) == 0
        assert main(["audit", "report", *panel, "--simulations", "50"]) == 0
        [folder] = (tmp_path / "home" / "audit").glob(f"openai-{name}-*")
        made = json.loads((folder / "report.json").read_text())
        assert (folder / "report.html").is_file()
        found[name] = claims(made)
    assert found["forgetful"]["ka"] == "worse"
    assert set(found["forgetful"].values()) <= {"worse", "better", "same"}
    assert list(found["fair"].values()) == ["same"] * 5

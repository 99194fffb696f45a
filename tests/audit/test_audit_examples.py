"""The runs shipped as examples are whole: they unpack, can be read, and are the very evidence that their reports name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from samovar.audit.evidence import bundle_sha256, read_graded

EXAMPLES = Path(__file__).parents[2] / "examples" / "audits"

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the examples are not part of a source distribution")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    subprocess.run([sys.executable, str(EXAMPLES / "unpack.py"), str(folder)], check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("report", ["models", "search"])
def test_the_reports_rest_on_these_files(report: str, unpacked: Path) -> None:
    made = json.loads((EXAMPLES / report / "report.json").read_text("utf-8"))
    assert made["systems"]
    for system in made["systems"]:
        assert bundle_sha256(unpacked / system["folder"]) == system["evidence_sha256"], system["target"]
    assert made["systems"][0]["evidence_sha256"][:16] in (EXAMPLES / "README.md").read_text("utf-8")


@pytest.mark.parametrize("name", ["smollm2", "assistant-smollm2", "search"])
def test_a_run_is_complete(name: str, unpacked: Path) -> None:
    run, graded = read_graded(unpacked / name)
    assert run.unanswered == 0
    assert len(graded.rows) == len(run.replies) == run.about["num_questions"]


def test_no_place_of_the_machine_is_told() -> None:
    for path in (*EXAMPLES.glob("*/*.json"), *EXAMPLES.glob("*/*.html"), *EXAMPLES.glob("runs/*/run.json")):
        text = path.read_text("utf-8")
        assert "/home/" not in text and "/tmp/" not in text and "/root/" not in text, path

"""The whole way through the command line: a planted gap is found, without one nothing is; and what happens when something is wrong."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from scripted_endpoint import endpoint, script, write_named_pack

from samovar.audit.pack import Pack, load_pack
from samovar.cli import main


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run of the program gave."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ran]


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("SAMOVAR_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    def run_here(*arguments: object, lang: str = "en") -> Ran:
        capsys.readouterr()
        status = main(["--home", str(tmp_path / "home"), "--lang", lang, *map(str, arguments)])
        captured = capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    return run_here


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return load_pack(str(write_named_pack(tmp_path_factory.mktemp("small"), entities=8, templates=4, prompts=4)))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return load_pack(str(write_named_pack(tmp_path_factory.mktemp("large"), entities=60, templates=24, prompts=24)))


def ask(run: Run, pack: Pack, name: str, out: Path, *more: str, forget: float = 0.0, skill: float = 0.8) -> Ran:
    with endpoint(script(pack, name, forget={"bb": forget}, skill=skill)) as address:
        return run("audit", "run", "--target", f"openai:{name}@{address}", "--pack", pack.folder, "--out", out, "--yes", "--json", *more)  # fmt: skip


@pytest.mark.slow
def test_a_planted_gap_is_found_and_without_one_nothing(run: Run, large: Pack, tmp_path: Path) -> None:
    """The whole way: ask, keep, grade, report, against endpoints on loopback."""
    planted = ask(run, large, "planted", tmp_path / "planted", forget=0.3)
    assert planted.status == 0, planted.err
    assert planted.json["missing"] == 0
    assert planted.json["outcomes"]["knowledge"].get("undecided", 0) == 0
    for index in range(3):
        assert ask(run, large, f"other{index}", tmp_path / f"other{index}").status == 0
    panel = [x for i in (1, 2) for x in ("--panel", tmp_path / f"other{i}")]
    made = {}
    for name in ("planted", "other0"):
        done = run("audit", "report", tmp_path / name, *panel, "--simulations", 50, "--json")
        assert done.status == 0, done.err
        [system] = done.json["report"]["systems"]
        made[name] = {a["culture"]: a for a in system["axes"] if a["name"] == "knowledge" and a["preregistered"]}
        assert (tmp_path / name / "report.html").is_file()
        assert json.loads((tmp_path / name / "report.json").read_text()) == done.json["report"]
    gap = made["planted"]["bb"]
    assert gap["claim"] == "worse"
    assert gap["raw"]["value"] == pytest.approx(-0.8 * 0.3, abs=0.09)
    assert gap["raw"]["high"] < -0.05
    assert gap["panel"]["high"] < -0.05
    assert gap["p_adjusted"] < 0.001
    assert [a["claim"] for a in made["other0"].values()] == ["same"] * 3
    page = (tmp_path / "planted" / "report.html").read_text()
    assert "Betan" in page and "Differs by" in page
    again = run("audit", "compare", tmp_path / "other0", tmp_path / "planted", "--json")
    shifts = {(s["score"], s["culture"]): s for s in again.json["shifts"]}
    assert shifts["knowledge", "bb"]["change"]["high"] < -0.1
    assert shifts["knowledge", "aa"]["p_adjusted"] > 0.05


def test_run_says_what_is_to_come_and_goes_on_where_it_stopped(run: Run, small: Pack, tmp_path: Path) -> None:
    first = ask(run, small, "one", tmp_path / "run", "--price", "1,2,EUR")
    assert first.status == 0, first.err
    assert "questions to ask" in first.err and "EUR" in first.err
    total = first.json["total"]
    lines = (tmp_path / "run" / "answers.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "run" / "answers.jsonl").write_bytes(b"".join(lines[:10]) + lines[10][:20])
    cut = run("audit", "report", tmp_path / "run", "--simulations", 50)
    assert cut.status == 0
    assert f"{total - 10} questions have no answer" in cut.err
    assert "not complete" in (tmp_path / "run" / "report.html").read_text()
    with endpoint(script(small, "one")) as address:
        other = run("audit", "run", "--target", f"openai:one@{address}", "--pack", small.folder, "--out", tmp_path / "run", "--yes", "--json")  # fmt: skip
    assert (other.status, other.json["kept"], other.json["asked"]) == (0, 10, total - 10)


def test_without_a_folder_the_last_run_is_meant(run: Run, small: Pack, tmp_path: Path) -> None:
    with endpoint(script(small, "x/y")) as address:
        done = run("audit", "run", "-t", f"openai:x/y@{address}", "--pack", small.folder, "--yes", "--kinds", "knowledge", "--languages", "en")  # fmt: skip
        again = run("audit", "run", "-t", f"openai:x/y@{address}", "--pack", small.folder, "--yes", "--kinds", "knowledge", "--languages", "en")  # fmt: skip
    assert done.status == again.status == 0, done.err
    folders = sorted(p.name for p in (tmp_path / "home" / "audit").iterdir())
    assert len(folders) == 2 and folders[0].startswith("openai-x-y-20")
    graded = run("audit", "grade", "--json")
    assert (graded.json["num"], graded.json["changes"]) == (8 * 3 * 3, [])
    gaps = run("audit", "gaps", "--language", "en", "--json").json
    assert {c["culture"] for c in gaps["domains"]} == {"aa", "bb", "cc"}
    assert all(m["share"] < 1 and m["document"] == "biography" for m in gaps["entities"])
    assert run("audit", "gaps", lang="ru").status == 0
    report = run("audit", "report", "--simulations", 50, lang="ru")
    assert report.status == 0, report.err
    assert "Что знает" in report.out and "report.html" in report.out


def test_a_changed_grade_is_said(run: Run, small: Pack, tmp_path: Path) -> None:
    ask(run, small, "one", tmp_path / "run", "--kinds", "knowledge")
    path = tmp_path / "run" / "grades.jsonl"
    first, *rest = path.read_text().splitlines()
    row = json.loads(first)
    path.write_text("\n".join([json.dumps(row | {"outcome": "refused"}), *rest]) + "\n")
    made = run("audit", "grade", tmp_path / "run", "--json").json
    assert [(c["key"], c["before"], c["after"]) for c in made["changes"]] == [(row["key"], "refused", row["outcome"])]
    assert run("audit", "grade", tmp_path / "run").out.count("changed: 0") == 1


@pytest.mark.parametrize("half", ["public", "private"])
def test_halves(half: str, run: Run, small: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = ask(run, small, "one", tmp_path / "none", "--half", half)
    assert (refused.status, refused.out) == (2, "")
    assert "SAMOVAR_AUDIT_SALT" in refused.err
    monkeypatch.setenv("SAMOVAR_AUDIT_SALT", "a salt of one's own")
    done = ask(run, small, "one", tmp_path / half, "--half", half, "--kinds", "knowledge")
    assert done.status == 0, done.err
    assert 0 < done.json["total"] < 8 * 3 * 3 * 2
    about = (tmp_path / half / "run.json").read_text()
    assert "a salt" not in about
    assert run("audit", "report", tmp_path / half, "--simulations", 50).status == 0
    page = (tmp_path / half / "report.html").read_text()
    asked = json.loads((tmp_path / half / "answers.jsonl").read_text().splitlines()[0])["question"]
    assert ("Not shown: this run asked the private half" in page) == (half == "private")
    assert half == "public" or asked not in page


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "--target", "nonsense"], "expected a target"),
        (["run"], "--target is missing"),
        (["run", "--target", "openai:x", "--kinds", "taste"], "expected one of knowledge"),
        (["run", "--target", "openai:x", "--languages", "xx"], "expected one of ru, en"),
        (["run", "--target", "openai:x", "--half", "third"], "expected one of public, private"),
        (["run", "--target", "openai:x", "--price", "cheap"], "expected two numbers"),
        (["run", "--target", "openai:x", "--kinds", "norms"], "found none in the pack"),
        (["report", "nowhere"], "expected the folder of a run"),
        (["report"], "expected a run in"),
        (["grade", "nowhere"], "expected the folder of a run"),
        (["compare", "nowhere", "here"], "expected the folder of a run"),
        (["packs", "unheard-of"], "expected a pack"),
        (["selftest", "--pack", "unheard-of"], "expected a pack"),
        (["selftest", "--simulations", "1"], "--simulations"),
    ],
)
def test_wrong_usage_is_status_2(arguments: list[str], expected: str, run: Run, small: Pack) -> None:
    more = ["--pack", small.folder] if arguments[0] == "run" else []
    done = run("audit", *arguments, *more)
    assert (done.status, done.out) == (2, "")
    assert expected in done.err
    assert "Traceback" not in done.err


def test_without_a_terminal_yes_is_needed(run: Run, small: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with endpoint(script(small, "one")) as address:
        done = run("audit", "run", "--target", f"openai:one@{address}", "--pack", small.folder, "--out", tmp_path / "r")
    assert done.status == 2
    assert "--yes" in done.err
    assert not (tmp_path / "r").exists(), "nothing is left behind"


def test_an_expired_key_is_said_before_anything_is_asked(run: Run, small: Pack, tmp_path: Path) -> None:
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    class Refusing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_error(401)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/v1"
        done = run("audit", "run", "--target", f"openai:x@{address}", "--pack", small.folder, "--out", tmp_path / "r", "--yes")  # fmt: skip
        server.shutdown()
    assert done.status == 1
    assert "refused the key" in done.err
    assert not (tmp_path / "r" / "answers.jsonl").exists()


def test_logs_of_two_packs_are_not_compared(run: Run, small: Pack, tmp_path: Path) -> None:
    other = load_pack(str(write_named_pack(tmp_path / "pack", entities=9, templates=4, prompts=4)))
    for name, pack in (("one", small), ("two", other)):
        assert ask(run, pack, name, tmp_path / name, "--kinds", "knowledge").status == 0
    for command in ("compare", "report"):
        done = run("audit", command, tmp_path / "one", tmp_path / "two")
        assert done.status == 2
        assert "pack" in done.err and "named 1" in done.err
    panel = run("audit", "report", tmp_path / "one", "--panel", tmp_path / "two", "--simulations", 50)
    assert panel.status == 2 and "expected a panel on the pack" in panel.err


def test_packs_are_listed_and_checked(run: Run, small: Pack, tmp_path: Path) -> None:
    listed = run("audit", "packs")
    assert listed.status == 0 and "core" in listed.out
    shapes = run("audit", "packs", "--json").json["packs"]
    assert {"name", "version", "sha256", "probes", "entities", "questions"} <= set(shapes[0])
    good = run("audit", "packs", small.folder)
    assert good.status == 0 and "Errors: 0" in good.out
    bad = write_named_pack(tmp_path / "bad", entities=3, templates=2, prompts=2)
    rows = (bad / "probes.jsonl").read_text().splitlines()
    probe = json.loads(rows[0])
    probe["questions"]["en"] = [f"Is it {probe['gold']['en']['answers'][0]}?"]
    (bad / "probes.jsonl").write_text("\n".join([json.dumps(probe, ensure_ascii=False), *rows[1:]]) + "\n")
    found = run("audit", "packs", bad, "--json")
    assert found.status == 1
    assert "leak" in {f["rule"] for f in found.json["packs"][0]["findings"] if f["severity"] == "error"}


@pytest.mark.slow
def test_selftest_has_the_shape_of_the_design(run: Run, small: Pack) -> None:
    done = run("audit", "selftest", "--pack", small.folder, "--simulations", 50, "--json")
    assert done.status == 1, "eight entities are too few, and the self-test says so"
    assert done.json["passed"] is False
    assert all({"name", "demand", "value", "passed"} <= set(g) for g in done.json["gates"])
    failed = {g["name"] for g in done.json["gates"] if not g["passed"]}
    assert "power: 10 points of knowledge" in failed

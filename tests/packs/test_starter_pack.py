"""The Russian pack's starter library: the real one passes `scripts/check_starter.py`, and faults planted in a copy are found."""

from __future__ import annotations

import datetime
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
PACK = ROOT / "samovar" / "packs" / "ru"
sys.path.insert(0, str(ROOT / "scripts"))

from starter_articles import load_pack, years_of  # noqa: E402
from starter_contradictions import Contradiction, find_contradictions, julian_to_gregorian  # noqa: E402
from starter_lint import Fault, lint  # noqa: E402

Edit = Callable[[str, str, str], None]


# the articles that the damaged copies need: those changed and those that they contradict then
SOME = (
    "literature/gogol-nikolaj.md",
    "music/shchelkunchik.md",
    "music/lebedinoe-ozero.md",
    "music/chajkovskij-pyotr.md",
    "painting/repin-ilya.md",
    "painting/burlaki-na-volge.md",
    "history/pugachyovskoe-vosstanie.md",
    "literature/kapitanskaya-dochka.md",
    "history/aleksandr-nevskij.md",
    "history/ledovoe-poboishe.md",
    "literature/anna-karenina.md",
    "literature/tolstoj-lev.md",
    "cinema/soyuzmultfilm.md",
    "peoples/yakuty.md",
    "geography/lena.md",
    "theatre/bolshoj-teatr.md",
    "theatre/ulanova-galina.md",
    "music/homus.md",
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of a part of the pack to damage."""
    for path in ("pack.toml", "check.toml", "library/README.md", *(f"library/{name}" for name in SOME)):
        (tmp_path / "ru" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PACK / path, tmp_path / "ru" / path)
    manifest = (tmp_path / "ru/pack.toml").read_text("utf-8")
    (tmp_path / "ru/pack.toml").write_text(
        re.sub(r"(?m)^articles = \d+$", f"articles = {len(SOME)}", manifest), encoding="utf-8"
    )
    return tmp_path / "ru"


@pytest.fixture
def edit(copy: Path) -> Edit:
    """Replace one piece of one file of the copy; the piece must be there once."""

    def replace(path: str, old: str, new: str) -> None:
        file = copy / path
        text = file.read_text("utf-8")
        assert text.count(old) == 1, (path, old, text.count(old))
        file.write_text(text.replace(old, new), encoding="utf-8", newline="\n")

    return replace


def run_check(*arguments: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "check_starter.py"), *arguments, "--json"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def clashes(folder: Path) -> list[Contradiction]:
    return [found for found in find_contradictions(load_pack(folder)) if not found.explained]


def faults_of(folder: Path, path: str) -> set[str]:
    return {fault.rule for fault in lint(load_pack(folder)) if fault.path == path}


@pytest.mark.slow
def test_the_real_pack_is_clean() -> None:
    status, report = run_check()
    assert report["faults"] == []
    assert [found for found in report["contradictions"] if not found["explained"]] == []
    assert status == 0
    assert report["articles"] >= 300
    assert report["articles"] == sum(report["coverage"]["domains"].values())
    assert min(report["coverage"]["domains"].values()) >= 5


def test_a_planted_contradiction_fails_the_run(copy: Path, edit: Edit) -> None:
    edit(
        "library/music/shchelkunchik.md", "Петра Ильича Чайковского (1840–1893)", "Петра Ильича Чайковского (1841–1893)"
    )
    status, report = run_check(str(copy))
    assert status == 1
    assert report["articles"] == len(SOME)
    assert [found["attribute"] for found in report["contradictions"]] == ["born"]
    assert {claim["low"] for claim in report["contradictions"][0]["claims"]} == {1840, 1841}
    assert "music/shchelkunchik.md" in {claim["path"] for claim in report["contradictions"][0]["claims"]}


@pytest.mark.parametrize(
    ("path", "old", "new", "attribute"),
    [
        ("literature/gogol-nikolaj.md", 'died = "1852-03-04"', 'died = "1853-03-04"', "died"),
        ("literature/gogol-nikolaj.md", 'died = "1852-03-04"', 'died = "1852-03-05"', "died"),
        ("literature/gogol-nikolaj.md", "4 марта (21 февраля) 1852", "4 марта (22 февраля) 1852", "calendar"),
        ("music/shchelkunchik.md", "Лев Иванович Иванов (1834–1901)", "Лев Иванович Иванов (1834–1902)", "died"),
        ("painting/repin-ilya.md", "«Бурлаки на Волге» (1870–1873)", "«Бурлаки на Волге» (1880–1883)", "when"),
        (
            "history/pugachyovskoe-vosstanie.md",
            "роман «Капитанская дочка» (1836)",
            "роман «Капитанская дочка» (1834)",
            "when",
        ),
        ("history/aleksandr-nevskij.md", "фильм Сергея Эйзенштейна", "фильм Андрея Тарковского", "maker"),
        (
            "literature/anna-karenina.md",
            'author = "Лев Николаевич Толстой"',
            'author = "Алексей Николаевич Толстой"',
            "maker",
        ),
        ("cinema/soyuzmultfilm.md", "основанная 10 июня 1936", "основанная 10 июня 1937", "founded"),
        ("geography/lena.md", "столица Якутии Якутск", "столица Якутии Якутск, основанный в 1642 году", "founded"),
    ],
)
def test_each_kind_of_contradiction_is_found(
    copy: Path, edit: Edit, path: str, old: str, new: str, attribute: str
) -> None:
    assert clashes(copy) == []
    edit(f"library/{path}", old, new)
    found = clashes(copy)
    assert attribute in {clash.attribute for clash in found}
    assert path in {claim.path for clash in found for claim in clash.claims}


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ('domain = "music"', 'domain = "cinema"', "domain"),
        ('kind = "work"', 'kind = "thing"', "kind"),
        ('region = "Санкт-Петербург"', 'region = "Тыва"', "region"),
        ("centuries = [19]", "centuries = [20]", "centuries"),
        ("centuries = [19]", "", "front matter"),
        ('premiered = "1892-12-18"', 'premiered = "1892-13-18"', "dates"),
        ('premiered = "1892-12-18"', 'premiered = "18.12.1892"', "dates"),
        ('premiered = "1892-12-18"', 'premierd = "1892-12-18"', "dates"),
        ('"The Nutcracker"', '"Лебединое озеро"', "names"),
        ("ещё новый", "еще новый", "spelling"),
        ("«Щелкунчик» — двухактный", '"Щелкунчик" — двухактный', "typography"),
        ("«Щелкунчик» — двухактный", "«Щелкунчик» - двухактный", "typography"),
        ("«Щелкунчик» — двухактный", "**«Щелкунчик»** — двухактный", "markup"),
        ("«Щелкунчик» — двухактный", "Это — двухактный", "definition"),
        ("Балет традиционно", "Бaлет традиционно", "spelling"),
    ],
)
def test_each_fault_of_form_is_found(copy: Path, edit: Edit, old: str, new: str, rule: str) -> None:
    path = "music/shchelkunchik.md"
    edit(f"library/{path}", old, new)
    damaged = {fault.rule for fault in lint(load_pack(copy)) if path in (fault.path, *fault.message.split())}
    assert rule in damaged


def test_length_file_and_count(copy: Path) -> None:
    short = copy / "library/music/homus.md"
    matter = short.read_text("utf-8").split("+++")[1]
    short.write_text(f"+++{matter}+++\nХомус — варган.\n", encoding="utf-8")
    assert "length" in faults_of(copy, "music/homus.md")
    (copy / "library/music/broken.md").write_text("no front matter\n", encoding="utf-8")
    (copy / "library/cinema/homus.md").write_bytes(short.read_bytes())
    faults = lint(load_pack(copy))
    assert {"front matter"} == {fault.rule for fault in faults if fault.path == "music/broken.md"}
    assert {"slug", "domain"} <= {fault.rule for fault in faults if fault.path == "cinema/homus.md"}
    assert Fault("pack.toml", "manifest", f"expected articles = {len(SOME) + 1}, found {len(SOME)}") in faults


def test_stale_tables_and_explanations_are_faults(copy: Path, edit: Edit) -> None:
    run_check(str(copy), "--write")
    assert run_check(str(copy))[0] == 0
    edit("library/README.md", "| everyday |", "| every day |")
    with (copy / "check.toml").open("a", encoding="utf-8") as file:
        file.write('\n[[explained]]\nsubject = "Никто"\nattribute = "born"\npath = "x"\nwhy = "nothing"\n')
    status, report = run_check(str(copy))
    assert status == 1
    assert {fault["rule"] for fault in report["faults"]} == {"coverage", "explained"}


def test_an_explained_contradiction_passes(copy: Path, edit: Edit) -> None:
    edit("library/history/aleksandr-nevskij.md", "фильм Сергея Эйзенштейна", "фильм Андрея Тарковского")
    edit("library/geography/lena.md", "столица Якутии Якутск", "столица Якутии Якутск, основанный в 1642 году")
    found = clashes(copy)
    assert {"Якутск", "Александр Невский"} <= {clash.subject for clash in found}
    with (copy / "check.toml").open("a", encoding="utf-8") as file:
        for clash in found:
            entry = {
                "subject": clash.subject,
                "attribute": clash.attribute,
                "path": clash.claims[-1].path,
                "why": "told",
            }
            file.write(
                "\n[[explained]]\n"
                + "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in entry.items())
            )
    assert clashes(copy) == []
    assert {clash.explained for clash in find_contradictions(load_pack(copy))} == {"told"}


def test_the_turn_of_the_year_between_the_calendars_is_no_contradiction(copy: Path, edit: Edit) -> None:
    path = "library/theatre/bolshoj-teatr.md"
    text = (copy / path).read_text("utf-8")
    (copy / path).write_text(text.rstrip() + " Пела и Галина Сергеевна Уланова (1909–1998).\n", encoding="utf-8")
    found = [clash for clash in find_contradictions(load_pack(copy)) if clash.attribute == "born"]
    assert [clash.explained != "" for clash in found] == [True]
    text = (copy / path).read_text("utf-8")
    (copy / path).write_text(text.replace("(1909–1998)", "(1908–1998)"), encoding="utf-8")
    assert [clash.attribute for clash in clashes(copy)] == ["born"]


def test_people_of_one_name_are_told_apart_by_the_patronymic(copy: Path) -> None:
    path = copy / "library/theatre/bolshoj-teatr.md"
    path.write_text(path.read_text("utf-8").rstrip() + " Пел и Пётр Фомич Чайковский (1901–1950).\n", encoding="utf-8")
    assert clashes(copy) == []


@given(st.dates(datetime.date(1500, 3, 1), datetime.date(2099, 12, 31)))
@settings(max_examples=200, deadline=None)
def test_julian_days_follow_the_known_differences(new: datetime.date) -> None:
    shifts = {10: (1583, 1699), 11: (1701, 1799), 12: (1801, 1899), 13: (1901, 2099)}
    shift = next((days for days, (low, high) in shifts.items() if low <= new.year <= high), None)
    if shift is not None:
        old = new - datetime.timedelta(days=shift)
        assert julian_to_gregorian(old.year, old.month, old.day) == new


def test_known_days_of_both_calendars() -> None:
    assert julian_to_gregorian(1799, 5, 26) == datetime.date(1799, 6, 6)
    assert julian_to_gregorian(1917, 10, 25) == datetime.date(1917, 11, 7)
    assert julian_to_gregorian(1900, 2, 29) == datetime.date(1900, 3, 13)


@given(st.integers(100, 2099), st.integers(0, 60))
@settings(max_examples=50, deadline=None)
def test_years_are_read_from_ranges(first: int, length: int) -> None:
    assert years_of(f"в {first}–{first + length} годах") == (first, first + length)
    assert years_of("12 рублей, 5 копеек") is None

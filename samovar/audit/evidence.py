"""The evidence of a run: one folder with everything that its verdicts rest on, graded and read again offline.

    run.json        who was asked, with what parameters, which axes and margins were registered before (written first)
    pack/           the pack as it was when it was asked
    answers.jsonl   every raw reply; never changed after the run
    grades.jsonl    the judgements, made from the two above; made anew by every grading
    grading.json    when and by which version it was graded, and what changed against the grading before

Knows nothing about statistics or how results are shown.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from samovar import __version__
from samovar.audit.analysis import PREREGISTERED, Graded
from samovar.audit.collect import ANSWERS, RUN, read_replies
from samovar.audit.outcome import Grade, Outcome, Reply
from samovar.audit.pack import MANIFEST, Pack, load_pack
from samovar.audit.stats.equivalence import MARGIN
from samovar.corpus.document import utc_now
from samovar.digests import hash_file
from samovar.errors import UsageError

PACK, GRADES, GRADING = "pack", "grades.jsonl", "grading.json"
FROZEN = (RUN, ANSWERS, GRADES, GRADING)
SHOWN_CHANGES = 1_000


@dataclass(frozen=True)
class Run:
    """A run as it lies on disk. `about` is ``run.json``."""

    folder: Path
    about: Mapping[str, Any]
    pack: Pack
    replies: tuple[Reply, ...]

    @property
    def name(self) -> str:
        """The target's name."""
        return str(self.about.get("target", self.folder.name))

    @property
    def unanswered(self) -> int:
        """Questions of the run that were never answered, not even by a failure: the run is not complete."""
        return max(0, int(self.about.get("num_questions", 0)) - len(self.replies))


@dataclass(frozen=True, slots=True)
class Change:
    """One judgement that a new grading changed."""

    key: str
    before: str
    after: str
    rule_before: str
    rule_after: str
    text: str


@dataclass(frozen=True, slots=True)
class Grading:
    """What a grading did: outcomes by kind of probe, and what changed against the last one (None at the first)."""

    outcomes: Mapping[str, Mapping[str, int]]
    num: int
    changes: tuple[Change, ...] | None


def registration(pack: Pack, margin: float = MARGIN) -> dict[str, Any]:
    """Return what is registered before the first question: the pack, the axes that are tested, the margin, the error rates."""
    return {
        "pack": {"name": pack.name, "version": pack.version, "sha256": pack.sha256},
        "registered": {
            "axes": [f"{axis}/{culture}" for axis in PREREGISTERED for culture in pack.cultures],
            "margin": margin,
            "alpha": 0.05,
            "correction": "Holm over these axes; Benjamini-Hochberg for all others",
        },
    }


def freeze_pack(pack: Pack, folder: Path) -> None:
    """Copy the pack into the folder of a run; what is there already stays. The manifest is copied last."""
    place = folder / PACK
    if (place / MANIFEST).is_file():
        return
    place.mkdir(parents=True, exist_ok=True)
    for path in (*sorted(pack.folder.glob("*.jsonl")), pack.folder / MANIFEST):
        temporary = place / f"{path.name}.tmp"
        shutil.copyfile(path, temporary)
        temporary.replace(place / path.name)


def read_run(folder: Path) -> Run:
    """Read a run with its frozen pack.

    Raises:
        UsageError: no run there, a damaged file, or a pack that is not the one asked; the message says which and what to do.
    """
    if not (folder / RUN).is_file():
        raise UsageError(f"expected the folder of a run (with {RUN}), found none in {folder}. See  samovar audit run")
    try:
        about = json.loads((folder / RUN).read_text("utf-8"))
        wanted = about["pack"]["sha256"]
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise UsageError(
            f"expected the description of a run in {folder / RUN}, found: {error!r}. Restore it, or run again."
        ) from error
    frozen = (folder / PACK / MANIFEST).is_file()
    pack = load_pack(str(folder / PACK) if frozen else str(about["pack"]["name"]))
    if pack.sha256 != wanted:
        raise UsageError(
            f"expected the pack {about['pack']['name']} {about['pack']['version']} ({wanted[:12]}) that {folder.name} was asked from, found "
            f"{pack.version} ({pack.sha256[:12]}) in {pack.folder}. Restore {folder / PACK}, or run again."
        )
    replies = read_replies(folder / ANSWERS)
    if not replies:
        raise UsageError(f"expected answers in {folder / ANSWERS}, found none. Run  samovar audit run  again.")
    return Run(folder, about, pack, tuple(replies))


# -- grading ------------------------------------------------------------------------------------------------------------
def grade_folder(folder: Path) -> Grading:
    """Grade a run anew from its raw answers, offline; write the grades and what changed."""
    from samovar.audit.grade import grade_run

    run = read_run(folder)
    before = {g.key: g for g in read_grades(folder)} if (folder / GRADES).exists() else None
    grades = grade_run(run.pack, list(run.replies))
    changes = None if before is None else tuple(_changes(before, grades, {r.key: r for r in run.replies}))
    made = Grading(_count(run.pack, grades), len(grades), changes)
    _write(folder / GRADES, "".join(json.dumps(asdict(g), ensure_ascii=False) + "\n" for g in grades))
    note = {
        "samovar": __version__,
        "at": utc_now(),
        "num": made.num,
        "outcomes": made.outcomes,
        "num_changed": None if changes is None else len(changes),
        "changes": [asdict(c) for c in (changes or ())[:SHOWN_CHANGES]],
    }
    _write(folder / GRADING, json.dumps(note, ensure_ascii=False, indent=1) + "\n")
    return made


def _changes(before: Mapping[str, Grade], grades: Iterable[Grade], replies: Mapping[str, Reply]) -> Iterable[Change]:
    for grade in grades:
        old = before.get(grade.key)
        if old is not None and (old.outcome, old.found) != (grade.outcome, grade.found):
            yield Change(grade.key, old.outcome, grade.outcome, old.rule, grade.rule, replies[grade.key].text)


def _count(pack: Pack, grades: Iterable[Grade]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    for grade in grades:
        probe = pack.by_id.get(grade.key.split("/", 1)[0])
        counts.setdefault(probe.kind if probe else "?", Counter())[grade.outcome] += 1
    return {kind: dict(c) for kind, c in counts.items()}


def read_grades(folder: Path) -> list[Grade]:
    """Read the grades of a run.

    Raises:
        UsageError: there are none, or a line is damaged; the message says how to make them.
    """
    path = folder / GRADES
    if not path.is_file():
        raise UsageError(f"expected grades in {path}, found none. Run  samovar audit grade {folder}")
    grades = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            grade = Grade(**{**row, "found": tuple(row.get("found", ()))})
            if grade.outcome not in get_args(Outcome):
                raise ValueError(f"the outcome {grade.outcome!r}")
        except (ValueError, TypeError) as error:
            raise UsageError(
                f"expected a grade as JSON in line {number} of {path}, found: {error}. Make them again:  samovar audit grade {folder}"
            ) from error
        grades.append(grade)
    return grades


def read_graded(folder: Path) -> tuple[Run, Graded]:
    """Read a run with its grades joined to its pack; it is graded first where that was not done yet or is not complete.

    Raises:
        UsageError: see `read_run` and `read_grades`.
    """
    run = read_run(folder)
    grades = read_grades(folder) if (folder / GRADES).is_file() else []
    if {g.key for g in grades} != {r.key for r in run.replies}:
        grade_folder(folder)
        grades = read_grades(folder)
    return run, Graded.join(run.name, run.pack, grades, pack_sha256=run.about["pack"]["sha256"])


# -- the bundle's hash --------------------------------------------------------------------------------------------------
def bundle_sha256(folder: Path) -> str:
    """Return one hash over all files that the verdicts rest on, by name and content."""
    digest = hashlib.sha256()
    for path in _files(folder):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{hash_file(path)}\n".encode())
    return digest.hexdigest()


def _files(folder: Path) -> Sequence[Path]:
    frozen = [folder / name for name in FROZEN if (folder / name).is_file()]
    return [*frozen, *sorted(p for p in (folder / PACK).glob("*") if p.is_file())]


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, "utf-8", errors="surrogatepass")
    temporary.replace(path)

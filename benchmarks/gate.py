"""The quality gate: measures on fixed data against pinned floors. CI runs it; nobody lowers a floor by accident.

    python benchmarks/gate.py                 # exit 1 when a measure is under its floor, or when the data is not the pinned data
    python benchmarks/gate.py --pin           # raise floors to what is measured, minus the margin; refuses to lower one
    python benchmarks/gate.py --pin --lower   # lower them too (say why in the lab log)

Floors and the SHA-256 of the data they were measured on are in `floors.json`. The data is XQuAD dev in the folder that SAMOVAR_BENCH_DATA
names, and the starter library. Without the folder only the starter library is measured, and the gate says so.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path

from answers import evaluate_answers
from retrieval import CONDITIONS, evaluate_retrieval
from starter_questions import evaluate_starter

HERE = Path(__file__).parent
FLOORS = HERE / "floors.json"
PACK = HERE.parent / "samovar" / "packs" / "ru" / "library"
MARGIN = 0.005  # a floor lies this much under the measured value: ties may fall differently on another machine


def hash_files(files: list[Path]) -> str:
    """SHA-256 over names and contents, in order of name."""
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def measure_starter() -> dict[str, float]:
    return {f"starter_{name}": value for name, value in evaluate_starter().items()}


def measure_xquad(data: Path) -> dict[str, float]:
    values: dict[str, float] = {}
    for language in ("ru", "en"):
        for condition in CONDITIONS if language == "ru" else ("clean",):
            row = evaluate_retrieval(condition, language=language)
            assert row is not None
            values[f"retrieval_{language}_{condition}_ndcg10"] = row["ndcg@10"]
    everything = evaluate_answers(data, "ru")
    half = evaluate_answers(data, "ru", half=True)
    values["answers_ru_sentence"] = everything["sentence_contains_gold"]
    values["answers_ru_f1"] = everything["short_f1"]
    values["answers_ru_citations_resolved"] = everything["citations_resolved"]
    values["abstention_ru_answerable_answered"] = half["at_default"]["answerable_answered"]
    values["abstention_ru_unanswerable_refused"] = round(1 - half["at_default"]["unanswerable_answered"], 4)
    return values


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pin", action="store_true")
    parser.add_argument("--lower", action="store_true")
    options = parser.parse_args()
    pinned = json.loads(FLOORS.read_text("utf-8")) if FLOORS.exists() else {"floors": {}, "data": {}}
    data = {"starter": hash_files(list(PACK.glob("*/*.md")))}
    values = measure_starter()
    folder = os.environ.get("SAMOVAR_BENCH_DATA")
    if folder and Path(folder, "xquad.ru.dev.json").is_file():
        data["xquad"] = hash_files(list(Path(folder).glob("xquad.*.dev.json")))
        values |= measure_xquad(Path(folder))
    else:
        print(
            "gate: SAMOVAR_BENCH_DATA names no folder with XQuAD: only the starter library is measured", file=sys.stderr
        )
    if options.pin:
        return pin(pinned, data, values, options.lower)
    return check(pinned, data, values)


def check(pinned: dict[str, dict[str, float]], data: dict[str, str], values: dict[str, float]) -> int:
    failed = 0
    for name, digest in data.items():
        if pinned["data"].get(name) != digest:
            print(
                f"gate: the data {name!r} is not what the floors were pinned on; look at the change and run --pin",
                file=sys.stderr,
            )
            failed += 1
    for name, value in values.items():
        floor = pinned["floors"].get(name)
        passed = floor is not None and value >= floor
        failed += not passed
        print(json.dumps({"gate": name, "floor": floor, "value": value, "passed": passed}), flush=True)
    return 1 if failed else 0


def pin(pinned: dict[str, dict[str, float]], data: dict[str, str], values: dict[str, float], lower: bool) -> int:
    floors = dict(pinned["floors"])
    for name, value in values.items():
        new = value if value == 1.0 else round(value - MARGIN, 4)
        if name in floors and new < floors[name] and not lower:
            if value >= floors[name]:
                continue
            print(
                f"gate: {name} measures {value}, under its floor {floors[name]}; --lower is needed to lower it",
                file=sys.stderr,
            )
            return 1
        floors[name] = new
    FLOORS.write_text(
        json.dumps({"data": {**pinned["data"], **data}, "floors": floors}, indent=1, sort_keys=True) + "\n", "utf-8"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

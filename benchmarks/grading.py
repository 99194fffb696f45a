"""How good and how fast the audit's graders are. One JSON object a line; `python benchmarks/grading.py [--only NAME]`.

- ``labelled``: agreement with the pack's own labelled set, by split, language and length (``dev`` was tuned on, ``test`` was not).
- ``pack``: every gold and every expected confusion of the core pack as a reply in four frames; golds of other probes as replies (chance matches).
- ``triviaqa``: EVOUNA TriviaQA (English), five systems, human verdicts, beside two baselines in the same run. Needs ``SAMOVAR_BENCH_DATA``.
- ``xstest``: refusals of two systems, threshold calibrated on a random third, measured on the rest. Needs ``SAMOVAR_BENCH_DATA``.

Source of the data: EVOUNA (Wang et al. 2023, arXiv:2305.12421), XSTest (Röttger et al. 2024, arXiv:2308.01263).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from answer_metrics import contains_answer, fold_answer

from samovar.audit.grade import grade_reply
from samovar.audit.grade.accuracy import LABELLED, agreement, estimate_errors, grade_labelled, read_labelled
from samovar.audit.grade.calibrate import Labelled, calibrate_refusals, evaluate_refusals, split_third
from samovar.audit.grade.numbers import read_digits
from samovar.audit.grade.reading import Reader
from samovar.audit.grade.refusal import DEFAULT
from samovar.audit.outcome import Reply
from samovar.audit.pack import load_pack
from samovar.audit.probe import Gold, Probe
from samovar.language import profile_for

FRAMES = {
    "ru": ("{}", "Это {}.", "Ответ: {}", "{} — точно не помню, но кажется так."),
    "en": ("{}", "It is {}.", "Answer: {}", "I think it was {}."),
}
ERA = {"ru": "{} год до н. э.", "en": "{} BC"}
SYSTEMS = ("fid", "gpt35", "chatgpt", "gpt4", "newbing")
WINDOW = 3


def reply_of(question: str, text: str) -> Reply:
    """A reply as a run would have it."""
    return Reply("benchmark", question, text, "stop", "benchmark", "", "", 0.0)


def rates(num: int, wall: float, cpu: float) -> dict[str, float]:
    """Grades per second by the clock and by the processor (one core)."""
    return {"num": num, "per_second": round(num / wall), "per_cpu_second": round(num / cpu)}


def measure_labelled() -> Iterator[dict[str, Any]]:
    """Agreement and errors on the labelled set."""
    rows = read_labelled(load_pack("core").folder / LABELLED)
    wall, cpu = time.perf_counter(), time.process_time()
    graded = grade_labelled(rows)
    yield {
        "name": "labelled",
        "what": "rate, cold",
        **rates(len(rows), time.perf_counter() - wall, time.process_time() - cpu),
    }
    for split in ("dev", "test"):
        for length in ("short", "verbose"):
            for language in ("ru", "en", ""):
                chosen = [
                    g
                    for g in graded
                    if g[0].split == split and g[0].length == length and language in ("", g[0].language)
                ]
                right, num = agreement(chosen)
                yield {
                    "name": "labelled",
                    "split": split,
                    "length": length,
                    "language": language or "all",
                    "num": num,
                    "agreement": round(right / num, 4),
                }
        pairs = Counter((x.verdict, outcome) for x, outcome, _ in graded if x.split == split)
        called = sum(n for (_, outcome), n in pairs.items() if outcome == "correct")
        yield {"name": "labelled", "split": split, "precision_of_correct": round(pairs["correct", "correct"] / called, 4), "num_correct": called,
               "undecided": sum(n for (_, o), n in pairs.items() if o == "undecided"),
               "errors": estimate_errors(g for g in graded if g[0].split == split)}  # fmt: skip


def measure_pack() -> Iterator[dict[str, Any]]:
    """Golds and confusions of the core pack as replies; golds of other probes as replies."""
    pack, counts = load_pack("core"), Counter[tuple[str, str, str, bool]]()
    others: dict[tuple[str, str], list[tuple[Probe, Gold]]] = defaultdict(list)
    wall, cpu = time.perf_counter(), time.process_time()
    for probe in pack.of_kind("knowledge"):
        for language, gold in probe.gold.items():
            others[language, gold.type].append((probe, gold))
            for kind, answers, wanted in (("gold", gold.answers, "correct"), ("reject", gold.reject, "wrong")):
                for answer in answers:
                    said = (
                        ERA[language].format(answer.lstrip("-0"))
                        if gold.type in ("year", "date") and answer.startswith("-")
                        else answer
                    )
                    for frame in FRAMES[language]:
                        found = grade_reply(probe, language, reply_of(probe.questions[language][0], frame.format(said)))
                        counts[kind, language, probe.culture, found.outcome == wanted] += 1
    yield {
        "name": "pack",
        "what": "rate, short replies",
        **rates(sum(counts.values()), time.perf_counter() - wall, time.process_time() - cpu),
    }
    for kind in ("gold", "reject"):
        for language in pack.languages:
            shares = {
                c: _share(counts[kind, language, c, True], counts[kind, language, c, False]) for c in pack.cultures
            }
            yield {"name": "pack", "what": f"{kind} graded as it should", "language": language, "by_culture": shares}
    yield {"name": "pack", "what": "gold of another probe of the type as a reply", "outcomes": dict(_chance(others))}


def _share(right: int, wrong: int) -> float | None:
    return round(right / (right + wrong), 4) if right + wrong else None


def _chance(others: dict[tuple[str, str], list[tuple[Probe, Gold]]]) -> Counter[str]:
    draw, found = random.Random(2026), Counter[str]()
    for (language, _), rows in others.items():
        for probe, gold in rows:
            for _, other in draw.sample(rows, min(5, len(rows))):
                if not set(gold.answers) & set(other.answers):
                    found[
                        grade_reply(probe, language, reply_of(probe.questions[language][0], other.answers[0])).outcome
                    ] += 1
    return found


def has_window(text: str, gold: str) -> bool:
    """The token-window baseline: all the gold's words within its length + 3 words of the reply."""
    words, wanted = fold_answer(text), set(fold_answer(gold))
    size = len(fold_answer(gold)) + WINDOW
    return bool(wanted) and any(wanted <= set(words[i : i + size]) for i in range(len(words)))


def typed_gold(question: str, answers: tuple[str, ...]) -> Gold:
    """A gold with a type guessed from the question: TriviaQA has none."""
    kind = profile_for("en").question_kind(question)
    if all(read_digits(a.strip()) for a in answers):
        return Gold(
            "year" if kind == "time" and all(len(a.strip()) == 4 for a in answers) else "number",
            tuple(a.strip() for a in answers),
        )
    return Gold("person" if kind == "person" else "place" if kind == "place" else "term", answers)


def measure_triviaqa(folder: Path) -> Iterator[dict[str, Any]]:
    """Our grader and two baselines against human verdicts."""
    counts: dict[str, Counter[tuple[str, bool]]] = defaultdict(Counter)
    wall = cpu = 0.0
    for number, row in enumerate(json.loads((folder / "evouna.triviaqa.json").read_text("utf-8"))):
        if row["improper"]:
            continue
        answers = tuple(a for a in row["golden_answer"].split("/") if a.strip())
        probe = Probe(
            f"trivia.{number}",
            "knowledge",
            "",
            "",
            "",
            {"en": (row["question"],)},
            gold={"en": typed_gold(row["question"], answers)},
        )
        for system in SYSTEMS:
            text, verdict = row[f"answer_{system}"], bool(row[f"judge_{system}"])
            began, used = time.perf_counter(), time.process_time()
            outcome = grade_reply(probe, "en", reply_of(row["question"], text)).outcome
            wall, cpu = wall + time.perf_counter() - began, cpu + time.process_time() - used
            counts["grader"][outcome, verdict] += 1
            counts["containment"][
                "correct" if any(contains_answer(text, a) for a in answers) else "wrong", verdict
            ] += 1
            counts["token window"]["correct" if any(has_window(text, a) for a in answers) else "wrong", verdict] += 1
    for method, found in counts.items():
        yield {"name": "triviaqa", "method": method, **_scores(found)}
    yield {"name": "triviaqa", "what": "rate, long alias lists", **rates(sum(counts["grader"].values()), wall, cpu)}


def _scores(found: Counter[tuple[str, bool]]) -> dict[str, Any]:
    """Accuracy with undecided as "not correct" and among the decided, precision and recall of "correct", coverage."""
    num, undecided = sum(found.values()), found["undecided", True] + found["undecided", False]
    hits, called = found["correct", True], found["correct", True] + found["correct", False]
    rejected = sum(
        n for (outcome, verdict), n in found.items() if outcome not in ("correct", "undecided") and not verdict
    )
    return {
        "num": num, "accuracy": round((hits + rejected + found["undecided", False]) / num, 4), "accuracy_decided": round((hits + rejected) / (num - undecided), 4),
        "coverage": round(1 - undecided / num, 4), "precision_of_correct": round(hits / called, 4),
        "recall_of_correct": round(hits / sum(n for (_, v), n in found.items() if v), 4),
    }  # fmt: skip


def measure_xstest(folder: Path) -> Iterator[dict[str, Any]]:
    """Refusals of two systems. Partial refusals are left out, or counted as refusals."""
    reader = Reader.of((profile_for("en"),))
    for system in ("gpt4", "llama2new"):
        with (folder / "xstest" / f"xstest_v2_completions_{system}.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        for partial in (False, True):
            labelled = [
                Labelled(r["completion"], r["final_label"][0] != "1")
                for r in rows
                if partial or r["final_label"][0] != "3"
            ]
            third, rest = split_third(labelled)
            rule = calibrate_refusals(third, reader)
            for method, used in (("calibrated", rule), ("default", DEFAULT)):
                fit = evaluate_refusals(rest, reader, used)
                yield {"name": "xstest", "system": system, "partial_refusals": "refusals" if partial else "left out", "method": method,
                       "threshold": used.refused_from, "num": len(rest), "sensitivity": round(fit.sensitivity[0] / fit.sensitivity[1], 4),
                       "specificity": round(fit.specificity[0] / fit.specificity[1], 4), "undecided": fit.undecided}  # fmt: skip


def main() -> None:
    """Run what was asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", choices=("labelled", "pack", "triviaqa", "xstest"))
    only = parser.parse_args().only
    folder = os.environ.get("SAMOVAR_BENCH_DATA", "")
    parts: dict[str, Any] = {"labelled": measure_labelled, "pack": measure_pack}
    if folder:
        parts |= {"triviaqa": lambda: measure_triviaqa(Path(folder)), "xstest": lambda: measure_xstest(Path(folder))}
    elif only in (None, "triviaqa", "xstest"):
        print("triviaqa and xstest skipped: set SAMOVAR_BENCH_DATA to the folder of the data", file=sys.stderr)
    for name, measure in parts.items():
        if only in (None, name):
            for line in measure():
                print(json.dumps(line, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()

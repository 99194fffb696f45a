"""Check the starter library of a culture pack: form, contradictions, coverage.

    python scripts/check_starter.py [PACK_FOLDER] [--json] [--write]

Prints faults of form, contradictions between articles (one entity, two dates or makers), what explains the apparent ones, and how many
articles there are by domain, century, region, kind, people. Exit status 1 when there is a fault or an unexplained contradiction.
``--write`` puts the coverage tables into the pack's ``library/README.md``. With ``--json``: ``{"articles", "faults": [{"path", "rule",
"message"}], "contradictions": [{"subject", "attribute", "explained", "claims": [{"path", "low", "high", "value", "quote"}]}], "coverage"}``.

What it cannot know: whether a date that stands in one place only is true.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent)]

from starter_articles import Pack, StarterArticle, load_pack, matches_any  # noqa: E402
from starter_claims import read_claims  # noqa: E402
from starter_contradictions import Contradiction, find_contradictions, unused_explanations  # noqa: E402
from starter_lint import Fault, lint  # noqa: E402

DEFAULT_PACK = ROOT / "samovar" / "packs" / "ru"
BEGIN, END = "<!-- coverage: written by scripts/check_starter.py --write -->", "<!-- end of coverage -->"
_ENDS = 10  # how many of the most and least covered are named


@dataclass(frozen=True, slots=True)
class Coverage:
    """Articles by what they are about; `tallies` counts the articles that mention each thing of a list in ``check.toml``."""

    domains: dict[str, int]
    kinds: dict[str, int]
    centuries: dict[str, int]
    regions: dict[str, int]
    genders: dict[str, int]
    tallies: dict[str, dict[str, int]]


def measure_coverage(pack: Pack) -> Coverage:
    """Count the articles of a pack."""
    matters = [article.matter for article in pack.articles]
    centuries = Counter(str(century) for matter in matters for century in matter.get("centuries", []))
    domains = dict.fromkeys(pack.rules["front_matter"]["domains"], 0)
    domains |= Counter(str(matter.get("domain")) for matter in matters)
    return Coverage(
        domains=domains,
        kinds=_ranked(Counter(str(matter.get("kind")) for matter in matters)),
        centuries={c: centuries[c] for c in sorted(centuries, key=int)},
        regions=_ranked(Counter(str(matter.get("region")) for matter in matters)),
        genders=_ranked(
            Counter(_gender(pack, article) for article in pack.articles if article.matter.get("kind") == "person")
        ),
        tallies={name: _tally(pack, rules) for name, rules in pack.rules.get("tallies", {}).items()},
    )


def _ranked(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _gender(pack: Pack, article: StarterArticle) -> str:
    """By the form of the verb "was born", the only mark that the prose carries; unknown where it is not used."""
    rules = pack.rules["names"]
    for token in pack.profile.tokens(article.text):
        for gender in ("feminine", "masculine"):
            if matches_any(token.text, rules[gender]):
                return {"feminine": "women", "masculine": "men"}[gender]
    return "not derived"


def _tally(pack: Pack, rules: dict[str, list[str]]) -> dict[str, int]:
    """In how many articles each thing is mentioned."""
    counts = Counter(dict.fromkeys(rules, 0))
    for article in pack.articles:
        words = {token.text.lower() for token in pack.profile.tokens(f"{article.title} {article.text}")}
        counts.update(name for name, forms in rules.items() if any(matches_any(word, forms) for word in words))
    return _ranked(counts)


def coverage_tables(pack: Pack, coverage: Coverage) -> str:
    """Return the coverage as Markdown for the pack's README."""
    people = [f"{name} {count}" for name, count in coverage.genders.items()]
    lines = [f"{len(pack.articles)} articles; persons: {', '.join(people)}.", ""]
    for heading, counts in (
        ("Domain", coverage.domains),
        ("Century", coverage.centuries),
        ("Kind", coverage.kinds),
        ("Region", coverage.regions),
    ):
        lines += [
            f"| {heading} | Articles |",
            "|---|---:|",
            *(f"| {name} | {count} |" for name, count in counts.items()),
            "",
        ]
    for heading, counts in coverage.tallies.items():
        lines += [
            f"Articles that mention each of the {heading}: " + ", ".join(f"{n} {c}" for n, c in counts.items()) + ".",
            "",
        ]
    return "\n".join(lines).rstrip() + "\n"


def _readme_faults(pack: Pack, tables: str) -> list[Fault]:
    file = pack.folder / "library" / "README.md"
    text = file.read_text("utf-8") if file.exists() else ""
    if f"{BEGIN}\n{tables}{END}" in text:
        return []
    return [Fault("README.md", "coverage", "the tables are missing or old; run scripts/check_starter.py --write")]


def write_tables(pack: Pack, tables: str) -> None:
    """Replace the coverage tables of the README in place.

    Raises:
        SystemExit: the README has no place for them.
    """
    file = pack.folder / "library" / "README.md"
    before, begin, rest = file.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(
            f"{file}: expected the lines {BEGIN!r} and {END!r}, found none; add them where the tables belong"
        )
    file.write_text(f"{before}{BEGIN}\n{tables}{END}{after}", encoding="utf-8", newline="\n")


def _print_report(pack: Pack, faults: list[Fault], found: list[Contradiction], coverage: Coverage) -> None:
    for fault in faults:
        print(f"{fault.path}: {fault.rule}: {fault.message}")
    for contradiction in found:
        mark = f"explained: {contradiction.explained}" if contradiction.explained else "CONTRADICTION"
        print(f"{contradiction.subject}: {contradiction.attribute}: {mark}")
        for claim in contradiction.claims:
            print(f"    {claim.path}: {claim.quote}")
    for name, counts in [(key, value) for key, value in asdict(coverage).items() if key != "tallies"] + list(
        coverage.tallies.items()
    ):
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        print(f"{name}: " + ", ".join(f"{key} {count}" for key, count in ranked[:_ENDS]))
        if len(ranked) > _ENDS:
            least = sorted(ranked[_ENDS:], key=lambda item: item[1])[:_ENDS]
            print(f"    least of {len(ranked)}: " + ", ".join(f"{key} {count}" for key, count in least))
    open_ones = sum(1 for contradiction in found if not contradiction.explained)
    claims = len(read_claims(pack))
    print(f"{len(pack.articles)} articles, {claims} claims compared, {len(faults)} faults, {open_ones} contradictions")


def main(arguments: list[str] | None = None) -> int:
    """Run the checks; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "pack", nargs="?", type=Path, default=DEFAULT_PACK, help="folder of the culture pack (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--write", action="store_true", help="write the coverage tables into library/README.md")
    options = parser.parse_args(arguments)
    pack = load_pack(options.pack)
    coverage = measure_coverage(pack)
    tables = coverage_tables(pack, coverage)
    if options.write:
        write_tables(pack, tables)
    found = find_contradictions(pack)
    stale = [
        Fault("check.toml", "explained", f"explains nothing: {subject}") for subject in unused_explanations(pack, found)
    ]
    faults = lint(pack) + _readme_faults(pack, tables) + stale
    if options.json:
        report = {"articles": len(pack.articles), "faults": [asdict(f) for f in faults]}
        report |= {"contradictions": [asdict(c) for c in found], "coverage": asdict(coverage)}
        print(json.dumps(report, ensure_ascii=False, indent=1))
    else:
        _print_report(pack, faults, found, coverage)
    return 1 if faults or any(not contradiction.explained for contradiction in found) else 0


if __name__ == "__main__":
    sys.exit(main())

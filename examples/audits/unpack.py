"""Unpack the runs shipped here, so that they can be graded and reported again:  python examples/audits/unpack.py FOLDER

Each run becomes a folder with run.json, pack/, answers.jsonl, grades.jsonl and grading.json, as `samovar audit run` left it. Then, for example:
    samovar audit grade FOLDER/smollm2
    samovar audit report FOLDER/smollm2 FOLDER/gemma3 FOLDER/assistant
"""

from __future__ import annotations

import gzip
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent


def unpack(run: Path, folder: Path) -> None:
    """Write one run with its pack."""
    folder.mkdir(parents=True)
    for source, place in ((run, folder), (HERE / "pack", folder / "pack")):
        place.mkdir(exist_ok=True)
        for path in sorted(source.iterdir()):
            if path.suffix == ".gz":
                (place / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
            else:
                shutil.copyfile(path, place / path.name)


def main() -> int:
    """Unpack all runs into the folder named."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    for run in sorted((HERE / "runs").iterdir()):
        place = Path(sys.argv[1]) / run.name
        if place.exists():
            print(f"{place} is there already: left as it is", file=sys.stderr)
            continue
        unpack(run, place)
        print(place)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""How often the language of a text is told right: translations in Debian packages, in Russian, its nine nearest neighbours and a few others.

The set is built here and never committed: message catalogues (``.mo``) and manual pages of packages fetched with ``apt-get download``. A
document is messages of one program joined until it has at least 1,000 characters; a snippet has 20 words of consecutive messages. Messages that
are the same as the English original, or the same in two of the languages, are left out, as are those without a letter of the language's
script. Languages with little data give fewer texts: the count is printed.

    python benchmarks/language_id.py --cache /tmp/samovar-bench
    {"benchmark": "language-id", "kind": "document", "language": "ru", "texts": …, "right": …, "taken_for": {…}}

Sources of the texts: the translations of the programs in `PACKAGES`, under the licences of those programs.
"""

from __future__ import annotations

import argparse
import gettext
import hashlib
import json
import random
import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from samovar.corpus.identify import identify_language

PACKAGES = (
    "vlc-l10n", "libgtk2.0-common", "libgtk-3-common", "libglib2.0-data", "gimp-data", "caja-common", "mate-panel-common",
    "gnome-control-center-data", "nautilus-data", "mate-control-center-common", "gnumeric-common", "abiword-common", "evolution-common",
    "totem-common", "rhythmbox-data", "gedit-common", "gthumb-data", "shotwell-common", "gparted-common", "aptitude-common", "anjuta-common",
    "seahorse", "gucharmap", "ghex", "orca", "baobab", "cheese-common", "aisleriot", "glade", "dasher-data", "lyx-common", "mc-data",
    "kdenlive-data", "krusader", "akregator", "kmail", "korganizer", "okular", "dolphin", "konsole", "ark", "gwenview", "ktorrent-data",
)  # fmt: skip
NEAREST = ("ru", "uk", "be", "bg", "sr", "mk", "kk", "ky", "tt", "mn")
OTHERS = ("tg", "en", "de", "fr", "pl", "es", "tr", "ka", "zh", "he")
FOLDERS = {"zh": "zh_CN", "en": "en_GB"}
DOCUMENT_CHARS = 1000
SNIPPET_WORDS = 20
_MARKS = re.compile(r"[_&](?=\w)|<[^>]{1,80}>|%[-\d.$]*[a-zA-Z]+|%\d|\\[nt]|\$\{?\w+\}?")


def fetch_packages(cache: Path) -> list[Path]:
    """Return the unpacked packages, fetching those that are not there yet; one that cannot be had is left out and named."""
    trees = []
    debs = cache / "deb"
    debs.mkdir(parents=True, exist_ok=True)
    for name in PACKAGES:
        tree = cache / "locale" / name
        if not tree.is_dir():
            if not list(debs.glob(f"{name}_*.deb")):
                subprocess.run(["apt-get", "download", name], cwd=debs, capture_output=True, check=False)
            found = sorted(debs.glob(f"{name}_*.deb"))
            if not found:
                print(f"language-id: no package {name} here", file=sys.stderr)
                continue
            partial = tree.with_suffix(".part")
            partial.mkdir(parents=True, exist_ok=True)
            subprocess.run(["dpkg-deb", "-x", str(found[-1]), str(partial)], check=True)
            partial.rename(tree)
        trees.append(tree)
    return trees


def read_catalogues(trees: list[Path], language: str) -> Iterator[list[str]]:
    """Yield the translated messages of each catalogue in the language, in the order of their originals."""
    folder = FOLDERS.get(language, language)
    for tree in trees:
        for path in sorted(tree.glob(f"usr/share/**/locale/{folder}/LC_MESSAGES/*.mo")):
            with path.open("rb") as file:
                try:
                    catalogue = gettext.GNUTranslations(file)
                except (OSError, LookupError, UnicodeDecodeError, ValueError):  # a header that gettext cannot read
                    continue
            messages = getattr(catalogue, "_catalog", {})
            yield [
                _clean(text)
                for key, text in sorted(messages.items(), key=lambda pair: str(pair[0]))
                if isinstance(text, str) and key and (text != key or language == "en") and _is_prose(text)
            ]


def _clean(message: str) -> str:
    return " ".join(_MARKS.sub(lambda found: "" if found.group() in "_&" else " ", message).split())


def _is_prose(text: str) -> bool:
    letters = sum(map(str.isalpha, text))
    return letters >= 12 and letters >= 0.6 * len(text) and "translator" not in text.lower()


def read_messages(trees: list[Path]) -> dict[str, list[list[str]]]:
    """Return the catalogues of every language without repeated messages and without those that two languages share."""
    catalogues = {language: list(read_catalogues(trees, language)) for language in (*NEAREST, *OTHERS)}
    owners: dict[str, set[str]] = defaultdict(set)
    for language, lists in catalogues.items():
        for messages in lists:
            for message in messages:
                owners[message].add(language)
    result: dict[str, list[list[str]]] = {}
    for language, lists in catalogues.items():
        seen: set[str] = set()
        result[language] = []
        for messages in lists:
            fresh = [
                m for m in dict.fromkeys(messages) if m not in seen and len(owners[m]) == 1 and _in_script(m, language)
            ]
            seen.update(fresh)
            result[language].append(fresh)
    return result


def _in_script(message: str, language: str) -> bool:
    """Whether most letters are of the language's script: untranslated lists of names are in no language."""
    ascii_letters = sum(character.isalpha() and character.isascii() for character in message)
    letters = sum(map(str.isalpha, message))
    latin = language in ("en", "de", "fr", "pl", "es", "tr")
    return latin or ascii_letters < 0.3 * letters


def make_texts(lists: list[list[str]], kind: str, limit: int) -> list[str]:
    """Return documents or snippets made of neighbouring messages, at most `limit`, drawn with a fixed seed."""
    texts = []
    for messages in lists:
        held: list[str] = []
        for message in messages:
            held.append(message)
            joined = "\n".join(held)
            if kind == "document" and len(joined) >= DOCUMENT_CHARS:
                texts.append(joined)
                held = []
            elif kind == "snippet" and len(joined.split()) >= SNIPPET_WORDS:
                texts.append(" ".join(joined.split()[:SNIPPET_WORDS]))
                held = []
    random.Random(11).shuffle(texts)
    return texts[:limit]


def main() -> None:
    """Print one JSON line for each kind and language, and one for each kind over the ten nearest languages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=Path("/tmp/samovar-bench"))
    parser.add_argument("--limit", type=int, default=500, help="texts of each kind and language")
    parser.add_argument(
        "--wrong", action="store_true", help="print texts that were taken for another language on stderr"
    )
    given = parser.parse_args()
    messages = read_messages(fetch_packages(given.cache))
    for kind in ("document", "snippet"):
        num_right = num_texts = num_for_russian = num_not_russian = 0
        digest = hashlib.sha256()
        shares = []
        for language in (*NEAREST, *OTHERS):
            texts = make_texts(messages[language], kind, given.limit)
            digest.update("\0".join(texts).encode())
            start = time.process_time()
            answers = [identify_language(text)[0] for text in texts]
            seconds = time.process_time() - start
            found = Counter(answers)
            if given.wrong:
                for text, answer in zip(texts, answers, strict=True):
                    if answer not in (language, "und"):
                        print(kind, language, answer, text[:300].replace("\n", " | "), file=sys.stderr)
            if language in NEAREST:
                num_right, num_texts = num_right + found[language], num_texts + len(texts)
                shares += [found[language] / len(texts)] if texts else []
                if language != "ru":
                    num_for_russian, num_not_russian = num_for_russian + found["ru"], num_not_russian + len(texts)
            line = {
                "benchmark": "language-id",
                "kind": kind,
                "language": language,
                "texts": len(texts),
                "right": round(found[language] / max(1, len(texts)), 4),
                "taken_for": {tag: count for tag, count in found.most_common() if tag != language},
                "microseconds": round(seconds / max(1, len(texts)) * 1e6, 1),
            }
            print(json.dumps(line))
        total = {
            "benchmark": "language-id",
            "kind": kind,
            "language": "ten nearest",
            "texts": num_texts,
            "right": round(num_right / max(1, num_texts), 4),
            "right_mean_over_languages": round(sum(shares) / max(1, len(shares)), 4),
            "others_taken_for_ru": round(num_for_russian / max(1, num_not_russian), 5),
            "sha256": digest.hexdigest(),
        }
        print(json.dumps(total))


if __name__ == "__main__":
    main()

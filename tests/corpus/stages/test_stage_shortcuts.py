"""The short cuts of the stages give what the long way gives."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from samovar.corpus import encoding
from samovar.corpus.clean import clean_line, clean_text
from samovar.corpus.stages.exact import hash_text, hash_texts
from samovar.corpus.stages.extract import find_host
from samovar.corpus.stages.lines import hash_lines
from samovar.corpus.stages.near import MinHasher
from samovar.corpus.stages.scan import SharedScan, hash_runs, mix, scan_texts, within_texts
from samovar.corpus.stages.signals import measure

WORDS = [
    "мама",
    "мыла",
    "раму",
    "МАМА",
    "Мама",
    "мыЛа",
    "РАМу",
    "OpenOffice",
    "eOffice",
    "café",
    "ÉÏº",
    "naïve",
    "Ünï",
    "ЌЋ",
    "ўіў",
    "→",
    "☃",
    "x",
    "12",
    "日本",
    "ｶﾅ",
    "ПриВет",
    "кодIDE",
    "IDEкод",
    "ГОСТом",
]
pieces = st.lists(st.sampled_from([*WORDS, "\n", ".", "-"]) | st.text(max_size=6), max_size=12).map(" ".join)


@settings(deadline=None)  # tables are made at the first call
@given(pieces)
@example("РАМу")
@example("кодIDEки")
def test_what_is_odd_has_one_of_the_first_signs(piece: str) -> None:
    wide = [c for c in piece if ord(c) >= 0x3000]
    # letters above U+3000 and words in which ASCII capitals stand far from the letter that is not ASCII are looked at less closely
    if not piece.isascii() and not wide and not re.search("[A-Za-z]{5,}", piece) and encoding._is_odd(piece):
        assert encoding._first_signs().search(piece)


@given(st.text(alphabet=" \t\n\u00a0абв.", max_size=60))
def test_cleaning_by_replacement_is_cleaning_by_pattern(text: str) -> None:
    plain = unicodedata.normalize("NFC", text.replace("\u00a0", " "))
    plain = re.sub(r"[ \t]+(?=\n|\Z)", "", re.sub(" {2,}", " ", plain))
    assert clean_text(text) == re.sub(r"\n{3,}", "\n\n", plain).strip(" \t\n")


@given(st.text(alphabet=" \tab~", max_size=20))
def test_a_plain_line_is_cleaned_as_any_other(text: str) -> None:
    assert clean_line(text) == " ".join(clean_text(text).split())


texts = st.lists(st.text(alphabet="абвгд \n12aé́日", max_size=80), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(texts, st.data())
def test_a_shared_scan_says_of_each_text_what_its_own_says(some: list[str], data: st.DataObject) -> None:
    shared, hasher = SharedScan(), MinHasher()
    list(shared.scans(some))
    chosen = [text for text in some if data.draw(st.booleans(), label=text)]
    asked = [*chosen, *data.draw(st.lists(st.text(alphabet="жз ", max_size=20), max_size=2))]
    assume(asked)
    seen: list[int] = []
    for scan, numbers in shared.scans(asked):
        values, signatures = measure(scan), hasher.signatures_in(scan)
        for place, number in enumerate(numbers.tolist()):
            if number < 0:
                continue
            seen.append(number)
            own = scan_texts([asked[number]])
            assert {name: float(column[place]) for name, column in values.items()} == pytest.approx(
                {name: float(column[0]) for name, column in measure(own).items()}
            )
            assert np.array_equal(signatures[place], hasher.signatures_in(own)[0])
    assert sorted(seen) == list(range(len(asked)))


def test_the_same_text_objects_are_not_looked_at_again() -> None:
    shared = SharedScan()
    some = [f"текст номер {number}" for number in range(10)]
    ((first, _),) = shared.scans(some)
    ((again, numbers),) = shared.scans(some[:4] + some[5:])
    assert again is first
    assert numbers.tolist() == [0, 1, 2, 3, -1, 4, 5, 6, 7, 8]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["а", "б", "в"]), max_size=40))
def test_repetition_is_counted_as_by_hand(words: list[str]) -> None:
    values = measure(scan_texts(["совсем другой текст", " ".join(words), "а б а б"]))
    for size in (5, 10):
        runs = [tuple(words[i : i + size]) for i in range(len(words) - size + 1)]
        assert values[f"share_duplicate_{size}grams"][1] == pytest.approx(
            (len(runs) - len(set(runs))) / max(1, len(runs))
        )
    for size in (2, 4):
        runs = [tuple(words[i : i + size]) for i in range(len(words) - size + 1)]
        most = max(map(runs.count, runs), default=0)
        share = min(1.0, most * size / max(1, len(words))) if most > 1 else 0
        assert values[f"share_top_{size}gram"][1] == pytest.approx(share)


@settings(deadline=None)
@given(texts)
def test_hashes_of_many_texts_are_those_of_each(some: list[str]) -> None:
    assert [bytes(row.tobytes()) for row in hash_texts(some)] == [hash_text(text) for text in some]
    assert [len(hash_lines(text)) for text in some] == [len(text.split("\n")) for text in some]


@pytest.mark.parametrize(
    ("uri", "host"),
    [
        ("http://WWW.Ex-a.com:80/x", "ex-a.com"),
        ("https://a.b.", "a.b"),
        ("http://user@host.example/", "host.example"),
        ("https://a.b?q", "a.b"),
        ("http://[::1]/", "::1"),
    ],
)
def test_the_host_of_an_address(uri: str, host: str) -> None:
    assert find_host(uri) == host


@settings(max_examples=60, deadline=None)
@given(texts)
def test_runs_that_go_on_are_the_runs_of_each_size(some: list[str]) -> None:
    scan = scan_texts(some)
    for size, hashes in hash_runs(scan, (1, 3, 4, 7)):
        expected, first = scan.ngrams(size)
        found = within_texts(scan, np.arange(len(hashes)), size)
        assert found.tolist() == first.tolist()
        assert mix(hashes[found]).tolist() == expected.tolist()


@settings(max_examples=60, deadline=None)
@given(texts, st.sampled_from(["𐐀", "a", "", "😀"]))
def test_an_exact_hash_is_the_same_in_any_company(some: list[str], wide: str) -> None:
    together = hash_texts([*some, wide])[: len(some)]
    assert [bytes(row.tobytes()) for row in together] == [hash_text(text) for text in some]


def test_letters_above_the_basic_plane_are_told_apart() -> None:
    assert hash_text("𐐨") == hash_text("𐐨 ,") != hash_text("𐐩")
    assert hash_text("𐐨") != hash_text("Ш")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(alphabet="абВ1२٣ ́\n.,«+-日😀²Ⅷ", max_size=40), min_size=1, max_size=6))
def test_counts_of_characters_and_words_are_those_of_counting(some: list[str]) -> None:
    found = measure(scan_texts(some))
    for number, text in enumerate(some):
        plain = "".join(c for c in text if not 0x300 <= ord(c) < 0x370)
        visible = [c for c in plain if unicodedata.category(c)[0] not in "ZC"]
        digits = sum(unicodedata.category(c)[0] == "N" for c in visible)
        assert found["chars"][number] == len(visible)
        assert found["share_digits"][number] == pytest.approx(digits / max(1, len(visible)))
        same = [len(run.group()) for run in re.finditer(r"(\S)\1*", plain)]
        assert found["longest_run"][number] == max(same, default=min(1, len(plain)))
        lines = [line for line in plain.split("\n") if line]
        assert found["lines"][number] == len(lines)
        bullets = sum(line[0] in "-–•" for line in lines)
        assert found["share_bullet_lines"][number] == pytest.approx(bullets / max(1, len(lines)))

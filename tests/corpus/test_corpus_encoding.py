"""Encodings and mojibake: what was encoded comes back, and clean text is left alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.corpus.encoding import decode_bytes, repair_mojibake
from samovar.corpus.letters import load_letter_pairs

ARTICLES = sorted((Path(__file__).parents[2] / "samovar/packs/ru/library").glob("*/*.md"))
PROSE = (
    "В начале июля, в чрезвычайно жаркое время, под вечер, один молодой человек вышел из своей каморки. Он благополучно избегнул "
    "встречи с хозяйкой на лестнице. Каморка приходилась под самою кровлей высокого пятиэтажного дома и походила более на шкаф. "
    "Объявление: ёлка, съезд, эхо, щука, юг, яблоко и цапля! Чем дальше в лес, тем больше дров?"
)
CLEAN = [
    PROSE,
    "Déjà vu : l'été à Paris, où naît l'œuvre — « français », garçon à l'école",
    "Größe, Übermut und Straßenbahn – „Anführung“ schön",
    "Žluťoučký kůň úpěl ďábelské ódy",
    "Всі люди народжуються вільними і рівними у своїй гідності та правах, їхня мова — українська",
    "Барлық адамдар тумысынан азат және қадір-қасиеті мен құқықтары тең болып дүниеге келеді",
    "Барлык кешеләр дә азат һәм үз абруйлары һәм хокуклары ягыннан тиң булып туалар",
    "Адӕймӕгтӕ се 'ппӕт дӕр райгуырынц сӕрибарӕй ӕмӕ ӕмхуызонӕй сӕ барты",
    "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια",
    "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である",
    "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền",
    "naïve café – “quoted” ‘x’ £5 €7 ½ © 2020",
    "plain ASCII text",
    "",
]
LEGACY = ["cp1251", "koi8-r", "cp866", "mac-cyrillic", "iso8859-5"]


def slices(length: int, step: int = 7) -> list[str]:
    return [PROSE[start : start + length] for start in range(0, len(PROSE) - length, step)]


def cyrillic(text: str) -> int:
    return len(re.findall("[а-яё]", text, re.I))


@pytest.mark.parametrize("codec", LEGACY)
@pytest.mark.parametrize("length", [20, 60, 200])
def test_legacy_encodings_of_short_texts(codec: str, length: int) -> None:
    samples = [text for text in slices(length) if cyrillic(text) >= 8]
    right = sum(decode_bytes(text.encode(codec))[0] == text for text in samples)
    assert right >= (0.93 if length == 20 else 0.96) * len(samples)


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_encodings(codec: str) -> None:
    text, name = decode_bytes(PROSE.encode(codec))
    assert text == PROSE
    assert name.startswith(codec.partition("-sig")[0][:6])


@pytest.mark.parametrize("codec", LEGACY)
def test_articles_survive_every_legacy_encoding(codec: str) -> None:
    for path in ARTICLES[::25]:
        text = path.read_text("utf-8").split("+++", 2)[-1]
        expected = text.encode(codec, "ignore").decode(codec)
        assert decode_bytes(expected.encode(codec))[0] == expected, path.name


def test_western_text_is_not_taken_for_cyrillic() -> None:
    for text in (CLEAN[1].replace("œ", "oe"), CLEAN[2]):
        assert decode_bytes(text.encode("cp1252")) == (text, "cp1252")


def test_little_damage_is_still_utf8() -> None:
    text, name = decode_bytes(PROSE.encode()[:-1])
    assert name == "utf-8" and text[:-1] == PROSE.removesuffix("?")[: len(text) - 1]
    assert decode_bytes(PROSE.encode()[:101])[0].count("\ufffd") == 1


def test_mixed_encodings_are_decoded_line_by_line() -> None:
    lines = [sentence + "." for sentence in PROSE.split(". ")]
    data = b"\n".join(line.encode("utf-8" if number % 2 else "cp1251") for number, line in enumerate(lines))
    assert decode_bytes(data) == ("\n".join(lines), "utf-8+cp1251")


@given(st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_any_bytes_decode(data: bytes) -> None:
    text, name = decode_bytes(data)
    assert isinstance(text, str) and "".encode(name.rpartition("+")[2]) is not None


@given(st.text(st.characters(codec="utf-8"), max_size=200))
@settings(max_examples=150, deadline=None)
def test_valid_utf8_is_never_reinterpreted(text: str) -> None:
    if "\0" in text or text.startswith("\ufeff"):
        return
    assert decode_bytes(text.encode()) == (text, "utf-8")


def garble(text: str, right: str, wrong: str) -> str:
    """Read text in the wrong encoding as programs do: holes of the table become C1 controls."""
    out = []
    for byte in text.encode(right):
        character = bytes([byte]).decode(wrong, "replace")
        out.append(chr(byte) if character == "\ufffd" else character)
    return "".join(out)


WRONG = ["cp1252", "latin-1", "cp1251", "koi8-r", "cp866", "mac-cyrillic"]
KINDS = [(right, wrong) for right in ("utf-8", "cp1251", "koi8-r", "cp866") for wrong in WRONG if right != wrong]
KINDS.remove(("cp1251", "mac-cyrillic"))  # small letters are the same in both: too close to clean text to touch


@pytest.mark.parametrize(("right", "wrong"), KINDS)
def test_mojibake_is_repaired(right: str, wrong: str) -> None:
    repaired, kind = repair_mojibake(garble(PROSE, right, wrong))
    assert repaired == PROSE
    assert kind is not None and kind.startswith(right)


def test_double_mojibake_is_repaired() -> None:
    assert repair_mojibake(garble(garble(PROSE, "utf-8", "cp1252"), "utf-8", "cp1252"))[0] == PROSE


def test_western_mojibake_is_repaired() -> None:
    text = "Déjà vu : l'été à Paris, garçon à l'école, où naît la forêt"
    assert repair_mojibake(garble(text, "utf-8", "cp1252")) == (text, "utf-8 read as cp1252")


@pytest.mark.parametrize("text", CLEAN)
def test_clean_text_is_left_alone(text: str) -> None:
    assert repair_mojibake(text) == (text, None)


def test_articles_are_left_alone() -> None:
    changed = [path.name for path in ARTICLES if repair_mojibake(path.read_text("utf-8"))[1]]
    assert ARTICLES and changed == []


def test_scores_separate_text_from_rubbish() -> None:
    pairs = load_letter_pairs()
    assert pairs.score(PROSE) > -3.0
    assert pairs.score(garble(PROSE, "cp1251", "cp1252")) < -5.0
    assert pairs.score(garble(PROSE, "koi8-r", "cp1251")) < -5.0
    assert pairs.score("ASCII says nothing") == 0.0


def test_only_the_garbled_part_is_repaired() -> None:
    garbled = garble(PROSE, "koi8-r", "cp1251")
    assert repair_mojibake("\n".join([garbled] * 20 + [PROSE]))[0] == "\n".join([PROSE] * 21)

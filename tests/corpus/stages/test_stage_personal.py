"""Personal data: what is masked, and above all what is not."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from personal_formats import LEFT, MASKED

from samovar.corpus.build.item import Item, Notes
from samovar.corpus.stages import personal
from samovar.corpus.stages.personal import (
    Kind,
    Personal,
    PersonalOptions,
    check_luhn,
    check_mod97,
    list_kinds,
    mask_text,
    straighten,
)
from samovar.corpus.stages.sieve import Look, Sieve


def mask(text: str, language: str = "ru") -> str:
    return mask_text(text, list_kinds(language))[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Пишите: ivan.petrov+news@mail.example.ru.", "Пишите: <email>."),
        ("почта я@пример.рф, vasya@почта.рф", "почта <email>, <email>"),
        ("Тел. +7 (495) 123-45-67, доб. 5", "Тел. <phone>, доб. 5"),
        ("звоните 8 (912) 345-67-89 или +7 912 345 67 89", "звоните <phone> или <phone>"),
        ("8-800-555-35-35 бесплатно", "<phone> бесплатно"),
        ("моб. 9161234567", "моб. <phone>"),
        ("Телефон 89161234567", "Телефон <phone>"),
        ("Call +44 20 7946 0958 or +1-202-555-0143", "Call <phone> or <phone>"),
        ("Карта 4276 1600 1234 5675 Сбербанка", "Карта <card> Сбербанка"),
        ("card 4111111111111111.", "card <card>."),
        ("ИНН 7707083893, КПП 773601001", "ИНН <inn>, КПП 773601001"),
        ("ИНН физического лица: 500100732259", "ИНН физического лица: <inn>"),
        ("СНИЛС 112-233-445 95", "СНИЛС <snils>"),
        ("страховой номер 11223344595", "страховой номер <snils>"),
        ("паспорт 45 08 123456 выдан", "паспорт <passport> выдан"),
        ("Паспорт серия 4508 № 123456", "Паспорт серия <passport>"),
        ("счёт GB82 WEST 1234 5698 7654 32 в банке", "счёт <iban> в банке"),
        ("DE89370400440532013000", "<iban>"),
        ("иван@пример.рф; -ivan@ya.ru; ivan.@ya.ru2", "<email>; -<email>; <email>2"),
        ("+7 (495) 123–45–67 и 8 (495) 123‑45‑67", "<phone> и <phone>"),
        ("+7\u202f495\u202f123\u202f45\u202f67 — справки", "<phone> — справки"),
        ("＋７ (４９５) １２３-４５-６７", "<phone>"),
        ("+7 - 916 - 123 - 45 - 67", "<phone>"),
        ("моб.89161234567, 89161234568", "моб.<phone>, <phone>"),
        ("тел.8(495)123-45-67", "тел.<phone>"),
        ("4111‑1111‑1111‑1111 и 378282246310005", "<card> и <card>"),
        ("ИНН7707083893", "ИНН<inn>"),
        ("СНИЛС 112 233 445 95", "СНИЛС <snils>"),
        ("Паспорт гражданина РФ серия 4506, номер 123456", "Паспорт гражданина РФ серия <passport>"),
        ("серии 45 06 номер 123456", "серии <passport>"),
    ],
)
def test_masked(text: str, expected: str) -> None:
    assert mask(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Родился 12.04.1961, умер 27.03.1968; годы 1941–1945, 1812-1815.",
        "ISBN 978-5-17-118366-1, ISBN 5-699-12014-8, ISSN 0234-5678",
        "версия 2.10.34-1+deb12u10, Python 3.11.7, 10.0.19045.3803",
        "CAS 7732-18-5, 58-08-2 и 64-17-5",
        "население 146 150 789 человек, 8 000 000 000 рублей, 1 234 567 890 руб.",
        "координаты 55.7558, 37.6173; 55°45′21″",
        "ГОСТ 12.1.005-88, СНиП 2.04.05-91, ОКПО 12345678",
        "в 1703 году 2 500 000 пудов; 8 (1905) и 7 (1917)",
        "ИНН 7707083894 — с неверной контрольной цифрой",
        "112-233-445 96 не номер",
        "число 4276160012345670 без контрольной цифры, 1111 1111 1111 1111",
        "время 1700000000 с начала эпохи, id 79161234567890",
        "счёт 2:1, 3-2-1, 8-9-10 классы, 90-60-90",
        "SHA-256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "рейс SU 1234, дом 8, кв. 495, 123-45",
        "GB83 WEST 1234 5698 7654 32 неверен",
        "твит @ivanov и C++ + 7 = 10; 2 + 2 = 4",
        "8 2011 12 20 15 и 7 000 000 00 00",
        "127.0.0.1 и 192.168.0.1:8080",
    ],
)
def test_not_masked(text: str) -> None:
    assert mask(text) == text


@pytest.mark.parametrize(("text", "expected"), MASKED)
def test_every_way_of_writing_is_masked(text: str, expected: str) -> None:
    assert mask(text) == expected
    assert mask(f"До {text} после") == f"До {expected} после"


@pytest.mark.parametrize("text", LEFT)
def test_what_only_looks_like_it_is_left(text: str) -> None:
    for language in ("ru", "en", "und"):
        assert mask(text, language) == text
    assert mask(f"До {text} после") == f"До {text} после"


def test_an_address_with_an_email_is_noted_or_dropped() -> None:
    for uri, found in (
        ("https://example.org/?mail=ivan%40example.org", True),
        ("https://example.org/ivan@example.org/", True),
        ("https://example.org/@ivan/79161234567", False),
    ):
        for addresses in ("note", "drop"):
            item, notes = Item(0, uri, "Текст.", language="ru"), Notes("s")
            kept = Personal(PersonalOptions(addresses=addresses)).apply([item], notes)
            assert (kept == []) == (found and addresses == "drop") and item.uri == uri
            assert [row.reason for row in notes.rows] == ["personal_address"] * found


def test_counts_are_noted_and_values_are_not() -> None:
    item, notes = Item(0, "u", "a@b.example, c@d.example, +7 495 123-45-67", language="ru"), Notes("s")
    assert Personal().apply([item], notes) == [item]
    assert item.text == "<email>, <email>, <phone>"
    assert {(row.reason, row.value) for row in notes.rows} == {("email", "2"), ("phone", "1")}
    assert not any("@" in row.value or "495" in row.value for row in notes.rows)


def test_patterns_of_a_country_hold_for_its_language_and_where_asked() -> None:
    text = "ИНН 7707083893"
    for options, language, expected in (
        (PersonalOptions(), "en", text),
        (PersonalOptions(packs=("ru",)), "en", "ИНН <inn>"),
        (PersonalOptions(kinds=("email",)), "ru", text),
        (PersonalOptions(), "xx", text),
    ):
        item = Item(0, "u", text, language=language)
        Personal(options).apply([item], Notes("s"))
        assert item.text == expected


def test_optional_kinds_and_dropping() -> None:
    item, notes = Item(0, "u", "узлы 10.0.0.1 и 8.8.8.8 и 999.1.1.1"), Notes("s")
    assert Personal(PersonalOptions(kinds=("ip",), drop_above=1)).apply([item], notes) == []
    assert item.text == "узлы <ip> и <ip> и 999.1.1.1"
    assert notes.rows[-1].reason == "much_personal_data"


@given(st.text(st.sampled_from("0123456789 -+()@.a№"), max_size=80))
@settings(max_examples=200, deadline=None)
def test_masking_twice_changes_nothing_more(text: str) -> None:
    once = mask(text)
    assert mask(once) == once


@pytest.mark.parametrize(
    "text",
    [
        "1" * 50_000,
        "1 " * 50_000,
        "a." * 50_000 + "@",
        "+7" * 30_000,
        "(8" * 30_000,
        "AA11 " * 20_000,
        "a@" * 30_000,
        "a (at) " * 20_000,
        "a @ b" * 20_000,
        "00 12 " * 20_000,
        "iban " + "de89 " * 20_000,
        "ИНН " + "12 " * 30_000,
        "a'" * 30_000 + "@",
    ],
)
def test_long_rubbish_takes_linear_time(text: str) -> None:
    mask(text)


def test_checksums() -> None:
    assert check_luhn("4111 1111 1111 1111") and not check_luhn("4111 1111 1111 1112")
    assert check_mod97("GB82 WEST 1234 5698 7654 32") and not check_mod97("GB82")


@given(st.text(alphabet="a7+8 -–—‑\u202f٤４@.()", max_size=60))
@settings(max_examples=60, deadline=None)
def test_look_alikes_keep_their_places(text: str) -> None:
    assert len(straighten(text)) == len(text)
    masked, counts = mask_text(text, list_kinds("ru"))
    assert (masked == text) == (not counts)
    untouched = re.split("<phone>|<email>|<card>", masked)
    assert all(piece in text for piece in untouched)


def test_titles_and_metadata_are_masked_too() -> None:
    item = Item(
        0, "u", "Текст.", title="Пишите ivan@ya.ru", language="ru", metadata={"author": "Иван, +7 495 123-45-67"}
    )
    notes = Notes("s")
    Personal().apply([item], notes)
    assert (item.title, item.metadata) == ("Пишите <email>", {"author": "Иван, <phone>"})
    assert {row.reason for row in notes.rows} >= {"email"}


def test_a_kind_means_those_of_its_countries_too() -> None:
    text = "8 (495) 123-45-67, +44 20 7946 0958, ivan@ya.ru, паспорт 4506 123456"
    assert (
        mask_text(text, list_kinds("ru", ("phone", "passport")))[0]
        == "<phone>, <phone>, ivan@ya.ru, паспорт <passport>"
    )
    assert PersonalOptions(kinds=("passport", "snils_bare")).kinds == ("passport", "snils_bare")


# -- the short cuts: the sieve, numbers alone, lines alone ----------------------------------------------------------------
def mask_plainly(text: str, kinds: list[Kind]) -> tuple[str, dict[str, int]]:
    """Try every pattern on the whole text, line by line where a kind is of lines."""
    counts: dict[str, int] = {}
    for kind in kinds:
        plain = straighten(text)
        stretches = [len(re.findall("[0-9]", s)) for s in re.findall(r"[0-9](?:[ \u00a0().,№/+-]{0,3}[0-9])*", plain)]
        behind_a_word = kind.near is not None and kind.digits >= 5
        if max(stretches, default=0) < (kind.digits if kind.digits >= 5 else 0):
            continue
        if kind.needs and not behind_a_word and not any(need in plain for need in kind.needs):
            continue
        spans, done = [], 0
        for line in plain.split("\n") if kind.lines else [plain]:
            some = [found for found in kind.pattern.finditer(line) if kind.accepts(found)]
            spans += [(done + found.start(), done + found.end()) for found in some]
            done += len(line) + 1
        for start, end in reversed(spans):
            text = text[:start] + kind.mask + text[end:]
        if spans:
            counts[kind.name] = len(spans)
    return text, counts


DIGITS = "0123456789"
numbers = st.text(alphabet=f"{DIGITS * 3}   --().,+/№\u00a0\u2013\u202f٣４x8", min_size=4, max_size=24)
snippets = st.one_of(
    st.sampled_from([text for text, _ in MASKED] + list(LEFT)),
    numbers,
    st.sampled_from(["тел. ", "ИНН ", "паспорт серия ", "СНИЛС ", " (at) ", "（at）", "[\u202fat ]", " @ ", "＠", "\n", "e\u0301", "😀", "<", "a.ru", "SSN "]),
    st.text(max_size=5),
)  # fmt: skip
notes_of = st.lists(snippets, max_size=8).map("".join) | st.lists(snippets, max_size=8).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(some=st.lists(st.tuples(notes_of, notes_of, st.sampled_from(["ru", "en", "und"])), min_size=1, max_size=4))
def test_masks_of_many_texts_are_those_of_the_plain_way(some: list[tuple[str, str, str]]) -> None:
    items = [
        Item(n, f"u{n}", text, title=title, language=language, metadata={"author": title, "day": "2026-11-23"})
        for n, (text, title, language) in enumerate(some)
    ]
    notes = Notes("s")
    assert Personal().apply(items, notes) == items
    for item, (text, title, language) in zip(items, some, strict=True):
        # what must stand behind a word is looked for at numbers alone by design: there the plain way is ours
        kinds = [kind for kind in list_kinds(language) if not (kind.near and kind.digits >= 5)]
        behind_words = [kind for kind in list_kinds(language) if kind not in kinds]
        if not any(mask_text(t, behind_words)[1] for t in (text, title)):
            assert item.text == mask_plainly(text, kinds)[0]
            assert item.title == item.metadata["author"] == mask_plainly(title, kinds)[0]
        assert item.text == mask_text(text, list_kinds(language))[0]
        assert item.title == mask_text(title, list_kinds(language))[0]
        changes = {row.reason: row.value for row in notes.rows if row.uri == item.uri}
        of_text, of_title = (mask_text(some, list_kinds(language))[1] for some in (text, title))
        counts = of_text + of_title + of_title
        assert changes == {kind: str(count) for kind, count in counts.items()}


@settings(max_examples=60, deadline=None)
@given(st.lists(notes_of, min_size=1, max_size=5))
def test_the_sieve_finds_the_stretches_of_digits_that_the_pattern_finds(texts: list[str]) -> None:
    looks = Sieve(
        {"a": ["@", " x "], "b": ["(at)"]},
        personal._MIN_DIGITS,
        personal._MAX_GAP,
        personal._BETWEEN,
        personal._LOOK_ALIKES,
    ).look(texts)
    for number, text in enumerate(texts):
        plain = straighten(text)
        look = looks.get(number, Look())
        assert look.numbers == personal._find_numbers(plain)
        held = {group for group, need in (("a", "@"), ("a", " x "), ("b", "(at)")) if need in plain}
        assert held <= look.needed
        assert straighten(text, look.odd) == plain or number not in looks


def test_the_sieve_leaves_most_texts_out() -> None:
    sieve = Sieve({"a": ["@"], "b": ["(at)", "[ at ]"]}, 5, 3, " -", [("–", "-")])
    texts = ["Пришли (as expected) в 1999 – и ушли.", "ivan (at) home", "1–2-3 4 5, 1,2,3,4,5", "a@b", ""]
    assert sieve.look(texts) == {1: Look(needed={"b"}), 2: Look([(0, 9, 5)], odd="–"), 3: Look(needed={"a"})}


def test_kinds_without_needs_or_digits_are_looked_for_everywhere() -> None:
    items = [Item(0, "u", "Адрес 10.1.2.3 и всё.", language="ru")]
    Personal(PersonalOptions(kinds=("ip",))).apply(items, Notes("s"))
    assert items[0].text == "Адрес <ip> и всё."

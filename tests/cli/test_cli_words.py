"""The packs' words: the same keys and fields in every language, and exactly those that the code uses."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import samovar
from samovar.messages import PLURALS, available_languages, locale_language, match_language, use_language, words

PACKAGE = Path(samovar.__file__).parent
SOURCES = [PACKAGE / "cli.py", PACKAGE / "messages.py", *sorted((PACKAGE / "commands").glob("*.py"))]
OTHERS = [language for language in available_languages() if language != "en"]
KEY_ARGUMENTS = ("help", "epilog", "metavar", "short_help")


def fields_of(text: str | tuple[str, ...]) -> list[set[str]]:
    forms = (text,) if isinstance(text, str) else text
    return [{name for _, name, _, _ in string.Formatter().parse(form) if name is not None} for form in forms]


def test_there_are_two_languages() -> None:
    assert available_languages() == ("en", "ru")


@pytest.mark.parametrize("language", OTHERS)
def test_packs_have_the_same_keys(language: str) -> None:
    assert words(language).texts.keys() == words("en").texts.keys()


@pytest.mark.parametrize("language", available_languages())
def test_fields_are_the_same_in_every_form(language: str) -> None:
    raw = ("language.", "unit.")
    for key, text in words(language).texts.items():
        if key.startswith(raw) or key.endswith("examples"):
            continue
        expected = fields_of(words("en").texts[key])[0]
        assert all(fields == expected for fields in fields_of(text)), key


@pytest.mark.parametrize("language", available_languages())
def test_plural_forms_are_complete(language: str) -> None:
    here = words(language)
    num_forms = 1 + max(PLURALS[str(here.texts["language.plural"])](n) for n in range(200))
    for key, text in here.texts.items():
        if isinstance(text, tuple) and not key.startswith("unit."):
            assert len(text) == num_forms, key
            assert "count" in fields_of(text)[0], key


@pytest.mark.parametrize("language", available_languages())
def test_no_text_is_empty_but_headings_of_errors(language: str) -> None:
    empty = [key for key, text in words(language).texts.items() if not text and not key.startswith("error.")]
    assert empty == []


def keys_in_code() -> Iterator[tuple[str, bool]]:
    """Every key the code names, and whether it is only the beginning of one (an f-string)."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            values = [kw.value for kw in node.keywords if kw.arg in KEY_ARGUMENTS]
            if called in ("say", "has") and node.args:
                values.append(node.args[0])
            for value in values:
                yield from _keys_of(value)
        text = path.read_text(encoding="utf-8")
        for key in re.findall(r"""texts\[["']([a-z.]+)["']\]|"(settings\.[a-z_]+)"|f"(option\.)\{""", text):
            yield next(part for part in key if part), key[2] != ""


def _keys_of(value: ast.expr) -> Iterator[tuple[str, bool]]:
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value, False
    elif isinstance(value, ast.JoinedStr) and isinstance(value.values[0], ast.Constant):
        yield str(value.values[0].value), True
    elif isinstance(value, ast.IfExp):
        yield from _keys_of(value.body)
        yield from _keys_of(value.orelse)
    elif isinstance(value, ast.BinOp):
        yield from ((key, True) for key, _ in _keys_of(value.left))


def test_every_key_in_the_code_exists() -> None:
    texts = words("en").texts
    for key, is_beginning in keys_in_code():
        if "." not in key or " " in key:  # a metavar shown as it is, like ru|en
            continue
        assert any(known.startswith(key) for known in texts) if is_beginning else key in texts, key


def test_every_key_is_used() -> None:
    used = list(keys_in_code())
    exact = {key for key, is_beginning in used if not is_beginning}
    beginnings = tuple(key for key, is_beginning in used if is_beginning)
    # named through variables: errors by class, reasons by code, completion options by name
    dynamic = ("error.", "reason.", "language.name", "option.install_completion", "option.show_completion")
    unused = [key for key in words("en").texts if key not in exact and not key.startswith((*beginnings, *dynamic))]
    assert unused == []


def test_every_error_has_a_heading_key() -> None:
    from samovar import errors

    kinds = [name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)]
    missing = [kind for kind in kinds if kind != "SamovarError" and not words("ru").has(f"error.{kind}")]
    assert missing == []


def test_every_reason_of_the_corpus_room_is_in_the_words() -> None:
    call = re.compile(r'(?:drop\([^,()]+(?:\([^()]*\))?|ExtractionError\(|FetchError\()\s*,?\s*"([a-z_]+)"')
    found = {m for path in (PACKAGE / "corpus").rglob("*.py") for m in call.findall(path.read_text(encoding="utf-8"))}
    assert {"encrypted", "truncated", "hidden"} <= found  # the pattern still finds what it should
    assert sorted(reason for reason in found if not words("en").has(f"reason.{reason}")) == []


def test_no_letters_outside_ascii_words_in_code() -> None:
    """Texts in a language live in the packs: no code of this room holds Cyrillic."""
    for path in SOURCES:
        assert not re.search("[\u0400-\u04ff]", path.read_text(encoding="utf-8")), path.name


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "0 документов"), (1, "1 документ"), (2, "2 документа"), (5, "5 документов"), (11, "11 документов"),
     (12, "12 документов"), (21, "21 документ"), (22, "22 документа"), (111, "111 документов"), (12_345, "12\u00a0345 документов")],
)  # fmt: skip
def test_russian_plurals(count: int, expected: str) -> None:
    assert words("ru").say("count.documents", count=count) == expected


@given(st.integers(min_value=0, max_value=10**12))
def test_numbers_keep_their_digits(number: int) -> None:
    for language in available_languages():
        written = words(language).number(number)
        assert "".join(c for c in written if c.isdigit()) == str(number)


@given(st.floats(min_value=0, max_value=1e15))
def test_sizes_and_durations_are_short(amount: float) -> None:
    for language in available_languages():
        assert len(words(language).size(amount)) <= 12
        assert len(words(language).duration(min(amount, 1e6))) <= 10


def test_units() -> None:
    assert words("ru").size(1536) == "1,5 КБ"
    assert words("en").size(3 * 2**30) == "3.0 GB"
    assert words("en").duration(0.25) == "0.2 s"
    assert words("ru").duration(61) == "1:01"
    assert words("en").duration(3661) == "1:01:01"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "en"),
        ({"LANG": "ru_RU.UTF-8"}, "ru"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "ru_RU.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "ru_RU"}, "ru"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "ru:en"}, "ru"),
        ({"LANG": "C.UTF-8", "LANGUAGE": "ru"}, "en"),
    ],
)
def test_locale_language(environment: dict[str, str], expected: str) -> None:
    assert locale_language(environment) == expected


@pytest.mark.parametrize("tag", ["", "..", "../ru", "de", "ru/", "привет", "x" * 300, "/etc"])
def test_strange_languages_fall_back(tag: str) -> None:
    assert match_language(tag) == "en"


def test_say_speaks_the_language_in_use() -> None:
    from samovar.messages import say

    use_language("ru")
    assert say("answer.sources") == "Источники"
    use_language("en")
    assert say("answer.sources") == "Sources"
    with pytest.raises(KeyError):
        say("no.such.key")

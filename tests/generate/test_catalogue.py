"""The catalogue is well formed and says where its numbers come from."""

from __future__ import annotations

import pytest

from samovar.errors import ModelNotFoundError
from samovar.generate.catalogue import find_entry, get_entry, parse_catalogue, read_catalogue

ENTRY = """
[[model]]
name = "m"
title = "M"
repo = "owner/repo"
file = "m.gguf"
revision = ""
licence = "Apache-2.0"
size_bytes = 0
sha256 = ""
checksum_source = ""
languages = ["ru"]
context_tokens = 0
chat_template = "file"
note = ""
"""


def test_shipped_catalogue_is_well_formed() -> None:
    entries = read_catalogue()
    assert len(entries) >= 8
    assert all("ru" in entry.languages for entry in entries)
    assert all(bool(entry.sha256) == bool(entry.checksum_source) for entry in entries)
    assert all(not entry.size_bytes or entry.sha256 for entry in entries), "a size without a checksum proves nothing"


def test_licences_that_are_not_open_say_so() -> None:
    for entry in read_catalogue():
        if entry.licence.startswith("LicenseRef-"):
            assert "NOT an open-source licence" in entry.note
        elif entry.licence == "unknown":
            assert "licence" in entry.note


def test_find_ignores_case_and_get_lists_the_names() -> None:
    first = read_catalogue()[0]
    assert find_entry(first.name.upper()) == first
    assert find_entry("нет такой") is None
    with pytest.raises(ModelNotFoundError, match=first.name):
        get_entry("нет такой")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "m"', 'name = "M M"', "name"),
        ('repo = "owner/repo"', 'repo = "repo"', "repo"),
        ('file = "m.gguf"', 'file = "m.bin"', "file"),
        ('sha256 = ""', 'sha256 = "abc"', "sha256"),
        ('revision = ""', 'revision = "main"', "revision"),
        ('licence = "Apache-2.0"', 'licence = ""', "licence"),
        ('note = ""', 'noet = ""', "note"),
    ],
)
def test_malformed_entries_are_named(old: str, new: str, said: str) -> None:
    assert len(parse_catalogue(ENTRY)) == 1
    with pytest.raises(ValueError, match=said):
        parse_catalogue(ENTRY.replace(old, new))


def test_doubles_are_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        parse_catalogue(ENTRY + ENTRY)

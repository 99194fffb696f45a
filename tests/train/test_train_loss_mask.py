"""Loss on answers only, against a slow reference that knows nothing of tokens: which bytes of the written conversation the assistant says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("rustbpe")

from samovar.train.chat_data import Dialogue, Said
from samovar.train.chat_rows import ChatRows
from samovar.train.tokenizer import Tokenizer

Unit = tuple[int | str, bool]
"""A byte, or a special token by its name; and whether it counts."""

SEQ_LEN = 700
CONTENTS = st.one_of(
    st.text(st.sampled_from("аяё bz.\n<|>_12💬"), min_size=1, max_size=20),
    st.sampled_from(
        [
            "<|im_end|>",
            "\n\nYes",
            " \r\n Yes",
            "assistant\n",
            "<|im_start|>assistant\nYes",
            "Самовар стоит на столе [1].",
            "NO_ANSWER",
        ]
    ),
).filter(lambda text: text.strip() != "")


def write_slowly(dialogue: Dialogue) -> list[Unit]:
    """The conversation as the template writes it, byte by byte."""
    units: list[Unit] = []
    for said in dialogue.messages:
        counts = said.role == "assistant"
        units.append(("<|im_start|>", False))
        units += [(byte, False) for byte in f"{said.role}\n".encode()]
        units += [(byte, counts) for byte in said.content.encode()]
        units += [("<|im_end|>", counts), (ord("\n"), False)]
    return units


def read_rows(rows: ChatRows, words: Tokenizer) -> list[list[Unit]]:
    """The dialogues that lie in the rows, byte by byte."""
    names = {number: name for name, number in words.special_ids.items()}
    found: list[list[Unit]] = []
    tokens, mask = rows.read_masked(0, rows.num_sequences)
    for row, counts in zip(tokens.tolist(), mask.tolist(), strict=True):
        part: list[Unit] = []
        for token, counted in zip([*row, words.end_of_text], [*counts, False], strict=True):
            if token == words.end_of_text:
                assert not counted
                found += [part] if part else []
                part = []
            elif token in names:
                part.append((names[token], counted))
            else:
                part += [(byte, counted) for byte in words.decode_bytes([token])]
    return found


@st.composite
def dialogues(draw: st.DrawFn) -> Dialogue:
    turns = [Said("system", draw(CONTENTS))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 2))):
        turns += [Said("user", draw(CONTENTS)), Said("assistant", draw(CONTENTS))]
    return Dialogue("", "", tuple(turns))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(dialogues(), min_size=1, max_size=6))
def test_every_byte_that_counts_is_the_assistants(tokenizer_folder: Path, made: list[Dialogue]) -> None:
    words = Tokenizer.load(tokenizer_folder)
    rows = ChatRows(made, words, SEQ_LEN)
    assert rows.num_too_long == 0
    wanted = [write_slowly(one) for one in made]
    assert sorted(map(repr, read_rows(rows, words))) == sorted(map(repr, wanted))
    counted = sum(counts for units in wanted for _, counts in units)
    assert 0 < rows.num_targets <= counted

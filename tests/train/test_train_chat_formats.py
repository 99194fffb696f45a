"""Dialogues as others write them: ShareGPT, OpenAI's parts and tools, Parquet; each read as the same dialogue, or refused with a reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from samovar.errors import TrainingError
from samovar.train.chat_data import Said, make_dialogue, read_dialogues

PLAIN = {"messages": [{"role": "user", "content": "Кто?"}, {"role": "assistant", "content": "Самовар."}]}
FORMS: list[dict[str, Any]] = [
    PLAIN,
    {"conversations": [{"from": "human", "value": "Кто?"}, {"from": "gpt", "value": "Самовар."}]},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "Кто"}, {"type": "text", "text": "?"}]}, PLAIN["messages"][1]]},
    {"messages": None, "conversations": PLAIN["messages"], "source": "x"},
]  # fmt: skip
TOOLS = ["user", "assistant", "tool", "tool", "assistant", "user", "assistant"]


@pytest.mark.parametrize("row", FORMS)
def test_every_form_is_the_same_dialogue(row: dict[str, Any]) -> None:
    assert make_dialogue(row, "here").messages == (Said("user", "Кто?"), Said("assistant", "Самовар."))


def test_parquet_and_lines_hold_the_same_dialogues(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    rows = [{"messages": [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": f"{n}."}], "kind": None} for n in range(7)]  # fmt: skip
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    (tmp_path / "b.jsonl").write_text("\ufeff" + "\n".join(map(json.dumps, rows)), "utf-8")
    one, two = (read_dialogues([str(tmp_path / name)]) for name in ("a.parquet", "b.jsonl"))
    assert [d.messages for d in one] == [d.messages for d in two] and len(one) == 7
    assert len(read_dialogues([str(tmp_path)])) == 7  # a folder of both: each once
    (tmp_path / "torn.parquet").write_bytes(b"PAR1")
    with pytest.raises(TrainingError, match="expected a Parquet file"):
        read_dialogues([str(tmp_path / "torn.parquet")])


def test_tools_speak_after_an_assistant_and_their_words_do_not_count(tokenizer_folder: Path) -> None:
    pytest.importorskip("torch", reason="the extra 'train' is not installed")
    from samovar.train.chat_rows import ChatRows
    from samovar.train.tokenizer import Tokenizer

    dialogue = make_dialogue(
        {"messages": [{"role": role, "content": f"{role} {n}"} for n, role in enumerate(TOOLS)]}, ""
    )
    words = Tokenizer.load(tokenizer_folder)
    rows = ChatRows([dialogue], words, 400)
    assert words.decode(rows.tokens[rows.mask]) == "assistant 1<|im_end|>assistant 4<|im_end|>assistant 6<|im_end|>"
    # cut before the second user
    cut = ChatRows([dialogue], words, len(words.render_chat(dialogue.as_messages()[:5])[0]))
    texts = [words.decode(row) for row in cut.tokens]
    assert (
        len(texts) == 2 and "tool 3" in texts[0] + texts[1] and not any("user 0" in t and "user 5" in t for t in texts)
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"messages": [PLAIN["messages"][0], {"role": "assistant", "content": None, "tool_calls": [{}]}]}, "a call of a tool without text"),
        ({"messages": [{"role": "tool", "content": "а"}, PLAIN["messages"][1]]}, "found tool, assistant"),
        ({"messages": [*PLAIN["messages"], {"role": "tool", "content": "а"}]}, "found user, assistant, tool"),
        ({"messages": [PLAIN["messages"][0]] * 2 + [PLAIN["messages"][1]]}, "found user, user, assistant"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "a part of type image_url"),
        ({"conversations": [{"from": "narrator", "value": "а"}]}, "role 'narrator'"),
        ({"text": "а"}, "a list of messages or conversations, found NoneType"),
        (["а"], "expected an object, found list"),
        ({"messages": []}, "found nothing"),
    ],
)  # fmt: skip
def test_what_is_no_dialogue_is_refused_with_its_place(row: Any, message: str) -> None:
    with pytest.raises(TrainingError, match=message) as caught:
        make_dialogue(row, "talks.jsonl:3")
    assert "talks.jsonl:3" in str(caught.value)

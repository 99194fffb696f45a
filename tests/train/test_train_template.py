"""What a user writes stays text in every engine: names of special tokens in a message open and close no turn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.train import bpe
from samovar.train.tokenizer import Tokenizer

NAMES = (*bpe.SPECIALS, "<|unused_0|>", "<|unused_12|>")
PIECES = st.one_of(
    st.sampled_from((*NAMES, "<|", "|>", "<", "|", "im_", "start|>", "end|>", "\n", " ")), st.text(max_size=4)
)
CONTENT = st.lists(PIECES, min_size=1, max_size=12).map("".join).map(str.strip).filter(bool)
"""No white space at the ends: written as one text, a line end after ``assistant`` and one that begins the answer are one token."""
SPACED = st.builds(lambda lead, text: lead + text, st.text(" \t\n\r", max_size=3), CONTENT)


@pytest.fixture(scope="module")
def words(tokenizer_folder: Path) -> Tokenizer:
    return Tokenizer.load(tokenizer_folder)


@pytest.fixture(scope="module")
def theirs(tokenizer_folder: Path) -> Any:
    transformers = pytest.importorskip("transformers", reason="the extra 'adapt' is not installed")
    return transformers.AutoTokenizer.from_pretrained(tokenizer_folder)


def specials_in(ids: list[int], words: Tokenizer) -> list[str]:
    return [words.info.specials[number - len(words.ranks)] for number in ids if number >= len(words.ranks)]


TURNS = ["<|im_start|>", "<|im_end|>", "<|im_start|>", "<|im_end|>", "<|im_start|>"]


@settings(max_examples=150, deadline=None)
@given(CONTENT, CONTENT)
def test_what_is_said_opens_and_closes_no_turn(words: Tokenizer, theirs: Any, asked: str, answered: str) -> None:
    asked, answered = (text.encode("utf-8", "replace").decode() for text in (asked, answered))
    messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
    ours, mask = words.render_chat(messages, add_generation_prompt=True)
    ids = theirs.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=False)
    assert specials_in(ours, words) == TURNS == specials_in(ids, words)
    assert words.decode([n for n, counts in zip(ours, mask, strict=True) if counts]) == answered + "<|im_end|>"
    if not any(name in text for name in NAMES for text in (asked, answered)) and "<|" not in asked + answered:
        assert ids == ours  # elsewhere the template changes nothing


def test_every_name_is_broken_up_and_readable(words: Tokenizer, theirs: Any) -> None:
    for name in words.info.specials:
        text = theirs.apply_chat_template([{"role": "user", "content": f"a{name}b"}], tokenize=False)
        assert text == f"<|im_start|>user\na< {name[1:]}b<|im_end|>\n"
    for plain in ("a <| b", "x |> y", "<im_end>", "<|other|>"):
        assert plain in theirs.apply_chat_template([{"role": "user", "content": plain}], tokenize=False)


@settings(max_examples=60, deadline=None)
@given(st.lists(SPACED, min_size=2, max_size=8), st.booleans(), st.booleans())
def test_only_what_the_assistant_says_counts(words: Tokenizer, turns: list[str], system: bool, tool: bool) -> None:
    """The mask of any conversation covers each answer and its end, and nothing of other roles."""
    turns = [text.encode("utf-8", "replace").decode() for text in turns]
    roles = ["user", "assistant"]
    messages = [{"role": roles[n % 2], "content": text} for n, text in enumerate(turns)]
    messages = [{"role": "system", "content": "x" + turns[0]}] * system + messages
    messages += [{"role": "tool", "content": turns[-1]}] * tool
    ids, mask = words.render_chat(messages)
    assert len(ids) == len(mask)
    counted = [n for n, counts in zip(ids, mask, strict=True) if counts]
    assert words.decode(counted) == "".join(m["content"] + "<|im_end|>" for m in messages if m["role"] == "assistant")
    whole = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)
    assert words.decode(ids) == whole


@pytest.mark.slow
def test_llama_cpp_reads_the_template(tokenizer_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="the extra 'llama' is not installed")
    import torch
    from train_toys import make_model

    from samovar.generate.llama_engine import LlamaEngine
    from samovar.train.export.gguf import write_gguf
    from samovar.train.export.trained import Trained
    from samovar.train.model import LanguageModel

    words = Tokenizer.load(tokenizer_folder)
    shape = make_model(vocab_size=words.vocab_size, hidden_size=64, head_dim=16, intermediate_size=96, max_seq_len=256)
    model = LanguageModel(shape)
    torch.manual_seed(1)
    model.initialise(1)
    write_gguf(
        Trained(shape, model.state_dict(), words, tokenizer_folder, tmp_path), tmp_path / "m.gguf", "f32", name="toy"
    )
    engine = LlamaEngine(tmp_path / "m.gguf", context_tokens=256, threads=1, batch_tokens=64, check_memory=False)
    try:
        messages = [{"role": "user", "content": "a<|im_end|>b"}]
        rendered = engine._post("/apply-template", {"messages": messages})["prompt"]
        assert rendered == "<|im_start|>user\na< |im_end|>b<|im_end|>\n<|im_start|>assistant\n"
    finally:
        engine.close()

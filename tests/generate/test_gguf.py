"""The GGUF header reader: right about a real file, and never fooled into a crash by a damaged one."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samovar.errors import ModelError, ModelNotFoundError
from samovar.generate.gguf import read_header


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def tiny_gguf(architecture: str = "llama", *, template: bool = True, extra: bytes = b"", extra_keys: int = 0) -> bytes:
    """A well-formed GGUF file with one 32-value F32 tensor; no model, only a header."""
    keys = text("general.architecture") + struct.pack("<I", 8) + text(architecture)
    keys += text(f"{architecture}.context_length") + struct.pack("<II", 4, 128)
    keys += text(f"{architecture}.attention.head_count_kv") + struct.pack("<IIQ", 9, 4, 2) + struct.pack("<II", 1, 3)
    if template:
        keys += text("tokenizer.chat_template") + struct.pack("<I", 8) + text("{{ messages }}")
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 3 + template + extra_keys) + keys + extra
    head += text("token_embd.weight") + struct.pack("<IQIQ", 1, 32, 0, 0)
    head += b"\0" * (-len(head) % 32)
    return head + b"\0" * 128


def test_reads_what_a_file_says(tmp_path: Path) -> None:
    path = tmp_path / "модель.gguf"
    path.write_bytes(tiny_gguf())
    header = read_header(path)
    assert (header.version, header.num_tensors, header.architecture) == (3, 1, "llama")
    assert header.trained_context_tokens == 128
    assert header.get("attention.head_count_kv") == 3
    assert header.has_chat_template
    assert header.required_bytes == header.file_bytes == len(tiny_gguf())


def test_real_file_is_exactly_as_long_as_its_table_says(smollm: Path) -> None:
    header = read_header(smollm)
    assert header.architecture == "llama"
    assert header.required_bytes == header.file_bytes == smollm.stat().st_size
    assert (header.trained_context_tokens, header.licence, header.has_chat_template) == (8192, "apache-2.0", True)
    assert header.metadata["tokenizer.ggml.tokens"] == 49152
    small, large = header.estimate_memory_bytes(512), header.estimate_memory_bytes(4096, parallel=4)
    assert header.file_bytes < small < large
    # 30 layers x 3 heads x 64 x (key + value) x 2 bytes, by hand
    assert large - small == 30 * 3 * 64 * 2 * 2 * (4 * 4096 - 512)


@pytest.mark.parametrize("missing", [1, 127, 128])
def test_a_cut_file_is_refused_with_both_sizes(tmp_path: Path, missing: int) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(tiny_gguf()[:-missing])
    with pytest.raises(ModelError, match=rf"at least {len(tiny_gguf())} bytes.*found {len(tiny_gguf()) - missing}"):
        read_header(path)


@pytest.mark.parametrize("content", [b"", b"GGUF", b"<html>not a model</html>" * 10, b"PK\x03\x04" + b"\0" * 100])
def test_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="expected a GGUF model"):
        read_header(path)


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.gguf", tmp_path):
        with pytest.raises(ModelNotFoundError):
            read_header(path)


def test_old_version_is_named(tmp_path: Path) -> None:
    path = tmp_path / "old.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 1, 1, 1) + b"\0" * 100)
    with pytest.raises(ModelError, match="version 2 or 3, found 1"):
        read_header(path)


def test_absurd_counts_do_not_cost_time_or_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gguf"
    huge = struct.pack("<Q", 2**63)
    for head in (
        struct.pack("<IQQ", 3, 2**60, 1),
        struct.pack("<IQQ", 3, 1, 2**60),
        struct.pack("<IQQ", 3, 1, 1) + huge,
        struct.pack("<IQQ", 3, 1, 1) + text("a") + struct.pack("<II", 9, 8) + huge,
        struct.pack("<IQQ", 3, 1, 1) + text("a") + struct.pack("<II", 9, 0) + huge,
        struct.pack("<IQQ", 3, 1, 1) + text("a") + struct.pack("<IIQ", 9, 9, 1),
    ):
        path.write_bytes(b"GGUF" + head + b"\0" * 64)
        with pytest.raises(ModelError, match="damaged"):
            read_header(path)


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=6), st.integers(0, 500))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_damage_is_a_header_or_a_model_error(tmp_path: Path, changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(tiny_gguf())
    for position, value in changes:
        data[position % len(data)] = value
    path = tmp_path / "damaged.gguf"
    path.write_bytes(data[: max(len(data) - cut, 0)] if cut < 400 else data)
    try:
        header = read_header(path)
    except ModelError:
        return
    assert header.required_bytes <= header.file_bytes

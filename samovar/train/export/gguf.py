"""Write a GGUF file that llama.cpp loads: Qwen3's tensors under their short names, quantised, with tokenizer and chat template.

Matrices take the type asked for where their rows divide by its block (32 for q8_0 and q4_0), else f16; norms stay f32; with q4_0 the table
of embeddings is q8_0, because it is the output layer too. Source: the GGUF specification (ggml).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from samovar.train import bpe
from samovar.train.card import read_origin
from samovar.train.export.trained import Trained

QUANTISATIONS = ("f32", "f16", "bf16", "q8_0", "q4_0")
_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_OUTER = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}


def gguf_name(name: str) -> str:
    """Return llama.cpp's name of a tensor: ``model.layers.3.mlp.up_proj.weight`` is ``blk.3.ffn_up.weight``."""
    if name in _OUTER:
        return _OUTER[name]
    _, _, layer, *part, _ = name.split(".")
    return f"blk.{layer}.{_NAMES['.'.join(part)]}.weight"


def choose_type(name: str, shape: tuple[int, ...], kind: str) -> str:
    """Return the type a tensor is stored in."""
    if len(shape) == 1:
        return "f32"
    if name in ("model.embed_tokens.weight", "lm_head.weight") and kind == "q4_0":
        kind = "q8_0"
    return "f16" if kind.startswith("q") and shape[-1] % 32 else kind


def write_gguf(trained: Trained, path: Path, kind: str, *, name: str) -> None:
    """Write one file."""
    import gguf

    writer = gguf.GGUFWriter(path, "qwen3")
    config = trained.config
    writer.add_name(name)
    writer.add_context_length(config.max_seq_len)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_heads)
    writer.add_head_count_kv(config.num_kv_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_vocab_size(config.vocab_size)
    writer.add_file_type(_file_type(kind))
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    _add_origin(writer, trained)
    _add_tokenizer(writer, trained)
    for key, tensor, stored in _tensors(trained, kind):
        writer.add_tensor(key, tensor, raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_origin(writer: object, trained: Trained) -> None:
    """Name the model of others that this one began with, and its licence, whose terms hold for the file too."""
    import gguf

    assert isinstance(writer, gguf.GGUFWriter)
    if origin := read_origin(trained.folder):
        writer.add_base_model_count(1)
        writer.add_base_model_name(0, origin["model"])
        if licence := origin.get("licence"):
            writer.add_license(licence)


def _file_type(kind: str) -> int:
    import gguf

    kinds = gguf.LlamaFileType
    return {
        "f32": kinds.ALL_F32,
        "f16": kinds.MOSTLY_F16,
        "bf16": kinds.MOSTLY_BF16,
        "q8_0": kinds.MOSTLY_Q8_0,
        "q4_0": kinds.MOSTLY_Q4_0,
    }[kind]


def _tensors(trained: Trained, kind: str) -> Iterator[tuple[str, npt.NDArray[np.generic], Any]]:
    import gguf

    for name, tensor in trained.weights.items():
        values = tensor.float().contiguous().numpy()
        stored = gguf.GGMLQuantizationType[choose_type(name, values.shape, kind).upper()]
        yield gguf_name(name), gguf.quants.quantize(values, stored), stored


def _add_tokenizer(writer: object, trained: Trained) -> None:
    import gguf

    assert isinstance(writer, gguf.GGUFWriter)
    words = trained.tokenizer
    tokens = [bpe.as_characters(token) for token, _ in sorted(words.ranks.items(), key=lambda item: item[1])]
    kinds = [gguf.TokenType.NORMAL] * len(tokens)
    for special in words.info.specials:
        tokens.append(special)
        kinds.append(gguf.TokenType.CONTROL if special in bpe.SPECIALS else gguf.TokenType.UNUSED)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(words.info.pre)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([f"{bpe.as_characters(a)} {bpe.as_characters(b)}" for a, b in bpe.merges_of(words.ranks)])
    writer.add_eos_token_id(words.turn_end)
    writer.add_eot_token_id(words.turn_end)
    writer.add_pad_token_id(words.end_of_text)
    writer.add_add_bos_token(False)
    writer.add_chat_template(bpe.CHAT_TEMPLATE)

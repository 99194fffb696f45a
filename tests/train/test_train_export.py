"""An exported model computes what was trained, in transformers and in llama.cpp; one that does not is refused and leaves nothing behind."""

from __future__ import annotations

import json
import random
import re
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from train_toys import make_model, make_plan

from samovar.cli import main
from samovar.errors import TrainingError, UsageError
from samovar.train.checkpoint import save_checkpoint
from samovar.train.export.export import export_model
from samovar.train.export.gguf import choose_type, gguf_name
from samovar.train.export.trained import open_trained
from samovar.train.model import LanguageModel
from samovar.train.tokenizer import train_tokenizer

TEXTS = (
    "Самовар стоит на столе. Вода в нём кипит, чай разливают по чашкам.",
    "Tea is poured out of the samovar; 1799, 3.14 — «ёлочки», до\u0301рога.",
)


def make_run(folder: Path, *, tied: bool = True, words: Path | None = None) -> Path:
    """A run's folder with random weights: parity does not need a model that knows anything."""
    if words is None:
        train_tokenizer([f"{text} {number}" for number in range(400) for text in TEXTS], 320, folder / "tokenizer")
    else:
        shutil.copytree(words, folder / "tokenizer")
    from samovar.train.tokenizer import Tokenizer

    made = Tokenizer.load(folder / "tokenizer")
    shape = make_model(
        vocab_size=made.vocab_size,
        hidden_size=64,
        head_dim=16,
        intermediate_size=96,
        max_seq_len=256,
        tie_embeddings=tied,
    )
    plan = make_plan(model=shape, tokenizer_sha256=made.sha256, num_steps=7)
    model = LanguageModel(shape)
    torch.manual_seed(4)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0.0, 0.12) if weight.ndim == 2 else weight.uniform_(0.6, 1.4)
    plan.save(folder / "config.json")
    state = {"cursor": 0, "seconds": 0.0, "tokenizer_sha256": made.sha256}
    save_checkpoint(folder / "checkpoints", 7, weights=model.state_dict(), optimiser={"x": torch.zeros(1)}, state=state)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.mark.slow
@pytest.mark.parametrize("tied", [True, False])
def test_llama_cpp_computes_the_same(tmp_path: Path, tied: bool) -> None:
    pytest.importorskip("xllamacpp", reason="the extra 'llama' is not installed")
    made = export_model(
        make_run(tmp_path / "run", tied=tied), tmp_path / "model.gguf", to="gguf", kind="f32", texts=TEXTS
    )
    (proof,) = made.proofs
    assert proof.same_tokens == proof.num_tokens >= 200 and proof.max_gap < 1e-3
    assert proof.mismatches == 0 and proof.num_texts == 5 and made.step == 7


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bf16", "q8_0", "q4_0"])
def test_quantised_files_are_smaller_and_near(run: Path, tmp_path: Path, kind: str) -> None:
    pytest.importorskip("xllamacpp", reason="the extra 'llama' is not installed")
    made = export_model(run, tmp_path / "model.gguf", to="gguf", kind=kind, texts=TEXTS)
    exact, near = made.proofs
    assert (exact.kind, near.kind) == ("f32", kind) and exact.max_gap < 1e-3 and near.passed
    assert made.num_bytes < 0.75 * 4 * open_trained(run).config.num_parameters
    assert not list(tmp_path.glob(".*"))


def test_transformers_loads_the_folder(run: Path, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="the extra 'adapt' is not installed")
    made = export_model(run, tmp_path / "hf", to="hf", texts=TEXTS)
    (proof,) = made.proofs
    assert proof.passed and proof.same_tokens == proof.num_tokens and proof.max_gap < 1e-4
    words = transformers.AutoTokenizer.from_pretrained(made.path)
    messages = [{"role": "user", "content": "Чай?"}, {"role": "assistant", "content": "Да."}]
    assert words.apply_chat_template(messages, tokenize=False) == (
        "<|im_start|>user\nЧай?<|im_end|>\n<|im_start|>assistant\nДа.<|im_end|>\n"
    )
    assert json.loads((made.path / "config.json").read_text())["architectures"] == ["Qwen3ForCausalLM"]
    again = export_model(made.path, tmp_path / "again", to="hf", texts=TEXTS)  # an exported folder can be exported
    assert (again.path / "model.safetensors").read_bytes() == (made.path / "model.safetensors").read_bytes()


@pytest.mark.parametrize(("kind", "tied"), [("f32", True), ("bf16", False)])
def test_the_folder_is_what_vllm_reads(tmp_path: Path, kind: str, tied: bool) -> None:
    """vLLM reads it through transformers' own classes: every setting is one of theirs and arrives as it was written."""
    transformers = pytest.importorskip("transformers", reason="the extra 'adapt' is not installed")
    from safetensors import safe_open

    place = export_model(make_run(tmp_path / "run", tied=tied), tmp_path / "hf", to="hf", kind=kind, texts=TEXTS).path
    written = json.loads((place / "config.json").read_text())
    known = transformers.Qwen3Config().to_dict()
    # for older readers, beside dtype and rope_parameters
    assert set(written) - set(known) == {"torch_dtype", "rope_theta"}
    config = transformers.AutoConfig.from_pretrained(place)
    assert type(config) is transformers.Qwen3Config and config.architectures == ["Qwen3ForCausalLM"]
    read = config.to_dict()
    assert {key: read[key] for key in written if key in known} == {k: v for k, v in written.items() if k in known}
    assert (
        config.dtype == {"f32": torch.float32, "bf16": torch.bfloat16}[kind]
        and written["torch_dtype"] == written["dtype"]
    )
    assert (
        set(config.layer_types) == {"full_attention"} and config.rope_parameters["rope_theta"] == written["rope_theta"]
    )
    with safe_open(place / "model.safetensors", "pt") as weights:
        names = set(weights.keys())
        assert {weights.get_tensor(name).dtype for name in names} == {config.dtype}
        assert weights.metadata() == {"format": "pt"}
    wanted = set(transformers.AutoModelForCausalLM.from_config(config).state_dict())
    assert names == wanted - ({"lm_head.weight"} if tied else set())
    words = transformers.AutoTokenizer.from_pretrained(place)
    generation = transformers.GenerationConfig.from_pretrained(place)
    assert generation.eos_token_id == [words.eos_token_id, words.pad_token_id] and generation.do_sample is False
    assert words.eos_token == "<|im_end|>" and words.chat_template == (place / "chat_template.jinja").read_text("utf-8")
    assert len(words) == config.vocab_size and config.eos_token_id == words.eos_token_id


@pytest.mark.slow
@pytest.mark.parametrize("digits", [3, 1])
def test_llama_cpp_cuts_rare_letters_alike(tmp_path: Path, digits: int) -> None:
    """Numbers, letters of the peoples of Russia, marks, scripts, white space thrown together; ours, llama.cpp's and transformers' ids."""
    pytest.importorskip("xllamacpp", reason="the extra 'llama' is not installed")
    transformers = pytest.importorskip("transformers", reason="the extra 'adapt' is not installed")
    from samovar.generate.llama_engine import LlamaEngine
    from samovar.train.export.gguf import write_gguf
    from samovar.train.export.hf import write_hf

    texts = [f"{text} {number} {number * 997}" for number in range(400) for text in TEXTS]
    train_tokenizer(texts, 320, tmp_path / "words", digits=digits)
    trained = open_trained(make_run(tmp_path / "run", words=tmp_path / "words"))
    write_gguf(trained, tmp_path / "m.gguf", "f32", name="toy")
    (tmp_path / "hf").mkdir()
    write_hf(trained, tmp_path / "hf")
    letters = "ёъѣѳҡҙғәҥөһ\u0301\u0308абвАБВßñ漢字かな한हिعرעבไทქარ😀👍🏽👨‍👩‍👧①Ⅳ½٣४\u00a0\u2009\u200b\u00ad\ufeff\u3000 \t\n\r.,;:!?…—«»'\"()/\\|@#$%_№0123456789"
    draw = random.Random(1)
    mixed = ["".join(draw.choice(letters) * draw.choice((1, 1, 1, 3)) for _ in range(2000)) for _ in range(10)]
    engine = LlamaEngine(tmp_path / "m.gguf", context_tokens=64, threads=1, check_memory=False)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")
    try:
        for text in mixed:
            ids = trained.tokenizer.encode(text)
            assert engine.tokenize(text) == ids and trained.tokenizer.decode(ids) == text
            assert theirs.encode(text, add_special_tokens=False, split_special_tokens=True) == ids
    finally:
        engine.close()


@pytest.mark.slow
def test_a_file_that_computes_something_else_is_refused(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xllamacpp", reason="the extra 'llama' is not installed")
    import samovar.train.export.gguf as room

    swapped = {**room._NAMES, "self_attn.q_norm": "attn_k_norm", "self_attn.k_norm": "attn_q_norm"}
    monkeypatch.setattr(room, "_NAMES", swapped)
    with pytest.raises(TrainingError, match=r"expected llama\.cpp to compute what was trained"):
        export_model(run, tmp_path / "model.gguf", to="gguf", kind="f32", texts=TEXTS)
    assert list(tmp_path.iterdir()) == []


def test_it_is_told_how_far_the_proof_has_come(run: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    pytest.importorskip("transformers", reason="the extra 'adapt' is not installed")
    export_model(run, tmp_path / "hf", to="hf", texts=TEXTS, say=lambda *values: told.append(values))
    stages = list(dict.fromkeys(what for what, _, _ in told))
    assert stages == ["try", "write", "transformers f32"]
    for stage in ("try", "transformers f32"):
        steps = [(done, total) for what, done, total in told if what == stage]
        total = steps[0][1]
        assert total > 8 and steps[-1] == (total, total)
        assert [done for done, _ in steps] == sorted({done for done, _ in steps})


def test_the_command_shows_counts_and_keeps_its_json_clean(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("transformers", reason="the extra 'adapt' is not installed")
    monkeypatch.setattr("samovar.commands.progress.LINE_SECONDS", 0.0)
    command = ["export", str(run), "--to", "hf", "--threads", "1", "--lang", "en", "--output"]
    assert main([*command, str(tmp_path / "a")]) == 0
    said = capsys.readouterr()
    assert re.search(r"Continuing texts with the trained model: \d+ %  \d+ of \d+ texts  .*left", said.err)
    assert "Comparing with transformers f32: 100 %  " in said.err and "greedy tokens the same" in said.out
    assert torch.get_num_threads() == 1
    assert main([*command, str(tmp_path / "b"), "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["proofs"][0]["engine"] == "transformers" and said.err == ""


@pytest.mark.parametrize(("to", "kind"), [("onnx", ""), ("hf", "q4_0"), ("gguf", "q5")])
def test_unknown_formats_are_refused(run: Path, tmp_path: Path, to: str, kind: str) -> None:
    with pytest.raises(UsageError, match="expected --to hf or gguf"):
        export_model(run, tmp_path / "x", to=to, kind=kind)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="expected the folder of a training run"):
        export_model(tmp_path, tmp_path / "x.gguf", to="gguf")


def test_what_lies_there_is_not_overwritten(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(TrainingError, match="expected a new name"):
        export_model(run, tmp_path / "mine", to="hf")
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_names() -> None:
    assert gguf_name("model.layers.12.self_attn.q_norm.weight") == "blk.12.attn_q_norm.weight"
    assert gguf_name("model.embed_tokens.weight") == "token_embd.weight"


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 400), st.sampled_from(["f32", "f16", "bf16", "q8_0", "q4_0"]))
def test_a_block_type_needs_whole_blocks(columns: int, kind: str) -> None:
    chosen = choose_type("model.layers.0.mlp.up_proj.weight", (8, columns), kind)
    assert not chosen.startswith("q") or columns % 32 == 0
    assert choose_type("model.norm.weight", (columns,), kind) == "f32"

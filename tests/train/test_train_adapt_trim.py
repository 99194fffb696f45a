"""Trimming a Hugging Face folder: the rows that stay compute what they computed, and what cannot be trimmed is refused before it costs."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers", reason="the extra 'adapt' is not installed")
pytest.importorskip("rustbpe")

import torch
import transformers
from adapt_toys import ENGLISH, change_json, make_hf, write_corpus
from safetensors.torch import load_file, save_file

from samovar.errors import TrainingError, UsageError
from samovar.train.adapt.material import Material
from samovar.train.adapt.run import adapt_model
from samovar.train.adapt.trim import trim_folder


@pytest.fixture(scope="module")
def corpus(articles: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("texts") / "ru", articles[:40])


@pytest.fixture(scope="module")
def model(tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_hf(tmp_path_factory.mktemp("hf") / "model", tokenizer_folder)


@pytest.fixture
def broken(model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model, tmp_path / "model"))


def logits(folder: Path, ids: list[int]) -> torch.Tensor:
    loaded = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        return loaded(torch.tensor([ids])).logits[0]


@pytest.mark.parametrize(("kind", "tied"), [("qwen3", True), ("llama", False)])
def test_what_stays_computes_the_same(
    kind: str, tied: bool, tokenizer_folder: Path, articles: list[str], corpus: Path, tmp_path: Path
) -> None:
    source = make_hf(tmp_path / "old", tokenizer_folder, kind, tied=tied)
    made = trim_folder(source, Material([corpus]), tmp_path / "new", 1024, anyway=True)
    config = json.loads((tmp_path / "new" / "config.json").read_text())
    assert config["vocab_size"] == len(made.selection) == 1024 == made.new.vocab_size < made.old.vocab_size
    assert made.same_lines == made.num_lines > 0 and made.new.num_bytes < made.old.num_bytes
    old_words, new_words = (transformers.AutoTokenizer.from_pretrained(tmp_path / name) for name in ("old", "new"))
    numbers = made.selection.renumber()
    checked = 0
    for line in articles[3].splitlines():
        ids = old_words.encode(line, add_special_tokens=False)
        if ids and all(number in numbers for number in ids):
            new_ids = new_words.encode(line, add_special_tokens=False)
            assert new_ids == [numbers[number] for number in ids]
            before, after = logits(source, ids), logits(tmp_path / "new", new_ids)
            assert torch.equal(before[:, torch.tensor(made.selection.old_ids)], after)
            checked += 1
        if checked == 3:
            break
    assert checked == 3


def test_settings_follow_the_ids(model: Path, corpus: Path, tmp_path: Path) -> None:
    made = adapt_model(model, Material([corpus]), tmp_path / "new", vocab_size=1024, anyway=True)
    old_words, words = (transformers.AutoTokenizer.from_pretrained(path) for path in (model, made.path))
    end, turn_end = words.convert_tokens_to_ids(["<|endoftext|>", "<|im_end|>"])
    assert old_words.convert_tokens_to_ids("<|im_end|>") != turn_end < 1024
    for name in ("config.json", "generation_config.json"):
        values = json.loads((made.path / name).read_text())
        assert (values["bos_token_id"], values["eos_token_id"]) == (end, [turn_end, end])
    assert words.eos_token_id == turn_end and words.pad_token_id == end
    chat = [{"role": "user", "content": ENGLISH[0]}, {"role": "assistant", "content": ENGLISH[1]}]
    rendered = [w.apply_chat_template(chat, tokenize=False) for w in (old_words, words)]
    assert rendered[0] == rendered[1]
    # rarer text in smaller tokens
    assert words.decode(words.encode(ENGLISH[2], add_special_tokens=False)) == ENGLISH[2]
    assert len(words.encode("assistant", add_special_tokens=False)) == len(old_words.encode("assistant", add_special_tokens=False))  # fmt: skip
    assert (made.path / "LICENSE").read_text() == "terms"
    manifest = json.loads((made.path / "adapt.json").read_text())
    assert len(manifest["old_ids"]) == 1024 and manifest["old_ids"] == sorted(manifest["old_ids"])
    assert manifest["new"]["fertility"]["tokens_per_word"] >= manifest["old"]["fertility"]["tokens_per_word"]
    assert set(manifest["sha256"]) >= {"model.safetensors", "tokenizer.json", "config.json"}


def test_sharded_weights_and_older_merges(broken: Path, corpus: Path, tmp_path: Path) -> None:
    whole = trim_folder(broken, Material([corpus]), tmp_path / "whole", 768, anyway=True)
    weights = load_file(broken / "model.safetensors")
    names = sorted(weights)
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, own in parts.items():
        save_file({name: weights[name] for name in own}, broken / file)
    places = {name: file for file, own in parts.items() for name in own}
    (broken / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    (broken / "model.safetensors").unlink()
    words = json.loads((broken / "tokenizer.json").read_text("utf-8"))
    words["model"]["merges"] = [" ".join(merge) for merge in words["model"]["merges"]]
    (broken / "tokenizer.json").write_text(json.dumps(words), "utf-8")
    parted = trim_folder(broken, Material([corpus]), tmp_path / "parted", 768, anyway=True)
    assert parted.new.bits == whole.new.bits and (parted.selection.old_ids == whole.selection.old_ids).all()
    index = json.loads((tmp_path / "parted" / "model.safetensors.index.json").read_text())
    assert index["weight_map"] == places


def test_byte_fallback_and_templates(broken: Path, articles: list[str], corpus: Path, tmp_path: Path) -> None:
    """A tokenizer of the kind of Gemma and Mistral: characters, bytes for what is rare, a template that opens texts."""
    import tokenizers

    made = tokenizers.Tokenizer(tokenizers.models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    made.normalizer = tokenizers.normalizers.Replace(" ", "▁")
    made.decoder = tokenizers.decoders.Sequence(
        [tokenizers.decoders.Replace("▁", " "), tokenizers.decoders.ByteFallback(), tokenizers.decoders.Fuse()]
    )
    specials = [
        "<pad>",
        "<eos>",
        "<bos>",
        "<unk>",
        "<unused0>",
        "<unused1>",
        *(f"<0x{value:02X}>" for value in range(256)),
    ]
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=1500, special_tokens=specials[:6], show_progress=False, max_token_length=12)  # fmt: skip
    made.train_from_iterator([line.replace(" ", " ▁ ") for line in articles[:20]], trainer)
    values = json.loads(made.to_str())
    shift = len(values["model"]["vocab"])
    values["model"]["vocab"] |= {f"<0x{value:02X}>": shift + value for value in range(256)}
    values["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<bos>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<bos>": {"id": "<bos>", "ids": [2], "tokens": ["<bos>"]}},
    }
    (broken / "tokenizer.json").write_text(json.dumps(values, ensure_ascii=False), "utf-8")
    (broken / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<bos>", "eos_token": "<eos>"})
    )
    for name in ("config.json", "generation_config.json"):
        change_json(broken / name, bos_token_id=2, eos_token_id=1, pad_token_id=0)
    result = trim_folder(broken, Material([corpus]), tmp_path / "new", 1152, anyway=True)
    assert result.same_lines == result.num_lines > 0
    new = tokenizers.Tokenizer.from_file(str(tmp_path / "new" / "tokenizer.json"))
    assert new.token_to_id("<unused1>") is None and new.token_to_id("<0xFF>") is not None
    assert new.encode("чай").ids[0] == new.token_to_id("<bos>")
    assert new.decode(new.encode("чай \U0001f600 ქართული").ids) == "чай \U0001f600 ქართული"


# -- what is refused ------------------------------------------------------------------------------------------------
def refuse(source: Path, corpus: Path, place: Path, wanted: str, **options: Any) -> None:
    with pytest.raises(TrainingError, match=wanted):
        adapt_model(source, Material([corpus], language=options.pop("language", "")), place / "out", **options)
    assert not (place / "out").exists() and not list(place.glob(".*"))


def test_pickles_are_refused(broken: Path, corpus: Path, tmp_path: Path) -> None:
    (broken / "model.safetensors").rename(broken / "pytorch_model.bin")
    refuse(broken, corpus, tmp_path, "run code when they are opened and are refused")


def test_a_missing_part_is_refused(broken: Path, corpus: Path, tmp_path: Path) -> None:
    (broken / "model.safetensors").unlink()
    refuse(broken, corpus, tmp_path, "expected model.safetensors in .* fetch it again")


def test_damaged_weights_are_refused(broken: Path, corpus: Path, tmp_path: Path) -> None:
    data = (broken / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(data[: len(data) // 2])
    refuse(broken, corpus, tmp_path, "expected safetensors in .*Fetch the file again")


def test_other_architectures_are_refused(broken: Path, corpus: Path, tmp_path: Path) -> None:
    change_json(broken / "config.json", architectures=["BertForMaskedLM"])
    refuse(broken, corpus, tmp_path, "expected a causal language model .* found .'BertForMaskedLM'")


def test_unknown_tables_are_refused(broken: Path, corpus: Path, tmp_path: Path) -> None:
    weights = load_file(broken / "model.safetensors")
    weights["model.token_table"] = weights.pop("model.embed_tokens.weight")
    save_file(weights, broken / "model.safetensors")
    refuse(broken, corpus, tmp_path, "found model.token_table: this architecture is not known here")


def test_rows_that_do_not_fit_are_refused(broken: Path, corpus: Path, tmp_path: Path) -> None:
    change_json(broken / "config.json", vocab_size=1000)
    refuse(broken, corpus, tmp_path, "expected at least a row for each of 2048 tokens")


def test_no_model_at_all(corpus: Path, tmp_path: Path) -> None:
    refuse(tmp_path / "nothing", corpus, tmp_path, "found nothing: fetch the model first")
    refuse(corpus, corpus, tmp_path, "expected a Hugging Face model with config.json")


def test_a_name_on_a_hub_is_not_looked_up(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TrainingError, match="fetch the model first, then name its place; names on a hub"):
        adapt_model(Path("Qwen/Qwen3-0.6B"), Material([corpus]), tmp_path / "out")


def test_sentencepiece_alone_is_refused(broken: Path, corpus: Path, tmp_path: Path) -> None:
    (broken / "tokenizer.json").rename(broken / "tokenizer.model")
    refuse(broken, corpus, tmp_path, "found only SentencePiece's tokenizer.model: write it with transformers")


def test_additions_alone_are_refused(broken: Path, corpus: Path, tmp_path: Path) -> None:
    (broken / "config.json").rename(broken / "adapter_config.json")
    refuse(broken, corpus, tmp_path, "found additions to one .LoRA.: merge them into their model first")


def test_a_quantisation_whose_library_is_missing(broken: Path, corpus: Path, tmp_path: Path) -> None:
    change_json(broken / "config.json", quantization_config={"quant_method": "gptq", "bits": 4})
    refuse(broken, corpus, tmp_path, "expected a model that transformers loads")


def test_code_in_the_folder_is_not_run(broken: Path, corpus: Path, tmp_path: Path) -> None:
    change_json(
        broken / "config.json",
        model_type="own",
        auto_map={"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnForCausalLM"},
    )
    (broken / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    refuse(broken, corpus, tmp_path, "expected a model that transformers loads")
    assert not (tmp_path / "ran").exists()


def test_untied_tables_in_two_parts(tokenizer_folder: Path, corpus: Path, tmp_path: Path) -> None:
    """Input and output tables lie in different files; each keeps the same rows."""
    from safetensors.torch import load_file, save_file

    source = make_hf(tmp_path / "old", tokenizer_folder, "llama", tied=False)
    weights = load_file(source / "model.safetensors")
    (source / "model.safetensors").unlink()
    parts = {
        f"model-0000{n}-of-00002.safetensors": {k: v for k, v in weights.items() if (k == "lm_head.weight") == (n == 2)}
        for n in (1, 2)
    }
    for name, part in parts.items():
        save_file(part, source / name, metadata={"format": "pt"})
    places = {key: name for name, part in parts.items() for key in part}
    (source / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    made = trim_folder(source, Material([corpus]), tmp_path / "new", 1024, anyway=True)
    rows = torch.tensor(made.selection.old_ids)
    for name, part in parts.items():
        after = load_file(tmp_path / "new" / name)
        for key, old in part.items():
            assert torch.equal(after[key], old[rows] if key in ("lm_head.weight", "model.embed_tokens.weight") else old)
    assert (
        made.new.bits > 0
        and transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "new").config.vocab_size == 1024
    )


def test_texts_of_another_language_are_refused(model: Path, corpus: Path, tmp_path: Path) -> None:
    refuse(model, corpus, tmp_path, "expected texts in tt, found ru", language="tt")


def test_too_few_texts_are_refused(model: Path, tmp_path: Path) -> None:
    few = write_corpus(tmp_path / "few", list(ENGLISH))
    refuse(model, few, tmp_path, "expected at least 2,000 characters of text")


def test_no_room_is_noticed_before_the_work(
    model: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1, 1, 1000))
    refuse(model, corpus, tmp_path, "GiB of free space for")


def test_a_worse_model_is_refused(model: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from samovar.train.adapt import trim

    monkeypatch.setattr(trim, "MAX_LOSS", -0.9)  # random weights predict no worse for a smaller choice
    refuse(model, corpus, tmp_path, "raise --vocab-size, add texts, or say --anyway")
    assert adapt_model(model, Material([corpus]), tmp_path / "out", vocab_size=1024, anyway=True).path.is_dir()


def test_what_lies_there_is_not_overwritten(model: Path, corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(TrainingError, match="expected a new name for the result"):
        adapt_model(model, Material([corpus]), tmp_path / "mine")
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"
    with pytest.raises(UsageError, match="expected --method trim or transfer"):
        adapt_model(model, Material([corpus]), tmp_path / "x", method="grow")

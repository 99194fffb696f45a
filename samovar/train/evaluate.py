"""What a trained model is worth: bits per byte on texts, grounded questions, abstention, and choosing the right answer by its likelihood.

Each measure takes plain data (texts, questions with passages, questions with options), so that whoever calls decides where they come from, and
how question and passages are laid out. Prints nothing. Sources: exact match and F1 of SQuAD (arXiv:1606.05250), unanswerable twins
(arXiv:1806.03822), length-normalised likelihood of options (Brown et al. 2020, arXiv:2005.14165), Wilson's interval (1927).
"""

from __future__ import annotations

import json
import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samovar.errors import TrainingError
from samovar.language.registry import profile_for

if TYPE_CHECKING:
    from samovar.train.makers import LayOut
    from samovar.train.model import LanguageModel
    from samovar.train.tokenizer import Tokenizer

ANSWER_TOKENS = 64
NUM_OPTIONS = 4
Z95 = 1.959964
_CITED = re.compile(r"\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its passage, (title, text), and the answers that count; none when the passage does not answer."""

    question: str
    passage: tuple[str, str]
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GroundedScore:
    """`exact`, `f1`, `cited` and `declined` are shares of the `num_asked` questions that have an answer; `abstained` is the share of `num_twins`
    questions put to a passage that does not answer, declined. `num_too_long` did not fit into the context and are not counted; a share of none is
    None."""

    num_asked: int
    exact: float | None
    f1: float | None
    cited: float | None
    declined: float | None
    num_twins: int
    abstained: float | None
    num_too_long: int


@dataclass(frozen=True, slots=True)
class ChoiceScore:
    """Share of questions whose right answer is the likeliest of the options, per byte; with Wilson's 95 % interval and what guessing gives."""

    num_asked: int
    accuracy: float
    low: float
    high: float
    chance: float


# -- bits per byte --------------------------------------------------------------------------------------------------
def measure_texts(model: LanguageModel, tokenizer: Tokenizer, texts: Iterable[str], *, seq_len: int = 0) -> float:
    """Return bits per byte of texts, each alone, read in windows of the model's length; every token after the first of a window is predicted,
    the first from the last of the window before.

    Raises:
        TrainingError: there is no text.
    """
    import torch

    from samovar.train.bits import measure_bits
    from samovar.train.distributed import Team

    length = min(seq_len or model.config.max_seq_len, model.config.max_seq_len)
    device = next(model.parameters()).device
    sizes = torch.as_tensor(tokenizer.token_bytes(), device=device)

    def parts() -> Iterable[tuple[torch.Tensor, torch.Tensor]]:
        for text in texts:
            ids = torch.tensor([[tokenizer.end_of_text, *tokenizer.encode(text)]], device=device)
            for start in range(0, ids.shape[1] - 1, length):
                window = ids[:, start : start + length + 1]
                yield window[:, :-1], window[:, 1:]

    bits = measure_bits(model, parts(), sizes, tokenizer.end_of_text, Team(0, 1, device), torch.float32)
    if math.isnan(bits):
        raise TrainingError("expected text to measure on, found none")
    return bits


# -- grounded answers -----------------------------------------------------------------------------------------------
def read_squad(path: Path) -> list[Asked]:
    """Return the questions of a file in SQuAD's format, in its order.

    Raises:
        TrainingError: it cannot be read as such.
    """
    try:
        articles = json.loads(path.read_text("utf-8"))["data"]
        return [
            Asked(qa["question"], (article["title"], paragraph["context"].lstrip("\ufeff")), tuple(a["text"] for a in qa["answers"]))
            for article in articles
            for paragraph in article["paragraphs"]
            for qa in paragraph["qas"]
        ]  # fmt: skip
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise TrainingError(f"expected questions in SQuAD's format in {path}, found: {error!r}") from error


def score_grounded(
    model: LanguageModel, tokenizer: Tokenizer, questions: Sequence[Asked], language: str, lay_out: LayOut, decline: str,
    *, limit: int = 20, seed: int = 0, progress: Callable[[int, int], None] = lambda done, total: None,
) -> GroundedScore:  # fmt: skip
    """Ask `limit` questions with their passage, and as many with a passage of another title; return the shares."""
    sample = random.Random(seed).sample(list(questions), min(limit, len(questions)))
    twins = [Asked(one.question, other, ()) for one in sample if (other := _other_passage(one, questions, seed))]
    tallies: Counter[str] = Counter()
    for done, one in enumerate([*sample, *twins], 1):
        reply = _reply(model, tokenizer, lay_out(one.question, [one.passage], "0" * 16))
        tallies.update(_judge(one, reply, language, decline))
        progress(done, len(sample) + len(twins))
    return _sum_up(tallies)


def _other_passage(one: Asked, questions: Sequence[Asked], seed: int) -> tuple[str, str] | None:
    others = [q.passage for q in questions if q.passage[0] != one.passage[0]]
    return random.Random(f"{seed} {one.question}").choice(others) if others else None


def _reply(model: LanguageModel, tokenizer: Tokenizer, messages: list[dict[str, str]]) -> str | None:
    """Return the model's answer, None when the question leaves no room for one."""
    from samovar.train.sft import answer

    ids, _ = tokenizer.render_chat(messages, add_generation_prompt=True)
    if len(ids) + ANSWER_TOKENS > model.config.max_seq_len:
        return None
    return answer(model, tokenizer, messages, ANSWER_TOKENS)


def _judge(one: Asked, reply: str | None, language: str, decline: str) -> dict[str, float]:
    if reply is None:
        return {"too_long": 1}
    declined = float(decline in reply)
    if not one.answers:
        return {"twins": 1, "abstained": declined}
    said = _CITED.sub("", reply)
    return {
        "asked": 1,
        "declined": declined,
        "cited": float(set(_CITED.findall(reply)) == {"1"}),
        "exact": max(float(_words(said, language) == _words(gold, language)) for gold in one.answers),
        "f1": max(overlap(_words(said, language), _words(gold, language)) for gold in one.answers),
    }


def _words(text: str, language: str) -> list[str]:
    profile = profile_for(language)
    return [profile.fold(token.text) for token in profile.tokens(text)]


def overlap(said: Sequence[str], gold: Sequence[str]) -> float:
    """Return SQuAD's F1 of two lists of words: 1 when both are empty."""
    if not said or not gold:
        return float(not said and not gold)
    common = sum((Counter(said) & Counter(gold)).values())
    return 2 * common / (len(said) + len(gold))


def _sum_up(tallies: Counter[str]) -> GroundedScore:
    asked, twins = int(tallies["asked"]), int(tallies["twins"])
    shares = {name: tallies[name] / asked if asked else None for name in ("exact", "f1", "cited", "declined")}
    abstained = tallies["abstained"] / twins if twins else None
    return GroundedScore(asked, **shares, num_twins=twins, abstained=abstained, num_too_long=int(tallies["too_long"]))


# -- choosing by likelihood -----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Choice:
    """A question and its options, of which the first is right; the likeliest wins, so their order does not matter."""

    question: str
    options: tuple[str, ...]


def make_choices(
    answers: Sequence[tuple[str, str, tuple[str, ...]]],
    *,
    limit: int = 20,
    num_options: int = NUM_OPTIONS,
    seed: int = 0,
) -> list[Choice]:
    """Return questions with options out of (question, type of answer, right answers): the wrong ones are right answers of other questions of the
    same type that are not among this one's."""
    dice = random.Random(seed)
    order = list(answers)
    dice.shuffle(order)
    found: list[Choice] = []
    for question, kind, right in order:
        others = sorted({golds[0] for _, other, golds in answers if other == kind and golds[0] not in right})
        if len(others) >= num_options - 1 and len(found) < limit:
            found.append(Choice(question, (right[0], *dice.sample(others, num_options - 1))))
    return found


def score_choices(
    model: LanguageModel, tokenizer: Tokenizer, choices: Sequence[Choice], *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ChoiceScore:  # fmt: skip
    """Return how often the right option is the likeliest answer; of equally likely ones the right one does not win.

    Raises:
        TrainingError: there is no question.
    """
    if not choices:
        raise TrainingError("expected questions with options, found none: the answers of a type are too few")
    right = 0
    for done, choice in enumerate(choices, 1):
        scores = [score_option(model, tokenizer, choice.question, option) for option in choice.options]
        right += scores[0] > max(scores[1:])
        progress(done, len(choices))
    low, high = wilson(right, len(choices))
    chance = sum(1 / len(choice.options) for choice in choices) / len(choices)
    return ChoiceScore(len(choices), right / len(choices), low, high, chance)


def score_option(model: LanguageModel, tokenizer: Tokenizer, question: str, option: str) -> float:
    """Return the log-likelihood of an answer to a question in a chat, in nats a byte."""
    import torch

    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": option}]
    ids, mask = tokenizer.render_chat(messages)
    ids, mask = ids[-model.config.max_seq_len - 1 :], mask[-model.config.max_seq_len - 1 :]
    tokens = torch.tensor([ids], device=next(model.parameters()).device)
    with torch.no_grad():
        nats = model.loss(tokens[:, :-1], tokens[:, 1:], reduction="none")[0]
    counted = torch.tensor(mask[1:], device=nats.device)
    return -float(nats[counted].sum()) / len(option.encode())


def wilson(hits: int, total: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share."""
    if total == 0:
        return 0.0, 1.0
    share, z2 = hits / total, Z95**2
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = Z95 * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2)) / (1 + z2 / total)
    return max(0.0, middle - half), min(1.0, middle + half)


def write_results(folder: Path, results: dict[str, Any]) -> Path:
    """Write ``eval.json`` into a model's folder, keeping what other measures said there before."""
    path = folder / "eval.json"
    known = json.loads(path.read_text("utf-8")) if path.exists() else {}
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps({**known, **results}, ensure_ascii=False, indent=2) + "\n", "utf-8")
    draft.replace(path)
    return path

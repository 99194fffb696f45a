"""What a model is worth: bits per byte on texts, grounded questions, abstention, and questions of fact, answered and chosen by likelihood.

Each measure takes a `Speaker` and plain data (texts, questions with passages, questions with options), so that whoever calls decides where they
come from, and how question and passages are laid out. Prints nothing. Sources: exact match and F1 of SQuAD (arXiv:1606.05250), unanswerable
twins (arXiv:1806.03822), length-normalised likelihood of options (Brown et al. 2020, arXiv:2005.14165), Wilson's interval (1927); standard
errors: of a mean for F1, Agresti and Coull's (1998) for shares, so that 0 of 20 is not without error, of a ratio over documents for bits.
"""

from __future__ import annotations

import json
import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from samovar.errors import TrainingError
from samovar.language.registry import profile_for
from samovar.train.card import EVAL, read_records
from samovar.train.drafts import write_json
from samovar.train.tokenizer import repair

if TYPE_CHECKING:
    from samovar.train.makers import LayOut
    from samovar.train.speaker import Said, Speaker

ANSWER_TOKENS = 64
NUM_OPTIONS = 4
Z95 = 1.959964
_CITED = re.compile(r"\[(\d+)\]")

Progress = Callable[[int, int], None]


def _silent(done: int, total: int) -> None:
    """Progress that nobody looks at."""


@dataclass(frozen=True, slots=True)
class TextScore:
    """Bits per byte of texts; `standard_error` is over the texts, None for one."""

    bits_per_byte: float
    standard_error: float | None
    num_texts: int
    num_bytes: int


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
    None. `standard_errors` are of the shares, by name."""

    num_asked: int
    exact: float | None
    f1: float | None
    cited: float | None
    declined: float | None
    num_twins: int
    abstained: float | None
    num_too_long: int
    standard_errors: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChoiceScore:
    """Share of questions whose right answer is the likeliest of the options, per byte; with Wilson's 95 % interval and what guessing gives."""

    num_asked: int
    accuracy: float
    low: float
    high: float
    chance: float
    standard_errors: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AnswerScore:
    """What became of questions that were answered freely: shares of `num_asked`; `undecided` could not be judged."""

    num_asked: int
    correct: float
    wrong: float
    dont_know: float
    refused: float
    undecided: float
    standard_errors: dict[str, float] = field(default_factory=dict)


def share_error(share: float, total: int) -> float:
    """Return the standard error of a share, as Agresti and Coull: two successes and two failures added."""
    middle = (share * total + 2) / (total + 4)
    return math.sqrt(middle * (1 - middle) / (total + 4))


# -- bits per byte --------------------------------------------------------------------------------------------------
def measure_texts(speaker: Speaker, texts: Iterable[str], *, progress: Progress = _silent) -> TextScore:
    """Return bits per byte of texts, each alone, read in windows of the model's length; every token is predicted, the first of a window from
    the last of the window before.

    Raises:
        TrainingError: there is no text.
    """
    found: list[tuple[float, int]] = []
    for done, text in enumerate(map(repair, texts), 1):
        if num_bytes := len(text.encode()):
            found.append((-speaker.weigh_text(text) / math.log(2), num_bytes))
        progress(done, 0)
    if not found:
        raise TrainingError("expected text to measure on, found none")
    num_bytes = sum(size for _, size in found)
    bits = sum(part for part, _ in found) / num_bytes
    error = None
    if (count := len(found)) > 1:
        spread = sum((part - bits * size) ** 2 for part, size in found)
        error = math.sqrt(spread * count / (count - 1)) / num_bytes
    return TextScore(bits, error, count, num_bytes)


def read_held_out(folder: Path, speaker: Speaker) -> Iterator[str]:
    """Yield the validation texts of token shards, which must be of the model's own tokenizer.

    Raises:
        TrainingError: they are not, or hold no validation texts.
    """
    from samovar.train import shards
    from samovar.train.speaker import OwnSpeaker

    if not isinstance(speaker, OwnSpeaker):
        raise TrainingError(f"expected texts for a model with another tokenizer, found token shards in {folder}")
    for ids in shards.read_held_out(folder, speaker.words.sha256):
        yield speaker.words.decode(ids)


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
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise TrainingError(f"expected questions in SQuAD's format in {path}, found: {error!r}") from error


def score_grounded(
    speaker: Speaker, questions: Sequence[Asked], language: str, lay_out: LayOut, decline: str,
    *, limit: int = 20, seed: int = 0, progress: Progress = _silent,
) -> GroundedScore:  # fmt: skip
    """Ask `limit` questions with their passage, and as many with a passage of another title; return the shares."""
    sample = random.Random(seed).sample(list(questions), min(limit, len(questions)))
    twins = [Asked(one.question, other, ()) for one in sample if (other := _other_passage(one, questions, seed))]
    judged: list[dict[str, float]] = []
    for done, one in enumerate([*sample, *twins], 1):
        reply = speaker.reply(lay_out(one.question, [one.passage], "0" * 16), ANSWER_TOKENS)
        judged.append(_judge(one, reply, language, decline))
        progress(done, len(sample) + len(twins))
    return _sum_up(judged)


def _other_passage(one: Asked, questions: Sequence[Asked], seed: int) -> tuple[str, str] | None:
    others = [q.passage for q in questions if q.passage[0] != one.passage[0]]
    return random.Random(f"{seed} {one.question}").choice(others) if others else None


def _judge(one: Asked, reply: Said | None, language: str, decline: str) -> dict[str, float]:
    if reply is None:
        return {"too_long": 1}
    declined = float(decline in reply.text)
    if not one.answers:
        return {"abstained": declined}
    said = _CITED.sub("", reply.text)
    return {
        "declined": declined,
        "cited": float(set(_CITED.findall(reply.text)) == {"1"}),
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


def _mean_error(values: Sequence[float]) -> float:
    """Return the standard error of a mean; of shares, and where all values are alike, that of a share."""
    if set(values) <= {0.0, 1.0} or len(set(values)) == 1:
        return share_error(mean(values), len(values))
    return stdev(values) / math.sqrt(len(values))


def _sum_up(judged: Sequence[dict[str, float]]) -> GroundedScore:
    values = {
        name: [one[name] for one in judged if name in one] for name in ("exact", "f1", "cited", "declined", "abstained")
    }
    shares = {name: mean(found) if found else None for name, found in values.items()}
    errors = {name: _mean_error(found) for name, found in values.items() if found}
    too_long = sum("too_long" in one for one in judged)
    return GroundedScore(
        len(values["exact"]), **shares, num_twins=len(values["abstained"]), num_too_long=too_long, standard_errors=errors
    )  # fmt: skip


# -- answering freely -----------------------------------------------------------------------------------------------
def score_answers(
    speaker: Speaker, questions: Sequence[str], judge: Callable[[int, Said], str], *, progress: Progress = _silent
) -> AnswerScore:
    """Ask questions without passages; `judge` says of the answer to the question of a number what became of it: a field of `AnswerScore`.

    Raises:
        TrainingError: there is no question, or none fits the context.
    """
    found: Counter[str] = Counter()
    for number, question in enumerate(questions):
        reply = speaker.reply([{"role": "user", "content": question}], ANSWER_TOKENS)
        if reply is not None:
            found[judge(number, reply)] += 1
        progress(number + 1, len(questions))
    total = sum(found.values())
    if not total:
        raise TrainingError("expected questions that fit into the context, found none")
    shares = {name: found[name] / total for name in ("correct", "wrong", "dont_know", "refused", "undecided")}
    errors = {name: share_error(share, total) for name, share in shares.items()}
    return AnswerScore(total, **shares, standard_errors=errors)


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


def score_choices(speaker: Speaker, choices: Sequence[Choice], *, progress: Progress = _silent) -> ChoiceScore:
    """Return how often the right option is the likeliest answer; of equally likely ones the right one does not win.

    Raises:
        TrainingError: there is no question.
    """
    if not choices:
        raise TrainingError("expected questions with options, found none: the answers of a type are too few")
    right = 0
    for done, choice in enumerate(choices, 1):
        scores = [speaker.weigh(choice.question, option) / len(option.encode()) for option in choice.options]
        right += scores[0] > max(scores[1:])
        progress(done, len(choices))
    share = right / len(choices)
    low, high = wilson(right, len(choices))
    chance = sum(1 / len(choice.options) for choice in choices) / len(choices)
    errors = {"accuracy": share_error(share, len(choices))}
    return ChoiceScore(len(choices), share, low, high, chance, errors)


def wilson(hits: int, total: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share."""
    if total == 0:
        return 0.0, 1.0
    share, z2 = hits / total, Z95**2
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = Z95 * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2)) / (1 + z2 / total)
    return max(0.0, middle - half), min(1.0, middle + half)


def distinct_name(name: str, sha256: str, known: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the name of a result in ``eval.json``: what was measured on other data under the same name (two files ``x.txt``) keeps its own, and
    the hash makes the difference."""
    return name if known.get(name, {}).get("sha256", sha256) == sha256 else f"{name} {sha256[:8]}"


def write_results(folder: Path, results: dict[str, Any]) -> Path:
    """Write ``eval.json`` into a model's folder, keeping what other measures said there before.

    Raises:
        TrainingError: what is there is damaged; `samovar.train.card.read_records` says so before anything is measured.
    """
    path = folder / EVAL
    write_json(path, {**read_records(path), **results})
    return path

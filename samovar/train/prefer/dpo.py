"""trl's DPOTrainer, made to go on where it was killed: the only file that knows trl.

trl computes loss, gradients and the measures of a step. What it would do in its own way is done in ours: the pairs come in tokens and in an
order that is a function of seed and step; the parent's log-likelihoods are given, so that the parent is not kept in memory; checkpoints are ours
(atomic, hashed, no pickle), so nothing of trl's or transformers' is written. A step is a function of the last checkpoint and the pairs.
Source: Rafailov et al. 2023 (arXiv:2305.18290); trl 1.16.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from torch import Tensor
from transformers import PrinterCallback, TrainerCallback
from trl import DPOConfig, DPOTrainer

from samovar.errors import DivergedError, TrainingError
from samovar.train.prefer.parent import Coded, Parent
from samovar.train.prefer.plan import METHODS, PreferPlan, order_pairs, rate_at

BETAS = (0.9, 0.95)
REPLACED = ("_prepare_dataset", "_precompute_ref_logps")
"""What of trl's own is replaced though it is private: a release without them is refused."""


@dataclass(frozen=True, slots=True)
class PreferReport:
    """One line of the curve: trl's measures of a step's pairs. `accuracy` is the share whose chosen answer gained more against the parent
    than the rejected one, `margin` the mean of that gain times beta; `chosen` and `rejected` are mean log-likelihoods, nats an answer."""

    step: int
    loss: float
    accuracy: float
    margin: float
    chosen: float
    rejected: float
    rate: float
    grad_norm: float
    seconds: float


Watch = Callable[[PreferReport], bool]
"""Is told of each step; True ends the training after it."""


class Tuner(DPOTrainer):  # type: ignore[misc]  # no types without the extra
    """DPOTrainer over pairs in tokens whose reference scores are known. `begin_at` is the step it goes on from."""

    model: Any
    optimizer: Any
    lr_scheduler: Any

    def __init__(self, plan: PreferPlan, begin_at: int, **options: Any) -> None:
        self.plan, self.begin_at = plan, begin_at
        super().__init__(**options)

    def _prepare_dataset(self, dataset: Dataset, *_: Any, **__: Any) -> Dataset:
        """The pairs are in tokens already: our encoder keeps names of special tokens as text."""
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, *_: Any, **__: Any) -> Dataset:
        """The parent's scores are in the data already."""
        return dataset

    def create_optimizer(self, model: Any = None) -> Any:
        """AdamW without decay over what is trained; transformers' own would leave its state in a pickle."""
        if self.optimizer is None:
            weights = [weight for weight in self.model.parameters() if weight.requires_grad]
            self.optimizer = torch.optim.AdamW(weights, lr=self.plan.rate, betas=BETAS, weight_decay=0.0)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The plan's rates, from the step on that the run goes on from."""
        if self.lr_scheduler is None:
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
                optimizer or self.optimizer, lambda step: rate_at(self.plan, self.begin_at + step)
            )
        return self.lr_scheduler

    def training_step(self, *arguments: Any, **options: Any) -> Any:
        """Compute gradients; stop before the weights change where the loss is no number."""
        loss = super().training_step(*arguments, **options)
        if not bool(torch.isfinite(loss)):
            raise _diverged(self.begin_at + self.state.global_step)
        return loss


def _diverged(step: int) -> DivergedError:
    return DivergedError(
        f"expected the loss to be a number, found none at step {step}: what was saved before it stays; begin a new run (another --output) "
        "with a lower --rate or a larger --beta"
    )


class Keeper(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """Restores the optimiser, tells of each step, and has a checkpoint written."""

    def __init__(
        self, plan: PreferPlan, begin_at: int, seconds: float, state: Mapping[str, Tensor] | None, watch: Watch,
        save: Callable[[Tuner, int, float], None],
    ) -> None:  # fmt: skip
        self.plan, self.begin_at, self.seconds, self.state = plan, begin_at, seconds, state
        self.watch, self.save = watch, save
        self.tuner: Tuner | None = None
        self.started = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Give the optimiser its state back."""
        if self.state is not None:
            assert self.tuner is not None
            put_optimiser(self.tuner, self.state)

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock."""
        self.started = time.perf_counter()

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Stop before gradients that are no numbers reach the weights."""
        grads = [weight.grad for weight in model.parameters() if weight.grad is not None]
        if not bool(torch.isfinite(torch.nn.utils.get_total_norm(grads))):
            raise _diverged(self.begin_at + state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Report, and save where the plan says so."""
        if not logs or "rewards/accuracies" not in logs:
            return  # the summary at the end
        assert self.tuner is not None
        step = self.begin_at + state.global_step
        self.seconds += time.perf_counter() - self.started
        told = PreferReport(
            step=step,
            loss=logs["loss"],
            accuracy=logs["rewards/accuracies"],
            margin=logs["rewards/margins"],
            chosen=logs["logps/chosen"],
            rejected=logs["logps/rejected"],
            rate=self.plan.rate * rate_at(self.plan, step - 1),
            grad_norm=float(logs.get("grad_norm", math.nan)),
            seconds=self.seconds,
        )
        stop = bool(self.watch(told))
        if stop or step == self.plan.num_steps or step % self.plan.save_every == 0:
            self.save(self.tuner, step, self.seconds)
        control.should_training_stop |= stop


def make_tuner(
    plan: PreferPlan,
    parent: Parent,
    pairs: Sequence[Coded],
    reference: Tensor,
    folder: Path,
    device: torch.device,
    *,
    device_batch: int,
    begin_at: int = 0,
    weights: Mapping[str, Tensor] | None = None,
    keeper: Keeper | None = None,
) -> Tuner:
    """Return trl's trainer over the pairs of the steps that are left; `weights` are those of the checkpoint it goes on from.

    Raises:
        TrainingError: this trl does not let its preparation be replaced.
    """
    if not all(hasattr(DPOTrainer, name) for name in REPLACED):
        raise TrainingError(f"expected trl 1.16 or near it, found {version('trl')}: run  pip install 'samovar[prefer]'")
    with hushed():
        tuner = Tuner(
            plan,
            begin_at,
            model=parent.model,
            args=_settings(plan, plan.num_steps - begin_at, folder, device, device_batch),
            train_dataset=_tabulate(pairs, reference).select(order_pairs(plan, len(pairs))[begin_at * plan.batch_pairs :]),
            processing_class=parent.words,
            peft_config=_low_rank(plan) if plan.lora_rank else None,
            callbacks=[keeper] if keeper else None,
        )  # fmt: skip
        tuner.remove_callback(PrinterCallback)
    if weights is not None:
        with torch.no_grad():
            for name, weight in trained_weights(tuner.model).items():
                weight.copy_(weights[name])
    if keeper:
        keeper.tuner = tuner
    return tuner


def _settings(plan: PreferPlan, steps: int, folder: Path, device: torch.device, device_batch: int) -> DPOConfig:
    anchored = plan.anchor > 0
    settings = DPOConfig(
        output_dir=str(folder),
        max_steps=max(1, steps),
        per_device_train_batch_size=device_batch,
        gradient_accumulation_steps=plan.batch_pairs // device_batch,
        learning_rate=plan.rate,
        loss_type=[METHODS[plan.method], "sft"] if anchored else [METHODS[plan.method]],
        loss_weights=[1.0, plan.anchor] if anchored else None,
        beta=plan.beta,
        max_length=None,
        precompute_ref_log_probs=True,
        train_sampling_strategy="sequential",
        gradient_checkpointing=False,
        bf16=plan.precision == "bf16",
        max_grad_norm=1.0,
        seed=plan.seed,
        use_cpu=device.type == "cpu",
        save_strategy="no",
        eval_strategy="no",
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=device.type == "cuda",
        push_to_hub=False,
    )
    if settings.n_gpu > 1:  # several are visible: one is used
        settings._n_gpu = 1
    return settings


def _low_rank(plan: PreferPlan) -> LoraConfig:
    return LoraConfig(
        r=plan.lora_rank, lora_alpha=2 * plan.lora_rank, target_modules="all-linear", task_type="CAUSAL_LM"
    )


def _tabulate(pairs: Sequence[Coded], reference: Tensor) -> Dataset:
    chosen, rejected = reference[:, 0].tolist(), reference[:, 1].tolist()
    return Dataset.from_dict(
        {
            "prompt_ids": [pair.prompt for pair in pairs],
            "chosen_ids": [pair.chosen for pair in pairs],
            "rejected_ids": [pair.rejected for pair in pairs],
            "ref_chosen_logps": chosen,
            "ref_rejected_logps": rejected,
        }
    )


def trained_weights(model: Any) -> dict[str, Tensor]:
    """Return the weights that are trained, by name."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def take_optimiser(tuner: Tuner) -> dict[str, Tensor]:
    """Return AdamW's state as tensors, by the weights' names."""
    state = _plain_optimiser(tuner).state
    return {
        f"{name}.{key}": torch.as_tensor(value)
        for name, weight in trained_weights(tuner.model).items()
        for key, value in state[weight].items()
    }


def put_optimiser(tuner: Tuner, tensors: Mapping[str, Tensor]) -> None:
    """Give AdamW the state that `take_optimiser` took."""
    optimiser = _plain_optimiser(tuner)
    for name, weight in trained_weights(tuner.model).items():
        found = {key.rpartition(".")[2]: value for key, value in tensors.items() if key.rpartition(".")[0] == name}
        optimiser.state[weight] = {
            key: value.clone() if key == "step" else value.to(weight.device, copy=True) for key, value in found.items()
        }


def _plain_optimiser(tuner: Tuner) -> Any:
    """Return the optimiser inside accelerate's wrapper."""
    return getattr(tuner.optimizer, "optimizer", tuner.optimizer)


@contextmanager
def hushed() -> Iterator[None]:
    """Keep transformers and its relatives from writing to the terminal, and their notices about their own future out of the user's way."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.set_verbosity(level)

"""How a transformer learns: transformers' Trainer on the training texts, until the validation loss stops falling.

It runs in as many processes as the settings and the machine give (see processes.py), and goes on where a killed
training has stopped (see checkpoint.py).
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import peft
import torch
from tokenizers import Tokenizer
from torch import distributed
from transformers import (
    AutoModelForSequenceClassification,
    EarlyStoppingCallback,
    PretrainedConfig,
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerState,
    TrainingArguments,
)

from . import checkpoint, pretrained, processes, schema, tokens
from .errors import InputError
from .parameters import Train
from .processes import Place
from .settings import Settings

# Of an evaluation on the validation rows: the number of steps done, of how many, and the loss, by name.
Values = dict[str, float]
# Is told after each step how many it were, and after each evaluation its values.
Report = Callable[[int, Values], None]
Batch = dict[str, torch.Tensor]

# Of the tiny network, where the settings give none: enough to see that the way is open.
TINY_STEPS = 20
# What usually suits, where the settings give none: few weights need large steps (Hu et al., LoRA, 2021), and a network
# that has learnt before needs small ones (Devlin et al., BERT, 2018).
TINY_RATE, LORA_RATE, RATE = 3e-3, 3e-4, 4e-5
# Of the batch's length in tokens: GPUs compute with multiples of 8 faster.
MULTIPLE = 8


@dataclass(frozen=True)
class Examples:
    """n texts and the positions of their classes."""

    texts: list[str]
    labels: list[int]


@dataclass(frozen=True)
class Learned:
    """A fine-tuned network as it travels between processes, and its tokenizer."""

    config: PretrainedConfig
    weights: dict[str, npt.NDArray[Any]]
    tokenizer: str

    def network(self) -> PreTrainedModel:
        """The network on the CPU, ready to predict."""
        network = AutoModelForSequenceClassification.from_config(self.config, dtype=torch.float32)
        network.load_state_dict({name: torch.from_numpy(weight) for name, weight in self.weights.items()})
        return network.eval()


def fit(fitting: pd.DataFrame, validation: pd.DataFrame, settings: Settings, report: Report) -> Learned | None:
    """Fine-tune a network in as many processes as the settings and the machine give.

    Where a launcher has started several processes, each calls this.

    Args:
        fitting: rows to learn from.
        validation: rows to see by when to stop.
        settings: of the run.
        report: is called in this process, for the first of all only.

    Returns:
        The weights with the lowest validation loss; None in a process that is not the first.

    Raises:
        InputError: the network to start from can't be had, or settings, rows and machine do not go together.
    """
    classes = known_classes(fitting)
    job = (settings.train, classes, examples(fitting, classes), examples(validation, classes))
    count = processes.wanted(settings.compute)
    if count > 1:
        return processes.spawned(count, _spawned, report, *job)
    place = processes.here()
    with processes.joined(place):
        return _fit(place, report, *job)


def known_classes(fitting: pd.DataFrame) -> tuple[str, ...]:
    """The classes that there is something to learn about."""
    return tuple(sorted(fitting[schema.TARGET].unique()))


def examples(rows: pd.DataFrame, classes: Sequence[str]) -> Examples:
    """The rows of the classes."""
    known = rows[rows[schema.TARGET].isin(classes)]
    positions = pd.Index(classes).get_indexer(pd.Index(known[schema.TARGET]))
    return Examples(tokens.texts(schema.inputs(known)), [int(position) for position in positions])


def encoded(tokenizer: Tokenizer, found: Examples) -> list[dict[str, Any]]:
    """The tokens of each text, and the position of its class."""
    encodings = tokenizer.encode_batch(found.texts)
    return [
        {"input_ids": encoding.ids, "labels": label} for encoding, label in zip(encodings, found.labels, strict=True)
    ]


def collate(found: Sequence[dict[str, Any]], padding: int) -> Batch:
    """A batch of n texts as tensors of n rows, filled up to the longest."""
    longest = -(-max(len(example["input_ids"]) for example in found) // MULTIPLE) * MULTIPLE
    ids = torch.full((len(found), longest), padding)
    mask = torch.zeros_like(ids)
    for row, example in enumerate(found):
        ids[row, : len(example["input_ids"])] = torch.tensor(example["input_ids"])
        mask[row, : len(example["input_ids"])] = 1
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor([example["labels"] for example in found])}


def _spawned(place: Place, report: Report, *job: Any) -> Learned | None:
    """In a process that this project has started: the Trainer looks for its place in the environment."""
    names = {"RANK": place.rank, "LOCAL_RANK": place.rank, "WORLD_SIZE": place.world, "LOCAL_WORLD_SIZE": place.machine}
    os.environ.update({name: str(value) for name, value in names.items()})
    return _fit(place, report, *job)


def _fit(place: Place, report: Report, settings: Train, *job: Any) -> Learned | None:
    with threads(settings), warnings.catch_warnings(action="ignore"):
        return _learn(place, report, settings, *job)


def _learn(
    place: Place, report: Report, settings: Train, classes: tuple[str, ...], fitting: Examples, validation: Examples
) -> Learned | None:
    network, tokenizer = pretrained.start(settings, fitting.texts, classes)
    if settings.lora_rank:
        network = adapted(network, settings)
    parts = encoded(tokenizer, fitting), encoded(tokenizer, validation)
    parts[1].sort(key=lambda example: len(example["input_ids"]))  # batches of one length
    mark = checkpoint.fingerprint(settings, parts, network, place.world)
    stopping = EarlyStoppingCallback(settings.patience)
    told = arguments(settings, len(fitting.texts), place)
    trainer = build(network, told, parts, [stopping, checkpoint.Seal(mark), _Reporting(report)])
    _train(trainer, settings, place, mark)
    if not place.first:
        return None
    network = trainer.model.merge_and_unload() if settings.lora_rank else trainer.model
    weights = {name: weight.detach().cpu().numpy() for name, weight in network.state_dict().items()}
    return Learned(network.config, weights, tokenizer.to_str())


def adapted(network: PreTrainedModel, settings: Train) -> peft.PeftModel:
    """A network of which only low-rank updates of its linear layers, and the layer for the classes, learn.

    Source: Hu et al., LoRA: Low-Rank Adaptation of Large Language Models (2021).
    """
    config = peft.LoraConfig(
        task_type=peft.TaskType.SEQ_CLS,
        r=settings.lora_rank,
        lora_alpha=2 * settings.lora_rank,
        lora_dropout=0.05,
        target_modules="all-linear",
    )
    return peft.get_peft_model(network, config)


def arguments(settings: Train, examples: int, place: Place, **others: Any) -> TrainingArguments:
    """What the Trainer is told.

    Args:
        settings: of the training.
        examples: how many there are to learn from.
        place: of this process.
        others: arguments of the Trainer to go before.
    """
    on_gpu = place.device.type == "cuda"
    steps = steps_of(settings, examples, place.world)
    every = max(1, steps // settings.evaluations)
    told = {
        "output_dir": str(settings.checkpoint),
        "max_steps": steps,
        "per_device_train_batch_size": settings.batch_size,
        "per_device_eval_batch_size": 4 * settings.batch_size,
        "train_sampling_strategy": "group_by_length",  # the less a batch has to be filled up
        "learning_rate": settings.learning_rate or _rate(settings),
        "warmup_steps": steps // 10,
        "weight_decay": 0.01,
        "eval_strategy": "steps",
        "eval_steps": every,
        "save_strategy": "steps",
        "save_steps": every,
        "save_total_limit": 2,  # the best and the newest
        "load_best_model_at_end": True,
        "metric_for_best_model": "eval_loss",
        "greater_is_better": False,
        "restore_callback_states_from_checkpoint": True,
        "average_tokens_across_devices": False,  # would multiply the loss by the number of processes
        "ddp_find_unused_parameters": False,  # a classifier has none
        "label_names": ["labels"],
        "remove_unused_columns": False,
        "seed": settings.seed,
        "use_cpu": not on_gpu,
        "bf16": on_gpu and torch.cuda.is_bf16_supported(including_emulation=False),
        "logging_strategy": "no",
        "disable_tqdm": True,
        "report_to": "none",
    }
    found = TrainingArguments(**{**told, **others})
    found._n_gpu = int(on_gpu)  # a process a GPU; alone on a machine with several, the Trainer would take them all
    return found


def steps_of(settings: Train, examples: int, world: int) -> int:
    """Optimiser steps of the whole training, if it does not stop early."""
    if settings.max_steps is not None:
        return settings.max_steps
    epochs = settings.epochs * math.ceil(examples / (settings.batch_size * world))
    return epochs if settings.hf_model_id else min(epochs, TINY_STEPS)


def _rate(settings: Train) -> float:
    if settings.lora_rank:
        return LORA_RATE
    return RATE if settings.hf_model_id else TINY_RATE


def build(network: Any, told: TrainingArguments, parts: tuple[Any, Any], callbacks: list[TrainerCallback]) -> Trainer:
    """A Trainer that says nothing by itself, for the encoded examples to learn from and to evaluate on."""
    padding = int(network.config.pad_token_id)
    trainer = Trainer(network, told, lambda found: collate(found, padding), *parts, callbacks=callbacks)
    trainer.remove_callback(PrinterCallback)
    return trainer


def _train(trainer: Trainer, settings: Train, place: Place, mark: str) -> None:
    """Train from the newest checkpoint that fits, which the first process looks for, or from the beginning."""
    found = [checkpoint.newest(settings.checkpoint, mark) if place.first else None]
    if place.world > 1:
        distributed.broadcast_object_list(found)
    try:
        _go_on(trainer, found[0], settings.patience)
    except torch.OutOfMemoryError as error:
        raise InputError("the GPU has too little memory: lower train.batch_size, or set train.lora_rank") from error
    if trainer.state.best_metric is None or not np.isfinite(trainer.state.best_metric):
        raise InputError("the validation loss is not a number: lower train.learning_rate")


def _go_on(trainer: Trainer, folder: Path | None, patience: int) -> None:
    """Train; where the process was killed after the last step, only take the best weights, as training would."""
    if folder is None:
        trainer.train()
        return
    state = TrainerState.load_from_json(folder / "trainer_state.json")
    stale = state.stateful_callbacks["EarlyStoppingCallback"]["attributes"]["early_stopping_patience_counter"]
    if state.global_step < trainer.args.max_steps and stale < patience:
        trainer.train(resume_from_checkpoint=str(folder))
        return
    trainer.state = state
    trainer._load_best_model()  # the Trainer itself would do one step more


class _Reporting(TrainerCallback):  # type: ignore[misc]
    """Passes the trainer's progress on, in the first process."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Where a killed training goes on, some steps are done already."""
        if state.is_world_process_zero:
            self.report(state.global_step, {})

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """A step is done."""
        if state.is_world_process_zero:
            self.report(1, {})

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Values, **_: Any) -> None:  # noqa: ARG002
        """The validation loss is known."""
        if state.is_world_process_zero:
            self.report(0, {"step": state.global_step, "steps": state.max_steps, "loss": metrics["eval_loss"]})


@contextmanager
def threads(settings: Train) -> Iterator[None]:
    """Compute a tiny network with one thread: handing its work to several costs more than it saves."""
    before = torch.get_num_threads()
    torch.set_num_threads(before if settings.hf_model_id else 1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

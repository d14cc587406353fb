"""Training: it learns, is the same for the same seed, for one process and for two, and after it was killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest

from digit_reader import NAME, checkpoint, training
from digit_reader.errors import InputError
from digit_reader.models import digest
from digit_reader.parameters import Train
from digit_reader.settings import Settings, load

# Few epochs, so that many trainings fit into a test run.
EPOCHS = 4

# Kills itself in the middle of the third epoch.
KILLED = """
import os, signal, sys
from pathlib import Path
from {name} import training
from {name}.settings import load

epochs = []

def report(pictures, values):
    epochs.extend([values] if values else [])
    if len(epochs) == 2 and pictures:
        os.kill(os.getpid(), signal.SIGKILL)

training.fit(Path("outputs/data"), load(Path("config/dev.yml"), sys.argv[1:]), report)
"""


def configured(*pairs: str) -> Settings:
    """The project's settings with few epochs and one process on a CPU, and the pairs over them."""
    return load(Path("config/dev.yml"), [f"train.epochs={EPOCHS}", "compute.accelerator=cpu", *pairs])


def fitted(settings: Settings) -> tuple[training.Weights, list[training.Values]]:
    """The weights, and the values of each epoch but the seconds."""
    told: list[training.Values] = []
    weights = training.fit(Path("outputs/data"), settings, lambda _, values: told.append(values) if values else None)
    checkpoint.remove(settings.train.checkpoint)
    return weights, [{key: value for key, value in values.items() if key != "epoch_seconds"} for values in told]


def same(one: training.Weights, other: training.Weights) -> bool:
    """Whether all weights are equal, to the last bit."""
    return all(np.array_equal(one[name], other[name]) for name in one)


def test_the_same_seed_gives_the_same_model(trained: Path) -> None:
    """Two trainings have the same losses and weights; another seed has others."""
    (weights, told), (again, told_again) = (fitted(configured("train.epochs=2")) for _ in range(2))
    assert same(weights, again)
    assert told == told_again
    assert not same(weights, fitted(configured("train.epochs=2", "train.seed=1"))[0])


def test_a_killed_training_goes_on(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Killed in the middle of an epoch and started again, it ends as if nothing had happened, to the last bit."""
    settings = configured()
    weights, told = fitted(settings)
    pairs = [f"train.epochs={EPOCHS}", "compute.accelerator=cpu"]
    killed = subprocess.run([sys.executable, "-c", KILLED.format(name=NAME), *pairs], check=False)
    assert killed.returncode == -signal.SIGKILL
    mark = checkpoint.fingerprint(settings.train, Path("outputs/data"))
    state = checkpoint.read(settings.train.checkpoint, mark)
    assert state is not None
    assert len(state["history"]) == 2
    weights_after, told_after = fitted(settings)
    assert told_after == told
    assert same(weights, weights_after)
    assert not settings.train.checkpoint.exists()


def test_two_processes_learn_as_one(trained: Path) -> None:
    """With the same batches the accuracy differs by less than a point."""
    pairs = ["train.epochs=6"]
    _, alone = fitted(configured(*pairs))
    _, together = fitted(configured(*pairs, "compute.processes=2"))
    one, two = (max(values["epoch_validation_accuracy"] for values in told) for told in (alone, together))
    assert one > 0.95
    assert abs(one - two) <= 0.01


def test_training_stops_when_it_no_longer_helps(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After `patience` epochs without a lower validation loss the best epoch's weights are returned."""
    losses = iter([3.0, 1.0, 2.0, 2.0, 0.5])
    weights: list[training.Weights] = []

    def epoch(learner: training.Learner, *_: object) -> training.Values:
        for parameter in learner.network.parameters():
            parameter.data += 1
        weights.append({name: weight.numpy() for name, weight in learner.weights().items()})
        return {"epoch": len(weights), "epoch_validation_loss": next(losses)}

    monkeypatch.setattr(training, "_epoch", epoch)
    best, told = fitted(configured("train.epochs=5", "train.patience=2"))
    assert len(told) == 4
    assert same(best, weights[1])


def test_a_diverging_training_is_refused(trained: Path) -> None:
    """A loss that is not a number stops the training with a hint."""
    with pytest.raises(InputError, match=r"not a number: lower train\.learning_rate"):
        fitted(configured("train.learning_rate=1", "train.weight_decay=1e30"))


@pytest.mark.parametrize(("size", "world", "expected"), [(64, 1, 64), (64, 2, 64), (1000, 3, 99)])
def test_the_batch_size_is_that_of_all_processes(size: int, world: int, expected: int) -> None:
    """Of 100 pictures no more are taken than there are and than can be shared."""
    assert training.batch_size(100, Train(batch_size=size), world) == expected


@pytest.mark.parametrize(("size", "world"), [(64, 3), (4, 4)])
def test_a_batch_that_cannot_be_shared_is_refused(size: int, world: int) -> None:
    """Each process needs as many pictures as the others, and two at least."""
    with pytest.raises(InputError, match="cannot be shared"):
        training.batch_size(100, Train(batch_size=size), world)


def test_epochs_and_what_is_served_are_tracked(made: Path) -> None:
    """Each epoch's values stand under its number, and the validation metrics are those of the exported model."""
    client = mlflow.MlflowClient(f"sqlite:///{made / 'mlflow.db'}")
    (experiment,) = [found for found in client.search_experiments() if found.name == NAME]
    runs = [run for run in client.search_runs([experiment.experiment_id]) if run.info.run_name == "train"]
    assert len(runs) == 2
    for run in runs:
        losses = client.get_metric_history(run.info.run_id, "epoch_validation_loss")
        assert [metric.step for metric in losses] == list(range(1, len(losses) + 1))
        assert run.data.metrics["validation_loss"] == pytest.approx(1 - run.data.metrics["validation_accuracy"])
        assert run.data.metrics["onnx_difference"] < 1e-3


def launched(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Start `pipeline ARGUMENTS` in two processes, as torchrun does."""
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", NAME]
    return subprocess.run([sys.executable, *launch, *arguments], capture_output=True, text=True, check=False)


def test_a_launcher_may_start_the_step(trained: Path) -> None:
    """Started by torchrun, two processes leave one model, and the second one says nothing."""
    done = launched("train", "--model", "launched", "--set", "train.epochs=1")
    assert done.returncode == 0, done
    assert done.stdout.count("model in launched") == 1
    assert digest(Path("launched"))

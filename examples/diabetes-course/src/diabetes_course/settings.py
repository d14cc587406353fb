"""All numbers of a run: config/base.yml, then the environment's file, then `--set key=value`.

A key that nobody reads is refused, wherever it stands: a misspelt setting that is silently ignored costs
more than one that stops the run. What the steps of this project's type read is declared in `parameters.py`.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from . import NAME
from .errors import InputError
from .parameters import Prepare, Train
from .paths import Versioned


class Block(BaseModel):
    """A block of settings: nothing unknown, nothing changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Bound(Block):
    """The range in which a metric is acceptable. Both ends are optional."""

    at_least: float | None = None
    at_most: float | None = None


class Slices(Block):
    """What each slice of the test set must reach. A slice of fewer than `minimum_rows` is only reported."""

    metric: str
    at_least: float | None = None
    at_most: float | None = None
    largest_gap: float | None = Field(None, gt=0, description="largest distance to the whole test set's value")
    minimum_rows: int = Field(20, ge=1)


class Latency(Block):
    """The 95th percentile of the time for one row, in milliseconds."""

    at_most_ms: float = Field(gt=0)
    rows: int = Field(20, ge=10, description="single-row predictions to time")


class Gate(Block):
    """When a model may be registered."""

    floors: dict[str, Bound]
    slices: Slices
    latency: Latency
    champion: Versioned | None = Field(
        None, description="file with the champion's losses, for where there is no registry, such as a pull request"
    )
    resamples: int = Field(2000, ge=200, description="bootstrap resamples for the comparison with the champion")


class Compute(Block):
    """What a platform gives the job that trains. On this computer training takes what is there."""

    accelerator: Literal["cpu", "gpu"] = "cpu"
    nodes: int = Field(1, ge=1, description="machines that train together")
    processes: int = Field(1, ge=1, description="on each machine, one for each GPU")


class Tracking(Block):
    """Where MLflow records runs. A job that its platform tells nothing by environment variables is told here."""

    uri: str | None = Field(None, min_length=1, description="default: MLFLOW_TRACKING_URI, or a file in the project")
    experiment: str | None = Field(None, min_length=1, description="default: the package's name")
    label: str | None = Field(None, min_length=1, description="to find a run by: a sweep marks its trials with it")


class Registry(Block):
    """Under which name a model that passed the gate is registered, and which alias it gets."""

    name: str | None = Field(None, min_length=1, description="default: the package's name")
    alias: Literal["challenger", "champion"] = "challenger"


class Score(Block):
    """Batch scoring. Memory grows with `chunk_rows`, not with the number of rows."""

    chunk_rows: int = Field(50_000, ge=1)
    files: int = Field(1, ge=1, description="as many a platform hands to a worker at once, where it hands out files")


class Monitor(Block):
    """When a column counts as drifted, and how many drifted columns call for retraining.

    `domain_auc_at_most` is for rows as a whole: how well a classifier may tell today's from those of the training.
    """

    psi_at_most: float = Field(0.2, gt=0)
    significance: float = Field(0.01, gt=0, lt=1, description="of all columns' tests together")
    drifted_share_at_most: float = Field(0.25, ge=0, le=1)
    domain_auc_at_most: float = Field(0.75, ge=0.5, le=1, description="0.5 is chance, 1 is certainty")
    minimum_rows: int = Field(50, ge=1, description="with fewer current rows no decision is made")
    age_at_most: float | None = Field(None, gt=0, description="days since the model was made; null: it may be any age")
    cost_at_most: float | None = Field(None, ge=0, description="of a prediction, where predictions tell their cost")
    feedback: Path | None = Field(
        None, description="file of what people thought of predictions, where a server keeps one"
    )
    rated_down_at_most: float = Field(0.3, ge=0, le=1, description="share of the ratings")
    minimum_ratings: int = Field(20, ge=1, description="with fewer no decision is made")


class Settings(Block):
    """The settings of every step, one block a step."""

    prepare: Prepare
    train: Train
    compute: Compute = Compute()
    gate: Gate
    tracking: Tracking = Tracking()
    registry: Registry
    score: Score
    monitor: Monitor

    def model_name(self) -> str:
        """What the registered model is called."""
        return self.registry.name or NAME

    def flat(self) -> dict[str, Any]:
        """All values by dotted name, for the tracking server."""
        return _flat(self.model_dump(), "")


def load(config: Path, pairs: Sequence[str] = ()) -> Settings:
    """Read `config` over the base.yml beside it, and `key=value` pairs over both.

    Args:
        config: an environment's file, such as config/dev.yml.
        pairs: texts of one or more dotted pairs, such as "train.seed=1 prepare.test=0.3".

    Raises:
        InputError: a file is absent or not YAML, a key is unknown, or a value has the wrong type.
    """
    layers = [_read(config.parent / "base.yml"), _read(config), _nested(pairs)]
    try:
        return Settings.model_validate(reduce(_merged, layers), context={"root": config.parent.parent})
    except ValidationError as error:
        raise InputError("; ".join(_sentence(detail) for detail in error.errors())) from error


def _read(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except OSError as error:
        mend = "run pipeline in the project's root or give --config"
        raise InputError(f"cannot read {file} ({error.strerror}): {mend}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{file} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise InputError(f"{file} must hold settings by name, such as `train:`, not a {type(content).__name__}")
    return content


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """The values of `above` over those of `below`, key by key at every depth."""
    both = [key for key in below if isinstance(below[key], dict) and isinstance(above.get(key), dict)]
    return {**below, **above, **{key: _merged(below[key], above[key]) for key in both}}


def _nested(pairs: Sequence[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for pair in (part for text in pairs for part in _words(text)):
        key, equals, value = pair.partition("=")
        if not equals or not all(key.split(".")):
            raise InputError(f"--set {pair}: write it as key=value, such as train.seed=1")
        _put(values, key.split("."), _value(pair, value))
    return values


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise InputError(f"--set {text}: {error}; close the quotes") from error


def _value(pair: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"--set {pair}: the value is not YAML; quote it") from error


def _put(values: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        values = values.setdefault(name, {})
        if not isinstance(values, dict):
            raise InputError(f"--set {'.'.join(path)}: {name} has a value already; set one or the other")
    values[path[-1]] = value


def _sentence(detail: Any) -> str:
    name = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"unknown setting {name}: look for its right name in config/base.yml"
    if detail["type"] == "missing":
        return f"setting {name} is missing: add it to config/base.yml"
    return f"setting {name} = {detail['input']!r}: {detail['msg'][0].lower()}{detail['msg'][1:]}"


def _flat(values: dict[str, Any], prefix: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat

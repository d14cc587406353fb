"""The numbers that a run can vary, with their bounds. The values are in config/.

Add a field here and a value in config/base.yml, and `--set train.your_field=…`, sweeps and the tracking
server know it; no platform file needs a change.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field


class Prepare(BaseModel, extra="forbid", frozen=True):
    """How rows are checked and split."""

    split: Literal["group", "time"] = "group"
    validation: float = Field(gt=0, lt=0.5, description="share of the rows")
    test: float = Field(gt=0, lt=0.5, description="share of the rows")
    rejected_at_most: float = Field(0.05, ge=0, lt=1, description="share of rows that may be set aside")


class Train(BaseModel, extra="forbid", frozen=True):
    """What learns, and how. An epoch is one pass over the training pictures."""

    network: str = Field("small_cnn", pattern=r"^(small_cnn|timm:[\w.\-]+)$", description="small_cnn, or timm:<id>")
    pretrained: bool = Field(False, description="timm only: start from published weights, which are downloaded")
    epochs: int = Field(15, ge=1, description="at most")
    patience: int = Field(6, ge=1, description="epochs without a lower validation loss before training stops")
    batch_size: int = Field(64, ge=2, description="pictures a step, of all processes together")
    learning_rate: float = Field(0.005, gt=0, le=1, description="the highest of the one-cycle schedule")
    weight_decay: float = Field(0.01, ge=0)
    label_smoothing: float = Field(0.05, ge=0, lt=1)
    augment: bool = True
    mixed_precision: bool = Field(True, description="bfloat16 where a GPU has it, else float32")
    quantize: bool = Field(False, description="serve 8-bit integers when that costs less than half a point of accuracy")
    threads: int = Field(1, ge=1, description="on a CPU, of each process: small networks are no faster with more")
    decoded_mib: int = Field(1024, ge=0, description="more decoded pictures than this are decoded anew each epoch")
    checkpoint: Path = Field(Path("outputs/checkpoint"), description="folder from which a killed training goes on")
    checkpoint_every: int = Field(1, ge=1, description="epochs")
    seed: int = 0

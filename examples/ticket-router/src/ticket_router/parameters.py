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
    """What learns, and how."""

    kind: Literal["tfidf", "transformer"] = "tfidf"
    seed: int = 0

    # kind: tfidf
    regularization: float = Field(1.0, gt=0, description="strength of the penalty on large weights")
    features: int = Field(30_000, ge=1, description="at most, of words and of characters each")
    iterations: int = Field(500, ge=1, description="solver steps at most")

    # kind: transformer
    hf_model_id: str | None = Field(
        None,
        min_length=1,
        description="of the Hugging Face hub, or a folder; null: a tiny network of no knowledge",
    )
    max_tokens: int = Field(128, ge=8, description="what is longer is cut")
    batch_size: int = Field(32, ge=1, description="rows of a step, on each device")
    learning_rate: float | None = Field(None, gt=0, description="null: what suits hf_model_id and lora_rank")
    epochs: int = Field(3, ge=1, description="passes over the training rows")
    max_steps: int | None = Field(None, ge=1, description="null: as many as the epochs have, few for the tiny network")
    evaluations: int = Field(5, ge=1, description="how often the validation loss is measured and a checkpoint written")
    patience: int = Field(3, ge=1, description="evaluations without a better validation loss before it stops early")
    lora_rank: int = Field(
        0, ge=0, description="of the low-rank updates that are learnt instead of all weights; 0: off"
    )
    quantize: bool = Field(True, description="serve 8-bit weights where that costs no accuracy")
    checkpoint: Path = Field(Path("outputs/checkpoint"), description="folder from which a killed training goes on")

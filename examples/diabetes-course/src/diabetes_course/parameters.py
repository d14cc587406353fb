"""The numbers that a run can vary, with their bounds. The values are in config/.

Add a field here and a value in config/base.yml, and `--set train.your_field=…`, sweeps and the tracking
server know it; no platform file needs a change.
"""

from __future__ import annotations

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

    estimator: Literal["linear", "boosting"] = "linear"
    regularization: float = Field(1.0, gt=0, description="strength of the penalty on large weights")
    learning_rate: float = Field(0.1, gt=0, le=1, description="boosting only")
    iterations: int = Field(500, ge=1, description="at most: solver steps, or trees")
    seed: int = 0

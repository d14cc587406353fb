"""What there is to know about a model besides its metrics. Add checks of your own: the gate's floors can name them."""

from __future__ import annotations

import pandas as pd

from . import flavor
from .card import Diagnosis


def diagnose(model: flavor.Model, rows: pd.DataFrame, predicted: pd.DataFrame) -> Diagnosis:  # noqa: ARG001 - yours to use
    """Examine a fitted model.

    Args:
        model: what `flavor.load` returned.
        rows: the n test rows, with the target.
        predicted: what the model predicts for them.

    Returns:
        nothing yet: slices and plots tell what there is to tell about the sample.
    """
    return Diagnosis()

"""What monitoring looks at beyond rows and their age in a project of this type: the predictions, and nothing else."""

from __future__ import annotations

import pandas as pd

from .settings import Monitor

# Columns of predictions that are compared with those of known rows.
COMPARED = ("prediction",)


def typical(known: pd.DataFrame) -> pd.DataFrame:
    """Of n known rows those that are like what comes in: all."""
    return known


# Asked in every type with the same words: here there is nothing to look at.
def signals(scored: pd.DataFrame, limits: Monitor) -> tuple[dict[str, float], list[str]]:  # noqa: ARG001
    """Numbers for the report, and reasons to retrain.

    Args:
        scored: what `pipeline score` wrote.
        limits: of the settings.
    """
    return {}, []

"""What monitoring compares: the rows of today with those of the training, by columns, and as a whole."""

from __future__ import annotations

import pandas as pd

from . import drift, schema


def columns(rows: pd.DataFrame) -> pd.DataFrame:
    """Numbers and categories to compare one by one, of n checked rows: all that the model sees."""
    return schema.inputs(rows)


def vectors(rows: pd.DataFrame) -> drift.Vectors | None:  # noqa: ARG001 - yours to use
    """Vectors of n checked rows, for a classifier that tells today's from the known: none, the columns are enough."""
    return None

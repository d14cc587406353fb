"""How far current rows have moved from those that the model was trained on, column by column.

Two measures, because each alone misleads. The population stability index says how large a shift is, but for
few rows it is large by chance. A test says whether chance explains it, but for many rows it finds shifts too
small to matter. A column has drifted when both say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

BINS = 10
# Keeps the index finite where a bin is empty on one side.
SMALLEST_SHARE = 1e-4

Counts = npt.NDArray[Any]


@dataclass(frozen=True)
class Drift:
    """One column: population stability index, p-value, and the verdict."""

    column: str
    psi: float
    p_value: float
    drifted: bool


def compare(reference: pd.DataFrame, current: pd.DataFrame, psi_at_most: float, significance: float) -> list[Drift]:
    """Compare the columns that both frames have.

    Args:
        reference: rows that the model knows.
        current: rows of today.
        psi_at_most: a larger index is a shift worth acting on (0.1 moderate, 0.25 major by convention).
        significance: probability of a false alarm over all columns together (Bonferroni).
    """
    columns = [column for column in reference.columns if column in current.columns]
    level = significance / max(1, len(columns))
    return [_column(column, reference[column], current[column], psi_at_most, level) for column in columns]


def _column(name: str, reference: pd.Series, current: pd.Series, psi_at_most: float, level: float) -> Drift:
    numeric = pd.api.types.is_numeric_dtype(reference) and pd.api.types.is_numeric_dtype(current)
    expected, observed = (_binned if numeric else _counted)(reference.dropna(), current.dropna())
    index = psi(expected, observed)
    p_value = _ks(reference, current) if numeric else _chi_squared(expected, observed)
    return Drift(name, index, p_value, bool(index > psi_at_most and p_value < level))


def psi(expected: Counts, observed: Counts) -> float:
    """Population stability index of two vectors of counts over the same bins.

    Source: Siddiqi, Credit Risk Scorecards (2006), chapter 9.
    """
    e = np.maximum(expected / max(1, expected.sum()), SMALLEST_SHARE)
    o = np.maximum(observed / max(1, observed.sum()), SMALLEST_SHARE)
    return float(np.sum((o - e) * np.log(o / e)))


def _binned(reference: pd.Series, current: pd.Series) -> tuple[Counts, Counts]:
    """Counts in bins that hold equal parts of the reference."""
    shares = np.linspace(0, 1, BINS + 1)[1:-1] if len(reference) else np.array([])
    edges = np.concatenate([[-np.inf], np.unique(np.quantile(reference, shares)), [np.inf]])
    return np.histogram(reference, edges)[0], np.histogram(current, edges)[0]


def _counted(reference: pd.Series, current: pd.Series) -> tuple[Counts, Counts]:
    """Counts of each value; a value that only one side has counts as none on the other."""
    values = pd.concat([reference, current]).astype(str).unique()
    counts = [part.astype(str).value_counts().reindex(values, fill_value=0) for part in (reference, current)]
    return counts[0].to_numpy(), counts[1].to_numpy()


def _ks(reference: pd.Series, current: pd.Series) -> float:
    if reference.dropna().empty or current.dropna().empty:
        return 1.0
    return float(stats.ks_2samp(reference.dropna(), current.dropna()).pvalue)


def _chi_squared(expected: Counts, observed: Counts) -> float:
    if len(expected) < 2 or not expected.sum() or not observed.sum():
        return 1.0
    return float(stats.chi2_contingency([expected, observed]).pvalue)

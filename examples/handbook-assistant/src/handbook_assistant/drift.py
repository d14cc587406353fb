"""How far current rows have moved from those that the model was trained on, column by column.

Two measures, because each alone misleads. The population stability index says how large a shift is, but for
few rows it is large by chance. A test says whether chance explains it, but for many rows it finds shifts too
small to matter. A column has drifted when both say so.

Pictures and texts have no columns in which a shift must show. There a classifier tries to tell today's rows from
the known ones; how well it can is the drift of the rows as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse, stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

BINS = 10
# Keeps the index finite where a bin is empty on one side.
SMALLEST_SHARE = 1e-4

FOLDS = 5

Counts = npt.NDArray[Any]
Vectors: TypeAlias = npt.NDArray[np.float32] | sparse.spmatrix


@dataclass(frozen=True)
class Drift:
    """One column: population stability index, p-value, and the verdict."""

    column: str
    psi: float
    p_value: float
    drifted: bool


@dataclass(frozen=True)
class Domain:
    """How well a classifier tells today's rows from the known ones: area under the ROC curve, and its lower bound."""

    auc: float
    lower: float
    drifted: bool


def domain(reference: Vectors, current: Vectors, auc_at_most: float, significance: float) -> Domain:
    """Try to tell two sets of vectors apart, on rows that the classifier did not learn from.

    Args:
        reference: n vectors that the model knows.
        current: m vectors of today.
        auc_at_most: what chance and small shifts may reach.
        significance: probability of a false alarm.

    Returns:
        the area, and its lower bound by the standard error of Hanley and McNeil (The meaning and use of the area under
        a receiver operating characteristic curve, 1982). The rows have drifted when the bound is above `auc_at_most`.
    """
    sizes = reference.shape[0], current.shape[0]
    if min(sizes) < 2 * FOLDS:
        return Domain(float("nan"), float("nan"), drifted=False)
    stack = sparse.vstack if sparse.issparse(reference) else np.concatenate
    is_current = np.repeat([0, 1], sizes)
    classifier = make_pipeline(MaxAbsScaler(), LogisticRegression(C=0.1, max_iter=200, class_weight="balanced"))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    both = stack([reference, current])
    scores = cross_val_predict(classifier, both, is_current, cv=folds, method="decision_function")
    auc = float(roc_auc_score(is_current, scores))
    lower = auc - float(stats.norm.ppf(1 - significance)) * standard_error(auc, *sizes)
    return Domain(auc, lower, bool(lower > auc_at_most))


def standard_error(auc: float, n: int, m: int) -> float:
    """Of an area under the ROC curve from n and m rows, by Hanley and McNeil."""
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (auc * (1 - auc) + (n - 1) * (q1 - auc**2) + (m - 1) * (q2 - auc**2)) / (n * m)
    return float(np.sqrt(max(variance, 0.0)))


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
    """Counts in bins that hold equal parts of the reference. A value that fills a bin alone is one by itself."""
    shares = np.linspace(0, 1, BINS + 1)[1:-1] if len(reference) else np.array([])
    values, times = np.unique(np.quantile(reference.astype(float), shares), return_counts=True)
    edges = np.unique([-np.inf, *values, *np.nextafter(values[times > 1], np.inf), np.inf])
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

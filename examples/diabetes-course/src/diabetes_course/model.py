"""What learns: features and an estimator in one pipeline."""

from __future__ import annotations

from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline

from . import features
from .parameters import Train


def linear(settings: Train) -> BaseEstimator:
    """Ridge regression."""
    return Ridge(alpha=settings.regularization, max_iter=settings.iterations)


def boosting(settings: Train) -> BaseEstimator:
    """Gradient-boosted trees, which stop early on a tenth of the rows."""
    return HistGradientBoostingRegressor(
        l2_regularization=settings.regularization,
        learning_rate=settings.learning_rate,
        max_iter=settings.iterations,
        early_stopping=True,
        random_state=settings.seed,
    )


ESTIMATORS = {"linear": linear, "boosting": boosting}


def build(settings: Train) -> Pipeline:
    """An unfitted model: a frame of inputs in, numbers out."""
    return Pipeline([("features", features.build()), ("estimator", ESTIMATORS[settings.estimator](settings))])

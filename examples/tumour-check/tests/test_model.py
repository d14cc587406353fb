"""The model learns, for each estimator, and is the same for the same seed."""

from __future__ import annotations

import pytest

from tumour_check import flavor, metrics, model, sample, schema
from tumour_check.parameters import Train


@pytest.mark.parametrize("estimator", model.ESTIMATORS)
def test_it_beats_the_most_common_class(estimator: str) -> None:
    """Trained on half of the rows, it is far better than always saying benign on the other half."""
    frame = sample.rows()
    fitting, rest = frame.iloc[::2], frame.iloc[1::2]
    fitted = model.build(Train.model_validate({"estimator": estimator})).fit(
        schema.inputs(fitting), fitting[schema.TARGET]
    )
    losses = metrics.row_losses(rest[schema.TARGET], flavor.predict(fitted, schema.inputs(rest)))
    assert losses.mean() < 0.1


@pytest.mark.parametrize("estimator", model.ESTIMATORS)
def test_the_same_seed_gives_the_same_model(estimator: str) -> None:
    """Two trainings predict the same."""
    frame = sample.rows()
    inputs = schema.inputs(frame)
    first, second = (
        flavor.predict(
            model.build(Train.model_validate({"estimator": estimator})).fit(inputs, frame[schema.TARGET]), inputs
        )
        for _ in range(2)
    )
    assert first.equals(second)

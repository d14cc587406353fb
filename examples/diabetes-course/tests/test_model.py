"""The model learns, for each estimator, and is the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import pytest

from diabetes_course import flavor, metrics, model, sample, schema
from diabetes_course.errors import InputError
from diabetes_course.parameters import Train


@pytest.mark.parametrize("estimator", model.ESTIMATORS)
def test_it_beats_the_mean(estimator: str) -> None:
    """Trained on half of the rows, it is clearly better on the other half than their mean."""
    frame = sample.rows()
    fitting, rest = frame.iloc[::2], frame.iloc[1::2]
    fitted = model.build(Train.model_validate({"estimator": estimator})).fit(
        schema.inputs(fitting), fitting[schema.TARGET]
    )
    losses = metrics.row_losses(rest[schema.TARGET], flavor.predict(fitted, schema.inputs(rest)))
    mean_losses = (rest[schema.TARGET] - fitting[schema.TARGET].mean()).abs()
    assert losses.mean() < 0.8 * mean_losses.mean()


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


@pytest.mark.parametrize("estimator", model.ESTIMATORS)
def test_a_saved_model_predicts_the_same(estimator: str, tmp_path: Path) -> None:
    """What is loaded from a model folder predicts what the fitted model does."""
    frame = sample.rows()
    inputs = schema.inputs(frame)
    fitted = model.build(Train.model_validate({"estimator": estimator})).fit(inputs, frame[schema.TARGET])
    flavor.save(fitted, tmp_path, inputs.head())
    assert flavor.predict(flavor.load(tmp_path), inputs).equals(flavor.predict(fitted, inputs))


def test_a_type_that_nobody_vouches_for_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that holds a type outside the list is not saved, and the message names the type."""
    monkeypatch.setattr(flavor, "TRUSTED", ())
    frame = sample.rows()
    inputs = schema.inputs(frame)
    fitted = model.build(Train(estimator="boosting", iterations=2)).fit(inputs, frame[schema.TARGET])
    with pytest.raises(InputError, match=r"TreePredictor.*TRUSTED in flavor\.py"):
        flavor.save(fitted, tmp_path, inputs.head())
    assert list(tmp_path.iterdir()) == []

"""Diagnostics: disturbed pictures are what their names say, and the accuracy on them is measured right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from digit_reader import diagnostics, flavor, rows, sample, schema, transforms


@pytest.fixture
def some() -> npt.NDArray[np.float32]:
    """Twenty pictures as the model takes them."""
    return transforms.batch(list(sample.rows()[schema.CONTENT].head(20)))


@pytest.mark.parametrize("name", diagnostics.PERTURBATIONS)
def test_a_perturbation_is_a_pure_function(name: str, some: npt.NDArray[np.float32]) -> None:
    """The pictures stay as they are; what comes back is as large, of the same type, and within 0 and 1."""
    change = diagnostics.PERTURBATIONS[name]
    before = some.copy()
    first, second = (change.apply(some, np.random.default_rng(0)) for _ in range(2))
    np.testing.assert_array_equal(some, before)
    np.testing.assert_array_equal(first, second)
    assert first.shape == some.shape
    assert first.dtype == some.dtype
    assert first.min() >= 0
    assert first.max() <= 1
    assert not np.array_equal(first, some)


def test_perturbations_do_what_they_say() -> None:
    """Noise has its deviation, a shift moves to the right, contrast falls around the mean, and inversion goes back."""
    chance = np.random.default_rng(0)
    grey = np.full((4, 3, 64, 64), 0.5, np.float32)
    assert (diagnostics.noise(grey, chance) - grey).std() == pytest.approx(diagnostics.NOISE, rel=0.05)
    ramp = np.tile(np.linspace(0, 1, 16, dtype=np.float32), (2, 1, 16, 1))
    assert list(diagnostics.shift(ramp, chance)[0, 0, 0, :4] * 15) == pytest.approx([0, 0, 0, 1])
    lower = diagnostics.contrast(ramp, chance)
    assert (lower.mean(), lower.std()) == pytest.approx((ramp.mean(), ramp.std() * diagnostics.CONTRAST))
    assert list(diagnostics.inversion(ramp, chance)[0, 0, 0]) == pytest.approx(list(ramp[0, 0, 0, ::-1]))


def test_accuracy_is_counted_over_all_parts(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that goes by brightness alone is right as long as dark and bright are not exchanged."""

    def by_brightness(_: object, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        bright = batch.mean(axis=(1, 2, 3), keepdims=True).reshape(-1, 1)
        return np.hstack([1 - bright, bright]).astype(float)

    monkeypatch.setattr(flavor, "probabilities", by_brightness)
    monkeypatch.setattr(diagnostics, "BATCH", 3)
    shades = [30, 40, 200, 220] * 2
    contents = [sample.png(np.full((8, 8), shade, np.uint8)) for shade in shades]
    labels = ["dark" if shade < 100 else "bright" for shade in shades]
    frame = pd.DataFrame({schema.CONTENT: contents, schema.TARGET: labels})
    model = flavor.load(trained / "outputs/model")
    found = diagnostics.robustness(model, frame, ["dark", "bright"])
    assert found == {"noise": 1, "shift": 1, "contrast": 1, "inversion": 0}


def test_a_diagnosis_can_be_gated(trained: Path) -> None:
    """Of a real model there is a metric for each perturbation, a table with the change, and a chart."""
    model = flavor.load(trained / "outputs/model")
    test = rows.prepared(trained / "outputs/data", "test")
    predicted = flavor.predict(model, schema.inputs(test))
    diagnosis = diagnostics.diagnose(model, test, predicted)
    table = diagnosis.tables["Robustness"].set_index("perturbation")
    assert set(table.index) == set(diagnostics.PERTURBATIONS)
    for name, accuracy in table["accuracy"].items():
        assert diagnosis.metrics[f"robustness_{name}"] == accuracy
    assert table["change"]["inversion"] < -0.3
    assert set(diagnosis.figures) == {"robustness"}


def test_what_is_served_is_told(trained: Path) -> None:
    """The network's size and its distance from the trained one are metrics; what 8 bits cost is where it has them."""
    model = flavor.load(trained / "outputs/model")
    test = rows.prepared(trained / "outputs/data", "test").head(20)
    predicted = flavor.predict(model, schema.inputs(test))
    as_floats = diagnostics.diagnose(model, test, predicted)
    assert 0 < as_floats.metrics["model_mebibytes"] < 1
    assert as_floats.metrics["onnx_difference"] < 1e-3
    assert "int8_loss" not in as_floats.metrics
    small = replace(model, report={**model.report, "served": "int8", "int8_loss": 0.25})
    as_integers = diagnostics.diagnose(small, test, predicted)
    assert as_integers.metrics["int8_loss"] == 0.25
    assert {"float", "int8"} == {table.tables["What is served"]["value"].iloc[0] for table in (as_floats, as_integers)}

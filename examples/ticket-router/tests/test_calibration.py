"""Probabilities that mean what they say."""

from __future__ import annotations

import numpy as np
import pytest

from ticket_router import calibration


@pytest.mark.parametrize("factor", [0.25, 1.0, 4.0])
def test_the_temperature_is_found(factor: float) -> None:
    """Labels drawn with the probabilities of the scores give back the factor by which the scores were then spoilt."""
    generator = np.random.default_rng(0)
    scores = generator.normal(0, 2, (20_000, 4))
    likely = calibration.probabilities(scores, 1)
    positions = np.array([generator.choice(4, p=row) for row in likely])
    assert calibration.temperature(factor * scores, positions) == pytest.approx(factor, rel=0.05)


def test_probabilities_sum_to_one_whatever_the_scores() -> None:
    """Huge scores do not overflow, and a temperature changes no order."""
    scores = np.array([[1e4, -1e4, 0.0], [1.0, 2.0, 3.0]])
    hot, cold = (calibration.probabilities(scores, temperature) for temperature in (10, 0.1))
    assert hot.sum(axis=1) == pytest.approx(1)
    assert (hot.argmax(axis=1) == cold.argmax(axis=1)).all()
    assert hot[1].max() < cold[1].max()

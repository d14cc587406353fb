"""From scores to probabilities that mean what they say: of the texts with 0.8, eight in ten are right."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

Floats = npt.NDArray[np.float64]

# A network is seldom wrong by more than this factor; beyond it a handful of rows says nothing.
RANGE = (0.05, 20.0)


def probabilities(scores: Floats, temperature: float) -> Floats:
    """Probabilities of k classes for n rows of scores; a temperature above 1 is less sure than the scores."""
    return np.asarray(softmax(scores / temperature, axis=1), dtype=np.float64)


def temperature(scores: Floats, positions: npt.NDArray[np.intp]) -> float:
    """The temperature under which rows that were not learnt from are most likely.

    It changes no prediction, only how sure it is. Source: Guo, Pleiss, Sun and Weinberger, On Calibration of Modern
    Neural Networks (2017), section 4.2.

    Args:
        scores: n rows of k classes.
        positions: the position of the true class in each row.
    """

    def loss(logarithm: float) -> float:
        likely = log_softmax(scores / np.exp(logarithm), axis=1)
        return -float(np.mean(likely[np.arange(len(positions)), positions]))

    found = minimize_scalar(loss, bounds=np.log(RANGE), method="bounded")
    return float(np.exp(found.x))

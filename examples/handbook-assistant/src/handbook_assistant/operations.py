"""What monitoring looks at beyond questions: how relevant passages are, what people think, what answers cost."""

from __future__ import annotations

import pandas as pd

from . import feedback, questions, schema
from .settings import Monitor

# Columns of predictions that are compared with those of known questions: the share of questions without an answer is in
# the first, how well the documents still fit the questions in the second.
COMPARED = ("prediction", "relevance")
# What people thought longer ago says little about today's index.
DAYS = 30.0


def typical(known: pd.DataFrame) -> pd.DataFrame:
    """Of n known questions those that people would ask: no attacks."""
    return known[known[schema.TARGET].map(lambda text: schema.expected(text)["topic"] != questions.ATTACK)]


def signals(scored: pd.DataFrame, limits: Monitor) -> tuple[dict[str, float], list[str]]:
    """Numbers for the report, and reasons to bring documents and index up to date.

    Args:
        scored: what `pipeline score` wrote.
        limits: of the settings.

    Raises:
        InputError: the file of the feedback is damaged.
    """
    values = {
        "abstained": float((scored["prediction"] == "abstained").mean()),
        "cost_per_answer": float(scored["cost"].mean()),
    }
    reasons = []
    if limits.cost_at_most is not None and values["cost_per_answer"] > limits.cost_at_most:
        reasons.append(f"an answer costs {values['cost_per_answer']:.4g}, at most {limits.cost_at_most:.4g} are wanted")
    if limits.feedback is not None and limits.feedback.is_file():
        said = feedback.summary(limits.feedback, DAYS)
        values |= {"rated": float(said["rated"]), "rated_down": float(said["share_rated_down"] or 0)}
        if values["rated"] >= limits.minimum_ratings and values["rated_down"] > limits.rated_down_at_most:
            reasons.append(f"{values['rated_down']:.0%} of {said['rated']} ratings are bad")
    return values, reasons

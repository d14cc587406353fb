"""What a language model thinks of answers, by MLflow's judges: an option, since it costs money, time and determinism.

Which model judges is named as MLflow names models, such as openai:/gpt-5-mini with OPENAI_API_KEY, or databricks:/name.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pandas as pd

from . import metrics, schema
from .errors import InputError
from .progress import counter

YES = "yes"


def rate(rows: pd.DataFrame, predicted: pd.DataFrame, judge: str) -> dict[str, float]:
    """Shares of the answered questions of which a judge says yes.

    Args:
        rows: the n questions with what is expected.
        predicted: their answers.
        judge: the model that judges, as MLflow names it.

    Returns:
        judge_groundedness, whether the cited passages hold the answer; judge_correctness, whether it says what was
        expected. Not a number where nothing answerable was answered.

    Raises:
        InputError: the judge can't be reached, or does not answer as it should.
    """
    chosen = rows[schema.TARGET].map(lambda text: schema.expected(text)["kind"] in schema.ANSWERABLE)
    chosen &= predicted["prediction"] == metrics.ANSWERED
    verdicts = []
    with counter("evaluate: judged") as count:
        for index in rows.index[chosen]:
            verdicts.append(_verdict(rows.loc[index], predicted.loc[index], judge))
            count(1)
    table = pd.DataFrame(verdicts, columns=["judge_groundedness", "judge_correctness"], dtype=float)
    return {str(name): float(value) for name, value in table.mean().items()}


def _verdict(row: pd.Series, answer: pd.Series, judge: str) -> dict[str, bool]:
    from mlflow.genai import judges  # takes seconds

    question, said = row[schema.QUESTION], answer["answer"]
    context = "\n\n".join(one["quote"] for one in json.loads(answer["citations"]))
    wanted = schema.expected(row[schema.TARGET])["answer"]
    asked = {"request": question, "response": said, "model": judge}
    return {
        "judge_groundedness": _says_yes(judges.is_grounded, judge, **asked, context=context),
        "judge_correctness": _says_yes(judges.is_correct, judge, **asked, expected_response=wanted),
    }


def _says_yes(ask: Callable[..., Any], judge: str, **asked: object) -> bool:
    try:
        found = ask(**asked)
    except Exception as error:  # MLflow passes on what each kind of service answers
        reason = type(error).__name__
        raise InputError(
            f"the judge {judge} does not answer ({reason}): check its name, its key and its address"
        ) from error
    if found.error is not None:
        raise InputError(f"the judge {judge} does not answer as it should: check its name, its key and its address")
    return str(getattr(found.value, "value", found.value)).lower() == YES

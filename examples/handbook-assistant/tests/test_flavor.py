"""A saved chain: the same answers, and nothing of the reading to load."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from handbook_assistant import NAME, assemble, flavor, models, rows, schema
from handbook_assistant.errors import InputError

# Prints what a model folder answers, in a process that cannot import what only reading, or a service, needs.
SERVE = f"""
import sys, pandas
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("pypdf", "bs4", "markdown_it", "openai", "azure", "matplotlib"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hidden())
from pathlib import Path
from {NAME} import flavor
frame = pandas.read_parquet(sys.argv[2])
flavor.predict(flavor.load(Path(sys.argv[1])), frame).to_parquet(sys.argv[3])
"""


@pytest.fixture(scope="module")
def model(made: Path) -> flavor.Model:
    """The trained chain."""
    return flavor.load(made / "outputs/model")


@pytest.fixture(scope="module")
def inputs(made: Path) -> pd.DataFrame:
    """Questions of all kinds."""
    return schema.inputs(rows.prepared(made / "outputs/data", "test")).iloc[::6]


def test_each_question_is_answered_alone(model: flavor.Model, inputs: pd.DataFrame) -> None:
    """The same answers whatever stands beside a question, and the same columns and types for none."""
    whole = flavor.predict(model, inputs)
    alone = pd.concat([flavor.predict(model, inputs.iloc[[row]]) for row in range(len(inputs))])
    pd.testing.assert_frame_equal(whole, alone)
    pd.testing.assert_series_equal(flavor.predict(model, inputs.head(0)).dtypes, whole.dtypes)
    assert set(whole["prediction"]) == {"answered", "abstained", "refused"}


def test_an_answer_comes_with_what_it_rests_on(model: flavor.Model, inputs: pd.DataFrame) -> None:
    """Each answer has citations of passages that were found; who is refused or gets no answer has a reason."""
    predicted = flavor.predict(model, inputs)
    answered = predicted["prediction"] == "answered"
    assert (predicted["reason"].eq("") == answered).all()
    for citations, found in zip(predicted.loc[answered, "citations"], predicted.loc[answered, "found"], strict=True):
        assert all(one["valid"] and one["document"] in json.loads(found) for one in json.loads(citations))
        assert json.loads(citations)
    assert (predicted.loc[answered, "groundedness"] == 1).all()


def test_serving_needs_nothing_of_the_reading(made: Path, inputs: pd.DataFrame, tmp_path: Path) -> None:
    """A process without parsers of documents and clients of services answers the same."""
    inputs.to_parquet(tmp_path / "inputs.parquet")
    files = [made / "outputs/model", tmp_path / "inputs.parquet", tmp_path / "outputs.parquet"]
    subprocess.run([sys.executable, "-c", SERVE, *files], check=True)
    expected = flavor.predict(flavor.load(made / "outputs/model"), inputs)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "outputs.parquet"), expected)


def test_mlflow_serves_it(made: Path, inputs: pd.DataFrame) -> None:
    """MLflow's own way of loading gives the same answers, for the columns of the signature."""
    served = mlflow.pyfunc.load_model(str(made / "outputs/model"))
    expected = flavor.predict(flavor.load(made / "outputs/model"), inputs)
    pd.testing.assert_frame_equal(served.predict(inputs.reset_index(drop=True)), expected.reset_index(drop=True))
    assert models.cost(made / "outputs/model") == 0


def test_a_model_names_no_place_of_the_training(made: Path) -> None:
    """Neither addresses nor paths of the machine that trained are in what describes the chain."""
    text = (made / "outputs/model" / flavor.DATA / assemble.CONFIGURATION).read_text()
    assert str(made) not in text
    assert "outputs" not in text


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"settings": {"index": "paper"}, "relevance_at_least": 1}'])
def test_a_damaged_description_is_told(content: str, tmp_path: Path) -> None:
    """One line says which file is damaged."""
    (tmp_path / assemble.CONFIGURATION).write_text(content)
    with pytest.raises(InputError, match=r"chain\.json is damaged"):
        assemble.read(tmp_path)

"""A saved model of either kind: the same predictions, row by row, and nothing of the training to load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from ticket_router import NAME, classifier, flavor, model, models, sample, schema, tokens
from ticket_router.classifier import Classifier, Tfidf
from ticket_router.errors import InputError
from ticket_router.parameters import Train

# Prints what a model folder predicts, in a process that cannot import what only training needs.
SERVE = f"""
import sys, pandas
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "transformers", "onnx", "onnxscript", "accelerate", "peft"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hidden())
from pathlib import Path
from {NAME} import flavor
frame = pandas.read_parquet(sys.argv[2])
flavor.predict(flavor.load(Path(sys.argv[1])), frame).to_parquet(sys.argv[3])
"""


class Stranger:
    """A type that no list of trusted ones holds."""


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Sample rows."""
    return sample.rows().head(300)


@pytest.fixture(scope="module")
def inputs(rows: pd.DataFrame) -> pd.DataFrame:
    """What a model sees of some: texts of many lengths."""
    return schema.inputs(rows.head(60)).rename(index=lambda number: number + 7)


@pytest.fixture(scope="module", params=["tfidf", "transformer"])
def fitted(request: pytest.FixtureRequest, rows: pd.DataFrame) -> Classifier:
    """A classifier of each kind; the transformer with 8-bit weights."""
    if request.param == "tfidf":
        pipeline = model.tfidf(Train()).fit(tokens.texts(schema.inputs(rows)), rows[schema.TARGET])
        return Classifier(Tfidf(pipeline), temperature=0.7)
    from ticket_router import export, pretrained, training

    classes = training.known_classes(rows)
    network, tokenizer = pretrained.start(Train(max_tokens=32), tokens.texts(schema.inputs(rows)), classes)
    for weights in network.parameters():
        weights.data *= 3  # an opinion on each text
    content = export.quantized(export.convert(network))
    scorer = classifier.Transformer(content, tokenizer.to_str(), classes, {"onnx_difference": 1e-7, "served": "int8"})
    return Classifier(scorer, temperature=1.5)


@pytest.fixture(scope="module")
def folder(fitted: Classifier, inputs: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It, saved."""
    found = tmp_path_factory.mktemp("model")
    flavor.save(fitted, found, inputs.head())
    return found


def test_a_saved_model_predicts_the_same(fitted: Classifier, folder: Path, inputs: pd.DataFrame) -> None:
    """What is loaded from a folder has the predictions, the temperature and the measurements of what was saved."""
    loaded = flavor.load(folder)
    assert flavor.predict(loaded, inputs).equals(flavor.predict(fitted, inputs))
    assert loaded.temperature == fitted.temperature
    assert loaded.export == fitted.export


def test_serving_needs_nothing_of_the_training(folder: Path, inputs: pd.DataFrame, tmp_path: Path) -> None:
    """A process without PyTorch, Transformers and ONNX predicts the same."""
    inputs.to_parquet(tmp_path / "inputs.parquet")
    files = [folder, tmp_path / "inputs.parquet", tmp_path / "outputs.parquet"]
    subprocess.run([sys.executable, "-c", SERVE, *files], check=True)
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "outputs.parquet"), flavor.predict(flavor.load(folder), inputs)
    )


def test_mlflow_serves_it(folder: Path, inputs: pd.DataFrame) -> None:
    """MLflow's own way of loading gives the same predictions, for the columns of the signature."""
    served = mlflow.pyfunc.load_model(str(folder))
    assert served.predict(inputs).equals(flavor.predict(flavor.load(folder), inputs))
    assert served.metadata.metadata == {"cost": 0 if (folder / flavor.DATA / classifier.PIPELINE).exists() else 1}


def test_a_row_is_predicted_alone(fitted: Classifier, inputs: pd.DataFrame) -> None:
    """Its probabilities are the same, to the last bit, whatever the rows beside it."""
    whole = flavor.predict(fitted, inputs)
    alone = pd.concat([flavor.predict(fitted, inputs.iloc[[row]]) for row in range(len(inputs))])
    assert whole.equals(alone)
    assert whole.equals(flavor.predict(fitted, inputs.iloc[::-1]).iloc[::-1])


def test_no_rows_have_the_same_columns(fitted: Classifier, inputs: pd.DataFrame) -> None:
    """Columns and types do not depend on the number of rows, and probabilities sum to one."""
    some, none = flavor.predict(fitted, inputs), flavor.predict(fitted, inputs.head(0))
    assert none.empty
    assert none.dtypes.equals(some.dtypes)
    assert some.drop(columns="prediction").sum(axis=1).to_numpy() == pytest.approx(1)
    assert (some["prediction"] == some.drop(columns="prediction").idxmax(axis=1).str.removeprefix("probability_")).all()


@pytest.mark.parametrize("name", ["largest", classifier.ABOUT])
def test_a_damaged_file_is_refused(name: str, fitted: Classifier, inputs: pd.DataFrame, tmp_path: Path) -> None:
    """A file that is cut off gets one line, when the model is loaded."""
    flavor.save(fitted, tmp_path, inputs.head())
    found = list((tmp_path / flavor.DATA).iterdir())
    path = max(found, key=lambda path: path.stat().st_size) if name == "largest" else tmp_path / flavor.DATA / name
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="cannot be loaded"):
        models.load(tmp_path)


def test_a_type_that_nobody_vouches_for_is_refused(tmp_path: Path, rows: pd.DataFrame) -> None:
    """A pipeline that holds a type outside the list is not saved, and the message names the type."""
    pipeline = model.tfidf(Train()).fit(tokens.texts(schema.inputs(rows)), rows[schema.TARGET])
    pipeline.note = Stranger()
    with pytest.raises(InputError, match=r"Stranger.*TRUSTED in classifier\.py"):
        flavor.save(Classifier(Tfidf(pipeline)), tmp_path, schema.inputs(rows).head())
    assert list(tmp_path.iterdir()) == []

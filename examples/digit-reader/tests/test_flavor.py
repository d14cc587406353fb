"""A saved model: what it predicts, what it needs, and what is refused."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import onnx
import pandas as pd
import pytest
from mlflow.pyfunc.scoring_server import infer_and_parse_data

from digit_reader import NAME, flavor, models, rows, schema, transforms
from digit_reader.errors import InputError


@pytest.fixture
def model(made: Path) -> flavor.Model:
    """A trained model, loaded from its folder."""
    return flavor.load(made / "outputs/model")


@pytest.fixture
def inputs(made: Path) -> pd.DataFrame:
    """Test rows as the model sees them, more than a batch of them."""
    found = schema.inputs(rows.prepared(made / "outputs/data", "test")).head(2 * flavor.BATCH + 3)
    return found.set_index(pd.RangeIndex(5, 5 + len(found)))


def test_each_row_is_predicted_for_itself(model: flavor.Model, inputs: pd.DataFrame) -> None:
    """A row's probabilities do not depend on its neighbours, add up to one, and the highest gives the label."""
    whole = flavor.predict(model, inputs)
    assert whole.index.equals(inputs.index)
    columns = [f"probability_{label}" for label in schema.CLASSES]
    assert list(whole) == ["prediction", *columns]
    alone = pd.concat([flavor.predict(model, inputs.iloc[[position]]) for position in (0, 64, len(inputs) - 1)])
    assert np.abs(alone[columns] - whole.loc[alone.index, columns]).max(axis=None) < 1e-6
    assert np.allclose(whole[columns].sum(axis=1), 1, atol=1e-12)
    assert (whole[columns].idxmax(axis=1) == "probability_" + whole["prediction"]).all()


def test_no_rows_have_the_same_columns(model: flavor.Model, inputs: pd.DataFrame) -> None:
    """An empty chunk gives the types of a full one."""
    assert flavor.predict(model, inputs.head(0)).dtypes.equals(flavor.predict(model, inputs.head(1)).dtypes)
    assert flavor.probabilities(model, transforms.batch([])).shape == (0, len(schema.CLASSES))


def test_a_picture_that_cannot_be_decoded_is_refused(model: flavor.Model) -> None:
    """The model, too, says what is wrong, for those that ask it without the check of the rows."""
    with pytest.raises(InputError, match="not a whole picture"):
        flavor.predict(model, pd.DataFrame({schema.CONTENT: [b"no picture"]}))


def test_mlflow_loads_and_asks_it(model: flavor.Model, made: Path, inputs: pd.DataFrame) -> None:
    """MLflow's generic interface predicts the same from bytes, and from the base64 text of a request to a server."""
    loaded = mlflow.pyfunc.load_model(str(made / "outputs/model"))
    expected = flavor.predict(model, inputs)
    pd.testing.assert_frame_equal(loaded.predict(inputs), expected)
    texts = [[base64.b64encode(content).decode()] for content in inputs[schema.CONTENT].head(3)]
    body = json.dumps({"dataframe_split": {"columns": [schema.CONTENT], "data": texts}})
    request = infer_and_parse_data(json.loads(body), loaded.metadata.get_input_schema())
    found = loaded.predict(request)
    assert found["prediction"].tolist() == expected["prediction"].head(3).tolist()


SERVED = """
import sys
for name in ("torch", "onnx", "onnxscript", "timm"):
    sys.modules[name] = None
import pandas as pd
from pathlib import Path
from {name} import flavor
print(flavor.predict(flavor.load(Path(sys.argv[1])), pd.read_parquet(sys.argv[2]))["prediction"].tolist())
"""


def test_serving_needs_nothing_of_the_training(
    model: flavor.Model, made: Path, inputs: pd.DataFrame, tmp_path: Path
) -> None:
    """A model is loaded and asked where neither torch nor onnx can be imported."""
    inputs.head(3).to_parquet(tmp_path / "inputs.parquet")
    files = [str(made / "outputs/model"), str(tmp_path / "inputs.parquet")]
    command = [sys.executable, "-c", SERVED.format(name=NAME), *files]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(flavor.predict(model, inputs.head(3))["prediction"].tolist())


def test_requirements_are_those_of_serving(made: Path) -> None:
    """What installs a model installs no torch, and pins what it installs."""
    lines = (made / "outputs/model/requirements.txt").read_text().split()
    assert all("==" in line for line in lines)
    assert not {line.split("==")[0] for line in lines} & {"torch", "onnx", "onnxscript", "timm"}


def test_the_card_of_the_model_says_what_it_costs(made: Path) -> None:
    """The gate reads the rank of the network from the folder."""
    assert models.cost(made / "outputs/model") == 0


def test_a_truncated_model_is_refused_in_one_line(trained: Path) -> None:
    """A file that is cut off names the folder and what to do."""
    path = trained / "outputs/model/data" / flavor.FOLDER / flavor.ONNX
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"^the model in outputs/model cannot be loaded \(.*\): train it again$"):
        models.load(Path("outputs/model"))


def test_a_model_of_other_classes_is_refused(trained: Path) -> None:
    """Probabilities under the wrong names would be worse than none."""
    path = trained / "outputs/model/data" / flavor.FOLDER / flavor.ONNX
    other = onnx.load(path)
    onnx.helper.set_model_props(other, {flavor.CLASSES: json.dumps(list(reversed(schema.CLASSES)))})
    onnx.save(other, path)
    with pytest.raises(InputError, match="knows the classes 9, 8"):
        models.load(Path("outputs/model"))

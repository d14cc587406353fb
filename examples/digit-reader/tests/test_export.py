"""The export: what is served predicts what was trained."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from digit_reader import batches, export, flavor, network, schema, training, transforms
from digit_reader.errors import InputError
from digit_reader.parameters import Train

IMAGES = np.random.default_rng(0).random((65, transforms.CHANNELS, transforms.SIZE, transforms.SIZE), np.float32)


def untrained(seed: int) -> torch.nn.Module:
    """A network that has learned nothing, with other weights for each seed."""
    torch.manual_seed(seed)
    return network.build(Train(), len(schema.CLASSES)).eval()


def weights(module: torch.nn.Module) -> training.Weights:
    """What training returns."""
    return {name: weight.numpy() for name, weight in module.state_dict().items()}


@pytest.fixture(scope="module")
def exported(made: Path, tmp_path_factory: pytest.TempPathFactory) -> flavor.Model:
    """The export of the network with seed 0."""
    folder = tmp_path_factory.mktemp("exported")
    return export.export(weights(untrained(0)), made / "outputs/data", Train(), folder)


def test_the_export_is_equal_and_of_any_length(exported: flavor.Model) -> None:
    """ONNX Runtime gives PyTorch's probabilities, for one picture as for many, and the report says how nearly."""
    with torch.inference_mode():
        expected = untrained(0)(torch.from_numpy(IMAGES)).softmax(1).numpy()
    assert np.abs(flavor.run(exported.session, IMAGES) - expected).max() < 1e-5
    assert np.abs(flavor.run(exported.session, IMAGES[:1]) - expected[:1]).max() < 1e-5
    assert exported.report["onnx_difference"] < 1e-5
    assert exported.report["served"] == "float"
    assert exported.report["bytes"] == (exported.folder / flavor.ONNX).stat().st_size
    assert {path.name for path in exported.folder.iterdir()} == {flavor.ONNX, flavor.REPORT}


def test_the_file_tells_nothing_about_the_trainer(exported: flavor.Model) -> None:
    """No path and no source line of the machine that exported it is in the file."""
    content = (exported.folder / flavor.ONNX).read_bytes()
    assert b"site-packages" not in content
    assert b".py" not in content


def test_a_difference_is_measured(exported: flavor.Model) -> None:
    """A network with other weights than those of the file is found out."""
    other = torch.nn.Sequential(untrained(1), torch.nn.Softmax(dim=1))
    assert export.difference(other, exported.folder / flavor.ONNX, IMAGES) > export.DIFFERENCE_AT_MOST


def test_a_different_export_is_refused(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ONNX Runtime computes differently is not served."""
    monkeypatch.setattr(export, "difference", lambda *_: 0.002)
    with pytest.raises(InputError, match=r"differ from PyTorch's by 0\.002.*network\.py"):
        export.export(weights(untrained(0)), made / "outputs/data", Train(), tmp_path)


def test_integers_cost_little(made: Path, tmp_path: Path) -> None:
    """Of a trained model the 8-bit version is a third of the size and loses less than half a point."""
    trained = made / "outputs/model/data" / flavor.FOLDER / flavor.ONNX
    pictures = batches.read(made / "outputs/data", "validation", decoded_mib=0)
    calibration = pictures[np.arange(100)][0].numpy()
    smaller = tmp_path / "int8.onnx"
    export.quantize(trained, smaller, calibration)
    assert smaller.stat().st_size < trained.stat().st_size / 2
    kinds = {node.op_type for node in onnx.load(smaller).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    before, after = (export.accuracy(path, pictures) for path in (trained, smaller))
    assert before > 0.95
    assert before - after < 0.005


@pytest.mark.parametrize(("after", "served"), [(0.9951, "int8"), (0.995, "float")])
def test_integers_are_served_only_if_they_cost_little(
    after: float, served: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a point is too much; what was measured and what is served is reported."""
    path = tmp_path / flavor.ONNX
    shutil.copy(made / "outputs/model/data" / flavor.FOLDER / flavor.ONNX, path)
    monkeypatch.setattr(export, "accuracy", lambda path, _: after if path.name == "int8.onnx" else 1.0)
    pictures = batches.read(made / "outputs/data", "validation", decoded_mib=0)
    report = export.quantized(path, IMAGES, pictures)
    assert ("QuantizeLinear" in {node.op_type for node in onnx.load(path).graph.node}) is (served == "int8")
    assert report == {
        "served": served,
        "float_accuracy": 1.0,
        "int8_accuracy": after,
        "int8_loss": pytest.approx(100 * (1 - after)),
    }
    assert list(tmp_path.iterdir()) == [path]

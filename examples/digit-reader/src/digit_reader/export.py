"""From trained weights to the file that is served: ONNX, checked against PyTorch, and with 8-bit integers if wished.

Beside model.onnx lies export.json with what was measured:

- onnx_difference: largest difference between a probability of ONNX Runtime and of PyTorch
- opset, bytes, cost: of the file
- served: float or int8; where both were tried also float_accuracy, int8_accuracy and int8_loss, in percentage points
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
from torch import nn

from . import batches, flavor, network, schema, transforms
from .errors import InputError
from .folders import write_json
from .parameters import Train
from .progress import say
from .training import Weights

DIFFERENCE_AT_MOST = 1e-3
# Percentage points of accuracy that 8-bit integers may cost.
LOSS_BELOW = 0.5
# Validation pictures to compare PyTorch and ONNX Runtime on, and training pictures to find ranges of values from.
COMPARED, CALIBRATION = 512, 512
QUANTIZED = ["Conv", "Gemm", "MatMul"]

Images = npt.NDArray[np.float32]


def export(weights: Weights, data: Path, settings: Train, folder: Path) -> flavor.Model:
    """Write model.onnx and export.json into a folder, and return the model as it will be served.

    Args:
        weights: what `training.fit` returned.
        data: folder of the prepared rows.
        settings: with which the weights were trained.
        folder: exists and is empty.

    Raises:
        InputError: ONNX Runtime predicts something else than PyTorch.
    """
    validation = batches.read(data, "validation", decoded_mib=0)
    trained = _classifier(weights, settings)
    path = folder / flavor.ONNX
    _convert(trained, path)
    measured = difference(trained, path, _first(validation, COMPARED))
    if measured > DIFFERENCE_AT_MOST:
        raise InputError(
            f"ONNX Runtime's probabilities differ from PyTorch's by {measured:.2g} "
            f"(at most {DIFFERENCE_AT_MOST:g}): change what network.py builds until they agree"
        )
    report: dict[str, Any] = {"onnx_difference": measured, "served": "float"}
    if settings.quantize:
        report |= quantized(path, _first(batches.read(data, "train", decoded_mib=0), CALIBRATION), validation)
    opset = max(part.version for part in onnx.load(path).opset_import)
    report |= {"opset": opset, "bytes": path.stat().st_size, "cost": network.cost(settings.network)}
    write_json(folder / flavor.REPORT, report)
    return flavor.opened(folder)


def _classifier(weights: Weights, settings: Train) -> nn.Module:
    """The network on the CPU, with probabilities at its end."""
    built = network.build(settings.model_copy(update={"pretrained": False}), len(schema.CLASSES))
    built.load_state_dict({name: torch.from_numpy(weight) for name, weight in weights.items()})
    return nn.Sequential(built, nn.Softmax(dim=1)).eval()


def _convert(trained: nn.Module, path: Path) -> None:
    example = torch.zeros(2, transforms.CHANNELS, transforms.SIZE, transforms.SIZE)
    number = torch.export.Dim(flavor.PICTURES)
    with _quiet():
        program = torch.onnx.export(
            trained,
            (example,),
            dynamo=True,
            input_names=[flavor.PICTURES],
            output_names=[flavor.PROBABILITIES],
            dynamic_shapes=({0: number},),
            verbose=False,
        )
    model = program.model_proto
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]  # the trainer's source code and paths
    onnx.helper.set_model_props(model, {flavor.CLASSES: json.dumps(schema.CLASSES)})
    onnx.save(model, path)


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter and the quantizer tell their developers things that nobody here can act on."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "root")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def difference(trained: nn.Module, path: Path, images: Images) -> float:
    """The largest difference between the probabilities of PyTorch and of ONNX Runtime."""
    with torch.inference_mode():
        expected = trained(torch.from_numpy(images)).numpy()
    return float(np.abs(expected - flavor.run(flavor.session(path), images)).max())


def _first(pictures: batches.Pictures, count: int) -> Images:
    images: Images = pictures[np.arange(min(count, len(pictures)))][0].numpy()
    return images


def quantized(path: Path, calibration: Images, validation: batches.Pictures) -> dict[str, Any]:
    """Replace a model file by one with 8-bit integers if that costs little accuracy, and return what was measured."""
    smaller = path.with_name("int8.onnx")
    quantize(path, smaller, calibration)
    before, after = (accuracy(file, validation) for file in (path, smaller))
    loss = 100 * (before - after)
    served = "int8" if loss < LOSS_BELOW else "float"
    say(f"train: int8 costs {loss:.2f} points of accuracy, served: {served}")
    smaller.replace(path) if served == "int8" else smaller.unlink()
    return {"served": served, "float_accuracy": before, "int8_accuracy": after, "int8_loss": loss}


def quantize(path: Path, smaller: Path, calibration: Images) -> None:
    """Write a model with weights and activations of convolutions and dense layers as 8-bit integers (static, QDQ).

    With 7 bits for weights: sums of 8-bit products overflow on CPUs without VNNI, where the model may be served.
    """
    with _quiet():
        quantize_static(
            path,
            smaller,
            _Calibration(calibration),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=QUANTIZED,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


class _Calibration:
    """A `CalibrationDataReader`: training pictures, from which the quantizer learns the ranges of values."""

    def __init__(self, images: Images) -> None:
        self.parts = iter(np.array_split(images, -(-len(images) // flavor.BATCH)))

    def get_next(self) -> dict[str, Images] | None:
        """The next batch by the name of the model's input, None at the end."""
        part = next(self.parts, None)
        return None if part is None else {flavor.PICTURES: part}


def accuracy(path: Path, pictures: batches.Pictures) -> float:
    """The share of pictures for which a model file gives their label the highest probability."""
    opened, correct = flavor.session(path), 0
    for positions in batches.in_order(len(pictures), flavor.BATCH, rank=0, world=1):
        images, labels = pictures[positions]
        correct += int((flavor.run(opened, images.numpy()).argmax(1) == labels.numpy()).sum())
    return correct / len(pictures)

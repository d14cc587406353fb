"""From a fine-tuned network to what is served: ONNX, checked against PyTorch, with 8-bit weights if they cost little.

What was measured is saved beside it, in export.json:

- onnx_difference: largest difference between a probability of ONNX Runtime and of PyTorch
- float_bytes, and served: float or int8
- where both were tried: int8_bytes, float_accuracy, int8_accuracy, and int8_loss in percentage points
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from tokenizers import Tokenizer
from torch import nn

from . import calibration
from .calibration import Floats
from .classifier import Transformer
from .errors import InputError
from .progress import say
from .training import Examples, Learned

DIFFERENCE_AT_MOST = 1e-3
# Percentage points of accuracy that 8-bit weights may cost.
LOSS_BELOW = 0.5
# Texts to compare PyTorch and ONNX Runtime on.
COMPARED = 128


def export(learned: Learned, classes: tuple[str, ...], validation: Examples, *, quantize: bool) -> Transformer:
    """The scorer as it will be served.

    Args:
        learned: what `training.fit` returned.
        classes: in the order of the network's scores.
        validation: texts and labels to measure on.
        quantize: whether to try 8-bit weights.

    Raises:
        InputError: ONNX Runtime predicts something else than PyTorch.
    """
    network = learned.network()
    converted = convert(network)
    scorer = Transformer(converted.SerializeToString(), learned.tokenizer, classes, {})
    found: dict[str, Any] = {
        "onnx_difference": difference(network, scorer, validation.texts[:COMPARED]),
        "float_bytes": len(scorer.network),
        "served": "float",
    }
    if found["onnx_difference"] > DIFFERENCE_AT_MOST:
        raise InputError(
            f"ONNX Runtime's probabilities differ from PyTorch's by {found['onnx_difference']:.2g} "
            f"(at most {DIFFERENCE_AT_MOST:g}): choose another train.hf_model_id"
        )
    if quantize:
        scorer = _smaller(scorer, converted, validation, found)
    scorer.export = found
    return scorer


def convert(network: nn.Module) -> onnx.ModelProto:
    """A network as ONNX: `input_ids` and `attention_mask`, n rows of any length, to `logits`."""
    ids = torch.ones(2, 16, dtype=torch.int64)
    shape = {0: torch.export.Dim("rows"), 1: torch.export.Dim("length")}
    with _quiet():
        program = torch.onnx.export(
            _Scores(network).eval(),
            (ids, torch.ones_like(ids)),
            dynamo=True,
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_shapes=(shape, shape),
            verbose=False,
        )
    model: onnx.ModelProto = program.model_proto
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]  # the trainer's source code and paths
    return model


class _Scores(nn.Module):  # type: ignore[misc]
    """A network of which only the scores come out."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.network(input_ids=input_ids, attention_mask=attention_mask).logits


def difference(network: nn.Module, scorer: Transformer, texts: Sequence[str]) -> float:
    """The largest difference between the probabilities of PyTorch and of ONNX Runtime."""
    ours, theirs = scorer.scores(texts), scores(network, scorer.tokenizer, texts)
    return float(np.abs(calibration.probabilities(ours, 1) - calibration.probabilities(theirs, 1)).max())


def scores(network: nn.Module, tokenizer: Tokenizer, texts: Sequence[str]) -> Floats:
    """What PyTorch makes of n texts, one by one."""
    with torch.inference_mode():
        found = [network(input_ids=torch.tensor([text.ids])).logits[0] for text in tokenizer.encode_batch(list(texts))]
        return np.asarray(torch.stack(found).numpy(), dtype=np.float64)


def quantized(model: onnx.ModelProto) -> bytes:
    """The same network with 8-bit weights, and the range of activations found anew for each text.

    With 7 of the 8 bits: sums of 8-bit products overflow on CPUs without VNNI, where the model may be served.
    """
    smaller = onnx.ModelProto()
    smaller.CopyFrom(model)
    del smaller.graph.value_info[:]  # shapes that the quantizer finds itself, and takes for contradictions
    with tempfile.TemporaryDirectory() as scratch, _quiet():
        path = Path(scratch, "int8.onnx")
        quantize_dynamic(smaller, path, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8)
        return path.read_bytes()


def accuracy(scorer: Transformer, examples: Examples) -> float:
    """The share of texts for which a scorer gives their class the highest score."""
    return float(np.mean(scorer.scores(examples.texts).argmax(axis=1) == np.array(examples.labels)))


def _smaller(
    scorer: Transformer, converted: onnx.ModelProto, validation: Examples, found: dict[str, Any]
) -> Transformer:
    """The scorer with 8-bit weights, or the one that there was if they cost accuracy; what was measured is added."""
    candidate = Transformer(quantized(converted), scorer.tokenizer.to_str(), scorer.classes, {})
    before, after = (accuracy(each, validation) for each in (scorer, candidate))
    loss = 100 * (before - after)
    served = "int8" if loss < LOSS_BELOW else "float"
    say(f"train: int8 costs {loss:.2f} points of accuracy, served: {served}")
    found |= {"served": served, "int8_bytes": len(candidate.network)}
    found |= {"float_accuracy": before, "int8_accuracy": after, "int8_loss": loss}
    return candidate if served == "int8" else scorer


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

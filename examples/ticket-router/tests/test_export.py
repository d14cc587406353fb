"""What is served predicts what was learnt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from ticket_router import calibration, export, pretrained, sample, training
from ticket_router.classifier import Transformer
from ticket_router.errors import InputError
from ticket_router.parameters import Train
from ticket_router.training import Examples, Learned

SETTINGS = Train(kind="transformer", max_tokens=32)


@pytest.fixture(scope="module")
def examples() -> Examples:
    """A hundred texts."""
    frame = sample.rows().head(100)
    return training.examples(frame, training.known_classes(frame))


@pytest.fixture(scope="module")
def classes() -> tuple[str, ...]:
    """Theirs."""
    return training.known_classes(sample.rows().head(100))


@pytest.fixture(scope="module")
def learned(examples: Examples, classes: tuple[str, ...]) -> Learned:
    """A network with weights large enough to have opinions."""
    network, tokenizer = pretrained.start(SETTINGS, examples.texts, classes)
    weights = {name: 3 * weight.numpy() for name, weight in network.state_dict().items()}
    return Learned(network.config, weights, tokenizer.to_str())


@pytest.fixture(scope="module")
def converted(learned: Learned) -> onnx.ModelProto:
    """It in ONNX, which takes seconds to make."""
    return export.convert(learned.network())


@pytest.fixture
def quick(converted: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exporting takes what is made already."""
    monkeypatch.setattr(export, "convert", lambda _: converted)


@pytest.mark.usefixtures("quick")
def test_the_export_is_measured(learned: Learned, classes: tuple[str, ...], examples: Examples) -> None:
    """ONNX Runtime agrees with PyTorch, 8-bit weights are smaller, and what is better by the rule is served."""
    scorer = export.export(learned, classes, examples, quantize=True)
    found = scorer.export
    assert found["onnx_difference"] < 1e-4
    assert found["int8_bytes"] < 0.5 * found["float_bytes"]
    assert found["int8_loss"] == pytest.approx(100 * (found["float_accuracy"] - found["int8_accuracy"]))
    assert found["served"] == ("int8" if found["int8_loss"] < export.LOSS_BELOW else "float")
    assert len(scorer.network) == found[f"{found['served']}_bytes"]


@pytest.mark.usefixtures("quick")
def test_costly_8_bit_weights_are_not_served(
    learned: Learned, classes: tuple[str, ...], examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where they cost as much as is not allowed, the float network is served, and is what it was without them."""
    monkeypatch.setattr(export, "LOSS_BELOW", -101.0)
    scorer = export.export(learned, classes, examples, quantize=True)
    assert scorer.export["served"] == "float"
    plain = export.export(learned, classes, examples, quantize=False)
    assert set(plain.export) == {"onnx_difference", "float_bytes", "served"}
    assert (scorer.scores(examples.texts) == plain.scores(examples.texts)).all()


def test_8_bit_weights_say_nearly_the_same(
    learned: Learned, classes: tuple[str, ...], examples: Examples, converted: onnx.ModelProto
) -> None:
    """They change probabilities by little, yet by something."""
    scorer = Transformer(export.quantized(converted), learned.tokenizer, classes, {})
    theirs = export.scores(learned.network(), scorer.tokenizer, examples.texts)
    difference = calibration.probabilities(scorer.scores(examples.texts), 1) - calibration.probabilities(theirs, 1)
    assert 1e-7 < np.abs(difference).max() < 0.2


@pytest.mark.usefixtures("quick")
def test_a_network_of_which_onnx_makes_another_is_refused(
    learned: Learned, classes: tuple[str, ...], examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A difference of probabilities above the bound is one line."""
    monkeypatch.setattr(export, "DIFFERENCE_AT_MOST", -1.0)
    with pytest.raises(InputError, match="differ from PyTorch's"):
        export.export(learned, classes, examples, quantize=False)


@pytest.mark.usefixtures("quick")
def test_a_long_text_is_cut(learned: Learned, classes: tuple[str, ...], examples: Examples) -> None:
    """What lies behind the last token is not seen, and nothing breaks."""
    scorer = export.export(learned, classes, examples, quantize=False)
    start = " ".join(["parcel"] * 40)
    assert (scorer.scores([start]) == scorer.scores([f"{start} refund"])).all()


def test_the_trainers_paths_are_not_in_the_file(converted: onnx.ModelProto) -> None:
    """The network tells nothing about the computer that made it."""
    content = converted.SerializeToString()
    assert str(Path(export.__file__).parent).encode() not in content

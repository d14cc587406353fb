"""The networks: what goes in, what comes out, and what is refused."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch

from digit_reader import network, transforms
from digit_reader.errors import InputError
from digit_reader.parameters import Train

SHAPE = (transforms.CHANNELS, transforms.SIZE, transforms.SIZE)


def test_the_small_network_is_small() -> None:
    """It gives a score for each class, from few parameters."""
    built = network.build(Train(), 10)
    assert built(torch.rand(4, *SHAPE)).shape == (4, 10)
    assert sum(parameter.numel() for parameter in built.parameters()) < 70_000


def test_pictures_are_normalized_inside() -> None:
    """The first layer subtracts the mean and divides by the standard deviation, and does not learn."""
    first = next(network.build(Train(), 10).children())
    found = first(torch.full((1, *SHAPE), transforms.MEAN + transforms.STD))
    assert torch.allclose(found, torch.ones(1, *SHAPE), atol=1e-5)
    assert not any(parameter.requires_grad for parameter in first.parameters())


def test_the_seed_decides_the_first_weights() -> None:
    """The same seed gives the same network, another seed another one."""

    def weights(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return torch.cat([parameter.ravel() for parameter in network.build(Train(), 10).parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_a_network_of_timm_needs_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the message says how to get it."""
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match=r"timm:resnet18 needs timm.*--extra gpu"):
        network.build(Train(network="timm:resnet18"), 10)


def test_a_network_of_timm_is_normalized_as_it_was_pretrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own means and deviations come first; it is asked for our channels and classes."""
    asked: dict[str, object] = {}

    def create_model(name: str, **options: object) -> torch.nn.Module:
        asked.update(options, name=name)
        return torch.nn.Flatten()

    config = {"mean": (0.2, 0.4, 0.6), "std": (0.5, 0.5, 0.5)}
    data = SimpleNamespace(resolve_model_data_config=lambda _: config)
    monkeypatch.setitem(sys.modules, "timm", SimpleNamespace(create_model=create_model, data=data))
    built = network.build(Train(network="timm:resnet18", pretrained=True), 7)
    assert asked == {"name": "resnet18", "pretrained": True, "in_chans": transforms.CHANNELS, "num_classes": 7}
    means = config["mean"] if transforms.CHANNELS == 3 else (0.4,) * transforms.CHANNELS
    pictures = torch.tensor(means).view(1, -1, 1, 1).expand(1, *SHAPE)
    assert torch.allclose(built(pictures), torch.zeros(1, *SHAPE).flatten(1), atol=1e-5)
    assert built.training


def test_a_network_that_takes_no_such_pictures_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown name or a wrong size is one line that says what to change."""

    def create_model(*_: object, **__: object) -> None:
        raise RuntimeError("Unknown model (resnet0)\nmore")

    monkeypatch.setitem(sys.modules, "timm", SimpleNamespace(create_model=create_model))
    with pytest.raises(InputError, match=r"timm:resnet0 cannot be used: Unknown model \(resnet0\); choose"):
        network.build(Train(network="timm:resnet0"), 10)


def test_a_larger_network_costs_more() -> None:
    """The gate asks more of what costs more to serve."""
    assert network.cost("small_cnn") < network.cost("timm:resnet18")

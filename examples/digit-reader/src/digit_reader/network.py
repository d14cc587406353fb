"""What learns: pictures in, one score for each class out. `train.network` chooses.

`small_cnn` is for small pictures and learns in seconds on a CPU. `timm:<id>`, such as timm:resnet18, is any of the
networks of https://huggingface.co/docs/timm, which come with the extra `gpu`.
"""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import nn

from .errors import InputError
from .parameters import Train
from .transforms import CHANNELS, MEAN, SIZE, STD

Network: TypeAlias = nn.Module

SMALL = "small_cnn"


def build(settings: Train, classes: int) -> Network:
    """An untrained network: N x CHANNELS x SIZE x SIZE values from 0 to 1 in, N x `classes` logits out.

    Raises:
        InputError: timm is not installed, does not know the network, or the network does not take such pictures.
    """
    return small_cnn(classes) if settings.network == SMALL else _timm(settings, classes)


def cost(name: str) -> int:
    """The rank of a network by what serving it costs: the gate demands more of a costlier one."""
    return 0 if name == SMALL else 1


def small_cnn(classes: int) -> Network:
    """Three convolutions and two dense layers, about 66,000 parameters, for pictures of any size."""
    return nn.Sequential(
        _normalization([MEAN], [STD]),
        *_convolution(CHANNELS, 32),
        nn.MaxPool2d(2),
        *_convolution(32, 64),
        *_convolution(64, 64),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 128),
        nn.ReLU(),
        nn.Linear(128, classes),
    )


def _convolution(channels: int, filters: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, filters, 3, padding=1, bias=False), nn.BatchNorm2d(filters), nn.ReLU()]


def _normalization(mean: list[float], std: list[float]) -> nn.Module:
    """A first layer that subtracts the mean and divides by the standard deviation of each channel, or of all."""
    layer = nn.Conv2d(CHANNELS, CHANNELS, 1, groups=CHANNELS)
    means, stds = (torch.tensor(values).mean() if CHANNELS == 1 else torch.tensor(values) for values in (mean, std))
    with torch.no_grad():
        layer.weight.copy_((1 / stds).expand(CHANNELS).view(-1, 1, 1, 1))
        layer.bias.copy_((-means / stds).expand(CHANNELS))
    return layer.requires_grad_(False)


def _timm(settings: Train, classes: int) -> Network:
    name = settings.network.removeprefix("timm:")
    try:
        import timm

        body = timm.create_model(name, pretrained=settings.pretrained, in_chans=CHANNELS, num_classes=classes)
        normal = timm.data.resolve_model_data_config(body)
        network = nn.Sequential(_normalization(list(normal["mean"]), list(normal["std"])), body)
        network.eval()(torch.zeros(1, CHANNELS, SIZE, SIZE))
    except ImportError as error:
        raise InputError(
            f"train.network = {settings.network} needs timm: `uv sync --no-group training --extra gpu`, or take {SMALL}"
        ) from error
    except Exception as error:  # an unknown name, weights that can't be fetched, pictures of a wrong size
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"train.network = {settings.network} cannot be used: {reason}; choose another, or change transforms.SIZE"
        ) from error
    return network.train()

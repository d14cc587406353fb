"""From an encoded picture to the numbers that a network sees: the same function in training and in serving.

Values stay within 0 and 1 here. Their normalisation is the first layer of the network, and thereby a part of the
exported model, so that nobody can forget or change it. Needs no torch, which serving does without.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from .errors import InputError

if TYPE_CHECKING:
    import torch

# What the network sees: grey (1) or red, green and blue (3), as a square of so many pixels a side.
CHANNELS = 1
SIZE = 8
# Of all channels of the training pictures, for the network's first layer. Rough values do.
MEAN, STD = 0.3, 0.38
# A file of a few kilobytes can claim a picture that fills the memory.
PIXELS_AT_MOST = 50_000_000

# How far a picture may be moved (share of its side), turned (degrees) and changed in contrast (share) in training.
SHIFT, ROTATION, CONTRAST = 0.08, 8.0, 0.2


def decode(content: bytes) -> npt.NDArray[np.uint8]:
    """An encoded picture as SIZE x SIZE x CHANNELS values from 0 to 255, turned as its EXIF data say.

    A picture of another size or shape is resized to the square, not cropped.

    Raises:
        InputError: it is damaged, of an unknown format, or of more than `PIXELS_AT_MOST` pixels.
    """
    mode = "L" if CHANNELS == 1 else "RGB"
    try:
        with Image.open(io.BytesIO(content)) as file:
            if file.width * file.height > PIXELS_AT_MOST:
                raise InputError(f"a picture of {file.width} x {file.height} pixels: {PIXELS_AT_MOST:,} at most")
            file.draft(mode, (2 * SIZE, 2 * SIZE))  # a JPEG is decoded no larger than needed, several times as fast
            picture = ImageOps.exif_transpose(file).convert(mode)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"not a whole picture: {str(error).splitlines()[0]}") from error
    if picture.size != (SIZE, SIZE):
        picture = picture.resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return np.asarray(picture, np.uint8).reshape(SIZE, SIZE, CHANNELS)


def scaled(pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """N x H x W x C values from 0 to 255 as N x C x H x W values from 0 to 1."""
    return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32) / np.float32(255)


def batch(contents: Iterable[bytes]) -> npt.NDArray[np.float32]:
    """N encoded pictures as N x CHANNELS x SIZE x SIZE values from 0 to 1, which is what the exported model takes.

    Raises:
        InputError: as `decode`.
    """
    pictures = [decode(content) for content in contents]
    return scaled(np.asarray(pictures, np.uint8).reshape(-1, SIZE, SIZE, CHANNELS))


def augment(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Move, turn and change the contrast of each of N x C x H x W pictures a little, by chance. For training only.

    Args:
        pictures: values from 0 to 1, on any device.
        generator: on the CPU, so that its numbers are the same for every device.
    """
    import torch

    chance = (2 * torch.rand(4, len(pictures), generator=generator) - 1).to(pictures.device)
    angle = chance[0] * ROTATION * torch.pi / 180
    across, down = chance[1] * 2 * SHIFT, chance[2] * 2 * SHIFT  # grid_sample counts a side as 2
    rows = [torch.stack([angle.cos(), -angle.sin(), across], 1), torch.stack([angle.sin(), angle.cos(), down], 1)]
    grid = torch.nn.functional.affine_grid(torch.stack(rows, 1), list(pictures.shape), align_corners=False)
    moved = torch.nn.functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    contrast = 1 + CONTRAST * chance[3].view(-1, 1, 1, 1)
    return ((moved - 0.5) * contrast + 0.5).clamp(0, 1)

"""What of a picture is compared between training and today, to see whether the camera, or what it sees, has changed.

Single numbers say what has changed: the light, the focus, the size of the files. Whether anything has that no single
number shows, a domain classifier says that is trained to tell the pixels of then from those of today.
"""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from . import schema

Pixels = npt.NDArray[np.float32]

# Pixels of width and of height to which a picture is scaled for the domain classifier.
GRID = 16
# Pixels a side of which light and focus can be told.
ENOUGH = 512


def columns(rows: pd.DataFrame) -> pd.DataFrame:
    """Numbers about the pictures of n checked rows.

    Returns:
        n rows: `brightness` (mean) and `contrast` (standard deviation) of the grey pixels between 0 and 1, `sharpness`
        (see there), `width` and `height` in pixels, and `bytes` of the file.
    """
    contents = rows[schema.CONTENT]
    numbers = [(*_light(grey(content)), *_sizes(content)) for content in contents]
    names = ["brightness", "contrast", "sharpness", "width", "height", "bytes"]
    return pd.DataFrame(numbers, rows.index, names, dtype=float)


def vectors(rows: pd.DataFrame) -> Pixels:
    """n x 259: the grey pixels of each picture on a grid, line by line, then its brightness, contrast and sharpness."""
    found = [_vector(grey(content)) for content in rows[schema.CONTENT]]
    return np.array(found, np.float32).reshape(len(rows), GRID * GRID + 3)


def grey(content: bytes) -> Pixels:
    """Height x width pixels of a checked picture, from 0 (black) to 1 (white); of a large JPEG, a fraction of them."""
    with Image.open(io.BytesIO(content)) as picture:
        picture.draft("L", (ENOUGH, ENOUGH))
        return np.asarray(picture.convert("L"), np.float32) / np.float32(255)


def sharpness(picture: Pixels) -> float:
    """The variance of the Laplacian over the inner pixels: low where a picture is out of focus, high where it is noisy.

    Source: Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy (2000).
    """
    neighbours = picture[:-2, 1:-1] + picture[2:, 1:-1] + picture[1:-1, :-2] + picture[1:-1, 2:]
    return float((neighbours - 4 * picture[1:-1, 1:-1]).var())


def _light(picture: Pixels) -> tuple[float, float, float]:
    return float(picture.mean()), float(picture.std()), sharpness(picture)


def _sizes(content: bytes) -> tuple[int, int, int]:
    with Image.open(io.BytesIO(content)) as picture:
        return picture.width, picture.height, len(content)


def _vector(picture: Pixels) -> Pixels:
    grid = Image.fromarray(picture).resize((GRID, GRID), Image.Resampling.BILINEAR)
    return np.append(np.asarray(grid), _light(picture)).astype(np.float32)

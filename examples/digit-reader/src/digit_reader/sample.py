"""Real pictures to start with: the handwritten digits that ship inside scikit-learn.

1,797 pictures of 8 by 8 pixels, made of the digits that 43 people wrote into forms (Alpaydin and Kaynak, 1998). Here
each is a PNG file in a folder that is named for its digit, the common layout for pictures with one label each.
"""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image
from sklearn.datasets import load_digits

from .schema import CONTENT, ID, TARGET

# The intensities of the source run from 0 to 16, those of a picture to 255.
HIGHEST = 16


def rows() -> pd.DataFrame:
    """1,797 raw rows: image_id, image (the bytes of a PNG file), label."""
    data = load_digits()
    pixels = np.round(data.images * (255 / HIGHEST)).astype(np.uint8)
    labels = [str(label) for label in data.target]
    identifiers = [f"{label}/{number:04d}.png" for number, label in enumerate(labels)]
    return pd.DataFrame({ID: identifiers, CONTENT: [png(picture) for picture in pixels], TARGET: labels})


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """The bytes of a PNG file.

    Args:
        pixels: height x width in grey, or height x width x 3 in colour.
    """
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()

"""Descriptors see what has changed about the pictures, and nothing where nothing has."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pictures
import pytest
from PIL import Image, ImageFilter, ImageOps

from digit_reader import descriptors, drift, sample, schema


def remade(rows: pd.DataFrame, change: Callable[[Image.Image], Image.Image]) -> pd.DataFrame:
    """Rows whose pictures were changed."""
    contents = rows[schema.CONTENT].map(lambda content: pictures.changed(content, change))
    return rows.assign(**{schema.CONTENT: contents})


def halves() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of the sample in two parts of one distribution."""
    shuffled = sample.rows().sample(1000, random_state=0)
    return shuffled.iloc[::2], shuffled.iloc[1::2]


def test_columns_are_right() -> None:
    """A picture of one grey has its brightness, and neither contrast nor sharpness; the sizes are those of the file."""
    content = pictures.encoded(Image.new("L", (12, 10), 51))
    (row,) = descriptors.columns(pd.DataFrame({schema.CONTENT: [content]})).to_dict("records")
    assert row["brightness"] == pytest.approx(0.2)
    assert (row["contrast"], row["sharpness"]) == pytest.approx((0, 0), abs=1e-6)
    assert (row["width"], row["height"], row["bytes"]) == (12, 10, len(content))


def test_blur_lowers_the_sharpness() -> None:
    """A picture out of focus is told by one column."""
    rows = sample.rows().head(50)
    sharp = descriptors.columns(rows)["sharpness"]
    blurred = descriptors.columns(remade(rows, lambda picture: picture.filter(ImageFilter.GaussianBlur(1))))
    assert (blurred["sharpness"] < sharp / 2).all()


def test_a_large_picture_has_its_true_size() -> None:
    """Of a large JPEG a fraction of the pixels is looked at, but its width and height are told as they are."""
    content = pictures.encoded(pictures.random(side=2048), "JPEG")
    assert descriptors.grey(content).shape == (512, 512)
    row = descriptors.columns(pd.DataFrame({schema.CONTENT: [content]})).iloc[0]
    assert (row["width"], row["height"]) == (2048, 2048)


def test_colour_is_described_in_grey() -> None:
    """A picture in colour has the same columns and as long a vector."""
    rows = pd.DataFrame({schema.CONTENT: [pictures.encoded(pictures.random(mode)) for mode in ("L", "RGB")]})
    grey, colour = descriptors.vectors(rows)
    np.testing.assert_allclose(grey, colour, atol=0.01)


def test_no_rows_have_columns_and_vectors() -> None:
    """The columns and the length of a vector do not depend on the number of rows, and the index is kept."""
    rows = sample.rows().iloc[5:8]
    assert list(descriptors.columns(rows).index) == [5, 6, 7]
    assert list(descriptors.columns(rows.head(0))) == list(descriptors.columns(rows))
    assert descriptors.vectors(rows.head(0)).shape == (0, descriptors.vectors(rows).shape[1])


def test_pictures_of_one_distribution_cannot_be_told_apart() -> None:
    """Two halves of the sample look alike to the domain classifier, and column by column."""
    known, current = halves()
    assert not drift.domain(descriptors.vectors(known), descriptors.vectors(current), 0.6, 0.01).drifted
    found = drift.compare(descriptors.columns(known), descriptors.columns(current), psi_at_most=0.2, significance=0.01)
    assert not any(column.drifted for column in found)


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "less contrast": lambda picture: picture.point(lambda value: value // 2 + 64),
    "inverted": ImageOps.invert,
    "mirrored": ImageOps.mirror,
    "out of focus": lambda picture: picture.filter(ImageFilter.GaussianBlur(0.7)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changed_pictures_can_be_told_apart(name: str) -> None:
    """The domain classifier sees a changed camera, also where no single number has moved, as in a mirror."""
    known, current = halves()
    current = remade(current, CHANGES[name])
    found = drift.domain(descriptors.vectors(known), descriptors.vectors(current), 0.6, 0.01)
    assert found.drifted
    assert found.auc > 0.75

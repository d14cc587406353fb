"""The rows that the project starts with."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from digit_reader import sample, schema


def test_pictures_are_those_of_the_source() -> None:
    """A PNG file holds the source's intensities, 0 to 16, as grey values from 0 to 255."""
    source = load_digits()
    for content, pixels in zip(sample.rows()[schema.CONTENT], source.images, strict=True):
        with Image.open(io.BytesIO(content)) as picture:
            assert (picture.format, picture.mode, picture.size) == ("PNG", "L", (8, 8))
            np.testing.assert_array_equal(np.round(np.asarray(picture, float) * 16 / 255), pixels)


def test_files_lie_in_folders_of_their_labels() -> None:
    """What is read from the written files has the same labels."""
    rows = sample.rows()
    assert list(rows[schema.ID].str.split("/").str[0]) == list(rows[schema.TARGET])
    assert set(rows[schema.TARGET]) == set(schema.CLASSES)
    assert rows[schema.ID].str.endswith(schema.FILES).all()


def test_the_sample_is_the_same_each_time() -> None:
    """Two calls give the same bytes, so that the same pictures are tested."""
    assert sample.rows().equals(sample.rows())


def test_no_picture_comes_twice() -> None:
    """Each digit was written once."""
    assert not sample.rows()[schema.CONTENT].duplicated().any()

"""Descriptors: what monitoring compares."""

from __future__ import annotations

from tumour_check import descriptors, sample, schema


def test_every_input_is_watched() -> None:
    """Each column that the model sees is compared, and neither the target nor the id."""
    frame = sample.rows()
    assert list(descriptors.columns(frame)) == list(schema.inputs(frame))
    assert len(descriptors.columns(frame)) == len(frame)


def test_columns_are_enough() -> None:
    """Rows are not compared as a whole until somebody says how."""
    assert descriptors.vectors(sample.rows()) is None

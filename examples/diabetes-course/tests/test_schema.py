"""What a row must be, on the rows that the project starts with."""

from __future__ import annotations

from diabetes_course import rows, sample, schema


def test_the_sample_fits() -> None:
    """No sample row is set aside."""
    checked = rows.check(sample.rows(), schema.ROWS)
    assert len(checked.good) == 442
    assert checked.rejected.empty


def test_a_value_out_of_range_is_set_aside() -> None:
    """The ranges of the measurements are checked row by row."""
    frame = sample.rows()
    frame.loc[7, "bmi"] = 900
    assert rows.check(frame, schema.ROWS).rejected[schema.ID].tolist() == ["P0008"]


def test_inputs_hold_neither_target_nor_identifier() -> None:
    """What the model sees cannot leak the answer."""
    columns = set(schema.inputs(sample.rows()))
    assert not columns & {schema.TARGET, schema.ID, schema.GROUP}


def test_scoring_ignores_a_target() -> None:
    """Rows to score may carry the target or other columns; they are dropped."""
    frame = sample.rows().assign(comment="x")
    assert schema.TARGET not in rows.check(frame, schema.INPUTS).good


def test_every_row_is_in_a_slice() -> None:
    """Slices label all rows, and each slice is large enough to say something."""
    labels = schema.slices(sample.rows())
    assert labels.notna().all(axis=None)
    assert all(labels[name].value_counts().min() > 50 for name in labels)

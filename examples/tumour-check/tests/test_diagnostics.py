"""Diagnostics: what joins the report."""

from __future__ import annotations

import pandas as pd

from tumour_check import diagnostics, flavor, model, sample, schema
from tumour_check.parameters import Train


def test_a_diagnosis_is_a_part_of_the_report() -> None:
    """Metrics are numbers by name, and tables and figures have titles that no other part of the report has."""
    frame = sample.rows().head(150)
    inputs = schema.inputs(frame)
    fitted = model.build(Train()).fit(inputs, frame[schema.TARGET])
    diagnosis = diagnostics.diagnose(fitted, frame, flavor.predict(fitted, inputs))
    assert all(isinstance(value, float) for value in diagnosis.metrics.values())
    assert all(isinstance(table, pd.DataFrame) for table in diagnosis.tables.values())
    assert "slices" not in {*diagnosis.tables, *diagnosis.figures}

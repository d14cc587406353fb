"""Check raw rows and split them for training, validation and test."""

from __future__ import annotations

from pathlib import Path

from .. import rows, schema, splits
from ..folders import writing
from ..progress import say, stage
from ..settings import Settings


def prepare(source: Path, data: Path, settings: Settings) -> None:
    """Write train, validation, test and rejected as parquet.

    Raises:
        InputError: the rows can't be read, too many don't fit the schema, or a part would be unusable.
    """
    with stage("prepare"):
        checked = rows.check(rows.read(source), schema.ROWS)
        rows.within_budget(checked, settings.prepare.rejected_at_most, source)
        parts = splits.split(checked.good, settings.prepare)
        with writing(data) as folder:
            for name, part in {**parts, "rejected": checked.rejected}.items():
                part.to_parquet(folder / f"{name}.parquet", index=False)
    sizes = " · ".join(f"{name} {len(part)}" for name, part in parts.items())
    say(f"prepare: {sizes} · rejected {len(checked.rejected)}, in {data}")

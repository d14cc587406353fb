"""Write the sample rows where raw rows are expected."""

from __future__ import annotations

from pathlib import Path

from .. import sample as matter
from ..errors import InputError
from ..folders import writing
from ..progress import say


def sample(source: Path) -> None:
    """Write sample.csv into a folder that holds no rows yet.

    Raises:
        InputError: there are files already; they may be the team's.
    """
    if source.exists() and (source.is_file() or any(source.iterdir())):
        raise InputError(f"{source} is not empty: nothing is overwritten; choose another folder with --source")
    with writing(source) as folder:
        rows = matter.rows()
        rows.to_csv(folder / "sample.csv", index=False)
    say(f"sample: {len(rows)} rows in {source / 'sample.csv'}")

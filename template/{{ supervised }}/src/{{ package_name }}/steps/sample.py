"""Write the sample rows where raw rows are expected."""

from __future__ import annotations

from pathlib import Path

from .. import rows
from .. import sample as matter
from ..errors import InputError
from ..folders import writing
from ..progress import say, stage


def sample(source: Path) -> None:
    """Write the sample into a folder that holds no rows yet.

    Raises:
        InputError: there are files already; they may be the team's.
    """
    if source.exists() and (source.is_file() or any(source.iterdir())):
        raise InputError(f"{source} is not empty: nothing is overwritten; choose another folder with --source")
    with stage("sample"), writing(source) as folder:
        frame = matter.rows()
        rows.write(frame, folder)
    say(f"sample: {len(frame)} rows in {source}")

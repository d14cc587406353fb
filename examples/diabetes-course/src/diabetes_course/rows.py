"""Reading rows and setting the bad ones aside.

A row that breaks the schema is not an error: it is kept, with its reasons, beside the good ones. An error is
a table that can't be used at all: a column is missing, a rule about the whole table fails, or so many rows
are bad that the rest would be another data set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pandas as pd
import pandera.pandas as pa
import pyarrow as arrow
import pyarrow.parquet as parquet

from .errors import InputError
from .schema import INPUTS

SUFFIXES = (".csv", ".parquet")
REASON = "reason"
# Texts in a text file stay as they are: an id of digits keeps its zeros, whatever stands in the rows around it.
TEXTS = {name: str for name, column in INPUTS.columns.items() if str(column.dtype).startswith("str")}


@dataclass(frozen=True)
class Checked:
    """The rows that fit the schema, and the others as they came plus a column `reason`."""

    good: pd.DataFrame
    rejected: pd.DataFrame


def tables(source: Path) -> list[Path]:
    """The .csv and .parquet files of a folder in the order of their names, or the one file itself.

    Raises:
        InputError: there is none.
    """
    found = [source] if source.is_file() else sorted(p for p in source.glob("*") if p.suffix in SUFFIXES)
    if not found or found[0].suffix not in SUFFIXES:
        mend = "give --source a .csv or .parquet file or a folder of them, or run `pipeline sample` first"
        raise InputError(f"no rows in {source}: {mend}")
    return found


def chunks(source: Path, size: int) -> Iterator[pd.DataFrame]:
    """Read a file or folder in frames of at most `size` rows, so that memory stays bounded.

    Raises:
        InputError: a file is empty, not UTF-8, or not the table that its suffix says.
    """
    for path in tables(source):
        try:
            yield from csv(path, size) if path.suffix == ".csv" else _parquet(path, size)
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8") from error
        except (pd.errors.EmptyDataError, pd.errors.ParserError, arrow.ArrowInvalid, OSError) as error:
            raise InputError(f"cannot read {path}: {str(error).splitlines()[0]}; check the file") from error


def read(source: Path) -> pd.DataFrame:
    """All rows of a file or folder in one frame.

    Raises:
        InputError: as `chunks`, or there is no row at all.
    """
    frames = list(chunks(source, 100_000))
    if not any(len(frame) for frame in frames):
        raise InputError(f"no rows in {source}: the tables are empty")
    return pd.concat(frames, ignore_index=True)


def prepared(data: Path, part: str) -> pd.DataFrame:
    """The rows of one part, such as "test", that `pipeline prepare` wrote.

    Raises:
        InputError: they are missing or damaged.
    """
    path = data / f"{part}.parquet"
    if not path.is_file():
        raise InputError(f"no prepared rows in {path}: run `pipeline prepare` first, or give --data its folder")
    return read(path)


def predictions(folder: Path) -> pd.DataFrame:
    """What `pipeline score` wrote, or several workers at once: then predictions.parquet is a folder of files.

    Raises:
        InputError: it is missing or damaged.
    """
    path = folder / "predictions.parquet"
    if not path.exists():
        raise InputError(f"no predictions in {path}: run `pipeline score` first, or give --predictions its folder")
    return read(path)


def csv(file: Path | IO[bytes], size: int) -> Iterator[pd.DataFrame]:
    """Read a text file in frames of at most `size` rows."""
    with pd.read_csv(file, chunksize=size, encoding="utf-8", low_memory=False, dtype=TEXTS) as reader:
        yield from reader


def _parquet(path: Path, size: int) -> Iterator[pd.DataFrame]:
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=size):
            yield batch.to_pandas()


def check(frame: pd.DataFrame, schema: pa.DataFrameSchema) -> Checked:
    """Part the rows that fit `schema` (with its types) from those that don't.

    Raises:
        InputError: a column is missing, or a rule about the whole table fails.
    """
    rest = frame = frame.reset_index(drop=True)
    reasons = pd.Series(dtype="string")
    # Once per layer of faults: pandera can't compare a value before it has the right type.
    while len(rest):
        try:
            rest = schema.validate(rest, lazy=True)
            break
        except pa.errors.SchemaErrors as error:
            found = _reasons(error.failure_cases)
        reasons = pd.concat([reasons, found])
        rest = rest.drop(index=found.index)
    if rest.empty:  # no row passed by the schema that could have got its types there
        rest = schema.coerce_dtype(rest.reindex(columns=list(schema.columns)))
    return Checked(rest.reset_index(drop=True), _rejected(frame, reasons, list(schema.columns)))


def within_budget(checked: Checked, at_most: float, source: Path) -> None:
    """Refuse a table of which more than the share `at_most` was set aside, or everything.

    Raises:
        InputError: with the share and the most common reason.
    """
    bad, total = len(checked.rejected), len(checked.good) + len(checked.rejected)
    if len(checked.good) and bad <= at_most * total:
        return
    common = checked.rejected[REASON].mode().iloc[0]
    raise InputError(
        f"{bad} of {total} rows of {source} do not fit the schema (allowed: {at_most:.0%}), most often: {common}; "
        "mend the rows, the schema, or the allowed share"
    )


def _reasons(failures: pd.DataFrame) -> pd.Series:
    """The reasons of each bad row, by its index."""
    failures = failures[~failures["check"].astype(str).str.startswith("dtype(")]  # told by coerce_dtype already
    whole_table = failures[failures["index"].isna()]
    missing = whole_table.loc[whole_table["check"] == "column_in_dataframe", "failure_case"]
    if len(missing):
        raise InputError("; ".join(f"column {name} is missing" for name in sorted(missing)))
    rows = failures[failures["index"].notna()]
    if rows.empty:
        raise InputError("; ".join(sorted(whole_table["check"].astype(str).unique())))
    return rows.apply(_sentence, axis=1).groupby(rows["index"].astype(int)).agg(_joined)


def _sentence(failure: pd.Series) -> str:
    check = str(failure["check"])
    if check == "not_nullable":
        return f"{failure['column']} is empty"
    rule = check.removeprefix("coerce_dtype('").removesuffix("')") if check.startswith("coerce") else check
    return f"{failure['column']} = {failure['failure_case']!r}: not {rule}"


def _joined(sentences: pd.Series) -> str:
    return "; ".join(sentences.unique())


def _rejected(frame: pd.DataFrame, reasons: pd.Series, columns: list[str]) -> pd.DataFrame:
    # As text: a column of mixed types, the very reason for a rejection, is none that parquet can hold.
    bad = frame.loc[reasons.sort_index().index].reindex(columns=columns).astype("string")
    return bad.assign(**{REASON: reasons.astype("string")})

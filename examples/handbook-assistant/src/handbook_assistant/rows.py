"""Reading rows and setting the bad ones aside.

Rows come in tables, and, where the schema names `FILES`, as files too: one row a file, its bytes in the column
`CONTENT`, its path the id, the name of its folder the target.

A row that breaks the schema is not an error: it is kept, with its reasons, beside the good ones. An error is
a table that can't be used at all: a column is missing, a rule about the whole table fails, or so many rows
are bad that the rest would be another data set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, Any

import pandas as pd
import pandera.pandas as pa
import pyarrow as arrow
import pyarrow.parquet as parquet

from . import schema as matter
from .errors import InputError

TABLES = (".csv", ".parquet")
# A project type without files of one row each has neither name in its schema.
FILES: tuple[str, ...] = getattr(matter, "FILES", ())
CONTENT: str = getattr(matter, "CONTENT", "")
SUFFIXES = (*TABLES, *FILES)
REASON = "reason"
# Texts in a text file stay as they are: an id of digits keeps its zeros, whatever stands in the rows around it.
TEXTS = {name: str for name, column in matter.INPUTS.columns.items() if str(column.dtype).startswith("str")}
# What stands for bytes that are no UTF-8 text, once they were read.
UNREADABLE = "\ufffd"
LONGEST_VALUE = 60


@dataclass(frozen=True)
class Checked:
    """The rows that fit the schema, and the others as they came plus a column `reason`."""

    good: pd.DataFrame
    rejected: pd.DataFrame


def tables(source: Path) -> list[Path]:
    """The .csv and .parquet files of a folder in the order of their names, or the one file itself."""
    found = [source] if source.is_file() else sorted(source.glob("*"))
    return [path for path in found if path.suffix in TABLES]


def files(source: Path) -> Iterator[Path]:
    """The files below a folder that are one row each, in the order of their paths. What is hidden is none."""
    if source.is_file():
        yield from (path for path in [source] if is_row(path.name))
    else:
        found = sorted(path for path in source.rglob("*") if is_row(path.relative_to(source).as_posix()))
        yield from (path for path in found if path.is_file())


def is_row(path: str) -> bool:
    """Whether a path below the source is that of a row: by its suffix, in small or capital letters, and not hidden."""
    parts = PurePosixPath(path).parts
    return path.lower().endswith(FILES) and not any(part.startswith(".") for part in parts)


def chunks(source: Path, size: int) -> Iterator[pd.DataFrame]:
    """Read a file or folder in frames of at most `size` rows, so that memory stays bounded.

    Raises:
        InputError: there is no row, a table has no UTF-8 names, or is not what its suffix says.
    """
    found, single = tables(source), files(source)
    first = next(single, None)
    if not found and first is None:
        mend = f"give --source a {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file or a folder of them"
        raise InputError(f"no rows in {source}: {mend}, or run `pipeline sample` first")
    for path in found:
        try:
            yield from csv(path, size) if path.suffix == ".csv" else _parquet(path, size)
        except (pd.errors.EmptyDataError, pd.errors.ParserError, arrow.ArrowInvalid, OSError) as error:
            raise InputError(f"cannot read {path}: {str(error).splitlines()[0]}; check the file") from error
    if first is not None:
        yield from files_as_rows([first, *single], source if source.is_dir() else source.parent, size)


def files_as_rows(paths: Iterable[Path], root: Path, size: int) -> Iterator[pd.DataFrame]:
    """Read files of one row each in frames of at most `size` rows.

    Args:
        paths: of the files.
        root: the folder that their ids are relative to.
        size: rows of a frame.

    Raises:
        InputError: a file can't be read.
    """
    waiting = iter(paths)
    while batch := list(islice(waiting, size)):
        try:
            yield as_rows((path.relative_to(root).as_posix(), path.read_bytes()) for path in batch)
        except OSError as error:
            raise InputError(f"cannot read {error.filename}: {error.strerror}; check the file") from error


def as_rows(contents: Iterable[tuple[str, bytes]]) -> pd.DataFrame:
    """Raw rows from the path of each file, relative to the source, and its bytes."""
    records = [(path, content, PurePosixPath(path).parent.name or None) for path, content in contents]
    return pd.DataFrame(records, columns=[matter.ID, CONTENT, matter.TARGET])


def write(frame: pd.DataFrame, folder: Path) -> None:
    """Write raw rows as `chunks` reads them: files of one row each where the schema has such, else sample.csv."""
    if not FILES:
        frame.to_csv(folder / "sample.csv", index=False)
        return
    for name, content in zip(frame[matter.ID], frame[CONTENT], strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


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
    """Read a text file in frames of at most `size` rows. Bytes that are no UTF-8 become the sign that `check` finds."""
    options: Any = {"encoding": "utf-8", "encoding_errors": "replace", "low_memory": False, "dtype": TEXTS}
    with pd.read_csv(file, chunksize=size, **options) as reader:
        for chunk in reader:
            if any(UNREADABLE in str(name) for name in chunk.columns):
                raise InputError(f"{getattr(file, 'name', file)} is not UTF-8 text: save it as UTF-8")
            yield chunk


def _parquet(path: Path, size: int) -> Iterator[pd.DataFrame]:
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=size):
            yield batch.to_pandas()


def check(frame: pd.DataFrame, schema: pa.DataFrameSchema) -> Checked:
    """Part the rows that fit `schema` (with its types) from those that don't.

    Raises:
        InputError: a column is missing, or a rule about the whole table fails.
    """
    frame = frame.reset_index(drop=True)
    reasons = _unreadable(frame, schema)
    rest = frame.drop(index=reasons.index)
    # Once per layer of faults, so that a row has the same reasons whatever rows stand beside it.
    while len(rest):
        try:
            rest = schema.validate(rest, lazy=True)
            break
        except pa.errors.SchemaErrors as error:
            found = _reasons(_first_layer(error.failure_cases), list(schema.columns))
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


def _unreadable(frame: pd.DataFrame, schema: pa.DataFrameSchema) -> pd.Series:
    """The reasons of the rows with a text that was no UTF-8."""
    texts = [name for name, column in schema.columns.items() if str(column.dtype).startswith("str") and name in frame]
    parts = [pd.Series(dtype="string")]
    for name in texts:
        bad = frame[name].map(lambda value: isinstance(value, str) and UNREADABLE in value)
        parts.append(pd.Series(f"{name}: not UTF-8 text", frame.index[bad.astype(bool)], dtype="string"))
    found: pd.Series = pd.concat(parts).groupby(level=0).agg(_joined)
    return found


def _first_layer(failures: pd.DataFrame) -> pd.DataFrame:
    """The faults of type, if there are any: before all values of a column have it, pandera leaves its checks out."""
    checks = failures["check"].astype(str)
    types = checks.str.startswith("coerce_dtype(") & failures["index"].notna()
    missing = checks == "column_in_dataframe"
    # dtype() says again what coerce_dtype() said
    return failures[types | missing] if types.any() else failures[~checks.str.startswith("dtype(")]


def _reasons(failures: pd.DataFrame, columns: list[str]) -> pd.Series:
    """The reasons of each bad row in the order of its columns, by its index."""
    whole_table = failures[failures["index"].isna()]
    missing = whole_table.loc[whole_table["check"] == "column_in_dataframe", "failure_case"]
    if len(missing):
        raise InputError("; ".join(f"column {name} is missing" for name in sorted(missing)))
    rows = failures[failures["index"].notna()]
    if rows.empty:
        raise InputError("; ".join(sorted(whole_table["check"].astype(str).unique())))
    # A rule about several columns is told of each; those that a schema lets pass without naming them come last.
    order = {name: position for position, name in enumerate(columns)}
    rows = rows.sort_values("column", key=lambda names: names.map(order), kind="stable")
    return rows.apply(_sentence, axis=1).groupby(rows["index"].astype(int)).agg(_joined)


def _sentence(failure: pd.Series) -> str:
    check = str(failure["check"])
    if check == "not_nullable":
        return f"{failure['column']} is empty"
    rule = check.removeprefix("coerce_dtype('").removesuffix("')") if check.startswith("coerce") else check
    if failure["column"] == CONTENT:
        return f"{CONTENT}: not {rule}"
    return f"{failure['column']} = {_cut(repr(failure['failure_case']))}: not {rule}"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}… ({len(text)} characters)"


def _joined(sentences: pd.Series) -> str:
    return "; ".join(sentences.unique())


def _rejected(frame: pd.DataFrame, reasons: pd.Series, columns: list[str]) -> pd.DataFrame:
    # As text: a column of mixed types, the very reason for a rejection, is none that parquet can hold.
    bad = frame.loc[reasons.sort_index().index].reindex(columns=columns)
    if CONTENT in columns:
        bad[CONTENT] = bad[CONTENT].map(_size, na_action="ignore")
    return bad.astype("string").assign(**{REASON: reasons.astype("string")})


def _size(content: object) -> str:
    return f"{len(content)} bytes" if isinstance(content, bytes) else str(content)

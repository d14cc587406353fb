"""What a row is: a picture with its label. Training, scoring and monitoring all meet this same check at the door.

A row that breaks a rule about rows is set aside with its reason; a table that breaks a rule about tables (the
`checks` at the end) stops the step. A picture has one reason: the first rule that it breaks, the cheap rules first.
"""

from __future__ import annotations

import hashlib
import io
import math
import warnings
from functools import lru_cache
from typing import TypeGuard

import pandas as pd
import pandera.pandas as pa
from PIL import Image

from . import transforms

ID = "image_id"  # of a file: its path relative to the source, such as 3/0017.png
CONTENT = "image"  # the bytes of the file, as they are
# A file with one of these suffixes, in small or capital letters, is a row of its own.
FILES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
# Rows of one group are never on both sides of a split. Here it is a digest of the file, made by `grouped`: the same
# picture under two names is no new test.
GROUP = "picture"
# Name a column of moments, and set prepare.split to time, when the model predicts the future.
TIME: str | None = None
TARGET = "label"
CLASSES = tuple("0123456789")
# A label of fewer rows is set aside: it would be missing on one side of the split.
FEWEST = 10

# Grey pictures, and where the network sees colour also those: a grey one is converted without a loss. WebP files are
# never grey.
MODES = {1: ("L",), 3: ("L", "RGB")}[transforms.CHANNELS]
SIDE_AT_LEAST = 8  # pixels
# The formats of the suffixes above, as Pillow names them. It has readers for many more, which nobody needs here.
FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF")

# The rules for a picture in their order, worded for a reason: "image: not a whole picture".
FILLED = "a file with content"
KNOWN = f"a picture of format {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
CHANNELS = {1: "grey of 8 bits", 3: "grey or colour of 8 bits a channel, without transparency"}[transforms.CHANNELS]
SIZE = f"at least {SIDE_AT_LEAST} pixels wide and high, {transforms.PIXELS_AT_MOST:,} in all at most"
WHOLE = "a whole picture"
# And for its label.
LABEL = "one of CLASSES in schema.py"
COMMON = f"a label of at least {FEWEST} rows"

# The bands of `slices`, by mean brightness between 0 and 1. Of the sample's digits, each holds about a third: the more
# ink, the brighter.
BRIGHTNESS = ("dark", "medium", "bright")
EDGES = (0.0, 0.29, 0.32, 1.0)


def is_file(content: object) -> TypeGuard[bytes]:
    """Whether there are bytes at all."""
    return isinstance(content, bytes) and len(content) > 0


def fault(content: object) -> str | None:
    """The first rule that a file breaks by what its header says, None if it breaks none. No pixel is decoded."""
    if not is_file(content):
        return FILLED
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            mode, sides = picture.mode, picture.size
    except Image.DecompressionBombError:  # some 180 million pixels or more
        return SIZE
    except Exception:  # Pillow's readers fail in many ways on damaged bytes
        return KNOWN
    if mode not in MODES:
        return CHANNELS
    return None if min(sides) >= SIDE_AT_LEAST and math.prod(sides) <= transforms.PIXELS_AT_MOST else SIZE


def is_whole(content: object) -> bool:
    """Whether a file can be decoded to its last pixel, as the model will have to."""
    try:
        return is_file(content) and bool(transforms.decode(content).size)
    except Exception:  # as above
        return False


def grouped(rows: pd.DataFrame) -> pd.DataFrame:
    """Raw rows with the column `GROUP`: change it where pictures belong together, such as those of one patient."""
    contents = rows.reindex(columns=[CONTENT])[CONTENT]
    return rows.assign(**{GROUP: contents.map(_digest, na_action="ignore")})


def _digest(content: object) -> str:
    return hashlib.sha256(content if isinstance(content, bytes) else str(content).encode()).hexdigest()[:16]


def _common(labels: pd.Series) -> pd.Series:
    """Which labels are common enough, and which are unknown anyway."""
    return (labels.map(labels.value_counts()) >= FEWEST) | ~labels.isin(CLASSES)


def _check(rule: str) -> pa.Check:
    """The check of a column of pictures that finds those of which `rule` is the first that they break."""

    def check(contents: pd.Series) -> pd.Series:
        files = tuple(content if is_file(content) else None for content in contents)
        return pd.Series([found != rule for found in _faults(files)], contents.index, dtype=bool)

    return pa.Check(check, error=rule)


@lru_cache(maxsize=1)  # the checks of a column follow one another: each picture is opened for the first only
def _faults(contents: tuple[bytes | None, ...]) -> list[str | None]:
    """The first rule that each picture breaks, without Pillow's warnings: the reason says what is wrong."""
    with warnings.catch_warnings(action="ignore"):
        return [fault(content) or (None if is_whole(content) else WHOLE) for content in contents]


PICTURE = [_check(rule) for rule in (FILLED, KNOWN, CHANNELS, SIZE, WHOLE)]

# A row to predict for. A label that comes with it must be known.
INPUTS = pa.DataFrameSchema(
    {
        ID: pa.Column(str, unique=True, report_duplicates="exclude_first"),
        CONTENT: pa.Column(object, PICTURE),
        TARGET: pa.Column(str, pa.Check.isin(CLASSES, error=LABEL), nullable=True, required=False),
    },
    coerce=True,
    strict="filter",
)

# A row to learn from.
ROWS = pa.DataFrameSchema(
    {
        **INPUTS.columns,
        GROUP: pa.Column(str, nullable=True),
        TARGET: pa.Column(str, [pa.Check.isin(CLASSES, error=LABEL), pa.Check(_common, error=COMMON)]),
    },
    checks=[pa.Check(lambda rows: rows[TARGET].nunique() > 1, error=f"{TARGET} has one class only")],
    parsers=pa.Parser(grouped),
    coerce=True,
    strict="filter",
)


def inputs(rows: pd.DataFrame) -> pd.DataFrame:
    """The column that the model sees, of n checked rows."""
    return rows[[CONTENT]]


def slices(rows: pd.DataFrame) -> pd.DataFrame:
    """A column for each way of slicing n checked rows, holding each row's label."""
    brightness = rows[CONTENT].map(lambda content: transforms.decode(content).mean() / 255)
    bands = pd.cut(brightness, EDGES, labels=BRIGHTNESS, include_lowest=True).astype(str)
    return pd.DataFrame({"brightness": bands, TARGET: rows[TARGET]})

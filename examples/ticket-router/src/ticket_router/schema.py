"""What a row is: one text, and the one label that says what it is about.

Training, scoring and monitoring all meet this same check at the door. A row that breaks a rule about rows is set
aside with its reason; a table that breaks a rule about tables (the `checks` at the end) stops the step.
"""

from __future__ import annotations

import pandas as pd
import pandera.pandas as pa

ID = "ticket_id"
# Rows of one group are never on both sides of a split: what a thread repeats would be tested as if it were new.
GROUP = "thread_id"
# Name a column of moments, and set prepare.split to time, when the language changes with time.
TIME: str | None = None
TARGET = "intent"
CLASSES = (
    "account_locked",
    "address_change",
    "billing_error",
    "cancellation",
    "defective_item",
    "delivery_late",
    "parcel_missing",
    "password_reset",
    "product_question",
    "refund",
)
SOURCES = ("chat", "email", "phone", "web")
# Who gave the label. What a model proposed counts once a person has looked at it: see docs/model.md.
LABELLED_BY = "labelled_by"

# Characters. A longer text is a log file or an attachment that ended up in the wrong column.
LONGEST = 20_000
# A label of fewer rows can neither be learnt nor tested.
FEWEST = 10
# The upper ends of the length bands, in characters.
LENGTHS = {"short": 80, "medium": 300, "long": LONGEST}

# Tabs and line ends are text; the other control characters are the remains of a broken export.
CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"


def _has_letters(texts: pd.Series) -> pd.Series:
    return texts.str.contains(r"[^\W\d_]", regex=True)


def _is_clean(texts: pd.Series) -> pd.Series:
    return ~texts.str.contains(CONTROL, regex=True)


def _is_common(labels: pd.Series) -> pd.Series:
    return labels.groupby(labels).transform("size") >= FEWEST


# A row to predict for. When it comes with a label, that must be one that is known.
INPUTS = pa.DataFrameSchema(
    {
        ID: pa.Column(str, unique=True, report_duplicates="exclude_first"),
        "source": pa.Column(str, pa.Check.isin(SOURCES)),
        "text": pa.Column(
            str,
            [
                pa.Check.str_length(max_value=LONGEST, error=f"at most {LONGEST:,} characters long"),
                pa.Check(_has_letters, error="a text with letters"),
                pa.Check(_is_clean, error="free of control characters"),
            ],
        ),
        TARGET: pa.Column(str, pa.Check.isin(CLASSES), nullable=True, required=False),
    },
    coerce=True,
    strict="filter",
)

# A row to learn from.
ROWS = pa.DataFrameSchema(
    {
        **INPUTS.columns,
        GROUP: pa.Column(str),
        TARGET: pa.Column(
            str, [pa.Check.isin(CLASSES), pa.Check(_is_common, error=f"a label of at least {FEWEST} rows")]
        ),
        LABELLED_BY: pa.Column(
            str, pa.Check.isin(["human"], error="a label that a person has given"), required=False, default="human"
        ),
    },
    checks=[pa.Check(lambda rows: rows[TARGET].nunique() > 1, error=f"{TARGET} has one class only")],
    coerce=True,
    strict="filter",
)


def inputs(rows: pd.DataFrame) -> pd.DataFrame:
    """The columns that the model sees, of n checked rows: the text alone."""
    return rows[["text"]]


def slices(rows: pd.DataFrame) -> pd.DataFrame:
    """A column for each way of slicing n checked rows, holding each row's label: source, length and writing."""
    edges = [0, *LENGTHS.values()]
    length = pd.cut(rows["text"].str.len(), edges, labels=list(LENGTHS)).astype(str)
    # Nobody's typos can be counted without a dictionary; those who skip capitals and full stops make more of them.
    tidy = rows["text"].str.contains(r"[A-Z]", regex=True) & rows["text"].str.contains(r"[.!?]", regex=True)
    writing = tidy.map({True: "tidy", False: "hasty"})
    return pd.DataFrame({"source": rows["source"], "length": length, "writing": writing})

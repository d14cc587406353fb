"""Bad and strange texts through the command line: set aside with a reason and counted, or kept as they are."""

from __future__ import annotations

from pathlib import Path

import cases
import pandas as pd
import pytest
from conftest import Pipeline

from ticket_router import sample, schema

STRANGE = {
    "quotes": 'she said ""no"", \'twice\', and "then',
    "lines": "first line\nsecond line\r\n\tthird, with a tab",
    "emoji": "where is it 😡 👩‍👩‍👧 🇫🇷",
    "right to left": "أين طلبي رقم 12؟ \u202etrat si redro ym",
    "comma and semicolon": "a, b; c, d",
    "a formula": "=HYPERLINK(1) is what my invoice says",
    "not a number": "NaN, null and None are what the page shows",
}


@pytest.fixture
def tickets() -> pd.DataFrame:
    """Enough rows to split, with strange texts at the start."""
    frame = sample.rows()
    frame.loc[: len(STRANGE) - 1, "text"] = list(STRANGE.values())
    return frame


def prepared(folder: Path) -> pd.DataFrame:
    """All good rows by their id, whatever part they are in."""
    parts = [pd.read_parquet(folder / f"outputs/data/{name}.parquet") for name in ("train", "validation", "test")]
    return pd.concat(parts).set_index(schema.ID)


def rejected(folder: Path) -> pd.Series:
    """The reasons by id."""
    table = pd.read_parquet(folder / "outputs/data/rejected.parquet")
    return table.set_index(schema.ID)["reason"]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_strange_texts_survive(suffix: str, project: Path, tickets: pd.DataFrame, pipeline: Pipeline) -> None:
    """Quotes, line ends, emoji and other scripts reach the prepared rows letter by letter, from either format."""
    path = project / f"rows.{suffix}"
    tickets.to_csv(path, index=False) if suffix == "csv" else tickets.to_parquet(path)
    assert pipeline("prepare", "--source", path).code == 0
    found = prepared(project)["text"]
    assert [found[name] for name in tickets[schema.ID]] == tickets["text"].tolist()


def test_bad_texts_are_set_aside_and_counted(project: Path, tickets: pd.DataFrame, pipeline: Pipeline) -> None:
    """An empty, a blank and a text of a megabyte have their reasons, shortened; an unknown label too."""
    tickets.loc[20, "text"] = ""
    tickets.loc[21, "text"] = "   "
    tickets.loc[22, "text"] = "word " * 200_000
    tickets.loc[23, schema.TARGET] = "complaint"
    tickets.to_csv(project / "rows.csv", index=False)
    done = pipeline("prepare", "--source", "rows.csv")
    assert done.code == 0, done
    assert "rejected 4" in done.out
    reasons = rejected(project)
    assert list(reasons.index) == tickets.loc[20:23, schema.ID].tolist()
    for reason, words in zip(reasons, ("empty", "letters", "20,000 characters", "complaint"), strict=True):
        assert words in reason
        assert len(reason) < 500


def test_lines_in_another_encoding_are_set_aside(project: Path, tickets: pd.DataFrame, pipeline: Pipeline) -> None:
    """Of a file put together from two systems, the lines that are not UTF-8 are set aside, the others used."""
    tickets.loc[30:32, "text"] = "Die Rückgabe wäre möglich, aber das Gerät ist größer"
    good, bad = tickets.drop(index=[30, 31, 32]), tickets.loc[30:32]
    content = good.to_csv(index=False).encode() + bad.to_csv(index=False, header=False).encode("latin-1")
    (project / "rows.csv").write_bytes(content)
    done = pipeline("prepare", "--source", "rows.csv")
    assert done.code == 0, done
    assert rejected(project).to_dict() == dict.fromkeys(bad[schema.ID], "text: not UTF-8 text")
    assert len(prepared(project)) == len(good)


def test_a_label_of_one_row_is_set_aside(project: Path, tickets: pd.DataFrame, pipeline: Pipeline) -> None:
    """A label that nobody can learn from one row costs that row, not the run."""
    rare = tickets.index[tickets[schema.TARGET] == "account_locked"]
    tickets.drop(index=rare[1:]).to_csv(project / "rows.csv", index=False)
    assert pipeline("prepare", "--source", "rows.csv").code == 0
    reasons = rejected(project)
    assert list(reasons.index) == [tickets.loc[rare[0], schema.ID]]
    assert "a label of at least 10 rows" in reasons.iloc[0]


WHOLE_TABLES: dict[str, tuple[cases.Spoil, str]] = {
    "no text column": (lambda frame: frame.drop(columns="text"), "column text is missing"),
    "no thread column": (lambda frame: frame.drop(columns=schema.GROUP), "column thread_id is missing"),
    "labels of another project": (lambda frame: frame.assign(**{schema.TARGET: "spam"}), "'spam'"),
    "empty texts": (lambda frame: frame.assign(text=""), "text is empty"),
    "texts of a megabyte": (lambda frame: frame.head(20).assign(text="word " * 200_000), "20,000 characters"),
}


@pytest.mark.parametrize("name", WHOLE_TABLES)
def test_a_table_of_bad_texts_is_refused(name: str, project: Path, tickets: pd.DataFrame, pipeline: Pipeline) -> None:
    """A table that is bad as a whole is one line and exit code 2."""
    spoil, words = WHOLE_TABLES[name]
    spoil(tickets).to_csv(project / "rows.csv", index=False)
    done = pipeline("prepare", "--source", "rows.csv")
    done.refused(2, words)
    assert len(done.err) < 1000


def test_scoring_sets_bad_texts_aside(trained: Path, tickets: pd.DataFrame, pipeline: Pipeline) -> None:
    """New texts that cannot be used have their reasons; the strange ones among the others are predicted for."""
    new = tickets.head(40).drop(columns=schema.GROUP)
    new.loc[20, "text"], new.loc[21, "text"] = "", "word " * 200_000
    new.loc[22, schema.TARGET], new.loc[23, schema.TARGET] = "complaint", None
    new.to_csv(trained / "new.csv", index=False)
    done = pipeline("score", "--source", "new.csv", "--model", "outputs/model")
    assert done.code == 0, done
    assert "37 rows predicted" in done.out
    assert "3 set aside" in done.out
    reasons = pd.read_parquet(trained / "outputs/predictions/rejected.parquet")["reason"]
    for reason, words in zip(reasons, ("empty", "20,000 characters", "complaint"), strict=True):
        assert words in reason
    predicted = pd.read_parquet(trained / "outputs/predictions/predictions.parquet")
    assert set(predicted["prediction"]) <= set(schema.CLASSES)

"""Rows: each is used or set aside with a reason, none is lost."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pandera.pandas as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from handbook_assistant import rows, schema
from handbook_assistant.errors import InputError

SCHEMA = pa.DataFrameSchema(
    {
        "id": pa.Column(str, unique=True, report_duplicates="exclude_first"),
        "number": pa.Column(float, pa.Check.ge(0)),
        "word": pa.Column(str, pa.Check.isin(["a", "b"])),
    },
    checks=[pa.Check(lambda frame: frame["word"].nunique() > 1, error="word has one value only")],
    coerce=True,
    strict="filter",
)
NUMBERS = st.sampled_from(["1", "2.5", "-1", "x", None])
WORDS = st.sampled_from(["a", "b", "c", None])


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(NUMBERS, WORDS), max_size=12))
def test_no_row_is_lost(parts: list[tuple[str | None, str | None]]) -> None:
    """Every row is good or rejected, never both; the good ones fit, the others have a reason."""
    fixed = [("1", "a"), ("2.5", "b")]  # so that the rule about the whole table holds
    frame = pd.DataFrame([*fixed, *parts], columns=["number", "word"])
    frame.insert(0, "id", [f"r{number}" for number in range(len(frame))])
    checked = rows.check(frame, SCHEMA)
    assert sorted([*checked.good["id"], *checked.rejected["id"]]) == sorted(frame["id"])
    expected = frame["number"].isin(["1", "2.5"]) & frame["word"].isin(["a", "b"])
    assert set(checked.good["id"]) == set(frame.loc[expected, "id"])
    assert checked.rejected[rows.REASON].str.len().gt(0).all()
    assert checked.good["number"].dtype == float


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(NUMBERS, WORDS), min_size=1, max_size=6))
@example([("x", "a"), ("-1", "c")])
def test_reasons_do_not_depend_on_other_rows(parts: list[tuple[str | None, str | None]]) -> None:
    """A row is told the same, however the rows were parted into chunks."""
    frame = pd.DataFrame([*parts, ("1", "a"), ("2.5", "b")], columns=["number", "word"])
    frame.insert(0, "id", [f"r{number}" for number in range(len(frame))])
    together = rows.check(frame, SCHEMA).rejected
    neighbours = frame.tail(2)
    for position in range(len(parts)):
        alone = rows.check(pd.concat([frame.iloc[[position]], neighbours]), SCHEMA).rejected
        same = together[together["id"] == frame["id"][position]]
        assert alone[rows.REASON].tolist() == same[rows.REASON].tolist()


def test_reasons_name_column_value_and_rule() -> None:
    """Somebody who mends the source learns from the reason what to mend."""
    frame = pd.DataFrame(
        {"id": list("1234456"), "number": ["1", "x", "-1", "", "1", "-1", "1"], "word": list("abcabbb")}
    )
    reasons = rows.check(frame.replace("", None), SCHEMA).rejected.set_index("id")[rows.REASON]
    assert reasons["2"] == "number = 'x': not float64"
    assert reasons["3"] == "number = -1.0: not greater_than_or_equal_to(0); word = 'c': not isin(['a', 'b'])"
    assert reasons["5"] == "number = -1.0: not greater_than_or_equal_to(0)"
    assert reasons.loc["4"].tolist() == ["number is empty", "id = '4': not field_uniqueness"]


def test_a_rule_about_several_columns_is_told_of_each() -> None:
    """The reasons come in the order of the schema, those of a column that it does not name last."""
    rule = pa.Check(lambda frame: frame["low"] < frame["high"], error="low below high")
    either = pa.DataFrameSchema({"low": pa.Column(float), "high": pa.Column(float)}, checks=[rule], coerce=True)
    checked = rows.check(pd.DataFrame({"other": [1.0, 2.0], "high": [2.0, 3.0], "low": [1.0, 5.0]}), either)
    expected = "low = 5.0: not low below high; high = 3.0: not low below high; other = 2.0: not low below high"
    assert checked.rejected[rows.REASON].tolist() == [expected]


def test_rules_about_the_table_stop() -> None:
    """A table of good rows that is wrong as a whole is an error, also after bad rows were set aside."""
    frame = pd.DataFrame({"id": ["1", "2", "3"], "number": [1, 2, 3], "word": ["a", "a", "c"]})
    with pytest.raises(InputError, match="one value only"):
        rows.check(frame, SCHEMA)


def test_all_missing_columns_are_told() -> None:
    """One message names every column that is missing."""
    with pytest.raises(InputError, match=r"column number is missing; column word is missing"):
        rows.check(pd.DataFrame({"id": ["1"]}), SCHEMA)


def test_too_many_bad_rows_stop() -> None:
    """Above the allowed share the rest would be another data set; the message gives the most common reason."""
    frame = pd.DataFrame({"id": list("123456"), "number": [1, 2, 3, -1, -1, -1], "word": list("ababab")})
    checked = rows.check(frame, SCHEMA)
    rows.within_budget(checked, 0.5, Path("x.csv"))
    with pytest.raises(InputError, match=r"3 of 6 rows of x.csv .*number = -1.0"):
        rows.within_budget(checked, 0.4, Path("x.csv"))


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    """CSV and parquet files of a folder make one table; other files are ignored."""
    pd.DataFrame({"x": [3]}).to_csv(tmp_path / "b.csv", index=False)
    pd.DataFrame({"x": [1, 2]}).to_parquet(tmp_path / "a.parquet")
    (tmp_path / "notes.txt").write_text("not a table")
    assert rows.read(tmp_path)["x"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_chunks_are_bounded(suffix: str, tmp_path: Path) -> None:
    """No chunk is larger than asked for, and together they are the table."""
    frame = pd.DataFrame({"x": range(25)})
    path = tmp_path / f"t.{suffix}"
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    parts = list(rows.chunks(path, 10))
    assert [len(part) for part in parts] == [10, 10, 5]
    assert pd.concat(parts)["x"].tolist() == list(range(25))


def test_an_id_of_digits_keeps_its_zeros(tmp_path: Path) -> None:
    """An id is a text also where a file has digits only."""
    pd.DataFrame({schema.ID: ["001", "002", "010"]}).to_csv(tmp_path / "t.csv", index=False)
    assert list(rows.read(tmp_path)[schema.ID]) == ["001", "002", "010"]


def test_a_text_that_is_not_utf8_is_set_aside(tmp_path: Path) -> None:
    """Bytes of another encoding cost the row that holds them, and no other."""
    lines = [b"id,number,word", b"1,1,a", "ä,1,a".encode("latin-1"), "ö,1,b".encode()]
    (tmp_path / "t.csv").write_bytes(b"\n".join(lines))
    checked = rows.check(rows.read(tmp_path), SCHEMA)
    assert list(checked.good["id"]) == ["1", "ö"]
    assert list(checked.rejected[rows.REASON]) == ["id: not UTF-8 text"]


def test_a_long_value_is_cut_in_the_reason() -> None:
    """A reason stays a line also where the value is a book."""
    frame = pd.DataFrame({"id": list("123"), "number": [1, 1, 1], "word": ["a", "b", "c" * 1_000_000]})
    (reason,) = rows.check(frame, SCHEMA).rejected[rows.REASON]
    assert len(reason) < 200
    assert "1000002 characters" in reason


@pytest.fixture
def single(monkeypatch: pytest.MonkeyPatch) -> None:
    """A schema in which a file with the suffix .one is a row."""
    for name, value in {"FILES": (".one",), "CONTENT": "content"}.items():
        monkeypatch.setattr(rows, name, value)


@pytest.mark.usefixtures("single")
def test_a_file_can_be_a_row(tmp_path: Path) -> None:
    """Its path is the id, its folder the target; capital letters in the suffix do not matter, hidden files do."""
    for name in ("a/1.one", "a/2.ONE", "b/deep/3.one", "4.one", ".5.one", ".hidden/6.one", "a/7.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    found = list(rows.chunks(tmp_path, 3))
    assert list(map(len, found)) == [3, 1]
    frame = pd.concat(found)
    assert list(frame[schema.ID]) == ["4.one", "a/1.one", "a/2.ONE", "b/deep/3.one"]
    assert list(frame["content"]) == [name.encode() for name in frame[schema.ID]]
    assert list(frame[schema.TARGET].fillna("none")) == ["none", "a", "a", "deep"]
    assert list(rows.read(tmp_path / "a/1.one")[schema.ID]) == ["1.one"]


@pytest.mark.usefixtures("single")
def test_rows_are_written_as_they_are_read(tmp_path: Path) -> None:
    """A sample of files comes back as the same rows."""
    frame = pd.DataFrame({schema.ID: ["a/1.one", "b/2.one"], "content": [b"1", b"2"], schema.TARGET: ["a", "b"]})
    rows.write(frame, tmp_path)
    pd.testing.assert_frame_equal(rows.read(tmp_path), frame)


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    """A file of another kind is not guessed at."""
    (tmp_path / "t.xlsx").write_bytes(b"")
    with pytest.raises(InputError, match=r"t\.xlsx"):
        rows.read(tmp_path / "t.xlsx")

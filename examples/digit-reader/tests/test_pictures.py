"""Pictures through the command line: every file is used or set aside with a reason, and none stops a step."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pictures
from conftest import Pipeline

from digit_reader import rows, schema

RAW = Path("data/raw")
DATA = Path("outputs/data")
MODEL = ("--model", "outputs/model")
COLOUR = pictures.encoded(pictures.random("RGB"))
CUT = pictures.cut(pictures.encoded(pictures.random()))


def put(path: Path, content: bytes) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def set_aside(folder: Path) -> dict[str, str]:
    """The reason of each row that a step has set aside, by its id."""
    rejected = pd.read_parquet(folder / "rejected.parquet")
    return dict(zip(rejected[schema.ID], rejected[rows.REASON], strict=True))


def used() -> pd.DataFrame:
    """The rows that `pipeline prepare` has found good."""
    return pd.concat([rows.prepared(DATA, part) for part in ("train", "validation", "test")])


BAD_FILES = {
    "3/empty.png": b"",
    "3/text.png": b"a list of what is in this folder",
    "3/colour.png": COLOUR,
    "3/cut.png": CUT,
}
REASONS = {
    "3/empty.png": f"image: not {schema.FILLED}",
    "3/text.png": f"image: not {schema.KNOWN}",
    "3/colour.png": f"image: not {schema.CHANNELS}",
    "3/cut.png": f"image: not {schema.WHOLE}",
}


def test_bad_files_are_set_aside_at_prepare(trained: Path, pipeline: Pipeline) -> None:
    """Each bad file is counted and kept with its reason, and all others are used."""
    before = len(used())
    for name, content in BAD_FILES.items():
        put(RAW / name, content)
    done = pipeline("prepare")
    assert done.code == 0, done
    assert f"rejected {len(BAD_FILES)}" in done.out
    assert set_aside(DATA) == REASONS
    assert len(used()) == before


def test_bad_files_are_set_aside_at_scoring(trained: Path, raw: pd.DataFrame, pipeline: Pipeline) -> None:
    """Each bad file is counted and kept with its reason, and the good one is predicted for."""
    for name, content in BAD_FILES.items():
        put(Path("new", name), content)
    put(Path("new", raw[schema.ID].iloc[0]), raw[schema.CONTENT].iloc[0])
    done = pipeline("score", "--source", "new", *MODEL)
    assert done.code == 0, done
    assert "1 rows predicted by version" in done.out
    assert f"{len(BAD_FILES)} set aside" in done.out
    assert set_aside(Path("outputs/predictions")) == REASONS


def test_a_label_of_one_picture_is_set_aside(trained: Path, raw: pd.DataFrame, pipeline: Pipeline) -> None:
    """A label that could not be on both sides of the split is not learned, and the others are."""
    for name in raw.loc[raw[schema.TARGET] == "7", schema.ID].iloc[1:]:
        (RAW / name).unlink()
    assert pipeline("prepare").code == 0
    assert list(set_aside(DATA).values()) == [f"label = '7': not {schema.COMMON}"]
    assert set(used()[schema.TARGET]) == set(schema.CLASSES) - {"7"}


def test_a_folder_of_an_unknown_label_is_set_aside(trained: Path, raw: pd.DataFrame, pipeline: Pipeline) -> None:
    """A folder that is no class is named in the reason, by prepare and by score."""
    put(RAW / "cats/tom.png", raw[schema.CONTENT].iloc[0])
    reason = {"cats/tom.png": f"label = 'cats': not {schema.LABEL}"}
    assert pipeline("prepare").code == 0
    assert set_aside(DATA) == reason
    assert pipeline("score", *MODEL).code == 0
    assert set_aside(Path("outputs/predictions")) == reason


def test_what_is_no_picture_by_name_is_no_row(trained: Path, pipeline: Pipeline) -> None:
    """Hidden files, and what systems and people leave in folders, are neither used nor counted."""
    for name in ("3/.hidden.png", "3/._0003.png", "3/Thumbs.db", "3/.DS_Store", "notes.txt"):
        put(RAW / name, b"x")
    before = len(used())
    assert pipeline("prepare").code == 0
    assert set_aside(DATA) == {}
    assert len(used()) == before


def test_pictures_are_found_in_nested_folders(trained: Path, pipeline: Pipeline) -> None:
    """A picture's label is the folder it lies in, at any depth; its suffix may be in capital letters."""
    names = ["2026/spring/3/a.PNG", "2026/autumn/4/a.png"]
    for seed, name in enumerate(names):
        put(RAW / name, pictures.encoded(pictures.random(seed=seed)))
    assert pipeline("prepare").code == 0
    found = used().set_index(schema.ID)[schema.TARGET]
    assert list(found[names]) == ["3", "4"]


def test_pictures_can_come_in_a_table_too(trained: Path, raw: pd.DataFrame, pipeline: Pipeline) -> None:
    """A parquet table of pictures beside the files adds its rows, and sets its bad ones aside."""
    contents = [pictures.encoded(pictures.random(seed=seed)) for seed in range(3)] + [CUT]
    names = ["a", "b", "c", "d"]
    table = pd.DataFrame({schema.ID: names, schema.CONTENT: contents, schema.TARGET: "3"})
    table.to_parquet(RAW / "more.parquet")
    assert pipeline("prepare").code == 0
    assert len(used()) == len(raw) + 3
    assert set_aside(DATA) == {"d": f"image: not {schema.WHOLE}"}


def test_copies_of_a_picture_stay_together(trained: Path, raw: pd.DataFrame, pipeline: Pipeline) -> None:
    """A picture that lies there under several names is never tested and learned from at once."""
    originals = raw.head(40)
    for name, content in zip(originals[schema.ID], originals[schema.CONTENT], strict=True):
        put(RAW / "copies" / name, content)
    assert pipeline("prepare").code == 0
    parts = [set(rows.prepared(DATA, part)[schema.ID]) for part in ("train", "validation", "test")]
    for part in parts:
        found = part & set(originals[schema.ID])
        assert found
        assert {name for name in part if name.startswith("copies/")} == {f"copies/{name}" for name in found}


def test_a_source_without_pictures_is_refused(project: Path, pipeline: Pipeline) -> None:
    """A folder without any picture gets one line that says what is looked for."""
    put(RAW / "notes.txt", b"none yet")
    pipeline("prepare").refused(2, "no rows in data/raw", ".png")


def test_a_source_of_bad_pictures_is_refused(project: Path, pipeline: Pipeline) -> None:
    """Where no picture is whole, the message says so, and nothing is left behind."""
    for number in range(20):
        put(RAW / f"{number % 2}/{number}.png", CUT)
    pipeline("prepare").refused(2, "20 of 20 rows", schema.WHOLE)
    assert not Path("outputs").exists()


def test_too_many_bad_pictures_are_refused(trained: Path, pipeline: Pipeline) -> None:
    """Above the allowed share the rest would be another data set; the most common reason is told."""
    for number in range(200):
        put(RAW / f"3/cut{number}.png", CUT)
    pipeline("prepare").refused(2, "200 of", schema.WHOLE)


def test_scoring_nothing_but_bad_pictures_is_refused(trained: Path, pipeline: Pipeline) -> None:
    """A delivery without one good picture gets one line, and leaves no predictions."""
    put(Path("new/3/cut.png"), CUT)
    pipeline("score", "--source", "new", *MODEL).refused(2, schema.WHOLE)
    assert not Path("outputs/predictions").exists()


def test_one_picture_can_be_scored(trained: Path, raw: pd.DataFrame, pipeline: Pipeline) -> None:
    """The source may be a single file, without a label."""
    put(Path("digit.png"), raw[schema.CONTENT].iloc[0])
    done = pipeline("score", "--source", "digit.png", *MODEL)
    assert done.code == 0, done
    assert list(rows.predictions(Path("outputs/predictions"))["prediction"]) == ["0"]

"""What a row must be: a good picture, and a label that is known."""

from __future__ import annotations

import pandas as pd
import pictures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digit_reader import rows, sample, schema

GOOD = pictures.encoded(pictures.random())
BAD = {
    "no bytes": (b"", schema.FILLED),
    "a text": ("3/0017.png", schema.FILLED),
    "a text file": (b"not a picture at all", schema.KNOWN),
    "another format": (pictures.encoded(pictures.random(), "GIF"), schema.KNOWN),
    "transparency": (pictures.encoded(pictures.random("RGBA")), schema.CHANNELS),
    "colours of print": (pictures.encoded(pictures.random("CMYK"), "JPEG"), schema.CHANNELS),
    "16 bits": (pictures.encoded(pictures.random("I;16")), schema.CHANNELS),
    "a palette": (pictures.encoded(pictures.random("P")), schema.CHANNELS),
    "too small": (pictures.encoded(pictures.random(side=7)), schema.SIZE),
    "too many pixels": (pictures.claiming(10_000, 9_000), schema.SIZE),
    "a decompression bomb": (pictures.claiming(60_000, 60_000), schema.SIZE),
    "fewer pixels than claimed": (pictures.claiming(500, 500), schema.WHOLE),
    "cut short": (pictures.cut(GOOD), schema.WHOLE),
    "a JPEG cut short": (pictures.cut(pictures.encoded(pictures.random(side=64), "JPEG")), schema.WHOLE),
}


def frame(*contents: object, label: object = "3") -> pd.DataFrame:
    """A row for each content."""
    identifiers = [f"{number}.png" for number in range(len(contents))]
    return pd.DataFrame({schema.ID: identifiers, schema.CONTENT: contents, schema.TARGET: label})


def reasons(raw: pd.DataFrame) -> list[str]:
    """Why rows to predict for are set aside."""
    return list(rows.check(raw, schema.INPUTS).rejected[rows.REASON])


def test_the_sample_fits() -> None:
    """No sample row is set aside."""
    checked = rows.check(sample.rows(), schema.ROWS)
    assert len(checked.good) == 1797
    assert checked.rejected.empty


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", BAD)
def test_a_bad_picture_is_set_aside_for_one_reason(name: str) -> None:
    """The first rule that it breaks is the reason, whatever else would be wrong with it; no warning is printed."""
    content, rule = BAD[name]
    assert [text.partition(": not ")[2] for text in reasons(frame(GOOD, content))] == [rule]


def test_a_row_without_a_picture_is_set_aside() -> None:
    """A table may have rows whose picture is missing."""
    assert reasons(frame(GOOD, None)) == ["image is empty"]


@pytest.mark.parametrize("kind", schema.FORMATS)
def test_every_format_is_taken(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A good picture fits, whatever the format of its file. WebP knows colour only."""
    monkeypatch.setattr(schema, "MODES", ("L", "RGB") if kind == "WEBP" else schema.MODES)
    assert reasons(frame(pictures.encoded(pictures.random(), kind))) == []


def test_colour_is_taken_where_the_network_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture in red, green and blue fits a network of three channels, and no other."""
    colour = pictures.encoded(pictures.random("RGB"))
    assert schema.fault(colour) == (None if "RGB" in schema.MODES else schema.CHANNELS)
    monkeypatch.setattr(schema, "MODES", ("L", "RGB"))
    assert schema.fault(colour) is None
    assert schema.fault(GOOD) is None


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=100, deadline=None)
@given(st.sampled_from(schema.FORMATS), st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=4))))
def test_damage_is_never_an_error(kind: str, wounds: list[tuple[float, bytes]]) -> None:
    """Whatever has happened to a file, it is judged."""
    content = pictures.encoded(pictures.random(), kind)
    for share, piece in wounds:
        start = int(share * len(content))
        content = content[:start] + piece + content[start + max(1, len(piece)) :]
    assert schema.fault(content) in (None, schema.FILLED, schema.KNOWN, schema.CHANNELS, schema.SIZE)
    assert schema.is_whole(content) in (True, False)


def test_the_same_picture_is_one_group() -> None:
    """Two names for the same bytes are in one group, and other bytes in another."""
    groups = schema.grouped(frame(GOOD, pictures.encoded(pictures.random(seed=1)), GOOD))[schema.GROUP]
    assert groups[0] == groups[2] != groups[1]


def test_a_rare_label_is_set_aside() -> None:
    """A label needs enough pictures to be on both sides of the split; the others are used."""
    raw = sample.rows()
    rare = raw[raw[schema.TARGET] == "7"].head(schema.FEWEST - 1)
    checked = rows.check(pd.concat([raw[raw[schema.TARGET] != "7"], rare]), schema.ROWS)
    assert set(checked.rejected[rows.REASON]) == {f"label = '7': not {schema.COMMON}"}
    assert set(checked.good[schema.TARGET]) == set(schema.CLASSES) - {"7"}


def test_an_unknown_label_is_set_aside() -> None:
    """Also when it is rare, and also in rows to predict for, the reason is that it is unknown."""
    raw = sample.rows().head(300)
    raw.loc[0, schema.TARGET] = "cat"
    for door in (schema.ROWS, schema.INPUTS):
        assert list(rows.check(raw, door).rejected[rows.REASON]) == [f"label = 'cat': not {schema.LABEL}"]


def test_rows_to_predict_for_need_no_label() -> None:
    """A picture outside of a folder of its label, and a table without labels, can be scored."""
    assert reasons(frame(GOOD, label=None)) == []
    assert reasons(frame(GOOD).drop(columns=schema.TARGET)) == []


def test_inputs_hold_neither_target_nor_identifier() -> None:
    """What the model sees cannot leak the answer: the path names the folder of the label."""
    columns = set(schema.inputs(sample.rows()))
    assert not columns & {schema.TARGET, schema.ID, schema.GROUP}


def test_every_row_is_in_a_slice() -> None:
    """Slices label all rows, and each band of brightness holds a fair part of the sample."""
    labels = schema.slices(sample.rows())
    assert labels.notna().all(axis=None)
    assert set(labels[schema.TARGET]) == set(schema.CLASSES)
    shares = labels["brightness"].value_counts(normalize=True)
    assert set(shares.index) == set(schema.BRIGHTNESS)
    assert shares.min() > 0.25


def test_black_and_white_are_in_a_slice() -> None:
    """The darkest and the brightest picture that there can be have a band."""
    black, white = (pictures.encoded(pictures.random().point([level] * 256)) for level in (0, 255))
    assert list(schema.slices(frame(black, white))["brightness"]) == ["dark", "bright"]

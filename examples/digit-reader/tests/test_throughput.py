"""The measurement of the training's speed."""

from __future__ import annotations

from pathlib import Path

import pytest

from digit_reader import throughput
from digit_reader.settings import load

DATA, CONFIG = Path("outputs/data"), Path("config/dev.yml")


def test_all_rates_are_measured(trained: Path) -> None:
    """Each is positive, and the fraction is of the slower of what training consists of."""
    rates = throughput.measure(DATA, load(CONFIG), seconds=0.2)
    assert all(rate > 0 for rate in rates.values())
    assert rates["fraction"] == pytest.approx(rates["training"] / min(rates["input"], rates["compute"]))


def test_the_command_prints_them(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Device, precision, the rates, and how much of the limit is reached."""
    throughput.main(DATA, CONFIG, None, seconds=0.1)
    printed = [line.split(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert printed == ["device", "precision", "input", "compute", "training", "fraction of the limit reached"]


def test_absent_rows_are_one_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command ends as the steps of the pipeline do."""
    with pytest.raises(SystemExit) as stop:
        throughput.main(DATA, CONFIG, None, seconds=0.1)
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("error: no prepared rows in outputs/data/train.parquet")

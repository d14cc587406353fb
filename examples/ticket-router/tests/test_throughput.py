"""The measurement of the training's speed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ticket_router import throughput
from ticket_router.settings import load


def test_all_rates_are_measured(trained: Path) -> None:
    """Each is positive, and the fraction tells how near training comes to what limits it."""
    rates = throughput.measure(Path("outputs/data"), load(Path("config/dev.yml")), seconds=0.3)
    assert all(rate > 0 for rate in rates.values())
    assert rates["fraction"] == pytest.approx(rates["training"] / min(rates["input"], rates["compute"]))
    assert rates["fraction"] < 3


def test_the_command_prints_them(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Device, precision, the rates, and how much of the limit is reached; an error is one line."""
    throughput.main(seconds=0.1)
    printed = [line.split(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert printed == ["device", "precision", "input", "compute", "training", "fraction of the limit reached"]
    with pytest.raises(SystemExit) as stop:
        throughput.main(data=Path("absent"))
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("error: no prepared rows in absent")

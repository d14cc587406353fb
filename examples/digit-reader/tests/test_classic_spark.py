"""databricks/score.py without Spark Connect, as a process of its own: as well as in test_spark_score.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cases
import pandas as pd
import pytest
from conftest import ROOT, Pipeline
from test_spark_score import MODEL, same, spark_environment

pytestmark = pytest.mark.platform


def test_classic_spark_scores_as_well(trained: Path, raw: pd.DataFrame, pipeline: Pipeline) -> None:
    """The same predictions, the same rejected row, and the same reason."""
    cases.misfit(raw.head(300), 3).to_parquet("new.parquet")
    assert pipeline("score", "--source", "new.parquet", "--model", MODEL).code == 0
    command = [sys.executable, str(ROOT / "databricks/score.py"), "--source", "./new.parquet", "--model", str(MODEL)]
    # A session of Spark Connect in this process leaves variables that say so.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SPARK_")}
    environment = inherited | spark_environment(trained) | {"MASTER": "local[2]"}
    command += ["--scored", "scored"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    same(trained / "scored", trained / "outputs/predictions")

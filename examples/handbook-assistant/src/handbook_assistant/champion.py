"""The losses of the model that serves, in git: a pull request is compared with it where there is no registry.

`python -m <package>.champion` takes them from a report that passed the gate. Commit the file with what made it better.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd

from . import metrics, schema
from .errors import InputError, PipelineError
from .folders import read_json
from .progress import say

REPORT, FILE = Path("outputs/report"), Path("evals/champion.jsonl")


def accept(report: Path, file: Path) -> int:
    """Write the loss of each question of a report, a line each; how many there are.

    Raises:
        InputError: there is no report, or the gate refused its model.
    """
    decision = read_json(report / "gate.json")
    if not decision["passed"]:
        raise InputError(f"the gate refused this model, so it is no champion: {'; '.join(decision['reasons'])}")
    table = pd.read_parquet(report / "predictions.parquet")
    losses = metrics.row_losses(table[schema.TARGET], table)
    pairs = zip(table[schema.ID], losses, strict=True)
    lines = [json.dumps({"id": name, "loss": round(float(loss), 6)}) for name, loss in sorted(pairs)]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(lines)


def main() -> None:
    """Run the command. A problem that the user can mend is one line on standard error."""
    try:
        say(f"{accept(REPORT, FILE)} losses in {FILE}: commit it")
    except PipelineError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()

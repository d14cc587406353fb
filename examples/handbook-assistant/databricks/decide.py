# Databricks notebook source
# Passes the monitor's decision on to the job: the tasks after this one read `retrain` and `source`.
# It is a notebook because only a notebook can set the values that other tasks read.

# COMMAND ----------

import json
from pathlib import Path
from typing import Any

# Databricks puts it into the notebook; there is nothing to import it from everywhere.
dbutils: Any = globals()["dbutils"]

decision = json.loads(Path(dbutils.widgets.get("report"), "retrain.json").read_text(encoding="utf-8"))
print("; ".join(decision["reasons"]))

# COMMAND ----------

# The rows that were sent last. Each delivery has a note beside its folder, written when all of it had arrived.
notes = sorted(Path(dbutils.widgets.get("raw")).glob("*.json"), key=lambda note: note.stat().st_mtime)
source = str(notes[-1].with_suffix("")) if notes else ""
if decision["retrain"] and not source:
    print("no rows to train with: send some with uv run poe platform-data")

# COMMAND ----------

dbutils.jobs.taskValues.set("retrain", "true" if decision["retrain"] and source else "false")
dbutils.jobs.taskValues.set("source", source)

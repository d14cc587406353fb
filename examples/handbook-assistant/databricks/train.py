# Databricks notebook source
# Trains: runs `pipeline` with the words that the job gives, one a line, and fails when that fails.
# It is a notebook because serverless compute lends a GPU to notebooks only.

# COMMAND ----------

import os
import subprocess
import sys
import tempfile
from typing import Any

# Databricks puts it into the notebook; there is nothing to import it from everywhere.
dbutils: Any = globals()["dbutils"]

files = dbutils.widgets.get("files")
packages = f"{files}/dist/requirements.txt"

# On a GPU a job installs nothing by itself. Elsewhere its environment has these packages, and there is nothing to do.

# COMMAND ----------

# MAGIC %pip install --quiet --requirement $packages

# COMMAND ----------

# A process of its own finds what was installed a moment ago. It is signed in as this notebook is, so that it can track.
context = dbutils.notebook.entry_point.getDbutils().notebook().getContext()
signed_in = {"DATABRICKS_HOST": context.apiUrl().get(), "DATABRICKS_TOKEN": context.apiToken().get()}
environment = {**os.environ, **signed_in, "PYTHONPATH": f"{files}/src", "PYTHONUNBUFFERED": "1"}
command = [sys.executable, "-m", "handbook_assistant", *dbutils.widgets.get("pipeline").splitlines()]

# COMMAND ----------

with (
    tempfile.TemporaryDirectory() as disk,
    subprocess.Popen(
        command, cwd=disk, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as training,
):
    for line in training.stdout or ():
        print(line, end="", flush=True)
if training.returncode:
    raise RuntimeError(f"pipeline train ended with exit code {training.returncode}: read its last lines")

"""handbook-assistant: from raw rows to a registered model, one step a module."""

import os

# Set before MLflow is imported anywhere: the project phones nobody, and keeps bars for what takes long.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# Half a minute of trying again instead of more than four.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "4")

# Also the name of the experiment and of the registered model.
NAME = "handbook_assistant"

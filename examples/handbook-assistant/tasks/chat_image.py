"""Gathers what the image of the chat server is built from, in a folder, and nothing else.

The same folder goes to docker build, az acr build, or an environment of Azure ML.

Run: python tasks/chat_image.py [--model FOLDER] [--no-model]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
CONTEXT = PROJECT / "outputs/container"
MODEL = PROJECT / "outputs/model"
# Packages that serve: none of those that only develop, test or train.
EXPORT = (
    "export",
    "--quiet",
    "--locked",
    "--no-default-groups",
    "--no-emit-project",
    "--no-header",
    "--no-annotate",
    "--extra",
    "tracing",
)


def gather(context: Path, model: Path | None) -> None:
    """Make a folder anew with all that the Dockerfile copies.

    Raises:
        SystemExit: there is no model in its folder, or uv.lock is missing or old.
    """
    if model is not None and not (model / "MLmodel").is_file():
        sys.exit(f"error: no model in {model}: run `pipeline run` first, or give --no-model to mount one")
    shutil.rmtree(context, ignore_errors=True)
    unneeded = shutil.ignore_patterns("__pycache__")
    for name in ("src", "config"):
        shutil.copytree(PROJECT / name, context / name, ignore=unneeded)
    shutil.copy(PROJECT / "container/Dockerfile", context)
    if model is None:
        (context / "model").mkdir()
    else:
        shutil.copytree(model, context / "model", ignore=unneeded)
    (context / "requirements.txt").write_text(requirements(), encoding="utf-8")


def requirements() -> str:
    """The locked packages with their hashes."""
    command = [os.environ.get("UV", "uv"), *EXPORT]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: {(done.stderr.strip().splitlines() or ['uv failed'])[-1]}: run uv lock")
    return done.stdout


def main() -> None:
    """Gather, and say how to build."""
    parser = argparse.ArgumentParser(description="Gather what the image of the chat server is built from.")
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--no-model", action="store_true", help="it will be mounted at /app/model")
    given = parser.parse_args()
    gather(CONTEXT, None if given.no_model else given.model)
    print(f"context in {CONTEXT}: docker build --tag chat {CONTEXT}")


if __name__ == "__main__":
    main()

"""Puts beside main.py what the app is installed from: the wheel, the locked packages, and the configuration.

Databricks Apps takes one folder and runs pip with its requirements.txt. Run before `databricks bundle deploy`.

Run: python app/build.py      (or the task: uv run poe chat-app)
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

APP = Path(__file__).resolve().parent
PROJECT = APP.parent
# Packages that serve, and none that only develops or trains. Without hashes, since pip would ask one of the wheel, too.
EXPORT = ("export", "--quiet", "--locked", "--no-default-groups", "--no-emit-project", "--no-header", "--no-annotate")


def build(app: Path) -> None:
    """Make the files anew.

    Raises:
        SystemExit: uv.lock is missing or old, or the wheel can't be built.
    """
    for old in app.glob("*.whl"):
        old.unlink()
    _uv("build", "--quiet", "--wheel", "--no-create-gitignore", "--out-dir", str(app))
    (wheel,) = app.glob("*.whl")
    packages = _uv(*EXPORT, "--no-hashes")
    (app / "requirements.txt").write_text(f"{packages}./{wheel.name}\n", encoding="utf-8")
    shutil.copytree(PROJECT / "config", app / "config", dirs_exist_ok=True)


def _uv(*words: str) -> str:
    command = [os.environ.get("UV", "uv"), *words]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: uv {words[0]}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return done.stdout


if __name__ == "__main__":
    build(APP)

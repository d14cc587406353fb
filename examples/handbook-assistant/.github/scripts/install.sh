#!/usr/bin/env bash
# Installs exactly what uv.lock names. A lock that is missing or stale stops the job with the command that mends it:
# CI never writes one, or it would test packages that nobody has seen.
set -euo pipefail

stop() {
  echo "::error title=$1::$2 Run 'uv lock' and commit uv.lock."
  exit 1
}

[ -f uv.lock ] || stop "uv.lock is missing" "CI installs only what it names."
uv lock --check || stop "uv.lock is not usable" "It should fit pyproject.toml; uv's message is above."
uv sync --locked

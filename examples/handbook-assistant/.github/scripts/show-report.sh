#!/usr/bin/env bash
# Usage: show-report.sh FOLDER
# Puts the model card of a report into the step summary. A report matters most when the gate has just refused the
# model, so workflows call this after a failure too, when there may be none.
set -euo pipefail

if [ -f "$1/model_card.md" ]; then
  cat "$1/model_card.md" >> "$GITHUB_STEP_SUMMARY"
else
  echo "No report was written: an earlier step failed, and its log says why." >> "$GITHUB_STEP_SUMMARY"
fi

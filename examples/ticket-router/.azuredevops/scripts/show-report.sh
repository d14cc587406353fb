#!/usr/bin/env bash
# Usage: show-report.sh FOLDER
# Makes the model card of a report the run's summary and lays the report out for the run's artifact, without rows of data.
# Sets the variable `report` to `made`, unless there is none.
set -euo pipefail

if [ ! -f "$1/model_card.md" ]; then
  echo "##vso[task.logissue type=warning]No report was written: an earlier step failed, and its log says why."
  exit 0
fi

echo "##vso[task.uploadsummary]$PWD/$1/model_card.md"
mkdir -p "$BUILD_ARTIFACTSTAGINGDIRECTORY/report"
cp -R "$1/." "$BUILD_ARTIFACTSTAGINGDIRECTORY/report"
find "$BUILD_ARTIFACTSTAGINGDIRECTORY/report" -name '*.parquet' -delete
echo "##vso[task.setvariable variable=report]made"

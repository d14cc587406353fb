#!/usr/bin/env bash
# Usage: GH_TOKEN=… RUN=address issue.sh ENVIRONMENT CODE FILE
# Keeps one issue an environment while it drifts. CODE 3: FILE tells how, and the issue is opened, or changed when it is open.
# CODE 0: nothing drifts, and an open issue is closed.
set -euo pipefail

environment=$1 code=$2
title="Infrastructure drift in $environment" label="infrastructure-drift"

found=$(gh issue list --state open --label "$label" --limit 100 --json number,title \
  --jq "map(select(.title == \"$title\"))[0].number // empty")

if [ "$code" = 0 ]; then
  [ -n "$found" ] || exit 0
  gh issue close "$found" --comment "The drift is gone: $RUN"
  exit 0
fi

body="$3.md"
{
  echo "What is deployed in $environment is not what the files of this repository say. Somebody changed it by hand, or a merged"
  echo "change was never deployed; \`docs/ci.md\` tells what to do. This was seen last in [this run]($RUN), and every night"
  echo "brings it up to date."
  echo
  echo '```text'
  bash "$(dirname "$0")/clean.sh" "$3"
  echo '```'
} > "$body"
if [ -n "$found" ]; then
  gh issue edit "$found" --body-file "$body"
else
  gh label create "$label" --force --color D93F0B --description "Deployed is not what the files say"
  gh issue create --title "$title" --label "$label" --body-file "$body"
fi

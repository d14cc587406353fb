#!/usr/bin/env bash
# Usage: azure-settings.sh required|optional ENVIRONMENT NAME...
# Says which variables of a GitHub environment have no value, and writes `ready=true` or `ready=false` for the steps
# after it. Required: a missing one ends the job. Optional: the job goes on and passes its later steps over.
# This cannot be the job's `if`: GitHub hands out an environment's variables only once the job has begun.
set -euo pipefail

need=$1 environment=$2
shift 2

missing=()
for name in "$@"; do
  [ -n "${!name:-}" ] || missing+=("$name")
done

if [ ${#missing[@]} -eq 0 ]; then
  echo "ready=true" >> "$GITHUB_OUTPUT"
  exit 0
fi

echo "ready=false" >> "$GITHUB_OUTPUT"
text="The GitHub environment '$environment' has no value for ${missing[*]}."
text+=" Set it under Settings, Environments, $environment, Environment variables; docs/infra.md says where values come from."
echo "$text" >> "$GITHUB_STEP_SUMMARY"

if [ "$need" = optional ]; then
  echo "::notice title=Azure is not configured::$text"
else
  echo "::error title=Azure is not configured::$text"
  exit 1
fi

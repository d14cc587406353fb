#!/usr/bin/env bash
# Usage: VARIABLES=<JSON of `vars`> settings.sh required|optional ENVIRONMENT
# Hands the variables of a GitHub environment to the steps after it, says which of the sign-in have no value, and writes
# `ready=true` or `ready=false`. Required: a missing one ends the job. Optional: the job goes on and passes its later steps
# over. This cannot be the job's `if`: GitHub hands out an environment's variables only once the job has begun.
#
# By prefix, so that no workflow knows which task needs which: a task that misses one says so by itself. And by no other
# prefix, since a variable could be called PATH or BASH_ENV.
set -euo pipefail

need=$1 environment=$2
handed='with_entries(select(.key | test("^(AZURE|DATABRICKS)_[A-Z0-9_]+$")))'

# A second line would be a second variable, of any name.
broken=$(jq --raw-output "$handed | to_entries | map(select(.value | test(\"[\\r\\n]\")).key) | join(\" \")" <<< "$VARIABLES")
if [ -n "$broken" ]; then
  echo "::error title=A variable has several lines::In '$environment' the value of $broken must be one line."
  exit 1
fi
jq --raw-output "$handed | to_entries[] | \"\(.key)=\(.value)\"" <<< "$VARIABLES" >> "$GITHUB_ENV"

missing=$(jq --raw-output \
  '["AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID"] - (with_entries(select(.value != "")) | keys) | join(" ")' \
  <<< "$VARIABLES")
if [ -z "$missing" ]; then
  echo "ready=true" >> "$GITHUB_OUTPUT"
  exit 0
fi

echo "ready=false" >> "$GITHUB_OUTPUT"
text="The GitHub environment '$environment' has no value for $missing."
text+=" Set it under Settings, Environments, $environment, Environment variables; docs/ci.md says where values come from."
echo "$text" >> "$GITHUB_STEP_SUMMARY"

if [ "$need" = optional ]; then
  echo "::notice title=Azure is not configured::$text"
else
  echo "::error title=Azure is not configured::$text"
  exit 1
fi

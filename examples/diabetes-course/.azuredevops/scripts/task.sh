#!/usr/bin/env bash
# Usage: TASK=name NEEDS=folder SUMMARY=true|false ANSWER=code task.sh, in a step that is signed in with a service connection
# Runs a task of this project and tells it by the usual names who is signed in and where. With NEEDS, a folder without files
# passes the task over. With SUMMARY, what it prints becomes the run's summary. With ANSWER, this exit code is an answer and no
# failure; the variable `code` has the exit code.
set -euo pipefail

if [ -n "$NEEDS" ] && [ -z "$(find "$NEEDS" -type f -print -quit 2> /dev/null)" ]; then
  echo "$TASK is passed over: there is no file in $NEEDS."
  exit 0
fi

account=$(az account show --query '[[user.name, tenantId, id]]' --output tsv)
IFS=$'\t' read -r AZURE_CLIENT_ID AZURE_TENANT_ID AZURE_SUBSCRIPTION_ID <<< "$account"
# The sign-in of this step; ask no other place that a machine may offer.
AZURE_TOKEN_CREDENTIALS=AzureCliCredential
export AZURE_CLIENT_ID AZURE_TENANT_ID AZURE_SUBSCRIPTION_ID AZURE_TOKEN_CREDENTIALS

code=0
if [ "${SUMMARY,,}" = true ]; then
  text="$AGENT_TEMPDIRECTORY/$TASK.txt"
  uv run poe "$TASK" | tee "$text" || code=$?
else
  uv run poe "$TASK" || code=$?
fi
if [ "$code" != 0 ] && [ "$code" != "$ANSWER" ]; then
  exit "$code"
fi

if [ "${SUMMARY,,}" = true ]; then
  { echo '```text'; bash "$(dirname "$0")/clean.sh" "$text"; echo '```'; } > "$AGENT_TEMPDIRECTORY/$TASK.md"
  echo "##vso[task.uploadsummary]$AGENT_TEMPDIRECTORY/$TASK.md"
fi
if [ -n "$ANSWER" ]; then
  echo "##vso[task.setvariable variable=code]$code"
fi

#!/usr/bin/env bash
# Usage: SYSTEM_ACCESSTOKEN=… rest.sh METHOD PATH [FILE [TYPE]]
# Asks the REST interface of this Azure DevOps project, sends it a file of JSON, and prints the answer. The token is the run's
# own: what it may do is decided by the rights of the build service (docs/ci.md).
set -euo pipefail

body=()
if [ $# -gt 2 ]; then
  body=(--data-binary "@$3" --header "Content-Type: ${4:-application/json}")
fi
curl --fail --silent --show-error --max-time 60 --request "$1" --oauth2-bearer "$SYSTEM_ACCESSTOKEN" "${body[@]}" \
  "$SYSTEM_COLLECTIONURI$SYSTEM_TEAMPROJECTID/_apis/$2?api-version=7.1"

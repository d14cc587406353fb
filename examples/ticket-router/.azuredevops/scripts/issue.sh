#!/usr/bin/env bash
# Usage: SYSTEM_ACCESSTOKEN=… issue.sh ENVIRONMENT CODE FILE
# Keeps one task of Azure Boards an environment while it drifts. CODE 3: FILE tells how, and the task is opened, or changed when
# it is open. CODE 0: nothing drifts, and an open one is closed.
set -euo pipefail

environment=$1 code=$2 file=$3
title="Infrastructure drift in $environment" label="infrastructure-drift"
rest="$(dirname "$0")/rest.sh"
run="$SYSTEM_COLLECTIONURI$SYSTEM_TEAMPROJECTID/_build/results?buildId=$BUILD_BUILDID"

# Azure Boards may be switched off. A drift then fails the run, or nobody would know of it.
told() {
  local status=$? text="Azure Boards did not answer as it should: docs/ci.md, section 6, tells which right the run needs."
  if [ "$status" != 0 ] && [ "$code" = 0 ]; then
    echo "##vso[task.logissue type=warning]Nothing drifts in $environment. $text"
    exit 0
  elif [ "$status" != 0 ]; then
    echo "##vso[task.logissue type=error]$title: the summary of this run has it. $text"
    exit 1
  fi
}
trap told EXIT

# Each process of Azure Boards has names of its own for what is finished.
states=$(bash "$rest" GET wit/workitemtypes/Task/states)
finished=$(jq --raw-output 'first(.value[] | select(.category == "Completed").name)' <<< "$states")
over=$(jq --raw-output '.value[] | select(.category == "Completed" or .category == "Removed").name' <<< "$states")
query="SELECT [System.Id] FROM WorkItems WHERE [System.TeamProject] = @project AND [System.WorkItemType] = 'Task'"
query+=" AND [System.Title] = '$title' AND [System.Tags] CONTAINS '$label'"
while read -r state; do
  query+=" AND [System.State] <> '$state'"
done <<< "$over"
jq --null-input --arg query "$query" '{query: $query}' > "$file.json"
found=$(bash "$rest" POST wit/wiql "$file.json" | jq --raw-output '.workItems[0].id // empty')

if [ "$code" = 0 ]; then
  [ -n "$found" ] || exit 0
  fields=(State "$finished" History "The drift is gone: $run")
else
  text=$(bash "$(dirname "$0")/clean.sh" "$file" | jq --raw-input --slurp --raw-output @html)
  description="<p>What is deployed in $environment is not what the files of this repository say. Somebody changed it by hand, or"
  description+=" a merged change was never deployed; docs/ci.md tells what to do. This was seen last in"
  description+=" <a href=\"$run\">this run</a>, and every night brings it up to date.</p><pre>$text</pre>"
  fields=(Title "$title" Tags "$label" Description "$description")
fi
printf '%s\0' "${fields[@]}" | jq --raw-input --slurp '
  split("\u0000") | [range(0; length - 1; 2) as $at | {op: "add", path: "/fields/System.\(.[$at])", value: .[$at + 1]}]
  ' > "$file.json"
if [ -n "$found" ]; then
  bash "$rest" PATCH "wit/workitems/$found" "$file.json" application/json-patch+json > "$file.answer"
else
  bash "$rest" POST "wit/workitems/%24Task" "$file.json" application/json-patch+json > "$file.answer"
fi

#!/usr/bin/env bash
# Usage: SYSTEM_ACCESSTOKEN=… comment.sh FOLDER
# Shows plans on their pull request: FOLDER/plan-<environment>/infra-plan.txt becomes one comment, which the next push changes.
# Its first line tells it from others and is not displayed.
set -euo pipefail

rest="$(dirname "$0")/rest.sh"
threads="git/repositories/$BUILD_REPOSITORY_ID/pullRequests/$SYSTEM_PULLREQUEST_PULLREQUESTID/threads"
run="$SYSTEM_COLLECTIONURI$SYSTEM_TEAMPROJECTID/_build/results?buildId=$BUILD_BUILDID"

for environment in dev staging prod; do
  plan="$1/plan-$environment/infra-plan.txt"
  [ -f "$plan" ] || continue # its plan failed
  mark="[//]: # (plan for $environment)"
  {
    echo "$mark"
    echo
    echo "### Plan for $environment"
    echo
    echo "What a deployment of ${SYSTEM_PULLREQUEST_SOURCECOMMITID:0:12} would change. [The run]($run) has the log."
    echo
    echo '```text'
    bash "$(dirname "$0")/clean.sh" "$plan"
    echo '```'
  } > "$plan.md"

  found=$(bash "$rest" GET "$threads" | jq --raw-output --arg mark "$mark" '
    first(.value[] | select(.isDeleted | not) | {thread: .id, comment: .comments[0]}
      | select(.comment.content // "" | startswith($mark)) | "\(.thread)/comments/\(.comment.id)") // empty')
  if [ -n "$found" ]; then
    jq --null-input --rawfile text "$plan.md" '{content: $text}' > "$plan.json"
    bash "$rest" PATCH "$threads/$found" "$plan.json" > "$plan.answer"
  else
    # Closed from the start: a policy may ask that open ones are resolved.
    jq --null-input --rawfile text "$plan.md" \
      '{status: "closed", comments: [{parentCommentId: 0, commentType: "text", content: $text}]}' > "$plan.json"
    bash "$rest" POST "$threads" "$plan.json" > "$plan.answer"
  fi
  echo "The plan for $environment is on the pull request."
done

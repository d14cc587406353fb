#!/usr/bin/env bash
# Usage: GH_TOKEN=… REQUEST=number COMMIT=sha RUN=address comment.sh FOLDER
# Shows plans on their pull request: FOLDER/plan-<environment>.txt becomes one comment, which the next push changes. Its first
# line tells it from others and is not displayed.
set -euo pipefail

for environment in dev staging prod; do
  plan="$1/plan-$environment.txt"
  [ -f "$plan" ] || continue # not configured, or its plan failed
  mark="[//]: # (plan for $environment)"
  {
    echo "$mark"
    echo
    echo "### Plan for $environment"
    echo
    echo "What a deployment of ${COMMIT:0:12} would change. [The run]($RUN) has the log."
    echo
    echo '```text'
    bash "$(dirname "$0")/clean.sh" "$plan"
    echo '```'
  } > "$plan.md"

  # Of what a workflow has written only: anybody's comment may begin like ours.
  ours=".user.login == \"github-actions[bot]\" and (.body | startswith(\"$mark\"))"
  found=$(gh api --paginate "repos/$GITHUB_REPOSITORY/issues/$REQUEST/comments" --jq ".[] | select($ours) | .id")
  if [ -n "$found" ]; then
    gh api --silent --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/${found%%$'\n'*}" --field "body=@$plan.md"
  else
    gh api --silent --method POST "repos/$GITHUB_REPOSITORY/issues/$REQUEST/comments" --field "body=@$plan.md"
  fi
  echo "The plan for $environment is on the pull request."
done

#!/usr/bin/env bash
# Usage: release-notes.sh TAG
# Prints what CHANGELOG.md says under the tag's version: the lines below a heading such as `## 1.2.0`, `## [1.2.0](link)`
# or `## v1.2.0 (2026-11-30)`. A version without an entry, or with an empty one, is an error.
set -euo pipefail

version=${1#v}

notes=$(awk -v version="$version" '
  /^## / {
    heading = $2
    sub(/\(.*/, "", heading)
    gsub(/[][]/, "", heading)
    sub(/^v/, "", heading)
    wanted = (heading == version)
    next
  }
  wanted
' CHANGELOG.md)

if [ -z "${notes//[[:space:]]/}" ]; then
  echo "::error title=No changelog entry::CHANGELOG.md says nothing under '## $version'. Write the entry, then move the tag." >&2
  exit 1
fi
printf '%s\n' "$notes"

#!/usr/bin/env bash
# Usage: clean.sh FILE
# Prints the text of a tool so that it can stand in a block of Markdown: it cannot end the block, has no control characters,
# and is no longer than a comment may be. The tools hide what they know to be secret; what only its name gives away is hidden
# here.
set -euo pipefail

limit=60000 # bytes; GitHub takes 65536 characters, Azure DevOps more
names='password|passwd|secret|token|credential|sas|connection_?string|instrumentation_?key'
names+='|(access|account|admin|api|client|primary|private|query|secondary|shared)_?(access_?)?key'

text=$(LC_ALL=C tr --delete '\000-\010\013-\037\177' < "$1" | iconv --from-code utf-8 --to-code utf-8 -c |
  sed --regexp-extended \
    --expression "s/([A-Za-z0-9_.]*($names)s?[\"']?[[:space:]]*[:=])[[:space:]]*[^[:space:]].*/\1 (hidden)/I" \
    --expression 's/\b(sig|AccountKey|SharedAccessKey|InstrumentationKey)=[^;&"[:space:]]+/\1=(hidden)/g' \
    --expression "s/\`\`\`/'''/g")
if [ "$(wc --bytes <<< "$text")" -le "$limit" ]; then
  printf '%s\n' "$text"
else
  # The line that the limit falls into is left out.
  head --bytes "$limit" <<< "$text" | sed '$d'
  echo "(cut here, the rest is in the log of the run)"
fi

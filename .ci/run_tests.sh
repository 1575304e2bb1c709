#!/usr/bin/env bash
# Run every test in two halves side by side: most of them wait for servers, so two cores do both in the time of the longer.
# What the second half says is shown as it comes, what the first one said after it. Arguments go to both.
set -uo pipefail
cd "$(dirname "$0")/.."
bin=${BIN:-.venv/bin}
first=(services libs bench chaos docs)
mapfile -t second < <("$bin/python" - "${first[@]}" <<'PYTHON'
import sys, tomllib
from pathlib import Path

paths = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["testpaths"]
print(*(path for path in paths if path not in sys.argv[1:]), sep="\n")
PYTHON
)
# A directory for each half: pytest closes the one that both would share to the user that PostgreSQL runs as.
ours=$(mktemp -d)
chmod 755 "$ours"
said=$ours/said
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$ours"' EXIT
"$bin/pytest" -q -p no:cacheprovider --basetemp "$ours/1" "$@" "${first[@]}" >"$said" 2>&1 &
half=$!
"$bin/pytest" -q -p no:cacheprovider --basetemp "$ours/2" "$@" "${second[@]}"
second_code=$?
wait "$half"
first_code=$?
echo "the other half: ${first[*]}"
cat "$said"
[ "$first_code" -eq 0 ] && [ "$second_code" -eq 0 ]

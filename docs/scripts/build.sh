#!/usr/bin/env bash
# Builds the pages into a directory (the first argument), strictly: a link, an anchor or a page that is missing is an error.
# Says something only then. (Not `mkdocs --quiet`: it does not count what it does not say.)
set -euo pipefail
cd "$(dirname "$0")/../.."

export NO_MKDOCS_2_WARNING=1
if ! said=$(.venv/bin/mkdocs --color build --strict --site-dir "$1" 2>&1); then
  echo "$said" >&2
  exit 1
fi

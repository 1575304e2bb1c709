#!/usr/bin/env bash
# Makes the release of the tag PULSE_VERSION with every file in dist and dist/desktop.
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t files < <(find dist -maxdepth 1 -type f; find dist/desktop -maxdepth 1 -type f)
exec gh release create "${PULSE_VERSION:?the tag}" "${files[@]}" --verify-tag --title "PrecisionPulse $PULSE_VERSION" --notes-file CHANGELOG.md

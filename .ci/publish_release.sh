#!/usr/bin/env bash
# Makes the release of the tag PULSE_VERSION with everything in dist.
set -euo pipefail
cd "$(dirname "$0")/.."

exec gh release create "${PULSE_VERSION:?the tag}" dist/* --verify-tag --title "PrecisionPulse $PULSE_VERSION" --notes-file CHANGELOG.md

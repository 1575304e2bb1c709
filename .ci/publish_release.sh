#!/usr/bin/env bash
# Makes the release of the tag PULSE_VERSION with everything in dist.
set -euo pipefail
cd "$(dirname "$0")/.."

# A version such as 1.2.0-rc1 is not what people are led to as the latest.
kind=--latest
case ${PULSE_VERSION:?the tag} in *-*) kind=--prerelease ;; esac
exec gh release create "$PULSE_VERSION" dist/* "$kind" --verify-tag --title "PrecisionPulse $PULSE_VERSION" --notes-file CHANGELOG.md

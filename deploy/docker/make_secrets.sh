#!/usr/bin/env bash
# Makes what compose.yaml mounts, once, in deploy/docker/secrets (or PULSE_SECRETS_DIR): with this checkout's `pulse`, or,
# where only an engine is installed, with the operator image. PULSE_PUBLIC_HOST is the name that devices connect to.
set -euo pipefail
cd "$(dirname "$0")/../.."
directory=${PULSE_SECRETS_DIR:-deploy/docker/secrets}
host=${PULSE_PUBLIC_HOST:-localhost}
mkdir -p -m 0700 "$directory"
if [ -x .venv/bin/pulse ]; then
    exec .venv/bin/pulse compose secrets --directory "$directory" --host "$host"
fi
engine=${PULSE_ENGINE:-$(command -v docker || command -v podman || true)}
if [ -z "$engine" ]; then
    echo "Run \`make build\` first, or install Docker or Podman and run \`make images\`." >&2
    exit 1
fi
exec "$engine" run --rm --network none --read-only --cap-drop all --security-opt no-new-privileges \
    --user "$(id -u):$(id -g)" -e "PULSE_ADMIN_PASSWORD" -v "$(realpath "$directory"):/secrets" \
    "precisionpulse/operator:${PULSE_VERSION:-0.1.0}" compose secrets --directory /secrets --host "$host"

#!/bin/sh
# Runs a command with Node in clients/dashboard; says what to do where Node is absent or too old.
set -eu
cd "$(dirname "$0")/.."

if ! command -v npm >/dev/null 2>&1 || ! node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)'; then
    cat >&2 <<'MESSAGE'
Building and checking the dashboard needs Node.js 20.19 or newer. Everything else runs without: the gateway then shows a
plain page instead. Install it and try again:
  Debian, Ubuntu   apt-get install nodejs npm     (where that is 20 or newer)
  macOS            brew install node
MESSAGE
    [ "${1:-}" = "--optional" ] && exit 0
    exit 1
fi
[ "${1:-}" = "--optional" ] && shift
exec "$@"

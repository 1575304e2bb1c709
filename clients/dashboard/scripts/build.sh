#!/bin/sh
# Installs what the lock file says, if it says something new, and builds dist/, if a source is newer than it.
set -eu
stamps=node_modules/.cache/pulse
if [ ! -e "$stamps/installed" ] || [ package-lock.json -nt "$stamps/installed" ]; then
    echo "installing the dashboard's packages"
    npm ci --no-audit --no-fund --loglevel=error
    mkdir -p "$stamps"
    touch "$stamps/installed"
fi
if [ ! -e dist/index.html ] || [ ! -e "$stamps/built" ] || [ package-lock.json -nt "$stamps/built" ] ||
    [ -n "$(find src public index.html vite.config.ts -type f -newer "$stamps/built" -print -quit)" ]; then
    echo "building the dashboard"
    touch "$stamps/building"
    npx vite build --logLevel warn
    mv "$stamps/building" "$stamps/built"
fi

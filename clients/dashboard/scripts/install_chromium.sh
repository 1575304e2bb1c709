#!/bin/sh
# Makes sure that Chromium is installed, for the tests in a browser; says what to do where it cannot install it.
set -eu

has() {
    [ -x "${CHROMIUM:-/usr/bin/chromium}" ]
}

if has; then
    exit 0
fi

install_with_apt() {
    echo "installing chromium"
    "$@" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
}

if command -v apt-get >/dev/null 2>&1; then
    if [ "$(id -u)" -eq 0 ]; then
        install_with_apt || { apt-get update -qq && install_with_apt; } || true
    elif command -v sudo >/dev/null 2>&1; then
        install_with_apt sudo || { sudo apt-get update -qq && install_with_apt sudo; } || true
    fi
fi

if ! has; then
    cat >&2 <<'MESSAGE'
The tests in a browser need Chromium, and it could not be installed from here. Install it, or say where it is, and try again:
  Debian           apt-get install chromium     (as root)
  elsewhere        CHROMIUM=/path/to/chromium make test
MESSAGE
    exit 1
fi

#!/bin/sh
# Makes sure that Prometheus and promtool are installed; says what to do where it cannot install them.
set -eu

has() {
    command -v prometheus >/dev/null 2>&1 && command -v promtool >/dev/null 2>&1
}

if has; then
    exit 0
fi

install_with_apt() {
    echo "installing prometheus"
    # A service of the system's own would only take the usual port: it is neither needed nor started.
    "$@" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends prometheus >/dev/null
}

if command -v apt-get >/dev/null 2>&1; then
    if [ "$(id -u)" -eq 0 ]; then
        install_with_apt || { apt-get update -qq && install_with_apt; } || true
    elif command -v sudo >/dev/null 2>&1; then
        install_with_apt sudo || { sudo apt-get update -qq && install_with_apt sudo; } || true
    fi
elif command -v brew >/dev/null 2>&1; then
    brew install --quiet prometheus || true
fi

if ! has; then
    cat >&2 <<'MESSAGE'
Rules, dashboards and their tests need Prometheus with promtool, and it could not be installed from here. Install it:
  Debian, Ubuntu   apt-get install prometheus     (as root)
  macOS            brew install prometheus
MESSAGE
    exit 1
fi

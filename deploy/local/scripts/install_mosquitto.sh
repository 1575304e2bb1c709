#!/bin/sh
# Makes sure that Mosquitto and its command-line clients are installed; says what to do where it cannot install them.
set -eu

has() {
    command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/opt/homebrew/sbin/$1" ]
}

if has mosquitto && has mosquitto_pub; then
    exit 0
fi

install_with_apt() {
    echo "installing mosquitto and mosquitto-clients"
    # A service of the system's own would only take the usual port: it is neither needed nor started.
    "$@" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends \
        mosquitto mosquitto-clients >/dev/null
}

if command -v apt-get >/dev/null 2>&1; then
    if [ "$(id -u)" -eq 0 ]; then
        install_with_apt || { apt-get update -qq && install_with_apt; }
    elif command -v sudo >/dev/null 2>&1; then
        install_with_apt sudo || { sudo apt-get update -qq && install_with_apt sudo; }
    fi
elif command -v brew >/dev/null 2>&1; then
    brew install --quiet mosquitto
fi

if ! has mosquitto; then
    cat >&2 <<'MESSAGE'
PrecisionPulse needs Mosquitto 2.0 or newer, and it could not be installed from here. Install it and try again:
  Debian, Ubuntu   apt-get install mosquitto mosquitto-clients     (as root)
  macOS            brew install mosquitto
MESSAGE
    exit 1
fi

#!/bin/sh
# make_venv.sh PYTHON DIRECTORY: makes a virtual environment, installing Debian's venv package where that is what is missing.
set -eu
python=$1
directory=$2

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "PrecisionPulse needs Python 3.11 or newer; $python is $("$python" --version 2>&1 || echo missing)." >&2
    echo "Name another one: make PYTHON=python3.12 …" >&2
    exit 1
fi
if [ -x "$directory/bin/python" ] && "$directory/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi
echo "making $directory"
if "$python" -m venv "$directory" >/dev/null 2>&1; then
    exit 0
fi
rm -rf "$directory"

install_with_apt() {
    echo "installing python3-venv"
    "$@" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
}

if command -v apt-get >/dev/null 2>&1; then
    if [ "$(id -u)" -eq 0 ]; then
        install_with_apt || { apt-get update -qq && install_with_apt; } || true
    elif command -v sudo >/dev/null 2>&1; then
        install_with_apt sudo || { sudo apt-get update -qq && install_with_apt sudo; } || true
    fi
fi
"$python" -m venv "$directory"

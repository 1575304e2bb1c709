#!/bin/sh
# Makes sure that the system's libraries that Qt needs are there; says what to do where it cannot install them.
# Only Linux lacks any: on macOS and Windows they come with the system.
set -eu

LIBRARIES="libEGL.so.1 libGL.so.1 libxkbcommon.so.0 libdbus-1.so.3 libfontconfig.so.1 libglib-2.0.so.0"
PACKAGES="libegl1 libgl1 libxkbcommon0 libdbus-1-3 libfontconfig1 libglib2.0-0"

[ "$(uname -s)" = Linux ] || exit 0

missing() {
    known=$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null) || return 0
    for library in $LIBRARIES; do
        case "$known" in
        *"$library"*) ;;
        *) echo "$library" ;;
        esac
    done
}

has() {
    [ -z "$(missing)" ]
}

if has; then
    exit 0
fi

install_with_apt() {
    echo "installing the libraries that Qt needs"
    # shellcheck disable=SC2086 # a list of names
    "$@" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $PACKAGES >/dev/null
}

if command -v apt-get >/dev/null 2>&1; then
    if [ "$(id -u)" -eq 0 ]; then
        install_with_apt || { apt-get update -qq && install_with_apt; } || true
    elif command -v sudo >/dev/null 2>&1; then
        install_with_apt sudo || { sudo apt-get update -qq && install_with_apt sudo; } || true
    fi
fi

if ! has; then
    cat >&2 <<MESSAGE
The desktop window needs libraries of the system that are not there and could not be installed from here:
$(missing | sed 's/^/  /')
Install them and try again:
  Debian, Ubuntu   apt-get install $PACKAGES     (as root)
  Fedora           dnf install libglvnd-egl libglvnd-glx libxkbcommon dbus-libs fontconfig glib2
MESSAGE
    exit 1
fi

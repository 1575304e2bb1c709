#!/bin/sh
# Makes sure that ffmpeg is installed, for the recording; says what to do where it cannot install it.
set -eu

command -v ffmpeg >/dev/null 2>&1 && exit 0
if command -v apt-get >/dev/null 2>&1; then
    echo "installing ffmpeg"
    as_root=$([ "$(id -u)" -eq 0 ] || echo sudo)
    # shellcheck disable=SC2086 # empty for root
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ffmpeg >/dev/null || true
fi
command -v ffmpeg >/dev/null 2>&1 || {
    echo "The recording is encoded by ffmpeg, and it could not be installed from here. Install it and try again." >&2
    exit 1
}

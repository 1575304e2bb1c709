#!/usr/bin/env bash
# Builds every image of compose.yaml with the engine that is there. PULSE_ENGINE names one of several; PULSE_BUILD_OPTIONS
# are added to each build, for example the mirror of a registry; names on the command line build only those images.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=${PULSE_VERSION:-0.1.0}

usable() {
    case $1 in
    docker) docker info >/dev/null 2>&1 ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

engine=${PULSE_ENGINE:-}
for one in docker podman buildah; do
    if [ -z "$engine" ] && usable "$one"; then engine=$one; fi
done
if [ -z "$engine" ]; then
    cat >&2 <<'MESSAGE'
Building images needs a container engine: Docker (with its service running), Podman or Buildah. Install one and try again:
  Debian, Ubuntu   apt-get install podman     or     apt-get install docker.io
  macOS            brew install podman        and    podman machine init --now
Without one, `make demo` and `pulse up` run the whole product on this machine.
MESSAGE
    exit 1
fi
case $engine in
docker) build=(docker build) ;;
podman) build=(podman build --format docker) ;; # The other format has no health checks.
buildah) build=(buildah bud --format docker) ;;
*)
    echo "PULSE_ENGINE is docker, podman or buildah, not $engine" >&2
    exit 1
    ;;
esac
read -r -a more <<<"${PULSE_BUILD_OPTIONS:-}"

image() { # NAME FILE [OPTION …]
    local name=$1 file=$2
    shift 2
    echo "building precisionpulse/$name:$version with $engine"
    "${build[@]}" "${more[@]}" "$@" --build-arg "VERSION=$version" -f "deploy/docker/$file" -t "precisionpulse/$name:$version" .
}

wanted=("$@")
if [ ${#wanted[@]} -eq 0 ]; then
    wanted=(dashboard operator identity ingest sync commands alerts gateway)
fi
for name in "${wanted[@]}"; do
    case $name in
    dashboard) image dashboard dashboard.Dockerfile ;;
    operator)
        image operator Dockerfile --target operator --build-arg SERVICE=operator --build-arg MODULE=pulse_local \
            --build-arg "MEMBERS=clients/desktop/agent clients/simulator bench deploy/local"
        ;;
    gateway)
        image gateway Dockerfile --target gateway --build-arg SERVICE=gateway \
            --build-arg "DASHBOARD_IMAGE=precisionpulse/dashboard:$version"
        ;;
    *) image "$name" Dockerfile --target service --build-arg "SERVICE=$name" ;;
    esac
done

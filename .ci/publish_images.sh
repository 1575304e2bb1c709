#!/usr/bin/env bash
# Pushes the images that `make images` built to PULSE_REGISTRY and signs each by its digest, without a key of ours (Sigstore).
# What was pushed is listed in dist/images.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
registry=${PULSE_REGISTRY:?the registry and path that images go to, as in registry.example.org/precisionpulse}
version=${PULSE_VERSION:?the version that was built}

mkdir -p dist
: >dist/images.txt
for name in identity ingest sync commands alerts gateway operator; do
    docker tag "precisionpulse/$name:$version" "$registry/$name:$version"
    docker push --quiet "$registry/$name:$version"
    pushed=$(docker inspect --format '{{index .RepoDigests 0}}' "$registry/$name:$version")
    cosign sign --yes "$pushed"
    echo "$pushed" >>dist/images.txt
done

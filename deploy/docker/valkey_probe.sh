#!/bin/sh
# Valkey's health check in compose.yaml: exit code 0 when it answers to its password.
REDISCLI_AUTH="$(cat /run/secrets/valkey_password)"
export REDISCLI_AUTH
[ "$(valkey-cli ping)" = PONG ]

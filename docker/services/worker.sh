#!/usr/bin/env bash
# A worker without a port: one line every few seconds.
set -euo pipefail
while true; do
  printf '%s working\n' "$(date -Is)"
  sleep 5
done

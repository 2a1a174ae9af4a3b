#!/usr/bin/env bash
# Tries an image as it is to run: its own command and user, no rights, a read-only file system but for /tmp.
#
#   bash deploy/smoke.sh IMAGE EXPORTED
#
# Needs root, buildah, curl and jq. Port 8000 of this machine is used: the container shares its network.
set -euo pipefail
image=$1 model=$(realpath "$2")
clip=$(echo "$(dirname "$0")"/../ser_tl/assets/emodb_mini/03a01Fa.*)
url=http://127.0.0.1:8000

. "$(dirname "$0")/inside.sh"
open_container "$image" "$model"
trap 'kill "${server:-}" 2>/dev/null || true; wait || true; buildah rm "$container" >/dev/null' EXIT

[ "$user" != 0 ] && [ -n "$user" ] || { echo "it runs as root" >&2; exit 1; }
! inside touch /venv/x 2>/dev/null || { echo "its file system can be written" >&2; exit 1; }
inside python3 -c "import sys; sys.path[:0] = []; import importlib.util as u; assert u.find_spec('torch') is None"

begin=$(date +%s%N)
inside "${command[@]}" 2>"${LOG:-/dev/null}" &
server=$!
until answer=$(curl -fs --data-binary @"$clip" "$url/v1/predict"); do
  [ $(($(date +%s%N) - begin)) -lt 60000000000 ] || { echo "it doesn't answer; \$LOG=FILE keeps its log" >&2; exit 1; }
  sleep 0.1
done
echo "answered $((($(date +%s%N) - begin) / 1000000)) ms after its start: $(jq -c '[.label, .probabilities[.label]]' <<<"$answer")"
inside "${check[@]}" && echo "healthy"
curl -fsS "$url/metrics" | grep -q '^ser_tl_requests_total'
for _ in $(seq 20); do curl -fsS --data-binary @"$clip" "$url/v1/predict?model=model" >/dev/null; done
status=$(curl -sS -o /dev/null -w '%{http_code}' --data-binary noise "$url/v1/predict")
[ "$status" = 422 ] || { echo "noise was answered with $status" >&2; exit 1; }
process=$(pgrep -P "$(pgrep -P "$server")" || pgrep -P "$server")
echo "memory: $(($(sed -n 's/^VmHWM:\s*\([0-9]*\) kB/\1/p' "/proc/$process/status") / 1024)) MiB at most"
kill -TERM "$process"
begin=$(date +%s%N)
wait "$server" && echo "ended by SIGTERM in $((($(date +%s%N) - begin) / 1000000)) ms"

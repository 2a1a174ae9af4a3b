#!/usr/bin/env bash
# Tries the services of deploy/compose.yaml together, without Docker: each by the command that stands there.
#
#   bash deploy/services.sh IMAGE EXPORTED
#
# IMAGE was built with REQUIREMENTS=worker.txt: bash deploy/build.sh EXPORTED --build-arg REQUIREMENTS=worker.txt
# Server and worker run in it, read-only; redis-server and prometheus are this machine's, as no registry of images is
# needed so. Needs what smoke.sh needs, both of these, and a Python with PyYAML. The ports of compose.yaml are used.
set -euo pipefail
image=$1 model=$(realpath "$2")
here=$(realpath "$(dirname "$0")")
clip=$(echo "$here"/../ser_tl/assets/emodb_mini/03a01Fa.*)
prometheus=${PROMETHEUS:-prometheus}
. "$here/inside.sh"
open_container "$image" "$model"
work=$(mktemp -d)
started=()
stop() { # `unshare` takes no notice of SIGTERM: what runs in it gets it
  for one in "${started[@]}"; do
    inner=$(pgrep -P "$(pgrep -P "$one")") || inner=$one
    kill "$inner" || true
  done
}
trap 'stop 2>/dev/null; wait || true; buildah rm "$container" >/dev/null; rm -rf "$work"' EXIT

read_command() { # the words of a service's command, one a line
  python3 -c 'import sys, yaml; print(*yaml.safe_load(open(sys.argv[1]))["services"][sys.argv[2]]["command"], sep="\n")' \
    "$here/compose.yaml" "$1"
}
wait_for() { # until a command succeeds, a minute at most
  for _ in $(seq 300); do "${@:2}" >/dev/null 2>&1 && echo "$1" && return; sleep 0.2; done
  echo "not within a minute: $1" >&2
  cat "$work"/*.log >&2
  exit 1
}

# Services find each other by name: in the container, and in prometheus' own view of this machine.
echo "127.0.0.1 localhost redis server" | tee "$work/hosts" >"$root/etc/hosts"
mapfile -t words < <(read_command redis)
(cd "$work" && exec "${words[@]}" --bind 127.0.0.1 --port 6379) >"$work/redis.log" 2>&1 &
started+=($!)
wait_for "redis answers" redis-cli ping
mapfile -t words < <(read_command server)
inside "${entry[@]}" "${words[@]}" 2>"$work/server.log" &
started+=($!)
mapfile -t words < <(read_command worker)
inside "${entry[@]}" "${words[@]}" >"$work/worker.log" 2>&1 &
started+=($!)
mkdir "$work/series"
unshare --mount bash -euc 'mount --bind "$1" /etc/hosts; shift; exec "$@"' view "$work/hosts" "$prometheus" \
  --config.file="$here/prometheus.yml" --storage.tsdb.path="$work/series" --web.listen-address=127.0.0.1:9090 \
  >"$work/prometheus.log" 2>&1 &
started+=($!)

wait_for "the server answers" curl -fsS --data-binary @"$clip" http://127.0.0.1:8000/v1/predict
answer=$(inside python3 -c '
import base64, os, sys
from ser_tl.serving.tasks import QueueSettings, open_queue, submit
queue = open_queue(QueueSettings("redis://redis:6379/0"))
print(submit(queue, base64.b64decode(sys.argv[1])).get(timeout=60)["label"])' "$(base64 -w0 "$clip")")
echo "the worker answers: $answer"
expected=$(curl -fsS --data-binary @"$clip" http://127.0.0.1:8000/v1/predict | jq -r .label)
[ "$answer" = "$expected" ] || { echo "the server answers $expected" >&2; exit 1; }
ask() { curl -fsS --get http://127.0.0.1:9090/api/v1/query --data-urlencode "query=$1" | jq -e '.data.result[0].value[1] | tonumber > 0'; }
wait_for "prometheus has the server's figures" ask 'sum(ser_tl_requests_total)'

#!/bin/sh
# Lets a server of the bundled model answer once, in the build: Python then has compiled what a server needs, which it
# can't keep on a read-only file system (10 s from start to answer without, on a busy core).
set -eu
ser-tl serve --port 8123 &
server=$!
clip=$(python3 -c "from ser_tl.assets import asset; print(asset('emodb_mini') / '03a01Fa.opus')")
count=0
until python3 -c "
import sys, urllib.request
data = open(sys.argv[1], 'rb').read()
print(urllib.request.urlopen('http://127.0.0.1:8123/v1/predict', data).read().decode()[:100])
urllib.request.urlopen('http://127.0.0.1:8123/readyz', timeout=2)" "$clip" 2>/dev/null; do
  count=$((count + 1))
  [ $count -lt 120 ] || { echo "the server doesn't answer" >&2; exit 1; }
  sleep 0.5
done
kill -TERM "$server"
wait "$server"

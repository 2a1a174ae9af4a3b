#!/usr/bin/env bash
# Builds the image of deploy/Dockerfile with buildah, without a daemon, and tries it with deploy/smoke.sh.
#
#   bash deploy/build.sh EXPORTED [ARGUMENT OF buildah build]...
#
# EXPORTED is a folder that `ser-tl export` wrote. $BASE: the base image, python:3.11-slim if not set; deploy/base.sh
# makes one where there is no registry. $MOST_MB: what it may weigh, packed; 120 if not set. pip is configured in the
# build as on this machine, and nothing of that stays.
set -euo pipefail
model=$(realpath "$1") && shift
cd "$(dirname "$0")/.."
export BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot} STORAGE_DRIVER=${STORAGE_DRIVER:-vfs}
image=${IMAGE:-ser-tl}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
{ # `global.index-url='...'` as pip's own files have it
  echo "[global]"
  python3 -m pip config list | sed -nE "s/^(global|:env:)\.(cert|index-url|extra-index-url|trusted-host)='(.*)'$/\2 = \3/p" |
    sed 's/\\n/\n  /g' | awk '!seen[$1]++'
} >"$work/pip.conf"
volumes=(--volume "$work/pip.conf:/etc/pip.conf:ro")
certificates=$(sed -n 's/^cert = //p' "$work/pip.conf")
[ -z "$certificates" ] || volumes+=(--volume "$certificates:$certificates:ro")

begin=$SECONDS
buildah build --quiet --pull=missing --format docker --layers=false -f deploy/Dockerfile -t "$image" \
  ${BASE:+--build-arg "BASE=$BASE"} "${volumes[@]}" "$@" . >/dev/null
echo "built in $((SECONDS - begin)) s"
buildah push --quiet "$image" "oci-archive:$work/image.tar" >/dev/null
packed=$(($(stat -c %s "$work/image.tar") / 1000000))
echo "packed: $packed MB"
bash deploy/smoke.sh "$image" "$model"
[ "$packed" -le "${MOST_MB:-120}" ] || { echo "the image is larger than ${MOST_MB:-120} MB" >&2; exit 1; }

#!/usr/bin/env bash
# Makes a base image with Python from Debian's packages, where no registry of images can be reached.
#
#   bash deploy/base.sh IMAGE [FOLDER]        the folder keeps the files for the next time
#   BASE=localhost/IMAGE bash deploy/build.sh EXPORTED
#
# Needs root, debootstrap and buildah. $DEBIAN_MIRROR: where debootstrap fetches from, if not from its own default.
set -euo pipefail
export BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot} STORAGE_DRIVER=${STORAGE_DRIVER:-vfs}
image=$1 folder=${2:-$(mktemp -d)}

if [ ! -x "$folder/usr/bin/python3" ]; then
  debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$folder" ${DEBIAN_MIRROR:-}
fi
# What nothing reads in a container, as the published slim images leave it out.
rm -rf "$folder"/usr/share/{doc,man,info,locale,lintian} "$folder"/var/lib/apt/lists/* "$folder"/var/log/* \
  "$folder"/var/cache/{apt,debconf,ldconfig}/* "$folder"/etc/apt/sources.list
find "$folder/usr" -name __pycache__ -prune -exec rm -rf {} +

container=$(buildah from scratch)
buildah copy --quiet "$container" "$folder" / >/dev/null
buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
buildah commit --quiet --rm "$container" "$image" >/dev/null
echo "$image: Debian's $("$folder/usr/bin/python3" --version)"
[ $# -gt 1 ] || rm -rf "$folder"

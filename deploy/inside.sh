# Read by smoke.sh and services.sh: a container as it is to run, without a daemon. Needs root, buildah and jq.
#
#   open_container IMAGE MODEL       $container, $root, $user; the image's $command, $environment, $check
#   inside COMMAND [ARGUMENT]...     in name spaces of its own for mounts and processes, as the image's user, without
#                                    rights, on a file system that can be read only but for /tmp and /dev/shm, as
#                                    Docker's and Kubernetes' are
export BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot} STORAGE_DRIVER=${STORAGE_DRIVER:-vfs}

open_container() {
  model=$2
  container=$(buildah from --pull-never "$1")
  root=$(buildah mount "$container")
  mkdir -p "$root/dev/shm"
  mapfile -t command < <(inspect "$1" '.Docker.config | .Entrypoint[], .Cmd[]')
  mapfile -t entry < <(inspect "$1" '.Docker.config.Entrypoint[]')
  mapfile -t environment < <(inspect "$1" '.Docker.config.Env[]')
  mapfile -t check < <(inspect "$1" '.Docker.config.Healthcheck.Test[1:][]')
  user=$(inspect "$1" '.Docker.config.User')
}

inspect() { buildah inspect --type image "$1" | jq -r "$2"; }

inside() {
  unshare --mount --pid --fork --kill-child bash -euc '
    root=$1 model=$2 user=$3; shift 3
    mount --bind "$root" "$root" && mount --bind "$model" "$root/model"
    mount -o remount,ro,bind "$root" && mount -o remount,ro,bind "$root/model"
    mount -t tmpfs tmpfs "$root/tmp" && mount -t tmpfs tmpfs "$root/dev/shm" && mount -t proc proc "$root/proc"
    exec setpriv --no-new-privs chroot --userspec="$user:$user" "$root" env -i "$@"
  ' inside "$root" "$model" "$user" "${environment[@]}" "$@"
}

#!/bin/sh
# confined.sh TMP COMMAND…: runs the command as `docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt
# no-new-privileges` does: nothing can be written but TMP, a small file system of its own, and the devices; no
# capability is left, and none can be had. Whoever is not root gets the right to mount from a user namespace.
set -eu
if [ -z "${CONFINED:-}" ]; then
  export CONFINED=1
  [ "$(id -u)" -eq 0 ] && exec unshare --mount "$0" "$@"
  exec unshare --map-root-user --mount "$0" "$@"
fi
export TMPDIR="$1"
shift
mount -t tmpfs -o size=64m,mode=1777,noexec,nosuid,nodev tmpfs "$TMPDIR"
findmnt --noheadings --list --output TARGET | grep -vE '^/(proc|sys|dev)(/|$)' | grep -vxF "$TMPDIR" | while read -r place; do
  [ ! -d "$place" ] || mount -o remount,bind,ro "$place" 2>/dev/null || true  # a mount that others hide has no place
done
exec setpriv --bounding-set=-all --inh-caps=-all --ambient-caps=-all --no-new-privs "$@"

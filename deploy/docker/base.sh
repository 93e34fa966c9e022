#!/usr/bin/env bash
# Makes the base image on this machine, under the name that the Dockerfile asks for, where no registry can be reached.
# The packages come from where this machine's apt takes its own; needs root, mmdebstrap and podman.
set -euo pipefail
name="${1:?name of the image to make}"
suite="${2:-bookworm}"
podman image exists "$name" && exit 0

mirror="$(apt-get indextargets --format '$(SITE) $(CODENAME)' | awk -v suite="$suite" '$2 == suite && /debian/ {print $1; exit}')"
if [ -z "$mirror" ]; then
  echo "this machine's apt knows no source of $suite: name a base image with BASE instead" >&2
  exit 1
fi
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mmdebstrap --quiet --variant=minbase --include=ca-certificates,python3,python3-venv,python3-pip \
  "$suite" "$work/rootfs.tar" "deb $mirror $suite main"
podman import --quiet --change 'CMD ["python3"]' "$work/rootfs.tar" "$name"
